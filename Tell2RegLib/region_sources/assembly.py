"""Masks on slices of the working grid -> a region on the volume's own grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import resample_region

Masks = Mapping[int, NDArray[np.bool_]]
"""A mask (J, I) by slice of the working grid."""


def region_from_masks(name: str, masks: Masks, working: Grid, grid: Grid, **more: object) -> Region:
    """A region on a volume's grid, from masks on slices of its working grid.

    Each slice stands for the half slice below and above it. Occupancy is sampled linearly at the volume's voxels and
    cut at 0.5. What is so thin that it falls between them is given the voxels nearest to it: it does not vanish.

    Args:
        name: of the region.
        masks: none empty, at least one.
        working: the grid of the slices.
        grid: the volume's own grid, which the working grid covers.
        more: prompt, score, prototype.
    """
    low = min(masks)
    box = np.zeros((max(masks) - low + 1, *working.shape_kji[1:]), dtype=bool)
    for k, mask in masks.items():
        box[k - low] = mask
    hit = np.argwhere(box)
    (k0, j0, i0), (k1, j1, i1) = hit.min(axis=0), hit.max(axis=0) + 1
    start = (low + int(k0), int(j0), int(i0))
    region = Region(name, box[k0:k1, j0:j1, i0:i1].copy(), start, working, **more)  # type: ignore[arg-type]
    return resample_region(region, grid) or _nearest_voxels(region, grid, more)


def _nearest_voxels(region: Region, grid: Grid, more: Mapping[str, object]) -> Region:
    index = np.rint(grid.lps_to_index(region.points_lps_mm())).astype(int)
    i, j, k = np.clip(index, 0, np.asarray(grid.size_xyz) - 1).T
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[k, j, i] = True
    return Region.from_mask(region.name, mask, grid, **more)


def fill_between(masks: Masks) -> dict[int, NDArray[np.bool_]]:
    """The same masks and one on every slice between them, by shape.

    Between two neighbouring masks the signed distance to their outlines goes linearly from one to the other; the mask
    in between is where it is not outside. Where both masks share something, so does every mask between them.
    """
    filled = dict(masks)
    slices = sorted(masks)
    for low, high in zip(slices, slices[1:], strict=False):
        if high - low == 1:
            continue
        box = _box_of(masks[low] | masks[high])
        below, above = signed_distance_px(masks[low][box]), signed_distance_px(masks[high][box])
        for k in range(low + 1, high):
            share = (k - low) / (high - low)
            between = np.zeros_like(masks[low])
            between[box] = (1 - share) * below + share * above >= 0
            if between.any():
                filled[k] = between
    return filled


def _box_of(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    (j0, i0), (j1, i1) = (edge(np.argwhere(mask), axis=0) for edge in (np.min, np.max))
    return slice(j0, j1 + 1), slice(i0, i1 + 1)


def signed_distance_px(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance to the outline, which runs half a pixel from the last pixel inside; positive inside."""
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(mask, 1)
    inside, outside = distance_transform_edt(padded), distance_transform_edt(~padded)
    return np.where(padded, inside - 0.5, 0.5 - outside)[1:-1, 1:-1]
