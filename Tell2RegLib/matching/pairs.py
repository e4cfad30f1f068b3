"""Shared by all matching methods: making a pair, and listing unpaired regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region, RegionPair


def unpaired(
    pairs: Sequence[RegionPair], fixed: Sequence[Region], moving: Sequence[Region]
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The fixed and the moving regions that are in none of the pairs, in their order."""
    return _not_paired([pair.fixed for pair in pairs], fixed), _not_paired([pair.moving for pair in pairs], moving)


def _not_paired(paired: list[Region], regions: Sequence[Region]) -> tuple[Region, ...]:
    return tuple(
        region for region in regions if not any(_same_region(region, paired_region) for paired_region in paired)
    )


def _same_region(a: Region, b: Region) -> bool:
    """Whether two regions are the same apart from their colours."""
    return identity(a) == identity(b) and bool(np.array_equal(a.box_kji, b.box_kji))


def identity(region: Region) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """A sort key that identifies a region independent of its colour and of the input order."""
    return region.name, region.prompt, tuple(region.start_kji), region.box_kji.shape


def make_pair(
    number: int, fixed: Region, moving: Region, similarity: float | None = None, *, reason: str = ""
) -> RegionPair:
    """Make a pair of two regions, in the fixed region's colour, or in that of the pair's number."""
    color = fixed.color or color_of(number)
    return RegionPair(replace(fixed, color=color), replace(moving, color=color), similarity, reason=reason)
