"""What a fit did: each pair before and after, the field's quality, where a plan's targets go."""

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
    target_registration_error_mm,
)
from Tell2RegLib.evaluation.target_trust import judge_targets
from Tell2RegLib.fitting import FitResult
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.region_sources.protocol import SourceResult
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


def measured(
    fit_result: FitResult, moving: Volume, pairs: Sequence[RegionPair], clock: ProgressTracker
) -> tuple[Fitted, tuple[PairMetrics, ...]]:
    """What a fit made of the volume and of every pair, the rejected ones too."""
    transform = fit_result.transform
    grid: Grid = transform.fixed_to_moving.grid
    steps = len(pairs) + 3
    carried, metrics = [], []
    for number, pair in enumerate(pairs):
        clock.tell("measure", number, steps)
        after = warp_region(pair.moving, transform)
        metrics.append(_pair_metrics(pair, resample_region(pair.moving, grid), after))
        carried.append(after)
    clock.tell("measure", steps - 3, steps)
    quality = field_quality(transform.fixed_to_moving)
    clock.tell("measure", steps - 2, steps)
    inverse_error = inverse_error_mm(transform.fixed_to_moving, transform.moving_to_fixed)
    clock.tell("measure", steps - 1, steps)
    fitted = Fitted(
        transform,
        fit_result.rigid_lps,
        fit_result.affine_lps,
        quality,
        inverse_error,
        transform.resample(moving),
        tuple(carried),
        fit_result.rigid_is_enough,
    )
    return fitted, tuple(metrics)


def linear_agreements(fitted: Fitted, pairs: Sequence[RegionPair]) -> dict[str, tuple[PairAgreement, ...]]:
    """How every pair agrees under the "rigid" and the "affine" map of a fit, in the order of the pairs."""
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
    """The pairs before any fit; what comes after one is unknown."""
    placed = [(pair, resample_region(pair.moving, pair.fixed.grid)) for pair in pairs]
    return tuple(replace(_pair_metrics(pair, before, None), dice_after=None) for pair, before in placed)


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
    )


def agreement(fixed: Region, moved: Region | None) -> tuple[float, float | None, float | None]:
    """Dice, distance of centroids and 95 % Hausdorff distance, mm, of two regions on one grid.

    A region that left the fixed volume (None) overlaps with nothing there: that is known, the distances are not.
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
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


# --- words and truth ---


def words_result(
    found: tuple[SourceResult, SourceResult] | None,
    pairs: Sequence[RegionPair],
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None,
) -> PromptsResult | None:
    """One row per prompt, as in the paper's Table 2; None without words."""
    if found is None:
        return None
    rows = []
    for fixed, moving in zip(found[0].counts, found[1].counts, strict=True):
        own = [pair for pair in pairs if fixed.prompt in (pair.fixed.prompt, pair.moving.prompt)]
        ratio = None if true_regions is None else detection_ratio(fixed.prompt, found, true_regions)
        rows.append(PromptResult(fixed.prompt, fixed, moving, len(own), sum(pair.accepted for pair in own), ratio))
    return PromptsResult(*found, tuple(rows))


def detection_ratio(
    prompt: str, found: tuple[SourceResult, SourceResult], true_regions: tuple[Sequence[Region], Sequence[Region]]
) -> float | None:
    """Share of the true regions of a prompt that one of its regions covers; None when there are no such true regions.

    A true region is of a prompt when its name holds all of the prompt's words, in their order: "femoral head" asks for
    "left femoral head" and "right femoral head".
    """
    hits = []
    for own, truth in zip(found, true_regions, strict=True):
        regions = [region for region in own.regions if region.prompt == prompt]
        for true in truth:
            if f" {plain_name(prompt)} " in f" {plain_name(true.name)} ":
                hits.append(any(dice(true, region) >= DETECTED_DICE for region in regions))
    return sum(hits) / len(hits) if hits else None


def true_pairs(
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None, fitted: Fitted | None
) -> tuple[PairMetrics, ...]:
    """The true regions of the same names, carried by the fitted transform: what the words could not see."""
    if true_regions is None or fitted is None:
        return ()
    return tuple(
        _pair_metrics(pair, resample_region(pair.moving, pair.fixed.grid), warp_region(pair.moving, fitted.transform))
        for pair in pairs_by_name(*true_regions)
    )


# --- plan ---


def true_places(plan: PointList | None, truth: PointList | None) -> Mapping[str, np.ndarray]:
    """The true place (3,) of every target of the plan by its name; empty when it is unknown.

    Raises:
        InputError: a truth without a plan, or one that lacks a target.
    """
    if truth is None:
        return {}
    if plan is None:
        raise InputError("True target positions were given, but no plan to compare them with.")
    missing = sorted(set(plan.names) - set(truth.names))
    if missing:
        raise InputError(f"The true positions lack the target(s) {', '.join(missing)} of the plan.")
    return dict(zip(truth.names, truth.points_lps_mm, strict=True))


def targets(
    fit_result: FitResult, plan: PointList, truth: Mapping[str, np.ndarray], pairs: Sequence[RegionPair]
) -> tuple[Target, ...]:
    """The plan carried to fixed space and judged, with the errors of every transform where the truth is known."""
    points, transform = plan.points_lps_mm, fit_result.transform
    linear = {"rigid": fit_result.rigid_lps, "affine": fit_result.affine_lps}
    judged = judge_targets(plan.names, points, transform, linear["rigid"], linear["affine"], pairs)
    errors: dict[str, np.ndarray] = {}
    if truth:
        carried = {"before": points, **{kind: apply_affine(np.linalg.inv(m), points) for kind, m in linear.items()}}
        if transform.kind not in carried:
            carried[ANY_DEFORMABLE] = np.array([trust.fixed_lps_mm for trust in judged])
        true_points = np.array([truth[name] for name in plan.names])
        errors = {kind: target_registration_error_mm(places, true_points) for kind, places in carried.items()}
    return tuple(
        Target(trust, {kind: float(error[number]) for kind, error in errors.items()})
        for number, trust in enumerate(judged)
    )
