"""What the demo detector is taught to read: prompts, what they mean on a slice, and words that mean nothing to it."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

PRESENT_SHARE = 0.002
"""An organ that covers less of a slice than this (1.4 cm2) is neither taught nor scored there, as present or absent."""

PROMPTS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "prostate": ((1, 2),),
    "bladder": ((3,),),
    "rectum": ((4,),),
    "left femoral head": ((5,),),
    "right femoral head": ((6,),),
    "femoral head": ((5,), (6,)),
    "pubic symphysis": ((7,),),
    "left obturator internus": ((8,),),
    "right obturator internus": ((9,),),
    "obturator internus": ((8,), (9,)),
    "seminal vesicles": ((10,),),
}
"""Words -> the boxes they ask for, each around the union of some labels."""

SYNONYMS: Mapping[str, str] = {
    "prostate gland": "prostate",
    "the prostate": "prostate",
    "urinary bladder": "bladder",
    "femoral heads": "femoral head",
    "symphysis": "pubic symphysis",
    "seminal vesicle": "seminal vesicles",
    "obturator internus muscle": "obturator internus",
    "left obturator internus muscle": "left obturator internus",
    "right obturator internus muscle": "right obturator internus",
}

NOT_HERE = [
    "cat",
    "bird",
    "fish",
    "house",
    "car",
    "road",
    "hand",
    "foot",
    "eye",
    "nose",
    "ear",
    "heart",
    "lung",
    "brain",
    "bone",
    "skin",
    "tooth",
    "tongue",
    "skull",
    "neck",
    "knee",
    "elbow",
    "shoulder",
    "wrist",
    "finger",
    "thumb",
    "toe",
    "rib",
    "spine",
    "sternum",
    "clavicle",
    "scapula",
    "humerus",
    "radius",
    "ulna",
    "tibia",
    "fibula",
    "patella",
    "sacrum",
    "coccyx",
    "ilium",
    "ischium",
    "uterus",
    "ovary",
    "testis",
    "penis",
    "ureter",
    "urethra",
    "colon",
    "stomach",
    "pancreas",
    "gallbladder",
    "duodenum",
    "jejunum",
    "ileum",
    "appendix",
    "thyroid",
    "thymus",
    "adrenal",
    "vein",
    "nerve",
    "lymph",
    "node",
    "tumor",
    "lesion",
    "cyst",
    "stone",
    "needle",
    "catheter",
    "marker",
    "coil",
    "stent",
    "screw",
    "table",
    "sky",
    "water",
    "sun",
    "moon",
    "person",
    "man",
    "woman",
    "child",
    "face",
    "hair",
    "leaf",
    "grass",
    "flower",
    "stone",
    "wall",
    "door",
    "window",
    "cup",
    "zone",
    "region",
    "organ",
    "thing",
    "something",
    "anything",
    "image",
    "slice",
    "left",
    "right",
]
"""Words that must give no box; none of `UNSEEN_WORDS` among them."""

LITTLE = ("the", "a", "of", "and", "in")
"""Words that stand beside organs' names and mean nothing alone."""

UNSEEN_WORDS = ("dog", "liver", "kidney", "hole", "spleen", "tree", "aorta", "left kidney")
"""Words that are never taught, to score how the detector takes words it does not know."""


def meaning(prompt: str) -> tuple[tuple[int, ...], ...]:
    """Groups of labels that the words ask for; none for words without a meaning here."""
    return PROMPTS.get(SYNONYMS.get(prompt, prompt), ())


def truth(prompt: str, area: NDArray[np.float32]) -> tuple[tuple[int, ...], ...] | None:
    """The groups of labels to be found on a slice, or None where an organ shows no more than a sliver.

    Args:
        prompt: any words.
        area: (11,) share of the slice that each label covers.

    >>> area = np.zeros(11, dtype=np.float32); area[[5, 6, 7]] = 0.02, 0.01, 0.0001
    >>> truth("femoral head", area), truth("bladder", area), truth("pubic symphysis", area), truth("dog", area)
    (((5,), (6,)), (), None, ())
    """
    shares = [(group, float(area[list(group)].sum())) for group in meaning(prompt)]
    if any(0 < share < PRESENT_SHARE for _, share in shares):
        return None
    return tuple(group for group, share in shares if share > 0)


def draw_nonsense(rng: np.random.Generator) -> str:
    """Words that mean nothing here: little words alone; known words or letters at random, either behind a side."""
    if rng.random() < 0.1:
        return str(rng.choice(LITTLE))
    if rng.random() < 0.5:
        nonsense = str(rng.choice(NOT_HERE))
    else:
        nonsense = "".join(rng.choice(list(string.ascii_lowercase), size=int(rng.integers(2, 9))))
    if nonsense not in ("left", "right") and rng.random() < 0.2:
        nonsense = f"{rng.choice(['left', 'right'])} {nonsense}"
    return "bone" if nonsense in UNSEEN_WORDS else nonsense


def draw_prompt(rng: np.random.Generator, name: str | None = None) -> str:
    """A prompt of `PROMPTS` (that one, if named), now and then in other words."""
    name = str(rng.choice(list(PROMPTS))) if name is None else name
    synonyms = [synonym for synonym, synonym_of in SYNONYMS.items() if synonym_of == name]
    return str(rng.choice(synonyms)) if synonyms and rng.random() < 0.15 else name


def draw_captions(rng: np.random.Generator, area: NDArray[np.float32], count: int, joined: float) -> list[list[str]]:
    """Captions for one slice, each a list of prompts: what is there, what is not, and nonsense.

    Args:
        rng: where chance comes from.
        area: (11,) share of the slice that each label covers.
        count: how many captions.
        joined: share of captions that join several prompts.
    """
    known = {name: truth(name, area) for name in PROMPTS}
    present_names = [name for name, groups in known.items() if groups]
    absent = [name for name, groups in known.items() if groups == ()]
    captions = []
    for _ in range(count):
        if rng.random() < joined:
            candidates = [*present_names, *absent]
            names = rng.permutation(candidates)[: int(rng.integers(2, 7))].tolist()
            caption = [draw_prompt(rng, name) for name in names]
            if rng.random() < 0.3 or not caption:
                caption.insert(int(rng.integers(0, len(caption) + 1)), draw_nonsense(rng))
        else:
            chance = rng.random()
            if present_names and chance < 0.62:
                caption = [draw_prompt(rng, str(rng.choice(present_names)))]
            elif absent and chance < 0.85:
                caption = [draw_prompt(rng, str(rng.choice(absent)))]
            else:
                caption = [draw_nonsense(rng)]
        captions.append(caption)
    return captions


NEAR_SLICES = 9
"""An organ is nearly on a slice when it is on one that is at most so many away."""


def near_misses(area: NDArray[np.float32], name: str) -> NDArray[np.int64]:
    """Slices that lack an organ altogether though slices nearby hold it: where it is most often seen wrongly.

    Args:
        area: (S, 11) share of each label, the slices of a scan in order, scan after scan.
        name: of `PROMPTS`.
    """
    share = area[:, [label for group in PROMPTS[name] for label in group]].sum(axis=1)
    near = np.convolve(share >= PRESENT_SHARE, np.ones(2 * NEAR_SLICES + 1), mode="same") > 0
    return np.flatnonzero(near & (share == 0))


def draw_near_misses(
    rng: np.random.Generator, area: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Indices of slices that nearly hold an organ, and its name."""
    drawn: list[int] = []
    names: list[str] = []
    while len(drawn) < count:
        name = str(rng.choice(list(PROMPTS)))
        misses = near_misses(area, name)
        if misses.size:
            drawn.append(int(rng.choice(misses)))
            names.append(name)
    return np.array(drawn, dtype=np.int64), names


REMOVED = ("prostate", "prostate", *PROMPTS)
"""Organs that are asked for where a subject lacks them; the prostate, whose place others fill, more often."""


def draw_removed(
    rng: np.random.Generator, area: NDArray[np.float32], lacks: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Indices of slices of subjects that lack an organ altogether, with some other organ on them, and its name.

    Args:
        rng: where chance comes from.
        area: (S, 11) share of the slice that each label covers.
        lacks: (S, 11) labels that no slice of the same subject holds.
        count: how many; none come where no subject lacks anything that can be asked for.
    """
    has_organ = area[:, 1:].sum(axis=1) >= PRESENT_SHARE
    without = {
        name: has_organ & lacks[:, [n for group in PROMPTS[name] for n in group]].all(axis=1) for name in PROMPTS
    }
    names = [name for name in REMOVED if without[name].any()]
    if not names:
        return np.zeros(0, dtype=np.int64), []
    drawn = [str(rng.choice(names)) for _ in range(count)]
    return np.array([rng.choice(np.flatnonzero(without[name])) for name in drawn], dtype=np.int64), drawn


def draw_slices(
    rng: np.random.Generator, area: NDArray[np.float32], count: int, names: Sequence[str] = tuple(PROMPTS)
) -> NDArray[np.int64]:
    """Indices of slices: most hold a prompt drawn evenly from these, so that small organs are seen as often."""
    chosen = []
    for _ in range(count):
        groups = PROMPTS[names[int(rng.integers(len(names)))]]
        holds = np.flatnonzero(area[:, list(groups[0])].sum(axis=1) >= PRESENT_SHARE)
        anywhere = rng.random() < 0.25 or holds.size == 0
        chosen.append(int(rng.integers(len(area)) if anywhere else rng.choice(holds)))
    return np.array(chosen)
