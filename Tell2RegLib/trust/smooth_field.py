"""What the outlines of the regions leave open of a deformation: a Gaussian process that sees them across, not along.

The deviation from the affine map is taken for a smooth random field. An outline shows its component across the surface
(how far the moving region, brought to fixed space, lies from the fixed one) and nothing of a sliding along it. The
most probable deviation at a target, and the standard deviation that remains there, follow in closed form (Rasmussen
and Williams, Gaussian Processes for Machine Learning, 2006, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.evaluation.metrics import surface_kji
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.region_resampling import occupancy_at

POINTS = 480
"""Points on all outlines together."""
AMPLITUDE_MM = 4.0
"""Standard deviation of the field along each axis."""
SHIFT_MM, LINEAR_PART = 10.0, 0.05
"""Standard deviations of a shift, and of a linear part (radians and shares), beside the field."""
NOISE_MM, NOISE_VOXELS = 0.7, 0.4
"""Uncertainty of an outline: in mm, and in voxels of the coarser volume."""


@dataclass(frozen=True, eq=False)
class SmoothField:
    """The process, given the outlines of all pairs.

    Args:
        reach_mm: distance over which the field varies.
        points, normals: (M, 3), of the outlines, fixed space, LPS mm.
        offsets_mm: (M,), how far the moving outline lies outside the fixed one under the affine map.
        inverse: (M, M), of the covariance of the offsets.
        centre_lps_mm: (3,), about which the linear part is taken.
    """

    reach_mm: float
    points: Floats
    normals: Floats
    offsets_mm: Floats
    inverse: Floats
    centre_lps_mm: Floats

    @classmethod
    def of(cls, outlines: Outlines, reach_mm: float) -> SmoothField:
        """Of the outlines of accepted pairs."""
        centre = outlines.points.mean(axis=0)
        points, normals = outlines.points, outlines.normals
        covariance = _covariance(points, points, centre, reach_mm) * (normals @ normals.T)
        covariance += np.diag(outlines.noise_mm**2)
        return cls(reach_mm, points, normals, outlines.offsets_mm, np.linalg.inv(covariance).astype(float), centre)

    def spread_mm(self, fixed_lps_mm: Floats) -> Floats:
        """(N,), standard deviation that remains at points (N, 3) of fixed space, over the three axes together."""
        across = _covariance(fixed_lps_mm, self.points, self.centre_lps_mm, self.reach_mm)
        before = 3 * _variance(fixed_lps_mm, self.centre_lps_mm)
        explained = np.zeros(len(fixed_lps_mm))
        for axis in range(3):
            part = across * self.normals[:, axis]
            explained += np.einsum("nm,mk,nk->n", part, self.inverse, part)
        spread: Floats = np.sqrt(np.maximum(before - explained, 0.0))
        return spread

    def mean_mm(self, fixed_lps_mm: Floats) -> Floats:
        """(N, 3), the most probable deviation from the affine map at points (N, 3) of fixed space, before that map."""
        across = _covariance(fixed_lps_mm, self.points, self.centre_lps_mm, self.reach_mm)
        mean: Floats = across @ ((self.inverse @ self.offsets_mm)[:, None] * self.normals)
        return mean


@dataclass(frozen=True, eq=False)
class Outlines:
    """Points of the outlines of all fixed regions, with what the moving ones say there; see `SmoothField`.

    Args:
        noise_mm: (M,), standard deviation of the offsets.
    """

    points: Floats
    normals: Floats
    offsets_mm: Floats
    noise_mm: Floats

    @classmethod
    def of(cls, pairs: Sequence[RegionPair], affine_lps: Floats) -> Outlines:
        """Of accepted pairs under their affine map (4 x 4, fixed to moving)."""
        each = max(12, POINTS // len(pairs))
        parts = [_outline(pair, affine_lps, each) for pair in pairs]
        points, normals, offsets, noise = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(points, normals, offsets, noise)


def _outline(pair: RegionPair, affine_lps: Floats, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    points, normals = surface_with_normals(pair.fixed, count)
    scale = abs(float(np.linalg.det(affine_lps))) ** (1 / 3)
    offsets = -signed_distances_mm(pair.moving, apply_affine(affine_lps, points)) / scale
    voxel = max(float(np.prod(grid.spacing_mm)) ** (1 / 3) for grid in (pair.fixed.grid, pair.moving.grid))
    noise = np.hypot(NOISE_MM, NOISE_VOXELS * voxel) / np.sqrt(pair.weight)
    return points, normals, offsets, np.full(len(points), noise)


def surface_with_normals(region: Region, count: int) -> tuple[Floats, Floats]:
    """About `count` points (M, 3) of a region's surface, evenly spread over its voxels, with outward normals (M, 3)."""
    from scipy.ndimage import gaussian_filter

    pad = 4
    mask = np.pad(region.box_kji, pad)
    smooth = gaussian_filter(mask.astype(np.float32), 1.5)
    voxels = np.argwhere(surface_kji(mask))
    voxels = voxels[np.unique(np.linspace(0, len(voxels) - 1, count).astype(int))]
    at = tuple(voxels.T)
    steps = np.stack([np.gradient(smooth, axis=axis)[at] for axis in (2, 1, 0)], axis=-1)
    gradients = steps @ region.grid.lps_to_index_matrix[:3, :3]
    lengths = np.linalg.norm(gradients, axis=1, keepdims=True)
    known = lengths[:, 0] > 1e-6
    points = region.box_grid.index_to_lps(voxels[known][:, ::-1] - pad)
    return points, -gradients[known] / lengths[known]


def signed_distances_mm(region: Region, points_lps_mm: Floats) -> Floats:
    """(N,), distance of points (N, 3) to the surface of a region, negative inside; to about half a voxel."""
    from scipy.spatial import cKDTree

    surface = region.box_grid.index_to_lps(np.argwhere(surface_kji(region.box_kji))[:, ::-1])
    distances = cKDTree(surface, balanced_tree=False, compact_nodes=False).query(points_lps_mm)[0]
    half = 0.5 * float(np.prod(region.grid.spacing_mm)) ** (1 / 3)
    is_inside = occupancy_at(region, points_lps_mm) >= 0.5
    signed: Floats = np.where(is_inside, -(distances + half), np.maximum(distances - half, 0.0))
    return signed


def _covariance(a: Floats, b: Floats, centre: Floats, reach_mm: float) -> Floats:
    """(A, B), covariance of one component of the field between points, of the smooth and of the linear part."""
    from scipy.spatial.distance import cdist

    smooth = AMPLITUDE_MM**2 * np.exp(-0.5 * cdist(a, b, "sqeuclidean") / reach_mm**2)
    linear: Floats = smooth + SHIFT_MM**2 + LINEAR_PART**2 * (a - centre) @ (b - centre).T
    return linear


def _variance(points: Floats, centre: Floats) -> Floats:
    """(N,), variance of one component at points."""
    variance: Floats = AMPLITUDE_MM**2 + SHIFT_MM**2 + LINEAR_PART**2 * np.sum((points - centre) ** 2, axis=1)
    return variance
