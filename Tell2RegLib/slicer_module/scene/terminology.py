"""Known anatomy by its words: the terminology entries that Slicer keeps with segments.

Codes are SNOMED CT, as in Slicer's own lists and in DICOM's context groups (the head of the femur: CID 7304). Words
that are not in the table get no entry: better none than a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass

from Tell2RegLib.space.region import plain_name

GENERAL = "Segmentation category and type - 3D Slicer General Anatomy list"
DICOM = "Segmentation category and type - DICOM master list"
STRUCTURE = "SCT^123037004^Anatomical Structure"
SIDES = {"left": "SCT^7771000^Left", "right": "SCT^24028007^Right"}
NONE = "^^"


@dataclass(frozen=True)
class Anatomy:
    """One kind of structure: its code, its name in the list, whether the body has two of it, and which list has it."""

    code: str
    meaning: str
    paired: bool = False
    context: str = GENERAL


KNOWN: dict[str, Anatomy] = {
    "adrenal gland": Anatomy("23451007", "Adrenal gland", paired=True),
    "anus": Anatomy("53505006", "Anus"),
    "aorta": Anatomy("15825003", "Aorta"),
    "bladder": Anatomy("89837001", "Bladder"),
    "brain": Anatomy("12738006", "Brain"),
    "coccyx": Anatomy("64688005", "Coccyx", context=DICOM),
    "colon": Anatomy("71854001", "Colon"),
    "femoral head": Anatomy("2812003", "Head of Femur", paired=True, context=DICOM),
    "femur": Anatomy("71341001", "Femur", paired=True, context=DICOM),
    "gallbladder": Anatomy("28231008", "Gallbladder"),
    "heart": Anatomy("80891009", "Heart"),
    "ilium": Anatomy("22356005", "Ilium", paired=True, context=DICOM),
    "kidney": Anatomy("64033007", "Kidney", paired=True),
    "liver": Anatomy("10200004", "Liver"),
    "lung": Anatomy("39607008", "Lung", paired=True),
    "ovary": Anatomy("15497006", "Ovary", paired=True),
    "pancreas": Anatomy("15776009", "Pancreas"),
    "penis": Anatomy("18911002", "Penis", context=DICOM),
    "prostate": Anatomy("41216001", "Prostate"),
    "rectum": Anatomy("34402009", "Rectum", context=DICOM),
    "sacrum": Anatomy("54735007", "Sacrum", context=DICOM),
    "seminal vesicle": Anatomy("64739004", "Seminal Vesicle", paired=True),
    "spleen": Anatomy("78961009", "Spleen"),
    "stomach": Anatomy("69695003", "Stomach"),
    "urethra": Anatomy("13648007", "Urethra"),
    "uterus": Anatomy("35039007", "Uterus"),
    "vagina": Anatomy("76784001", "Vagina"),
    "vertebra": Anatomy("51282000", "Vertebra", context=DICOM),
}
"""By the plain, singular name."""

SAME = {
    "urinary bladder": "bladder",
    "prostate gland": "prostate",
    "head of femur": "femoral head",
    "head of the femur": "femoral head",
    "femur head": "femoral head",
    "femoral heads": "femoral head",
    "seminal vesicles": "seminal vesicle",
    "kidneys": "kidney",
    "lungs": "lung",
    "ovaries": "ovary",
    "adrenal": "adrenal gland",
    "adrenal glands": "adrenal gland",
    "womb": "uterus",
}
"""Other words for the same."""


def terminology_entry(prompt: str) -> str:
    """The entry of a name or prompt as Slicer stores it in a segment's tag; "" when the words are not known.

    A side in the words becomes the type's modifier where the body has two of the structure.

    >>> terminology_entry("Left seminal_vesicle").split("~")[2:4]
    ['SCT^64739004^Seminal Vesicle', 'SCT^7771000^Left']
    >>> terminology_entry("dark blob")
    ''
    """
    tokens = plain_name(prompt).removeprefix("the ").split()
    named = [side for side in SIDES if side in tokens]
    plain = " ".join(word for word in tokens if word not in SIDES)
    anatomy = KNOWN.get(SAME.get(plain, plain))
    if anatomy is None or len(named) > 1 or (named and not anatomy.paired):
        return ""
    side = SIDES[named[0]] if named else NONE
    return "~".join([anatomy.context, STRUCTURE, f"SCT^{anatomy.code}^{anatomy.meaning}", side, "", NONE, NONE])
