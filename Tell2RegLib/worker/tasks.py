"""The worker's tasks: each turns a request into a reply, with the caches of earlier runs."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from Tell2RegLib.errors import OutputError
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.support.progress import ProgressTracker
from Tell2RegLib.worker import requests

if TYPE_CHECKING:
    from Tell2RegLib.region_sources.grounded_sam_networks import Networks
    from Tell2RegLib.results.result import RegistrationResult


class WorkerCaches:
    """Kept between runs: cached results, and the loaded networks."""

    def __init__(self) -> None:
        self.memory = InMemoryCache()
        self._networks: Networks | None = None

    @property
    def networks(self) -> Networks:
        """The networks, created on first use because their module imports more than a light task needs."""
        if self._networks is None:
            from Tell2RegLib.region_sources.grounded_sam_networks import Networks

            self._networks = Networks()
        return self._networks

    def counts(self) -> Counter[str]:
        """Number of times each stage was computed; "models" counts loads of networks."""
        loads = 0 if self._networks is None else self._networks.loads
        return self.memory.runs + Counter(models=loads)

    def release(self) -> None:
        """Release everything, after the memory ran out."""
        self.memory = InMemoryCache()
        if self._networks is not None:
            self._networks.release()


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a task.

    Args:
        progress: called with (stage, done, total).
        cancelled: called often; returns True to stop the run.
        caches: kept between runs.
        folder: a private folder, deleted when the run ends; the system's temporary folder when None.
    """

    progress: Callable[[str, int, int], None]
    cancelled: Callable[[], bool]
    caches: WorkerCaches = field(default_factory=WorkerCaches)
    folder: Path | None = None

    def tracker(self) -> ProgressTracker:
        """A new progress tracker."""
        return ProgressTracker(self.progress, self.cancelled)


Task = Callable[[Any, Run], Any]
"""Turns a request and its run into the reply; raises `Cancelled` when the run is cancelled."""


def find(request: requests.FindRequest, run: Run) -> requests.FindReply:
    """From prompts to pairs; see `FindRequest`."""
    from Tell2RegLib.pipeline.measure import prompts_result
    from Tell2RegLib.pipeline.pair import match_by_prompts
    from Tell2RegLib.results.result import warnings_in

    tracker, counts_before = run.tracker(), run.caches.counts()
    with tracker.stage("models"):
        query = request.options.query(request.prompts, (request.fixed, request.moving), run.caches.networks)
    matched = match_by_prompts(request.fixed, request.moving, query, tracker=tracker, memory=run.caches.memory)
    left_fixed, left_moving = matched.regions_without_partner()
    result = prompts_result(matched.source_results, matched.pairs, None)
    assert result is not None
    return requests.FindReply(
        pairs=matched.pairs,
        unpaired_fixed=left_fixed,
        unpaired_moving=left_moving,
        messages=(
            *(f"Fixed: {sentence}" for sentence in result.fixed.sentences()),
            *(f"Moving: {sentence}" for sentence in result.moving.sentences()),
        ),
        reason=matched.reason,
        prompts=result.prompts,
        timing_s=tracker.timing(),
        models=matched.models,
        unverified=query.unverified,
        parameters=matched.parameters,
        computed=tuple(run.caches.counts() - counts_before),
        remarks=matched.remarks,
        warnings=warnings_in(matched.parameters),
    )


def fit(request: requests.FitRequest, run: Run) -> requests.FitReply:
    """From pairs to a transform and its measures; see `FitRequest`."""
    from Tell2RegLib.pipeline.measure import linear_agreements

    result = _finished(request, run)
    fitted = result.fitted
    if fitted is None:
        return requests.FitReply(
            None, None, None, result.metrics, None, None, None, result.timing_s, result.provenance, result.reason
        )
    return requests.FitReply(
        transform=fitted.transform,
        rigid_lps=fitted.rigid_lps,
        affine_lps=fitted.affine_lps,
        metrics=result.metrics,
        quality=fitted.quality,
        inverse_error_mm=fitted.inverse_error_mm,
        jacobian=fitted.jacobian,
        timing_s=result.timing_s,
        provenance=result.provenance,
        linear=linear_agreements(fitted, request.pairs),
        recommendation=fitted.recommendation,
        error_model=_learned_error_model(result),
    )


def _learned_error_model(result: RegistrationResult) -> Mapping[str, Any] | None:
    from Tell2RegLib.trust.model_file import record_of

    predictor = result.error_predictor
    return None if predictor is None or predictor.shipped else record_of(predictor.model)


def report(request: requests.ReportRequest, run: Run) -> requests.ReportReply:
    """Write a result folder; see `ReportRequest`.

    It is written in the run's own folder first: a process that is killed leaves nothing in the user's.
    """
    from Tell2RegLib.results.result_folder import check_folder, write_result, writing_folder

    tracker = run.tracker()
    contents = None
    if request.folder.parent.is_dir():
        contents = check_folder(request.folder, overwrite=request.overwrite)
    counts_before = run.caches.counts()
    with tempfile.TemporaryDirectory(dir=run.folder) as draft:
        result = _finished(request.fit, run, request)
        write_result(result, Path(draft), lambda done, total: tracker.report("write", done, total))
        with writing_folder(request.folder, overwrite=request.overwrite, contents=contents) as aside:
            _copy(Path(draft), aside)
    computed = tuple(run.caches.counts() - counts_before)
    return requests.ReportReply(request.folder, request.folder / "report.html", computed)


def _copy(draft: Path, aside: Path) -> None:
    try:
        shutil.copytree(draft, aside, dirs_exist_ok=True)
    except OSError as error:
        raise OutputError(f"'{aside}' cannot be written: {error.strerror or error}. Free some space.") from error


def _finished(
    request: requests.FitRequest, run: Run, report_request: requests.ReportRequest | None = None
) -> RegistrationResult:
    from Tell2RegLib.calibration.model import read_calibration
    from Tell2RegLib.workflows.register import finish

    return finish(
        request.fixed,
        request.moving,
        request.pairs,
        settings=request.settings,
        calibration=read_calibration(request.calibration) if request.calibration else None,
        trust=report_request.trust if report_request else None,
        plan=report_request.plan if report_request else None,
        plan_truth=report_request.plan_truth if report_request else None,
        prompts=request.prompts,
        models=request.models,
        parameters=request.parameters,
        memory=run.caches.memory,
        progress=run.progress,
        cancelled=run.cancelled,
    )


def devices(request: requests.DevicesRequest, run: Run) -> requests.DevicesReply:
    """The compute devices; see `DevicesRequest`."""
    from Tell2RegLib.worker.devices import find_devices

    return find_devices()


def check(request: requests.CheckRequest, run: Run) -> requests.CheckReply:
    """Import the packages; see `CheckRequest`."""
    from Tell2RegLib.worker.package_check import check_packages

    tracker = run.tracker()
    return check_packages(lambda done, total: tracker.report("check", done, total))


def demo(request: requests.DemoRequest, run: Run) -> requests.DemoReply:
    """Create the demo pair; see `DemoRequest`."""
    from Tell2RegLib.workflows.demo import make_demo_pair

    with run.tracker().stage("demo"):
        pair = make_demo_pair()
    return requests.DemoReply(pair.fixed, pair.moving, pair.plan, pair.plan_truth)


def models(request: requests.ModelsRequest, run: Run) -> requests.ModelsReply:
    """Act on models; see `ModelsRequest`."""
    from Tell2RegLib.worker.model_tasks import act_on_models

    return act_on_models(request, run.tracker())


TASKS: Mapping[str, Task] = {
    "find": find,
    "fit": fit,
    "report": report,
    "devices": devices,
    "check": check,
    "demo": demo,
    "models": models,
}
"""The tasks by name, as in `requests`."""
