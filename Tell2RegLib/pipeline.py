"""The orchestrator of a registration: stages in order, with progress, cancel and the time that each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from Tell2RegLib.carry import carry_region, place_region
from Tell2RegLib.errors import Cancelled, GeometryError, InputError, NothingFound
from Tell2RegLib.fitting import FitResult, FitSettings, Progress, fit
from Tell2RegLib.grid import Grid
from Tell2RegLib.markups import PointList
from Tell2RegLib.matching import pairs_by_name, unpaired
from Tell2RegLib.metrics import (
    centroid_distance_mm,
    dice,
    field_quality,
    hausdorff95_mm,
    inverse_error_mm,
    target_registration_error_mm,
)
from Tell2RegLib.output import RegistrationResult
from Tell2RegLib.provenance import provenance
from Tell2RegLib.region import Region, RegionPair
from Tell2RegLib.result import Fitted, PairMetrics, Summary, Target
from Tell2RegLib.volume import Volume

STAGES = ("pair", "start", "fit", "measure")


def register(
    fixed: Volume,
    moving: Volume,
    *,
    fixed_regions: Sequence[Region],
    moving_regions: Sequence[Region],
    settings: FitSettings | None = None,
    plan: PointList | None = None,
    plan_truth: PointList | None = None,
    inputs: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RegistrationResult:
    """Register two volumes by regions that both have under the same names.

    Args:
        fixed, moving: the volumes, any geometry.
        fixed_regions, moving_regions: on the grids of their volumes; paired by name.
        settings: of the fit; `FitSettings()` when None.
        plan: points on the moving volume to carry to fixed space.
        plan_truth: their true places in fixed space, where known, by the same names.
        inputs: the files behind it all, for the record.
        progress: called with (stage, done, total).
        cancelled: asked often; True stops the run.

    Returns:
        The result; with status "no_pairs" and a reason when no name is in both.

    Raises:
        GeometryError: regions that are not on their volume's grid.
        InputError: a plan whose names do not fit its truth.
        Cancelled: when `cancelled` said so.
    """
    settings = settings or FitSettings()
    clock = _Clock(progress, cancelled)
    for side, volume, regions in (("fixed", fixed, fixed_regions), ("moving", moving, moving_regions)):
        _check_regions(side, volume, regions)
    truth = _truth(plan, plan_truth)
    with clock.stage("pair"):
        pairs, reason = _pairs(fixed_regions, moving_regions)
    fitted: Fitted | None = None
    fit_result: FitResult | None = None
    metrics: tuple[PairMetrics, ...] = ()
    if pairs:
        with clock.stage("start"):
            import torch  # noqa: F401  seconds, which are not the fit's
        with clock.stage("fit"):
            fit_result = fit(pairs, settings, progress=progress, check=clock.check)
        with clock.stage("measure"):
            fitted, metrics = _measured(fit_result, moving, pairs, clock)
    left_fixed, left_moving = unpaired(pairs, fixed_regions, moving_regions)
    device = fit_result.device if fit_result else "none"
    return RegistrationResult(
        status="ok" if pairs else "no_pairs",
        reason=reason,
        fixed=fixed,
        moving=moving,
        pairs=pairs,
        unpaired_fixed=left_fixed,
        unpaired_moving=left_moving,
        metrics=metrics,
        summary=_summary(metrics),
        fitted=fitted,
        targets=_targets(fit_result, plan, truth) if fit_result and plan else (),
        timing_s=clock.timing(),
        provenance=provenance(device=device, parameters=asdict(settings), inputs=inputs or {}),
    )


class _Clock:
    """Times stages and passes progress and cancel on."""

    def __init__(self, progress: Progress | None, cancelled: Callable[[], bool] | None) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def check(self) -> None:
        if self._cancelled and self._cancelled():
            raise Cancelled

    def tell(self, stage: str, done: int, total: int) -> None:
        self.check()
        if self._progress:
            self._progress(stage, done, total)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        self.tell(name, 0, 1)
        yield
        self._seconds[name] = round(time.perf_counter() - start, 3)
        self.tell(name, 1, 1)

    def timing(self) -> dict[str, float]:
        return {**self._seconds, "total": round(time.perf_counter() - self._start, 3)}


def _check_regions(side: str, volume: Volume, regions: Sequence[Region]) -> None:
    for region in regions:
        if not region.grid.same_space(volume.grid):
            raise GeometryError(
                f"The {side} region '{region.name}' is on a grid of {region.grid.size_xyz} voxels, not on that of "
                f"'{volume.name}' ({volume.grid.size_xyz}). Resample it to the volume's grid."
            )


def _pairs(fixed: Sequence[Region], moving: Sequence[Region]) -> tuple[tuple[RegionPair, ...], str]:
    try:
        return pairs_by_name(fixed, moving), ""
    except NothingFound as nothing:
        return (), str(nothing)


# --- measuring ---


def _measured(
    fit_result: FitResult, moving: Volume, pairs: Sequence[RegionPair], clock: _Clock
) -> tuple[Fitted, tuple[PairMetrics, ...]]:
    transform = fit_result.transform
    grid: Grid = transform.fixed_to_moving.grid
    steps = len(pairs) + 3
    carried, metrics = [], []
    for number, pair in enumerate(pairs):
        clock.tell("measure", number, steps)
        after = carry_region(pair.moving, transform)
        metrics.append(_pair_metrics(pair, place_region(pair.moving, grid), after))
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
    )
    return fitted, tuple(metrics)


def _pair_metrics(pair: RegionPair, before: Region | None, after: Region | None) -> PairMetrics:
    return PairMetrics(
        name=pair.name,
        prompt=pair.prompt,
        similarity=pair.similarity,
        accepted=pair.accepted,
        reason=pair.reason,
        dice_before=_overlap(pair.fixed, before),
        dice_after=_overlap(pair.fixed, after),
        centroid_mm_before=centroid_distance_mm(pair.fixed, pair.moving),
        centroid_mm_after=None if after is None else centroid_distance_mm(pair.fixed, after),
        hd95_mm_before=None if before is None else hausdorff95_mm(pair.fixed, before),
        hd95_mm_after=None if after is None else hausdorff95_mm(pair.fixed, after),
        fixed_ml=pair.fixed.volume_ml,
        moving_ml=pair.moving.volume_ml,
    )


def _overlap(fixed: Region, moved: Region | None) -> float:
    """A region that left the fixed volume overlaps with nothing there: that is known."""
    return 0.0 if moved is None else dice(fixed, moved)


def _summary(metrics: Sequence[PairMetrics]) -> Summary:
    accepted = [metric for metric in metrics if metric.accepted]
    names = ("dice_before", "dice_after", "centroid_mm_before", "centroid_mm_after")
    return Summary(**{f"mean_{name}": _mean([getattr(metric, name) for metric in accepted]) for name in names})


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


# --- plan ---


def _truth(plan: PointList | None, truth: PointList | None) -> Mapping[str, np.ndarray]:
    if truth is None:
        return {}
    if plan is None:
        raise InputError("True target positions were given, but no plan to compare them with.")
    missing = sorted(set(plan.names) - set(truth.names))
    if missing:
        raise InputError(f"The true positions lack the target(s) {', '.join(missing)} of the plan.")
    return dict(zip(truth.names, truth.points_lps_mm, strict=True))


def _targets(fit_result: FitResult, plan: PointList, truth: Mapping[str, np.ndarray]) -> tuple[Target, ...]:
    points = plan.points_lps_mm
    carried = {"before": points}
    for kind in ("rigid", "affine"):
        matrix = fit_result.rigid_lps if kind == "rigid" else fit_result.affine_lps
        back = np.linalg.inv(matrix)
        carried[kind] = points @ back[:3, :3].T + back[:3, 3]
    final = fit_result.transform.inverse.apply_to_points(points)
    if fit_result.transform.kind not in carried:
        carried["deformable"] = final
    errors: dict[str, np.ndarray] = {}
    if truth:
        true_points = np.array([truth[name] for name in plan.names])
        errors = {kind: target_registration_error_mm(places, true_points) for kind, places in carried.items()}
    return tuple(
        Target(name, points[number], final[number], {kind: float(error[number]) for kind, error in errors.items()})
        for number, name in enumerate(plan.names)
    )
