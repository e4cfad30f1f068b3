"""The orchestrator of a registration: stages in order, with progress, cancel and the time that each took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import GeometryError, InputError, NothingFound
from Tell2RegLib.fitting import FitResult, FitSettings, Progress, fit
from Tell2RegLib.fitting.settings import default_smoothness
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache, region_key, volume_key
from Tell2RegLib.pipeline.measure import (
    measure_before_fit,
    measured,
    summary,
    targets,
    true_pairs,
    true_places,
    words_result,
)
from Tell2RegLib.pipeline.pair import PairingResult, match_by_words, why_none_is_used
from Tell2RegLib.pipeline.prompt_query import PromptQuery, query_by_models
from Tell2RegLib.results.provenance import provenance
from Tell2RegLib.results.result import Fitted, PairMetrics, RegistrationResult
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker


def register(
    fixed: Volume,
    moving: Volume,
    *,
    prompts: Sequence[str] | None = None,
    models: str = FindOptions.models,
    device: str = FindOptions.device,
    words: PromptQuery | None = None,
    fixed_regions: Sequence[Region] | None = None,
    moving_regions: Sequence[Region] | None = None,
    settings: FitSettings | None = None,
    plan: PointList | None = None,
    plan_truth: PointList | None = None,
    true_regions: tuple[Sequence[Region], Sequence[Region]] | None = None,
    inputs: Mapping[str, Path] | None = None,
    memory: InMemoryCache | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> RegistrationResult:
    """Register two volumes by the regions that the same words find in both, or by given regions of the same names.

    Args:
        fixed, moving: the volumes, any geometry.
        prompts: the words; the networks are those of `models`, on `device`.
        models: a set of weights that is installed.
        device: for the networks, and for the fit where `settings` is None.
        words: the words with a source and settings of their own, instead of `prompts`.
        fixed_regions, moving_regions: instead of words; on the grids of their volumes; paired by name.
        settings: of the fit; when None, the defaults on `device`, stiffer (`SMOOTHNESS_OF_FOUND`) for words.
        plan: points on the moving volume to carry to fixed space.
        plan_truth: their true places in fixed space, where known, by the same names.
        true_regions: the true regions (fixed, moving) of a synthetic pair, to compare with what the words found.
        inputs: the files behind it all, for the record.
        memory: what earlier runs found and is still valid; a new one when None.
        progress, cancelled: called with (stage, done, total); asked often, True stops the run.

    Returns:
        The result; with status "no_pairs" and a reason when there is no pair to fit.

    Raises:
        GeometryError: regions that are not on their volume's grid.
        InputError: not one of prompts, words and regions; a plan whose names do not fit its truth.
        ModelError: models that are not installed, or damaged.
        Cancelled: when `cancelled` said so.
    """
    given = fixed_regions is not None and moving_regions is not None
    if [prompts is not None, words is not None, given].count(True) != 1:
        raise InputError("Give either words to look for, or regions on both volumes.")
    clock, memory = ProgressTracker(progress, cancelled), memory or InMemoryCache()
    settings = settings or FitSettings(device=device, smoothness=default_smoothness(by_words=not given))
    run = _Run(fixed, moving, settings, clock, memory)
    true_places(plan, plan_truth)
    if prompts is not None:
        with clock.stage("models"):
            words = query_by_models(prompts, models, device=device)
    if words is None:
        matched = _given(run, fixed_regions or (), moving_regions or ())
    else:
        matched = match_by_words(fixed, moving, words, clock=clock, memory=memory)
    return run.finish(matched, plan, plan_truth, true_regions, inputs or {})


def finish(
    fixed: Volume,
    moving: Volume,
    pairs: Sequence[RegionPair],
    *,
    settings: FitSettings | None = None,
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
    """Fit, measure and carry the plan for pairs that were matched before and, perhaps, curated by a person since.

    Args: see `register`, and
        pairs: on the grids of the volumes, rejected ones too.
        prompts, models, parameters: how the pairs were found, for the record: those of a `pairing.Matched`.
    """
    _check_regions("fixed", fixed, [pair.fixed for pair in pairs])
    _check_regions("moving", moving, [pair.moving for pair in pairs])
    true_places(plan, plan_truth)
    run = _Run(
        fixed, moving, settings or FitSettings(), ProgressTracker(progress, cancelled), memory or InMemoryCache()
    )
    matched = PairingResult(tuple(pairs), prompts=prompts, models=models or {}, parameters=parameters or {})
    return run.finish(matched, plan, plan_truth, None, inputs or {})


# --- regions and pairs ---


def _given(run: _Run, fixed_regions: Sequence[Region], moving_regions: Sequence[Region]) -> PairingResult:
    _check_regions("fixed", run.fixed, fixed_regions)
    _check_regions("moving", run.moving, moving_regions)
    with run.clock.stage("pair"):
        try:
            return PairingResult(pairs_by_name(fixed_regions, moving_regions), fixed_regions, moving_regions)
        except NothingFound as nothing:
            return PairingResult((), fixed_regions, moving_regions, str(nothing))


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
    """The second half of a run: pairs in, result out."""

    fixed: Volume
    moving: Volume
    settings: FitSettings
    clock: ProgressTracker
    memory: InMemoryCache

    def finish(
        self,
        matched: PairingResult,
        plan: PointList | None,
        plan_truth: PointList | None,
        true_regions: tuple[Sequence[Region], Sequence[Region]] | None,
        inputs: Mapping[str, Path],
    ) -> RegistrationResult:
        pairs = matched.pairs
        fit_result, fitted, metrics = self._fitted(pairs)
        left_fixed, left_moving = matched.without_partner()
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
            targets=targets(fit_result, plan, true_places(plan, plan_truth), pairs) if fit_result and plan else (),
            timing_s=self.clock.timing(),
            provenance=provenance(
                device=fit_result.device if fit_result else "none",
                parameters={**asdict(self.settings), **matched.parameters},
                inputs=inputs,
                prompts=matched.prompts,
                models=matched.models,
            ),
            words=words_result(matched.found, pairs, true_regions),
            truth=true_pairs(true_regions, fitted),
        )

    def _fitted(self, pairs: tuple[RegionPair, ...]) -> tuple[FitResult | None, Fitted | None, tuple[PairMetrics, ...]]:
        if not any(pair.accepted for pair in pairs):
            return None, None, measure_before_fit(pairs)
        clock = self.clock
        with clock.stage("start"):
            import torch  # noqa: F401  seconds, which are not the fit's
        key = (tuple((region_key(p.fixed), region_key(p.moving)) for p in pairs if p.accepted), self.settings)
        with clock.stage("fit"):
            fit_result = self.memory.get(
                "fit", key, lambda: fit(pairs, self.settings, progress=clock.tell, check=clock.check), most=4
            )
        shown = tuple((region_key(p.fixed), region_key(p.moving), p.similarity, p.accepted, p.reason) for p in pairs)
        with clock.stage("measure"):
            fitted, metrics = self.memory.get(
                "measure",
                (key, shown, volume_key(self.moving)),
                lambda: measured(fit_result, self.moving, pairs, clock),
                most=2,
            )
        return fit_result, fitted, metrics
