"""What every way of pairing shares: making a pair, and telling what found no partner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from Tell2RegLib.space.region import Region, RegionPair, color_of


def unpaired(
    pairs: Sequence[RegionPair], fixed: Sequence[Region], moving: Sequence[Region]
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The fixed and the moving regions that are in none of the pairs, in their order."""
    return _left_out([pair.fixed for pair in pairs], fixed), _left_out([pair.moving for pair in pairs], moving)


def _left_out(taken: list[Region], regions: Sequence[Region]) -> tuple[Region, ...]:
    return tuple(region for region in regions if not any(_same_region(region, other) for other in taken))


def _same_region(a: Region, b: Region) -> bool:
    """Whether two regions are one, whatever their colours."""
    return identity(a) == identity(b) and bool(np.array_equal(a.box_kji, b.box_kji))


def identity(region: Region) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """What tells regions apart, whatever their colours, and sorts them the same way, whatever order they came in."""
    return region.name, region.prompt, tuple(region.start_kji), region.box_kji.shape


def make_pair(
    number: int, fixed: Region, moving: Region, similarity: float | None = None, *, reason: str = ""
) -> RegionPair:
    """Two regions as the pair of this number, in one colour: the fixed region's own or that of the number."""
    color = fixed.color or color_of(number)
    return RegionPair(replace(fixed, color=color), replace(moving, color=color), similarity, reason=reason)
