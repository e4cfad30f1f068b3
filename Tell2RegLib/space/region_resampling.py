"""Regions on other grids: occupancy sampled linearly and cut at one half, so that surfaces stay smooth.

Nearest-voxel sampling would add half a voxel of noise to the surface. Works without torch, so that Slicer can place
regions before anything was installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region

MARGIN_VOXELS = 3
"""Added around where a region's voxels land, since its surface runs between voxels."""


def resample_region(region: Region, grid: Grid) -> Region | None:
    """A region where it lies in space, on another grid; None when nothing of it lies there."""
    if region.grid.same_space(grid):
        return region
    return sample_region(region, grid, some_points(region))


def some_points(region: Region) -> Floats:
    """Enough of the region's voxel centres (P, 3), LPS mm, to know the box that it lands in."""
    points = region.points_lps_mm()
    return points[:: max(1, len(points) // 20_000)]


def sample_region(
    region: Region, grid: Grid, landed_lps_mm: Floats, vectors_kji: NDArray | None = None
) -> Region | None:
    """A region read at the voxels of a grid; None when no voxel is at least half in it.

    Args:
        region: on any grid.
        grid: where to have it.
        landed_lps_mm: (P, 3) places in the grid's space that the region's voxels come to: only there is looked.
        vectors_kji: (K, J, I, 3) displacements on the grid to where in the region's space to read, mm; none when None.
    """
    index = grid.lps_to_index(landed_lps_mm)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - MARGIN_VOXELS, 0, None)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + MARGIN_VOXELS + 1, None, grid.size_xyz)
    if np.any(high <= low):
        return None
    crop = grid.crop(low, high - low)
    box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    inside = _occupancy(region)(crop, None if vectors_kji is None else vectors_kji[box]) >= 0.5
    if not inside.any():
        return None
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[box] = inside
    placed = Region.from_mask(region.name, mask, grid)
    return replace(region, box_kji=placed.box_kji, start_kji=placed.start_kji, grid=grid)


def _occupancy(region: Region) -> Callable[[Grid, NDArray | None], NDArray]:
    from scipy.ndimage import map_coordinates

    padded = np.pad(region.box_kji, 1).astype(np.float32)
    grid = region.box_grid.crop((-1, -1, -1), padded.shape[::-1])

    def occupancy(crop: Grid, shift: NDArray | None) -> NDArray:
        points = crop.voxel_centres_lps_mm()
        points = points if shift is None else points + shift
        kji = grid.lps_to_index(points).reshape(-1, 3).T[::-1]
        return map_coordinates(padded, kji, np.float32, order=1, mode="constant").reshape(crop.shape_kji)

    return occupancy
