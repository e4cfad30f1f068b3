"""Resamples regions to other grids: linear interpolation of occupancy, thresholded at 0.5, keeps surfaces smooth.

Nearest-neighbour sampling would add half a voxel of noise to the surface. Works without torch, so that Slicer can
resample regions before the packages are installed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region

MARGIN_VOXELS = 3
"""Margin around a region's voxels on the target grid; its surface runs between voxels."""


def resample_region(region: Region, grid: Grid) -> Region | None:
    """The region resampled to another grid at the same position in space; None when it lies outside that grid."""
    if region.grid.same_space(grid):
        return region
    return sample_region(region, grid, sampled_points(region))


def sampled_points(region: Region) -> Floats:
    """A subset of the region's voxel centres (P, 3), LPS mm, large enough to bound it on another grid."""
    points = region.points_lps_mm()
    return points[:: max(1, len(points) // 20_000)]


def sample_region(
    region: Region, grid: Grid, target_points_lps_mm: Floats, vectors_kji: NDArray | None = None
) -> Region | None:
    """Sample a region at the voxels of a grid; None when no voxel has an occupancy of at least 0.5.

    Args:
        region: on any grid.
        grid: the target grid.
        target_points_lps_mm: (P, 3), positions of the region's voxels in the grid's space; they bound the search.
        vectors_kji: (K, J, I, 3), displacements in mm from the grid to the region's space; zero when None.
    """
    index = grid.lps_to_index(target_points_lps_mm)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - MARGIN_VOXELS, 0, None)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + MARGIN_VOXELS + 1, None, grid.size_xyz)
    if np.any(high <= low):
        return None
    box_grid = grid.crop(low, high - low)
    box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    points = box_grid.voxel_centres_lps_mm()
    mask_in_box = occupancy_at(region, points if vectors_kji is None else points + vectors_kji[box]) >= 0.5
    if not mask_in_box.any():
        return None
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[box] = mask_in_box
    resampled = Region.from_mask(region.name, mask, grid)
    return replace(region, box_kji=resampled.box_kji, start_kji=resampled.start_kji, grid=grid)


def occupancy_at(region: Region, points_lps_mm: Floats) -> NDArray[np.float32]:
    """Occupancy of a region at points (..., 3), LPS mm: 0 outside, 1 inside, linear between voxels; surface at 0.5."""
    from scipy.ndimage import map_coordinates

    padded = np.pad(region.box_kji, 1).astype(np.float32)
    grid = region.box_grid.crop((-1, -1, -1), padded.shape[::-1])
    kji = grid.lps_to_index(points_lps_mm).reshape(-1, 3).T[::-1]
    values: NDArray[np.float32] = map_coordinates(padded, kji, np.float32, order=1, mode="constant")
    return values.reshape(points_lps_mm.shape[:-1])
