"""Left and right: regions that a name or prompt puts on one side of the patient, and whether they lie there.

Space is LPS, so the patient's left is +x. A region is compared with its partner of the same name and the other side in
the same volume. Without a partner, it is compared with the middle of the volume, if that is wide enough to show both
sides. Where neither tells, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, plain_name

LEFT, RIGHT = "left", "right"
_SIDES = {
    **dict.fromkeys(("left", "l", "lt", "lh", "sin", "sinister", "sinistra", "sinistrum"), LEFT),
    **dict.fromkeys(("right", "r", "rt", "rh", "dex", "dexter", "dextra", "dextrum"), RIGHT),
}
_NOT_BY_THE_MIDLINE = {"heart", "cardiac", "ventricle", "atrium", "atrial", "ventricular", "coronary", "lobe"}
"""Words of structures on no fixed side of the body's middle: the right ventricle of the heart lies left of it."""
LEAST_OFFSET_MM = 5.0
"""Minimum distance to the wrong side of a partner."""
LEAST_SHARE = 0.5
"""Minimum part of the distance between partners that lies along the left-right axis: cos 60 degrees."""
LEAST_WIDTH_MM = 250.0
"""Minimum width of a volume that shows both sides of the body."""
LEAST_FROM_MIDDLE_MM = 30.0
"""Minimum distance of a region's centroid from the middle of the volume."""


@dataclass(frozen=True)
class SidedName:
    """A name with a side: 'Femur_Head_L' has the side "left" and the base "femur head".

    Args:
        side: `LEFT` or `RIGHT`.
        base: the other words, without numbers.
    """

    side: str
    base: str


def sided_name(text: str) -> SidedName | None:
    """The side in a name; None where there is none, or both.

    >>> sided_name("Left-Hippocampus"), sided_name("kidneyL")
    (SidedName(side='left', base='hippocampus'), SidedName(side='left', base='kidney'))
    >>> sided_name("vertebra L 5"), sided_name("right lung left border"), sided_name("lung")
    (None, None, None)
    """
    words = re.findall(r"[^\W\d_]+|\d+", plain_name(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)))
    is_side = [word in _SIDES and not _numbers_a_vertebra(words, n) for n, word in enumerate(words)]
    sides = {_SIDES[word] for word, is_one in zip(words, is_side, strict=True) if is_one}
    if len(sides) != 1:
        return None
    base = [word for word, is_one in zip(words, is_side, strict=True) if not is_one and not word.isdigit()]
    return SidedName(sides.pop(), " ".join(base))


def _numbers_a_vertebra(words: Sequence[str], n: int) -> bool:
    return words[n] == "l" and words[n + 1 : n + 2] != [] and words[n + 1].isdigit()


def on_the_wrong_side(regions: Sequence[Region]) -> dict[int, str]:
    """The regions of one volume that do not lie on the side of their name, else of their prompt.

    Returns:
        what is wrong, by index: "lies to the right of 'right kidney'".
    """
    sided = {n: name for n, name in enumerate(map(_sided, regions)) if name is not None}
    centres = {n: regions[n].centroid_lps_mm() for n in sided}
    wrong: dict[int, str] = {}
    for n, name in sided.items():
        partners = [m for m, other in sided.items() if other.base == name.base and other.side != name.side]
        if not partners:
            if _beyond_the_middle(regions[n], name, centres[n]):
                wrong[n] = f"lies on the {_other(name.side)} side of the volume"
            continue
        crossed = [m for m in partners if _is_crossed(name.side, centres[n], centres[m])]
        if crossed:
            wrong[n] = f"lies to the {_other(name.side)} of '{regions[crossed[0]].name}'"
    return wrong


def _sided(region: Region) -> SidedName | None:
    return sided_name(region.name) or sided_name(region.prompt)


def _other(side: str) -> str:
    return RIGHT if side == LEFT else LEFT


def _towards(side: str, offset_mm: float) -> float:
    return offset_mm if side == LEFT else -offset_mm


def _is_crossed(side: str, centre: Floats, partner: Floats) -> bool:
    """Whether a region clearly lies on the wrong side of its partner."""
    offset = centre - partner
    across = -_towards(side, float(offset[0]))
    return across > LEAST_OFFSET_MM and across > LEAST_SHARE * float(np.linalg.norm(offset))


def _beyond_the_middle(region: Region, name: SidedName, centre: Floats) -> bool:
    """Whether all of a region lies on the wrong side of a volume that shows both."""
    corners = region.grid.corners_lps_mm()[:, 0]
    if np.ptp(corners) < LEAST_WIDTH_MM or _NOT_BY_THE_MIDLINE & set(name.base.split()):
        return False
    middle = float(corners.mean())
    if _towards(name.side, float(centre[0]) - middle) > -LEAST_FROM_MIDDLE_MM:
        return False
    nearest = max(_towards(name.side, float(x) - middle) for x in region.points_lps_mm()[:, 0])
    return nearest < 0
