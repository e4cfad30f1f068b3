"""Pairs of blocks for the check of pairs: by hand, fast, with every number in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair

GRID = Grid((54, 46, 34), (6.0, 6.0, 6.0), (-159.0, -135.0, -99.0))
"""324 x 276 x 204 mm around the origin."""

ORGANS: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "prostate": ((0, 0, 0), (44, 36, 40)),
    "bladder": ((4, -20, 50), (72, 60, 56)),
    "rectum": ((2, 44, 10), (36, 36, 88)),
    "symphysis": ((-2, -52, -4), (32, 20, 36)),
    "left head": ((88, 0, 12), (48, 48, 48)),
    "right head": ((-88, 2, 12), (48, 48, 48)),
    "left muscle": ((52, 8, -42), (20, 64, 56)),
    "right muscle": ((-54, 6, -38), (20, 64, 56)),
}
"""Centre and width of blocks about where the organs of a pelvis lie, LPS mm."""


def block(name: str, centre_mm: Sequence[float], width_mm: Sequence[float], grid: Grid = GRID) -> Region:
    """A block of the voxels within half a width of a centre."""
    offset = np.abs(_voxel_centres(grid) - np.asarray(centre_mm)) * 2
    return Region.from_mask(name, np.all(offset <= np.asarray(width_mm), axis=-1), grid)


@cache
def _voxel_centres(grid: Grid) -> np.ndarray:
    return grid.voxel_centres_lps_mm()


def a_pelvis(names: Sequence[str] = tuple(ORGANS), shift_mm: Sequence[float] = (0, 0, 0)) -> dict[str, Region]:
    """The blocks of these names, all moved by a shift."""
    return {name: block(name, np.add(ORGANS[name][0], shift_mm), ORGANS[name][1]) for name in names}


def pairs_of(fixed: Mapping[str, Region], moving: Mapping[str, Region]) -> tuple[RegionPair, ...]:
    """Pairs by name, in the order of the fixed regions."""
    return tuple(RegionPair(region, moving[name]) for name, region in fixed.items())


def two_scans(names: Sequence[str] = tuple(ORGANS)) -> tuple[dict[str, Region], dict[str, Region]]:
    """The fixed blocks, and the moving ones: shifted by 12 mm, each 0 or 4 mm more on its own."""
    moving = {
        name: block(name, np.add(ORGANS[name][0], (12 + 4 * (n % 2), -8, 4 * (n % 3 == 1))), ORGANS[name][1])
        for n, name in enumerate(names)
    }
    return a_pelvis(names), moving


def renamed(region: Region, name: str) -> Region:
    """The region with another name."""
    return replace(region, name=name)
