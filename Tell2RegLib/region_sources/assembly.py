"""Assembles masks on slices of the working grid to a region on the volume's grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import resample_region

Masks = Mapping[int, NDArray[np.bool_]]
"""Masks (J, I) by slice index of the working grid."""


def region_from_masks(name: str, masks: Masks, working_grid: Grid, grid: Grid, **properties: object) -> Region:
    """Build a region on a volume's grid from masks on slices of its working grid.

    Each slice represents half a slice distance on either side. Occupancy is interpolated linearly at the volume's
    voxels and thresholded at 0.5; a region too thin for that gets the voxels nearest to it.

    Args:
        name: name of the region.
        masks: at least one, none empty.
        working_grid: the grid of the slices.
        grid: the grid of the volume, covered by the working grid.
        properties: prompt, score, prototype.
    """
    low = min(masks)
    box = np.zeros((max(masks) - low + 1, *working_grid.shape_kji[1:]), dtype=bool)
    for k, mask in masks.items():
        box[k - low] = mask
    occupied = np.argwhere(box)
    (k0, j0, i0), (k1, j1, i1) = occupied.min(axis=0), occupied.max(axis=0) + 1
    start = (low + int(k0), int(j0), int(i0))
    region = Region(name, box[k0:k1, j0:j1, i0:i1].copy(), start, working_grid, **properties)  # type: ignore[arg-type]
    return resample_region(region, grid) or _nearest_voxels(region, grid, properties)


def _nearest_voxels(region: Region, grid: Grid, properties: Mapping[str, object]) -> Region:
    index = np.rint(grid.lps_to_index(region.points_lps_mm())).astype(int)
    i, j, k = np.clip(index, 0, np.asarray(grid.size_xyz) - 1).T
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[k, j, i] = True
    return Region.from_mask(region.name, mask, grid, **properties)


def fill_between(masks: Masks) -> dict[int, NDArray[np.bool_]]:
    """The masks, with interpolated ones on all slices between them.

    Between two neighbouring masks, the signed distance to their outlines is interpolated linearly; the mask is where it
    is not negative. Pixels common to both masks are in every mask between them.
    """
    filled = dict(masks)
    slices = sorted(masks)
    for lower, upper in zip(slices, slices[1:], strict=False):
        if upper - lower == 1:
            continue
        box = _box_of(masks[lower] | masks[upper])
        below, above = signed_distance_px(masks[lower][box]), signed_distance_px(masks[upper][box])
        for k in range(lower + 1, upper):
            fraction = (k - lower) / (upper - lower)
            interpolated = np.zeros_like(masks[lower])
            interpolated[box] = (1 - fraction) * below + fraction * above >= 0
            if interpolated.any():
                filled[k] = interpolated
    return filled


def _box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    (j0, i0), (j1, i1) = (edge(np.argwhere(mask), axis=0) for edge in (np.min, np.max))
    return slice(j0, j1 + 1), slice(i0, i1 + 1)


def signed_distance_px(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance (J, I) in pixels to the outline, half a pixel outside the last pixel inside; positive inside."""
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, 1)
    inside, outside = distance_transform_edt(padded), distance_transform_edt(~padded)
    return np.where(padded, inside - 0.5, 0.5 - outside)[1:-1, 1:-1]
