"""Regions carried from moving to fixed space: sampled linearly, cut at one half, so that surfaces stay smooth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.field import DisplacementField
from Tell2RegLib.grid import Floats, Grid
from Tell2RegLib.region import Region
from Tell2RegLib.transform import Transform

MARGIN_VOXELS = 3
"""Added around where a region's voxels land, since its surface runs between voxels."""


def carry_region(region: Region, transform: Transform) -> Region | None:
    """A region of the moving volume on the fixed grid; None when nothing of it lands there.

    Occupancy is interpolated linearly at each fixed voxel's place in the moving volume and cut at 0.5. Nearest-voxel
    sampling would add half a voxel of noise to the surface.
    """
    landed = transform.inverse.apply_to_points(_shell_points(region))
    return _sampled(region, transform.fixed_to_moving.grid, landed, transform.fixed_to_moving)


def place_region(region: Region, grid: Grid) -> Region | None:
    """A region where it lies in space, on another grid; None when nothing of it lies there."""
    if region.grid.same_space(grid):
        return region
    return _sampled(region, grid, _shell_points(region), None)


def _shell_points(region: Region) -> Floats:
    """Corners of every voxel column's ends: enough to know the box that the region lands in."""
    points = region.points_lps_mm()
    return points[:: max(1, len(points) // 20_000)]


def _sampled(region: Region, grid: Grid, landed: Floats, field: DisplacementField | None) -> Region | None:
    index = grid.lps_to_index(landed)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - MARGIN_VOXELS, 0, None)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + MARGIN_VOXELS + 1, None, grid.size_xyz)
    if np.any(high <= low):
        return None
    crop = grid.crop(low, high - low)
    box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    shift = None if field is None else field.vectors_kji[box]
    inside = _occupancy(region)(crop, shift) >= 0.5
    if not inside.any():
        return None
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[box] = inside
    return Region.from_mask(region.name, mask, grid, prompt=region.prompt, score=region.score, color=region.color)


def _occupancy(region: Region) -> Callable[[Grid, NDArray | None], NDArray]:
    import torch

    from Tell2RegLib.sampling import cube_matrix, sample

    padded = np.pad(region.box_kji, 1).astype(np.float32)
    grid = region.box_grid.crop((-1, -1, -1), padded.shape[::-1])
    to_cube = cube_matrix(grid.size_xyz) @ grid.lps_to_index_matrix

    def occupancy(crop: Grid, shift: NDArray | None) -> NDArray:
        points = crop.voxel_centres_lps_mm()
        points = points if shift is None else points + shift
        cube = torch.from_numpy((points @ to_cube[:3, :3].T + to_cube[:3, 3]).astype(np.float32))
        return sample(torch.from_numpy(padded)[None], cube.reshape(-1, 3), "zeros")[0].reshape(crop.shape_kji).numpy()

    return occupancy
