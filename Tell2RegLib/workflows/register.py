"""Runs a registration: all stages in order, with progress, cancel and timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from Tell2RegLib.calibration.model import Calibration
from Tell2RegLib.errors import GeometryError, InputError, NothingFound
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting import FitResult, FitSettings, fit
from Tell2RegLib.fitting.interior import InteriorModel
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.matching import PairCheck, check_pairs, pairs_by_name, remarks_about
from Tell2RegLib.pipeline.find_options import DEFAULT_MODELS, FindOptions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache, region_key, volume_key
from Tell2RegLib.pipeline.measure import (
    measure_before_fit,
    measure_pairs,
    prompts_result,
    summary,
    targets,
    true_pairs,
    true_positions_by_name,
)
from Tell2RegLib.pipeline.memory_need import check_memory
from Tell2RegLib.pipeline.pair import PairingResult, match_by_prompts, why_none_is_used
from Tell2RegLib.pipeline.prompt_query import PromptQuery, query_by_models
from Tell2RegLib.region_sources.suitability import check_default
from Tell2RegLib.results.provenance import provenance
from Tell2RegLib.results.result import Fitted, PairMetrics, RegistrationResult, Target
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import Progress, ProgressTracker
from Tell2RegLib.trust.cues import Registered
from Tell2RegLib.trust.domain import CaseFacts
from Tell2RegLib.trust.error_model import ErrorPredictor
from Tell2RegLib.trust.model_file import predictor_of


def register(
    fixed: Volume,
    moving: Volume,
    *,
    prompts: Sequence[str] | None = None,
    models: str | None = FindOptions.models,
    device: str = FindOptions.device,
    query: PromptQuery | None = None,
    fixed_regions: Sequence[Region] | None = None,
    moving_regions: Sequence[Region] | None = None,
    settings: FitSettings | None = None,
    trust: TrustSettings | None = None,
    prior: LinearPrior | None = None,
    calibration: Calibration | None = None,
    plan: PointList | None = None,
    plan_truth: PointList | None = None,
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None = None,
    all_pairs: bool = False,
    inputs: Mapping[str, Path] | None = None,
    memory: InMemoryCache | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RegistrationResult:
    """Register two volumes by the regions that the same prompts detect in both, or by given regions with equal names.

    Args:
        fixed, moving: the volumes, any geometry.
        models, device: an installed set, by default the demo's if it knows the volumes; of the fit without `settings`.
        prompts, query: the user's prompts, or prompts with their source and settings.
        fixed_regions, moving_regions: given regions instead of prompts, on the grids of their volumes; paired by name.
        settings, trust: of the fit and the verdicts on targets; the defaults when None.
        prior, calibration: of the linear part, or of these two kinds of scan; the default prior when both are None.
        plan, plan_truth: points on the moving volume to propagate, and their true positions in fixed space by name.
        true_regions: the true regions (fixed, moving) of a synthetic pair, for comparison with the detected ones.
        all_pairs: use every pair in full, without the check of the pairs against each other (`check_pairs`).
        inputs, memory, progress: input files, for the record; cached results; called with (stage, done, total).

    Returns:
        The result; with the status "no_pairs" and a reason if there is no pair to fit.

    Raises:
        GeometryError: regions that are not on their volume's grid.
        InputError: not one of prompts, query, regions; no models; prior and calibration; a truth that lacks a target.
        ModelError, Cancelled: models that are not installed or are damaged; `cancelled` said so.
    """
    are_regions_given = fixed_regions is not None and moving_regions is not None
    if [prompts is not None, query is not None, are_regions_given].count(True) != 1:
        raise InputError("Give either prompts, or regions on both volumes.")
    tracker, memory = ProgressTracker(progress, cancelled), memory or InMemoryCache()
    settings, trust = settings or FitSettings(device=device), trust or TrustSettings()
    run = _Run(fixed, moving, settings, _prior(settings, prior, calibration), trust, tracker, memory, calibration)
    true_positions_by_name(plan, plan_truth)
    if prompts is not None:
        with tracker.stage("models"):
            query = _query(prompts, models, device, (fixed, moving))
    if query is None:
        matched = _pair_given_regions(run, fixed_regions or (), moving_regions or (), all_pairs)
    else:
        matched = _pair_by_prompts(run, query, all_pairs)
    return run.finish(matched, plan, plan_truth, true_regions, inputs or {})


def finish(
    fixed: Volume,
    moving: Volume,
    pairs: Sequence[RegionPair],
    *,
    settings: FitSettings | None = None,
    trust: TrustSettings | None = None,
    calibration: Calibration | None = None,
    plan: PointList | None = None,
    plan_truth: PointList | None = None,
    inputs: Mapping[str, Path] | None = None,
    prompts: Sequence[str] = (),
    models: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    memory: InMemoryCache | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RegistrationResult:
    """Fit, measure and propagate the plan for pairs that were matched before and may have been edited since.

    Args: see `register`, and
        pairs: on the grids of the volumes, rejected ones too.
        prompts, models, parameters: how the pairs were found, for the record: those of a `PairingResult`.
    """
    _check_regions("fixed", fixed, [pair.fixed for pair in pairs])
    _check_regions("moving", moving, [pair.moving for pair in pairs])
    true_positions_by_name(plan, plan_truth)
    settings, tracker = settings or FitSettings(), ProgressTracker(progress, cancelled)
    prior = LinearPrior.from_settings(settings)
    run = _Run(
        fixed, moving, settings, prior, trust or TrustSettings(), tracker, memory or InMemoryCache(), calibration
    )
    matched = PairingResult(
        tuple(pairs),
        prompts=prompts,
        models=models or {},
        parameters=parameters or {},
        remarks=remarks_about(pairs),
    )
    return run.finish(matched, plan, plan_truth, None, inputs or {})


# --- regions and pairs ---


def _query(prompts: Sequence[str], models: str | None, device: str, volumes: Sequence[Volume]) -> PromptQuery:
    query = query_by_models(prompts, models or DEFAULT_MODELS, device=device)
    if models is None:
        check_default(query.source, volumes)
    return query


def _prior(settings: FitSettings, prior: LinearPrior | None, calibration: Calibration | None) -> LinearPrior:
    """The prior of a fit for which no calibration holds."""
    if prior is not None and calibration is not None:
        raise InputError("Give either a prior or a calibration.")
    return prior or LinearPrior.from_settings(settings)


def _pair_given_regions(
    run: _Run, fixed_regions: Sequence[Region], moving_regions: Sequence[Region], all_pairs: bool
) -> PairingResult:
    _check_regions("fixed", run.fixed, fixed_regions)
    _check_regions("moving", run.moving, moving_regions)
    with run.tracker.stage("pair"):
        try:
            pairs = pairs_by_name(fixed_regions, moving_regions)
        except NothingFound as nothing:
            return PairingResult((), fixed_regions, moving_regions, str(nothing))
        checked = PairCheck(pairs) if all_pairs else check_pairs(pairs, run.prior.rotation)
        parameters = {"all_pairs": True} if all_pairs else {}
        return PairingResult(
            checked.pairs, fixed_regions, moving_regions, parameters=parameters, remarks=checked.remarks
        )


def _pair_by_prompts(run: _Run, query: PromptQuery, all_pairs: bool) -> PairingResult:
    check_memory(run.fixed.grid, run.moving.grid, (), run.settings)
    return match_by_prompts(
        run.fixed,
        run.moving,
        query,
        all_pairs=all_pairs,
        expected_rotation=run.prior.rotation,
        tracker=run.tracker,
        memory=run.memory,
    )


def _check_regions(side: str, volume: Volume, regions: Sequence[Region]) -> None:
    for region in regions:
        if not region.grid.same_space(volume.grid):
            raise GeometryError(
                f"The {side} region '{region.name}' is on a grid of {region.grid.size_xyz} voxels, not on that of "
                f"'{volume.name}' ({volume.grid.size_xyz}). Resample it to the volume's grid."
            )


# --- from pairs to a result ---


@dataclass(frozen=True, eq=False)
class _Run:
    """The second half of a run: from pairs to the result."""

    fixed: Volume
    moving: Volume
    settings: FitSettings
    prior: LinearPrior
    trust: TrustSettings
    tracker: ProgressTracker
    memory: InMemoryCache
    calibration: Calibration | None = None
    interiors: tuple[InteriorModel, ...] = ()

    def finish(
        self,
        matched: PairingResult,
        plan: PointList | None,
        plan_truth: PointList | None,
        true_regions: tuple[Sequence[Region], Sequence[Region]] | None,
        inputs: Mapping[str, Path],
    ) -> RegistrationResult:
        pairs = matched.pairs
        run, effect = self._calibrated(pairs)
        fit_result, fitted, metrics = run._fitted(pairs)
        predictor = self._predictor(pairs) if fit_result else None
        if fit_result and fit_result.interiors:
            effect["calibration"]["interiors"] = [asdict(motion) for motion in fit_result.interiors]
        left_fixed, left_moving = matched.regions_without_partner()
        return RegistrationResult(
            status="ok" if fit_result else "no_pairs",
            reason="" if fit_result else matched.reason or why_none_is_used(pairs),
            fixed=self.fixed,
            moving=self.moving,
            pairs=pairs,
            unpaired_fixed=left_fixed,
            unpaired_moving=left_moving,
            metrics=metrics,
            summary=summary(metrics),
            fitted=fitted,
            targets=self._targets(fit_result, predictor, plan, plan_truth, pairs)
            if fit_result and predictor and plan
            else (),
            error_predictor=predictor,
            timing_s=self.tracker.timing(),
            provenance=provenance(
                device=fit_result.device if fit_result else "none",
                parameters={
                    **asdict(self.settings),
                    **matched.parameters,
                    **({"trust": asdict(self.trust)} if plan else {}),
                    **effect,
                },
                inputs=inputs,
                prompts=matched.prompts,
                models=matched.models,
            ),
            pair_remarks=matched.remarks,
            prompts_result=prompts_result(matched.source_results, pairs, true_regions),
            truth=true_pairs(true_regions, fitted),
        )

    def _predictor(self, pairs: Sequence[RegionPair]) -> ErrorPredictor:
        learned = self.calibration.errors if self.calibration else None
        return predictor_of(CaseFacts.of(self.fixed, self.moving, pairs), learned)

    def _targets(
        self,
        fit_result: FitResult,
        predictor: ErrorPredictor,
        plan: PointList,
        plan_truth: PointList | None,
        pairs: Sequence[RegionPair],
    ) -> tuple[Target, ...]:
        registered = Registered(fit_result.transform, fit_result.rigid_lps, fit_result.affine_lps, pairs)
        estimates = predictor.estimates(registered, plan.points_lps_mm)
        return targets(fit_result, plan, true_positions_by_name(plan, plan_truth), pairs, self.trust, estimates)

    def _calibrated(self, pairs: Sequence[RegionPair]) -> tuple[_Run, dict[str, Any]]:
        """The run with the prior of its calibration, if it holds for the accepted pairs; and the record of both."""
        if self.calibration is None:
            return self, {}
        reason = self.calibration.why_not([pair for pair in pairs if pair.accepted])
        prior = self.prior if reason else self.calibration.prior(self.settings)
        interiors = () if reason else self.calibration.interior_models
        return replace(self, prior=prior, interiors=interiors), {"calibration": self.calibration.effect(reason)}

    def _fitted(self, pairs: tuple[RegionPair, ...]) -> tuple[FitResult | None, Fitted | None, tuple[PairMetrics, ...]]:
        if not any(pair.accepted for pair in pairs):
            return None, None, measure_before_fit(pairs)
        accepted = [pair for pair in pairs if pair.accepted]
        check_memory(self.fixed.grid, self.moving.grid, accepted, self.settings)
        tracker = self.tracker
        with tracker.stage("start"):
            import torch  # noqa: F401  seconds, which are not the fit's
        keys = [(region_key(pair.fixed), region_key(pair.moving), pair.weight) for pair in pairs]
        accepted_keys = tuple(pair_key for pair_key, pair in zip(keys, pairs, strict=True) if pair.accepted)
        interior_key = tuple((model.region, model.coefficients.tobytes()) for model in self.interiors)
        prior_key = (self.prior.mean.tobytes(), self.prior.covariance.tobytes())
        key = (accepted_keys, self.settings, prior_key, interior_key)
        with tracker.stage("fit"):
            fit_result = self.memory.get(
                "fit",
                key,
                lambda: fit(
                    pairs,
                    self.settings,
                    prior=self.prior,
                    interiors=self.interiors,
                    progress=tracker.report,
                    check=tracker.check,
                ),
                max_results=4,
            )
        pair_keys = tuple(
            (*pair_key, p.similarity, p.accepted, p.reason) for pair_key, p in zip(keys, pairs, strict=True)
        )
        with tracker.stage("measure"):
            fitted, metrics = self.memory.get(
                "measure",
                (key, pair_keys, volume_key(self.moving)),
                lambda: measure_pairs(fit_result, self.moving, pairs, tracker),
                max_results=2,
            )
        return fit_result, fitted, metrics
