"""What hints at the error of a propagated target: its place, the field around it, and how the pairs agree.

Every cue is a number per target, made for a linear model: lengths as logarithms, so that the model multiplies them
(docs/method.md, "Predicted error"). No cue needs another fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.evaluation.metrics import surface_kji
from Tell2RegLib.evaluation.target_trust import distances_mm
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.trust.linear_sensitivity import LinearSensitivity
from Tell2RegLib.trust.smooth_field import Outlines, SmoothField

CUES = (
    *("distance", "depth", "support", "regions", "single region"),
    *("linear uncertainty", "leave one out", "rigid to affine", "affine to transform", "strain"),
    *("local shift", "shift", "local mismatch", "mismatch", "local volume", "volume", "doubt"),
    *("open at 15 mm", "open at 25 mm", "open at 40 mm"),
    *(
        "field of 15 mm to transform",
        "field of 25 mm to transform",
        "field of 40 mm to transform",
        "field of 15 to 40 mm",
    ),
)
"""Names of the columns of `cues_of`."""
REACHES_MM = (15.0, 25.0, 40.0)
"""Distances over which smooth fields vary (`smooth_field`)."""
NEAR_MM, REACH_MM = 5.0, 15.0
"""Distance from which the logarithm of a distance grows, and the distance over which a region's say decays."""
LEAST_MM, MOST_MM = 0.5, 100.0
"""Added to lengths before their logarithm, because smaller ones are noise; and the longest that count."""
SURFACE_POINTS = 250
"""Points of a region's surface that are compared with its partner's."""


@dataclass(frozen=True, eq=False)
class Registered:
    """The transforms of a fit and its accepted pairs, from fixed to moving space.

    Args:
        transform: the one that propagates the targets.
        rigid_lps, affine_lps: 4 x 4, LPS mm.
        pairs: rejected ones too.
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    pairs: Sequence[RegionPair]

    @property
    def accepted(self) -> tuple[RegionPair, ...]:
        """The pairs of the fit."""
        return tuple(pair for pair in self.pairs if pair.accepted)


def cues_of(registered: Registered, moving_lps_mm: Floats) -> Floats:
    """The cues (N, C) of targets (N, 3) drawn on the moving volume; columns as in `CUES`.

    Args:
        registered: with at least one accepted pair.
        moving_lps_mm: (N, 3), LPS mm.
    """
    pairs = registered.accepted
    distances = np.stack([distances_mm(pair.moving, moving_lps_mm) for pair in pairs], axis=1)
    in_fixed = registered.transform.inverse.apply_to_points(moving_lps_mm)
    groups = (
        _of_place(pairs, moving_lps_mm, distances),
        _of_linear_maps(registered, moving_lps_mm),
        (_strain(registered.transform, in_fixed),),
        _of_pairs(registered, distances),
        _of_field(registered, moving_lps_mm, in_fixed),
    )
    return np.stack([cue for group in groups for cue in group], axis=1)


def _of_place(pairs: Sequence[RegionPair], moving_lps_mm: Floats, distances_mm: Floats) -> tuple[Floats, ...]:
    """Distance (N, K) to the regions, depth in them, how many are near, and how many there are."""
    depths = np.stack([_depths_mm(pair.moving, moving_lps_mm) for pair in pairs], axis=1)
    depth = np.where(distances_mm == 0, depths, 0.0).max(axis=1)
    every = np.ones(len(moving_lps_mm))
    return (
        np.log1p(distances_mm.min(axis=1) / NEAR_MM),
        np.log1p(depth / NEAR_MM),
        np.log1p(_says(distances_mm).sum(axis=1)),
        np.log(len(pairs)) * every,
        float(len(pairs) == 1) * every,
    )


def _of_linear_maps(registered: Registered, moving_lps_mm: Floats) -> tuple[Floats, ...]:
    """How certain the affine map is, and how far the maps of the fit lie apart."""
    sensitivity = LinearSensitivity.of(registered.accepted, registered.affine_lps)
    rigid, affine = (
        apply_affine(np.linalg.inv(matrix), moving_lps_mm) for matrix in (registered.rigid_lps, registered.affine_lps)
    )
    fitted = registered.transform.inverse.apply_to_points(moving_lps_mm)
    return (
        _log_mm(sensitivity.spread_mm(affine)),
        _log_mm(sensitivity.leave_one_out_mm(affine)),
        _log_mm(np.linalg.norm(rigid - affine, axis=1)),
        _log_mm(np.linalg.norm(affine - fitted, axis=1)),
    )


def _of_pairs(registered: Registered, distances_mm: Floats) -> tuple[Floats, ...]:
    """How the pairs disagree, near the target and on average, and how far they are doubted."""
    says = _says(distances_mm)
    local = says / says.sum(axis=1, keepdims=True)
    shift, mismatch, volume = (np.array(values) for values in zip(*_disagreements(registered), strict=True))
    every = np.ones(len(distances_mm))
    doubt = 1 - float(np.mean([pair.weight for pair in registered.accepted]))
    return (
        _log_mm(local @ shift),
        _log_mm(shift.mean()) * every,
        _log_mm(local @ mismatch),
        _log_mm(mismatch.mean()) * every,
        local @ volume,
        volume.mean() * every,
        doubt * every,
    )


def _of_field(registered: Registered, moving_lps_mm: Floats, in_fixed_lps_mm: Floats) -> tuple[Floats, ...]:
    """What the outlines leave open of a smooth field, and how far such fields lie from the transform."""
    outlines = Outlines.of(registered.accepted, registered.affine_lps)
    fields = [SmoothField.of(outlines, reach_mm) for reach_mm in REACHES_MM]
    under_affine = apply_affine(np.linalg.inv(registered.affine_lps), moving_lps_mm)
    deformed = under_affine - in_fixed_lps_mm
    means = [field.mean_mm(in_fixed_lps_mm) for field in fields]
    return (
        *(_log_mm(field.spread_mm(in_fixed_lps_mm)) for field in fields),
        *(_log_mm(np.linalg.norm(mean - deformed, axis=1)) for mean in means),
        _log_mm(np.linalg.norm(means[0] - means[-1], axis=1)),
    )


def _says(distances_mm: Floats) -> Floats:
    """(N, K), the say of every region at every target."""
    says: Floats = np.exp(-distances_mm / REACH_MM) + 1e-6
    return says


def _log_mm(lengths_mm: Floats) -> Floats:
    logarithms: Floats = np.log(np.minimum(lengths_mm, MOST_MM) + LEAST_MM)
    return logarithms


def _depths_mm(region: Region, points_lps_mm: Floats) -> Floats:
    """Distance (N,) of points to the surface voxels of a region."""
    from scipy.spatial import cKDTree

    tree = cKDTree(_surface_points(region), balanced_tree=False, compact_nodes=False)
    distances: Floats = tree.query(points_lps_mm)[0]
    return distances


def _surface_points(region: Region) -> Floats:
    return region.box_grid.index_to_lps(np.argwhere(surface_kji(region.box_kji))[:, ::-1])


def _strain(transform: Transform, fixed_lps_mm: Floats) -> Floats:
    """(N,), largest logarithm of the stretch of tissue along any direction, about points of fixed space."""
    steps = np.eye(3) * 2.0
    ends = [transform.apply_to_points(fixed_lps_mm + sign * steps[:, None, :]) for sign in (0.5, -0.5)]
    jacobians = np.moveaxis((ends[0] - ends[1]) / 2.0, 0, -1)
    stretches = np.linalg.svd(jacobians, compute_uv=False)
    strain: Floats = np.abs(np.log(np.clip(stretches, 0.05, 20.0))).max(axis=-1)
    return strain


def _disagreements(registered: Registered) -> list[tuple[float, float, float]]:
    """For every pair: shift that the affine map leaves between the centroids, mm; mean distance of the surfaces under
    the transform, mm; logarithm of the ratio of the volumes under the affine map."""
    from scipy.spatial import cKDTree

    to_fixed, inverse = np.linalg.inv(registered.affine_lps), registered.transform.inverse
    rows = []
    for pair in registered.accepted:
        shift = apply_affine(to_fixed, pair.moving.centroid_lps_mm()) - pair.fixed.centroid_lps_mm()
        surface = _surface_points(pair.moving)
        chosen = surface[np.linspace(0, len(surface) - 1, min(SURFACE_POINTS, len(surface))).astype(int)]
        tree = cKDTree(_surface_points(pair.fixed), balanced_tree=False, compact_nodes=False)
        mismatch = tree.query(inverse.apply_to_points(chosen))[0].mean()
        ratio = pair.moving.volume_ml / (pair.fixed.volume_ml * abs(np.linalg.det(registered.affine_lps)))
        rows.append((float(np.linalg.norm(shift)), float(mismatch), float(abs(np.log(ratio)))))
    return rows
