"""Turns regions into smooth occupancy images at any resolution, which can be compared and differentiated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region


@dataclass(frozen=True, eq=False)
class SoftMask:
    """Occupancy of a region, from 0 to 1, on a box around it; 0 outside the box.

    Args:
        image_kji: float32, (K, J, I), zero at the border.
        grid: the grid of the box.
    """

    image_kji: NDArray[np.float32]
    grid: Grid


def soft_mask(region: Region, pooling_xyz: tuple[int, int, int], ramp_mm: float) -> SoftMask:
    """Occupancy by average pooling; with a ramp, a clipped signed distance that falls from 1 to 0 over twice the ramp.

    Without a ramp the occupancy is exact. With one, the loss has a gradient where masks are up to `ramp_mm` apart
    (docs/method.md, "Steps").

    Args:
        region: the region.
        pooling_xyz: number of voxels along i, j, k that are averaged to one.
        ramp_mm: half width of the ramp; 0 for none.
    """
    pooling = np.asarray(pooling_xyz)
    pad = np.ceil(ramp_mm / (np.asarray(region.grid.spacing_mm) * pooling)).astype(int) + 1
    start = np.floor(np.asarray(region.start_kji[::-1]) / pooling).astype(int) - pad
    stop = np.ceil((np.asarray(region.start_kji[::-1]) + region.box_kji.shape[::-1]) / pooling).astype(int) + pad
    full_resolution = np.zeros(((stop - start) * pooling)[::-1], np.float32)
    offset = np.asarray(region.start_kji) - (start * pooling)[::-1]
    full_resolution[tuple(slice(o, o + n) for o, n in zip(offset, region.box_kji.shape, strict=True))] = region.box_kji
    pooled = _pool(full_resolution, pooling)
    grid = pooled_grid(region.grid, start, stop, pooling)
    if ramp_mm > 0:
        pooled = _ramp(pooled, grid, ramp_mm)
    return SoftMask(pooled, grid)


def pooling(grid: Grid, resolution_mm: float) -> tuple[int, int, int]:
    """Number of voxels along i, j, k whose total width is closest to a resolution; at least 1."""
    i, j, k = (max(1, int(round(resolution_mm / s))) for s in grid.spacing_mm)
    return i, j, k


def pooled_grid(grid: Grid, start: NDArray, stop: NDArray, pooling: NDArray) -> Grid:
    """The grid of the blocks from `start` to `stop` (i, j, k, in blocks of `pooling` voxels) of a grid."""
    origin = grid.index_to_lps(start * pooling + (pooling - 1) / 2)
    spacing = np.asarray(grid.spacing_mm) * pooling
    return Grid(tuple(stop - start), tuple(spacing), tuple(origin), grid.direction)  # type: ignore[arg-type]


def _pool(image: NDArray[np.float32], pooling: NDArray) -> NDArray[np.float32]:
    x, y, z = pooling
    k, j, i = (n // p for n, p in zip(image.shape, (z, y, x), strict=True))
    return image.reshape(k, z, j, y, i, x).mean(axis=(1, 3, 5), dtype=np.float32)


def _ramp(pooled: NDArray[np.float32], grid: Grid, ramp_mm: float) -> NDArray[np.float32]:
    from scipy.ndimage import distance_transform_edt

    # A region thinner than a block never fills half of one: use half of its highest occupancy as the threshold.
    inside = pooled >= min(0.5, float(pooled.max()) / 2)
    sampling = grid.spacing_mm[::-1]
    distance = distance_transform_edt(~inside, sampling=sampling) - distance_transform_edt(inside, sampling=sampling)
    return np.clip(0.5 - distance / (2 * ramp_mm), 0.0, 1.0).astype(np.float32)
