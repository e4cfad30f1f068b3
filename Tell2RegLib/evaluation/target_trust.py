"""Rates the reliability of each propagated target, by its predicted error and by rules; a rating is no guarantee."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.metrics import surface_kji
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.jacobian import jacobian_at
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform, invertible

GOOD, CHECK, DO_NOT_TRUST = "good", "check", "do not trust"
VERDICTS = (GOOD, CHECK, DO_NOT_TRUST)
"""From best to worst; a target gets the worst verdict of all rules."""
_NEIGHBOURS = 8
"""Number of nearest voxel centres among which the nearest voxel is searched, because voxels are boxes, not points."""


@dataclass(frozen=True)
class ErrorEstimate:
    """The predicted error of a propagated target, or why there is none.

    Args:
        predicted_mm: how far it lies from its true position, by the cues of its place, its field and its pairs.
        radius_mm: within which it lies, at the share that the basis states.
        basis: what both rest on, one sentence.
        reason: why there are no numbers, one sentence; empty when there are.
    """

    predicted_mm: float | None = None
    radius_mm: float | None = None
    basis: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class TargetTrust:
    """The verdict on a propagated target, and its reasons.

    Args:
        name: name of the target.
        moving_lps_mm: (3,), drawn position.
        fixed_lps_mm: (3,), position propagated by the fitted transform.
        moved_mm: distance between the two.
        nearest_mm: distance from the drawn position to the nearest accepted moving region, 0 inside; None without any.
        nearest_name: name of that pair (the smallest region if several contain the target); empty without any.
        det_j: Jacobian determinant of the fixed-to-moving field at the propagated position: local volume, moving over
            fixed.
        spread_mm: largest distance between the positions given by the transforms of the fit.
        inside_volume: whether the propagated position is in a voxel of the fixed grid.
        verdict: one of `VERDICTS`.
        reasons: sentences for display, the most important first; never empty.
        predicted_mm, radius_mm, basis: see `ErrorEstimate`; None and empty where no error was predicted.
    """

    name: str
    moving_lps_mm: Floats
    fixed_lps_mm: Floats
    moved_mm: float
    nearest_mm: float | None
    nearest_name: str
    det_j: float
    spread_mm: float
    inside_volume: bool
    verdict: str
    reasons: tuple[str, ...]
    predicted_mm: float | None = None
    radius_mm: float | None = None
    basis: str = ""


def judge_targets(
    names: Sequence[str],
    moving_lps: ArrayLike,
    transform: Transform,
    rigid_lps: ArrayLike,
    affine_lps: ArrayLike,
    pairs: Sequence[RegionPair],
    settings: TrustSettings | None = None,
    deformable: Transform | None = None,
    estimates: Sequence[ErrorEstimate] | None = None,
) -> tuple[TargetTrust, ...]:
    """Propagate targets from moving to fixed space and rate the reliability of each.

    Args:
        names: one per target.
        moving_lps: (N, 3), drawn positions on the moving volume, LPS mm.
        transform: the transform that propagates them.
        rigid_lps, affine_lps: 4 x 4, fixed to moving: the linear results of the same fit.
        pairs: the pairs of the fit; rejected ones are ignored.
        settings: `TrustSettings()` when None.
        deformable: the deformable result of the same fit, where `transform` is a linear one.
        estimates: one per target, or None to judge by the rules alone. A predicted error decides by the tolerance,
            unless a rule says "do not trust"; without one, no target is good.

    Raises:
        InputError: the numbers of names, positions and estimates differ.
        GeometryError: a position that is not finite, or a matrix that cannot be inverted.
    """
    drawn = np.array(moving_lps, dtype=np.float64).reshape(-1, 3)
    if len(drawn) != len(names):
        raise InputError(f"There are {len(names)} names for {len(drawn)} targets. Give one name per target.")
    if estimates is not None and len(estimates) != len(names):
        raise InputError(f"There are {len(estimates)} predicted errors for {len(names)} targets. Give one per target.")
    if not names:
        return ()
    grid = transform.fixed_to_moving.grid
    propagated = transform.inverse.apply_to_points(drawn)
    linear = [apply_affine(np.linalg.inv(invertible(matrix)), drawn) for matrix in (rigid_lps, affine_lps)]
    alternatives = linear if deformable is None else [*linear, deformable.inverse.apply_to_points(drawn)]
    spread = _largest_distance([propagated, *alternatives])
    moved_mm = np.linalg.norm(propagated - drawn, axis=1)
    det_j = jacobian_at(transform.fixed_to_moving, propagated)
    index = grid.lps_to_index(propagated)
    inside = np.all((index >= -0.5) & (index <= np.asarray(grid.size_xyz) - 0.5), axis=-1)
    settings = settings or TrustSettings()
    round_region = _single_round_region(pairs, settings)
    trusts = []
    for n, (nearest_mm, nearest_name) in enumerate(_nearest(drawn, pairs)):
        measurements = (nearest_mm, nearest_name, float(det_j[n]), float(spread[n]), bool(inside[n]))
        rules = [*_position_rules(*measurements[:2], settings), *_transform_rules(*measurements[2:], settings)]
        rules += _rotation_rules(drawn[n], round_region, settings)
        estimate = ErrorEstimate() if estimates is None else estimates[n]
        verdict, reasons = _worst_verdict(rules if estimates is None else _with_estimate(rules, estimate, settings))
        numbers = (estimate.predicted_mm, estimate.radius_mm, estimate.basis)
        trusts.append(
            TargetTrust(
                names[n], drawn[n], propagated[n], float(moved_mm[n]), *measurements, verdict, reasons, *numbers
            )
        )
    return tuple(trusts)


def _largest_distance(positions: Sequence[Floats]) -> Floats:
    """(N,), for each target the largest distance between any two of its propagated positions, each (N, 3)."""
    return np.max([np.linalg.norm(a - b, axis=-1) for a, b in combinations(positions, 2)], axis=0)


# --- rules ---


Judgement = tuple[str, str]
"""A verdict and the sentence that explains it."""


def _worst_verdict(judgements: Sequence[Judgement]) -> tuple[str, tuple[str, ...]]:
    """The worst verdict, and all sentences of objections, the worst first; without any, those in favour."""
    ranked = sorted(judgements, key=lambda judgement: -VERDICTS.index(judgement[0]))
    worst_verdict = ranked[0][0]
    return worst_verdict, tuple(sentence for verdict, sentence in ranked if verdict != GOOD or worst_verdict == GOOD)


def _with_estimate(rules: Sequence[Judgement], estimate: ErrorEstimate, settings: TrustSettings) -> list[Judgement]:
    """The judgement of a predicted error beside those rules that it cannot overrule."""
    if estimate.predicted_mm is None or estimate.radius_mm is None:
        return [*rules, (CHECK, f"No predicted error: {estimate.reason}")]
    limits = [judgement for judgement in rules if judgement[0] == DO_NOT_TRUST]
    predicted, radius, tolerance = (_mm(v) for v in (estimate.predicted_mm, estimate.radius_mm, settings.tolerance_mm))
    if estimate.radius_mm <= settings.tolerance_mm:
        return [*limits, (GOOD, f"The radius of {radius} is within the tolerance of {tolerance}.")]
    if estimate.predicted_mm <= settings.tolerance_mm:
        return [
            *limits,
            (CHECK, f"The predicted error is {predicted}, but the radius of {radius} exceeds {tolerance}."),
        ]
    return [*limits, (DO_NOT_TRUST, f"The predicted error of {predicted} exceeds the tolerance of {tolerance}.")]


def _position_rules(nearest_mm: float | None, name: str, settings: TrustSettings) -> Iterator[Judgement]:
    if nearest_mm is None:
        yield DO_NOT_TRUST, "No pair of regions is accepted, so nothing constrains the transform."
    elif nearest_mm == 0:
        yield GOOD, f"Lies inside an accepted region ({name})."
    else:
        verdict = GOOD if nearest_mm <= settings.near_mm else CHECK if nearest_mm <= settings.far_mm else DO_NOT_TRUST
        yield verdict, f"Lies {_mm(nearest_mm)} from the nearest accepted region ({name})."


def _single_round_region(pairs: Sequence[RegionPair], settings: TrustSettings) -> Region | None:
    """The only accepted moving region, if it is round about some axis and so hardly determines the rotation."""
    accepted = [pair.moving for pair in pairs if pair.accepted]
    if len(accepted) != 1:
        return None
    return accepted[0] if is_round(accepted[0], settings.round_ratio) else None


def is_round(region: Region, round_ratio: float | None = None) -> bool:
    """Whether a region is round about some axis, so that its rotation about that axis is hard to determine.

    Args:
        region: the region.
        round_ratio: largest ratio of two semi-axes that counts as round; `TrustSettings.round_ratio` when None.
    """
    points = region.points_lps_mm()
    # The extent of a voxel, so that a region of one slice or one voxel has a thickness.
    voxel_variance = np.mean(np.square(region.grid.spacing_mm)) / 12
    covariance = np.cov(points.T) if len(points) > 1 else np.zeros((3, 3))
    axes = np.sqrt(np.linalg.eigvalsh(covariance + voxel_variance * np.eye(3)))
    ratio = TrustSettings().round_ratio if round_ratio is None else round_ratio
    return bool((axes[1:] / axes[:-1]).min() <= ratio)


def _rotation_rules(drawn: Floats, round_region: Region | None, settings: TrustSettings) -> Iterator[Judgement]:
    if round_region is None:
        return
    distance_mm = float(np.linalg.norm(drawn - round_region.centroid_lps_mm()))
    if distance_mm > settings.centre_mm:
        yield (
            CHECK,
            f"A single, nearly round region does not determine the rotation ({_mm(distance_mm)} from its centre).",
        )


def _transform_rules(det_j: float, spread_mm: float, inside: bool, settings: TrustSettings) -> Iterator[Judgement]:
    if not inside:
        yield DO_NOT_TRUST, "Propagated to a position outside the other volume."
    (low, high), (lowest, highest) = settings.jacobian_check, settings.jacobian_never
    if not low <= det_j <= high:
        verdict = CHECK if lowest < det_j < highest else DO_NOT_TRUST
        yield verdict, f"The transform {_volume_change(det_j)} there."
    if spread_mm > settings.spread_check_mm:
        verdict = CHECK if spread_mm <= settings.spread_never_mm else DO_NOT_TRUST
        yield verdict, f"Rigid, affine and fitted transform disagree by {_mm(spread_mm)} there."


def _volume_change(det_j: float) -> str:
    """The effect on tissue from moving to fixed space, as a predicate."""
    if det_j <= 0:
        return "folds space"
    return f"{'stretches' if det_j < 1 else 'compresses'} tissue to {1 / det_j:.2g} times its volume"


def _mm(distance: float) -> str:
    return f"{distance:.0f} mm" if distance >= 9.95 else f"{distance:.1f} mm"


# --- the nearest region ---


def _nearest(points_lps_mm: Floats, pairs: Sequence[RegionPair]) -> list[tuple[float | None, str]]:
    """Distance (mm) to the nearest accepted moving region and its pair's name, for every point; (None, "") if none."""
    accepted = sorted((p for p in pairs if p.accepted), key=lambda pair: (pair.moving.volume_ml, pair.name))
    if not accepted:
        return [(None, "")] * len(points_lps_mm)
    distances = np.stack([distances_mm(pair.moving, points_lps_mm) for pair in accepted])
    nearest_index = distances.argmin(axis=0)
    return [
        (float(distances[region_index, n]), accepted[region_index].name) for n, region_index in enumerate(nearest_index)
    ]


def distances_mm(region: Region, points_lps_mm: Floats) -> Floats:
    """Distances (P,) in mm from points (P, 3) to a region; 0 inside. Voxels are boxes, as displayed."""
    from scipy.spatial import cKDTree

    grid = region.box_grid
    index = grid.lps_to_index(points_lps_mm)
    voxels = np.argwhere(surface_kji(region.box_kji))[:, ::-1]
    tree = cKDTree(grid.index_to_lps(voxels), balanced_tree=False, compact_nodes=False)
    _, neighbours = tree.query(points_lps_mm, k=np.arange(1, min(_NEIGHBOURS, len(voxels)) + 1))
    offsets = index[:, None] - voxels[neighbours]
    outside_offsets = offsets - np.clip(offsets, -0.5, 0.5)
    surface_distances = np.linalg.norm(grid.index_to_lps_vectors(outside_offsets), axis=-1).min(axis=1)
    nearest_voxel = np.floor(index + 0.5).astype(int)
    is_inside = grid.contains_index(nearest_voxel)
    is_inside[is_inside] = region.box_kji[tuple(nearest_voxel[is_inside].T[::-1])]
    return np.where(is_inside, 0.0, surface_distances)
