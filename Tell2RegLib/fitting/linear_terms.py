"""Data terms of the linear fit: soft masks of every pair on sample points, smoothed over the steps of the voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.fitting.softmask import SoftMask, pooling, soft_mask
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair

MAX_POINTS = 20_000
"""Maximum number of sample points over all pairs; enough for twelve parameters."""
SMOOTHING = 1.0
"""Standard deviation of the Gaussian that smooths voxel steps, as a multiple of the largest voxel side of both
volumes."""


@dataclass(frozen=True, eq=False)
class MismatchTerm:
    """The data term of one pair on its sample points."""

    points: Floats
    """(P, 3), LPS mm, fixed space."""
    target: Floats
    """(P,), fixed occupancy."""
    moving: SoftMask
    gradient: NDArray[np.float32]
    """(3, K, J, I), gradient of the moving occupancy, per mm, LPS."""
    weight: float
    """The pair's weight over the region's size, so that every pair counts by its weight alone."""


def mismatch_terms(pairs: Sequence[RegionPair], ramp_mm: float) -> list[MismatchTerm]:
    """The data terms of pairs with a ramp of this half width at the edges of the masks."""
    terms = []
    for pair in pairs:
        width_mm = SMOOTHING * max(*pair.fixed.grid.spacing_mm, *pair.moving.grid.spacing_mm)
        fixed = _smoothed(soft_mask(pair.fixed, pooling(pair.fixed.grid, ramp_mm / 2), ramp_mm), width_mm)
        moving = _smoothed(soft_mask(pair.moving, pooling(pair.moving.grid, ramp_mm / 2), ramp_mm), width_mm)
        points = fixed.grid.voxel_centres_lps_mm().reshape(-1, 3)
        target = fixed.image_kji.reshape(-1).astype(np.float64)
        chosen_points = _spread_indices(points.shape[0], MAX_POINTS // len(pairs))
        weight = pair.weight * points.shape[0] / len(chosen_points) / target.sum()
        terms.append(MismatchTerm(points[chosen_points], target[chosen_points], moving, _gradient(moving), weight))
    return terms


def _spread_indices(count: int, max_count: int) -> NDArray[np.int64]:
    """About `max_count` of `count` indices, evenly distributed at irregular steps, to avoid aliasing with grid rows."""
    if count <= max_count:
        return np.arange(count)
    golden = (5**0.5 - 1) / 2
    return np.unique((np.arange(max(max_count, 1)) * golden % 1.0 * count).astype(np.int64))


def _smoothed(mask: SoftMask, width_mm: float) -> SoftMask:
    from scipy.ndimage import gaussian_filter

    widths = width_mm / np.asarray(mask.grid.spacing_mm[::-1])
    pad = np.ceil(2 * widths).astype(int)
    image = gaussian_filter(np.pad(mask.image_kji, [(n, n) for n in pad]), widths, mode="constant")
    return SoftMask(image, mask.grid.crop(-pad[::-1], image.shape[::-1]))


def _gradient(mask: SoftMask) -> NDArray[np.float32]:
    steps = np.stack([_difference(mask.image_kji, axis) for axis in (2, 1, 0)])
    to_index = mask.grid.lps_to_index_matrix[:3, :3]
    return np.tensordot(to_index.T, steps, axes=1).astype(np.float32)


def _difference(image: NDArray, axis: int) -> NDArray:
    return np.gradient(image, axis=axis) if image.shape[axis] > 1 else np.zeros_like(image)


def sampled(term: MismatchTerm, points: Floats) -> tuple[Floats, Floats]:
    """Moving occupancy (P,) and its gradient (P, 3) per mm at points (P, 3), LPS mm."""
    from scipy.ndimage import map_coordinates

    kji = np.moveaxis(term.moving.grid.lps_to_index(points), -1, 0)[::-1]
    value = map_coordinates(term.moving.image_kji, kji, np.float64, order=1, mode="constant")
    gradient = [map_coordinates(part, kji, np.float64, order=1, mode="constant") for part in term.gradient]
    return value, np.stack(gradient, axis=-1)
