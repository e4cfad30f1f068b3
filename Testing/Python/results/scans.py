"""A small pair of scans for the report."""

from __future__ import annotations

import dataclasses

import numpy as np

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair

CENTRE = np.array([12.0, -7.0, 30.0])


def scan_grid(direction: tuple[float, ...], spacing: tuple[float, float, float] = (1.0, 1.5, 2.5)) -> Grid:
    """A grid of about 60 mm around CENTRE."""
    size = tuple(round(60 / s) for s in spacing)
    at_zero = Grid(size, spacing, (0, 0, 0), direction)  # type: ignore[arg-type]
    origin = CENTRE - at_zero.index_to_lps((np.asarray(size) - 1) / 2)
    return dataclasses.replace(at_zero, origin_lps_mm=tuple(origin))


def ball(name: str, grid: Grid, centre: np.ndarray, radius_mm: float) -> Region:
    away = np.linalg.norm(grid.voxel_centres_lps_mm() - centre, axis=-1)
    return Region.from_mask(name, away <= radius_mm, grid)


def a_pair(grid: Grid, name: str = "gland", shift: tuple = (0, 0, 0), radius_mm: float = 9.0) -> RegionPair:
    centre = CENTRE + [4, 6, -3]
    return RegionPair(ball(name, grid, centre, radius_mm), ball(name, grid, centre + shift, radius_mm))
