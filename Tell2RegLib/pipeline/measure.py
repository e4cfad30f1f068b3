"""Measures a fit: agreement of each pair before and after, quality of the field, positions of a plan's targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.metrics import (
    centroid_distance_mm,
    dice,
    field_quality,
    hausdorff95_mm,
    inverse_error_mm,
    is_detected,
    target_registration_error_mm,
)
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import ErrorEstimate, judge_targets
from Tell2RegLib.fitting import FitResult
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.results.result import (
    DETECTED_DICE,
    Fitted,
    PairAgreement,
    PairMetrics,
    PromptResult,
    PromptsResult,
    Summary,
    Target,
)
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair, plain_name
from Tell2RegLib.space.region_resampling import resample_region
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.transform_kinds import ANY_DEFORMABLE
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker


def measure_pairs(
    fit_result: FitResult, moving: Volume, pairs: Sequence[RegionPair], tracker: ProgressTracker
) -> tuple[Fitted, tuple[PairMetrics, ...]]:
    """Warp the moving volume and measure every pair, rejected ones included."""
    transform = fit_result.transform
    grid: Grid = transform.fixed_to_moving.grid
    steps = len(pairs) + 3
    warped_regions, metrics = [], []
    for number, pair in enumerate(pairs):
        tracker.report("measure", number, steps)
        warped = warp_region(pair.moving, transform)
        metrics.append(_pair_metrics(pair, resample_region(pair.moving, grid), warped))
        warped_regions.append(warped)
    tracker.report("measure", steps - 3, steps)
    quality = field_quality(transform.fixed_to_moving)
    tracker.report("measure", steps - 2, steps)
    inverse_error = inverse_error_mm(transform.fixed_to_moving, transform.moving_to_fixed)
    tracker.report("measure", steps - 1, steps)
    fitted = Fitted(
        transform,
        fit_result.rigid_lps,
        fit_result.affine_lps,
        quality,
        inverse_error,
        transform.resample(moving),
        tuple(warped_regions),
        fit_result.support,
        fit_result.smoothness,
        fit_result.decay_mm,
        fit_result.recommendation,
    )
    return fitted, tuple(metrics)


def linear_agreements(fitted: Fitted, pairs: Sequence[RegionPair]) -> dict[str, tuple[PairAgreement, ...]]:
    """Agreement of every pair under the "rigid" and the "affine" map of a fit, in the order of the pairs."""
    transform, agreements = fitted.transform, {}
    grids = (transform.fixed_to_moving.grid, transform.moving_to_fixed.grid)
    for kind, matrix in (("rigid", fitted.rigid_lps), ("affine", fitted.affine_lps)):
        linear = affine_transform(kind, matrix, *grids)
        moved = [warp_region(pair.moving, linear) for pair in pairs]
        agreements[kind] = tuple(
            PairAgreement(0.0, None)
            if region is None
            else PairAgreement(dice(pair.fixed, region), centroid_distance_mm(pair.fixed, region))
            for pair, region in zip(pairs, moved, strict=True)
        )
    return agreements


def measure_before_fit(pairs: Sequence[RegionPair]) -> tuple[PairMetrics, ...]:
    """Measure the pairs before registration; values after registration are None."""
    placed = [(pair, resample_region(pair.moving, pair.fixed.grid)) for pair in pairs]
    return tuple(replace(_pair_metrics(pair, resampled, None), dice_after=None) for pair, resampled in placed)


def _pair_metrics(pair: RegionPair, before: Region | None, after: Region | None) -> PairMetrics:
    dice_before, _, hd95_before = agreement(pair.fixed, before)
    dice_after, centroid_after, hd95_after = agreement(pair.fixed, after)
    return PairMetrics(
        name=pair.name,
        prompt=pair.prompt,
        similarity=pair.similarity,
        accepted=pair.accepted,
        reason=pair.reason,
        dice_before=dice_before,
        dice_after=dice_after,
        centroid_mm_before=centroid_distance_mm(pair.fixed, pair.moving),
        centroid_mm_after=centroid_after,
        hd95_mm_before=hd95_before,
        hd95_mm_after=hd95_after,
        fixed_ml=pair.fixed.volume_ml,
        moving_ml=pair.moving.volume_ml,
        weight=pair.weight,
    )


def agreement(fixed: Region, moved: Region | None) -> tuple[float, float | None, float | None]:
    """Dice, distance of centroids and 95 % Hausdorff distance, mm, of two regions on one grid.

    For a region outside the fixed volume (None), the Dice is 0 and the distances are None.
    """
    if moved is None:
        return 0.0, None, None
    return dice(fixed, moved), centroid_distance_mm(fixed, moved), hausdorff95_mm(fixed, moved)


def summary(metrics: Sequence[PairMetrics]) -> Summary:
    """Means over accepted pairs."""
    accepted = [metric for metric in metrics if metric.accepted]
    names = ("dice_before", "dice_after", "centroid_mm_before", "centroid_mm_after")
    return Summary(**{f"mean_{name}": _mean([getattr(metric, name) for metric in accepted]) for name in names})


def _mean(values: Sequence[float | None]) -> float | None:
    known_values = [value for value in values if value is not None]
    return float(np.mean(known_values)) if known_values else None


# --- words and truth ---


def prompts_result(
    results: tuple[SourceResult, SourceResult] | None,
    pairs: Sequence[RegionPair],
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None,
) -> PromptsResult | None:
    """One row per prompt, as in the paper's Table 2; None without prompts."""
    if results is None:
        return None
    rows = []
    for fixed, moving in zip(results[0].counts, results[1].counts, strict=True):
        prompt_pairs = [pair for pair in pairs if fixed.prompt in (pair.fixed.prompt, pair.moving.prompt)]
        ratio = None if true_regions is None else detection_ratio(fixed.prompt, results, true_regions)
        rows.append(
            PromptResult(
                fixed.prompt, fixed, moving, len(prompt_pairs), sum(pair.accepted for pair in prompt_pairs), ratio
            )
        )
    return PromptsResult(*results, tuple(rows))


def detection_ratio(
    prompt: str, results: tuple[SourceResult, SourceResult], true_regions: tuple[Sequence[Region], Sequence[Region]]
) -> float | None:
    """Fraction of the true regions of a prompt that its regions detect (the paper's "detection ratio", without its
    threshold: it states none); None without true regions of that name.

    A true region belongs to a prompt when its name contains all words of the prompt in their order: "femoral head"
    matches "left femoral head" and "right femoral head".
    """
    hits = []
    for result, side_true_regions in zip(results, true_regions, strict=True):
        regions = [region for region in result.regions if region.prompt == prompt]
        for true in side_true_regions:
            if f" {plain_name(prompt)} " in f" {plain_name(true.name)} ":
                hits.append(is_detected(true, regions, DETECTED_DICE))
    return sum(hits) / len(hits) if hits else None


def true_pairs(
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None, fitted: Fitted | None
) -> tuple[PairMetrics, ...]:
    """Agreement of the true regions of the same names, warped by the fitted transform; independent of the prompts."""
    if true_regions is None or fitted is None:
        return ()
    return tuple(
        _pair_metrics(pair, resample_region(pair.moving, pair.fixed.grid), warp_region(pair.moving, fitted.transform))
        for pair in pairs_by_name(*true_regions)
    )


# --- plan ---


def true_positions_by_name(plan: PointList | None, true_points: PointList | None) -> Mapping[str, np.ndarray]:
    """The true position (3,) of every target of the plan, by name; empty when unknown.

    Raises:
        InputError: a truth without a plan, or one that lacks a target.
    """
    if true_points is None:
        return {}
    if plan is None:
        raise InputError("True target positions were given, but no plan to compare them with.")
    missing = sorted(set(plan.names) - set(true_points.names))
    if missing:
        raise InputError(f"The true positions lack the target(s) {', '.join(missing)} of the plan.")
    return dict(zip(true_points.names, true_points.points_lps_mm, strict=True))


def targets(
    fit_result: FitResult,
    plan: PointList,
    true_positions: Mapping[str, np.ndarray],
    pairs: Sequence[RegionPair],
    trust: TrustSettings,
    estimates: Sequence[ErrorEstimate] | None = None,
) -> tuple[Target, ...]:
    """Propagate the plan to fixed space with a verdict per target, and errors of every transform if the truth is
    known; `estimates` are the predicted errors (`judge_targets`)."""
    points, transform = plan.points_lps_mm, fit_result.transform
    linear = {"rigid": fit_result.rigid_lps, "affine": fit_result.affine_lps}
    judged = judge_targets(
        plan.names, points, transform, linear["rigid"], linear["affine"], pairs, trust, estimates=estimates
    )
    errors: dict[str, np.ndarray] = {}
    if true_positions:
        propagated = {"before": points, **{kind: apply_affine(np.linalg.inv(m), points) for kind, m in linear.items()}}
        if transform.kind not in propagated:
            propagated[ANY_DEFORMABLE] = np.array([trust.fixed_lps_mm for trust in judged])
        true_points = np.array([true_positions[name] for name in plan.names])
        errors = {kind: target_registration_error_mm(positions, true_points) for kind, positions in propagated.items()}
    return tuple(
        Target(trust, {kind: float(error[number]) for kind, error in errors.items()})
        for number, trust in enumerate(judged)
    )
