"""What the worker does: a request in, a reply out, with what earlier runs left behind."""

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


class Kept:
    """What stays between runs: results that are still valid, and the networks in use."""

    def __init__(self) -> None:
        self.memory = InMemoryCache()
        self._networks: Networks | None = None

    @property
    def networks(self) -> Networks:
        """Made when they are first asked for: their home imports more than a light task needs."""
        if self._networks is None:
            from Tell2RegLib.region_sources.grounded_sam_networks import Networks

            self._networks = Networks()
        return self._networks

    def counts(self) -> Counter[str]:
        """How often each stage was computed so far; "models" counts how often networks were loaded."""
        loads = 0 if self._networks is None else self._networks.loads
        return self.memory.runs + Counter(models=loads)

    def release(self) -> None:
        """Let everything go: memory ran out."""
        self.memory = InMemoryCache()
        if self._networks is not None:
            self._networks.release()


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a task.

    Args:
        progress: told (stage, done, total).
        cancelled: asked often; True stops the run.
        kept: from the runs before.
        folder: a private one that vanishes when the run ends; the system's temporary place when None.
    """

    progress: Callable[[str, int, int], None]
    cancelled: Callable[[], bool]
    kept: Kept = field(default_factory=Kept)
    folder: Path | None = None

    def clock(self) -> ProgressTracker:
        """A new clock for the stages."""
        return ProgressTracker(self.progress, self.cancelled)


Task = Callable[[Any, Run], Any]
"""A request and its run to the reply. Raises Cancelled when the run is."""


def find(request: requests.FindRequest, run: Run) -> requests.FindReply:
    """Words to pairs: see `FindRequest`."""
    from Tell2RegLib.pipeline.measure import words_result
    from Tell2RegLib.pipeline.pair import match_by_words

    clock, before = run.clock(), run.kept.counts()
    with clock.stage("models"):
        words = request.options.words(request.prompts, run.kept.networks)
    matched = match_by_words(request.fixed, request.moving, words, clock=clock, memory=run.kept.memory)
    left_fixed, left_moving = matched.without_partner()
    result = words_result(matched.found, matched.pairs, None)
    assert result is not None
    return requests.FindReply(
        pairs=matched.pairs,
        unpaired_fixed=left_fixed,
        unpaired_moving=left_moving,
        messages=(
            *(f"Fixed: {sentence}" for sentence in result.fixed.in_words()),
            *(f"Moving: {sentence}" for sentence in result.moving.in_words()),
        ),
        reason=matched.reason,
        prompts=result.prompts,
        timing_s=clock.timing(),
        models=matched.models,
        unverified=words.unverified,
        parameters=matched.parameters,
        computed=tuple(run.kept.counts() - before),
    )


def fit(request: requests.FitRequest, run: Run) -> requests.FitReply:
    """Pairs to a transform and its measures: see `FitRequest`."""
    from Tell2RegLib.pipeline.measure import linear_agreements
    from Tell2RegLib.space.jacobian import jacobian_determinant
    from Tell2RegLib.space.volume import Volume

    result = _finished(request, run)
    fitted = result.fitted
    if fitted is None:
        return requests.FitReply(
            None, None, None, result.metrics, None, None, None, result.timing_s, result.provenance, result.reason
        )
    forward = fitted.transform.fixed_to_moving
    jacobian = jacobian_determinant(forward.vectors_kji, forward.grid)
    return requests.FitReply(
        transform=fitted.transform,
        rigid_lps=fitted.rigid_lps,
        affine_lps=fitted.affine_lps,
        metrics=result.metrics,
        quality=fitted.quality,
        inverse_error_mm=fitted.inverse_error_mm,
        jacobian=Volume(jacobian, forward.grid, "Jacobian"),
        timing_s=result.timing_s,
        provenance=result.provenance,
        linear=linear_agreements(fitted, request.pairs),
        rigid_is_enough=fitted.rigid_is_enough,
    )


def report(request: requests.ReportRequest, run: Run) -> requests.ReportReply:
    """A result folder: see `ReportRequest`.

    It is written in the run's own folder first: a process that is killed leaves nothing in the user's.
    """
    from Tell2RegLib.results.result_folder import check_folder, write_result, writing_folder

    clock = run.clock()
    if request.folder.parent.is_dir():
        check_folder(request.folder, overwrite=request.overwrite)
    before = run.kept.counts()
    with tempfile.TemporaryDirectory(dir=run.folder) as draft:
        result = _finished(request.fit, run, request)
        write_result(result, Path(draft), lambda done, total: clock.tell("write", done, total))
        with writing_folder(request.folder, overwrite=request.overwrite) as aside:
            _copy(Path(draft), aside)
    computed = tuple(run.kept.counts() - before)
    return requests.ReportReply(request.folder, request.folder / "report.html", computed)


def _copy(draft: Path, aside: Path) -> None:
    try:
        shutil.copytree(draft, aside, dirs_exist_ok=True)
    except OSError as error:
        raise OutputError(f"'{aside.parent}' cannot be written: {error.strerror or error}. Free some space.") from error


def _finished(request: requests.FitRequest, run: Run, more: requests.ReportRequest | None = None) -> RegistrationResult:
    from Tell2RegLib.workflows.register import finish

    return finish(
        request.fixed,
        request.moving,
        request.pairs,
        settings=request.settings,
        plan=more.plan if more else None,
        plan_truth=more.plan_truth if more else None,
        prompts=request.prompts,
        models=request.models,
        parameters=request.parameters,
        memory=run.kept.memory,
        progress=run.progress,
        cancelled=run.cancelled,
    )


def devices(request: requests.DevicesRequest, run: Run) -> requests.DevicesReply:
    """What there is to compute on."""
    from Tell2RegLib.worker.devices import find_devices

    return find_devices()


def check(request: requests.CheckRequest, run: Run) -> requests.CheckReply:
    """Whether the packages can be imported."""
    from Tell2RegLib.worker.checking import check_packages

    clock = run.clock()
    return check_packages(lambda done, total: clock.tell("check", done, total))


def demo(request: requests.DemoRequest, run: Run) -> requests.DemoReply:
    """The demo pair."""
    from Tell2RegLib.workflows.demo import make_demo_pair

    with run.clock().stage("demo"):
        pair = make_demo_pair()
    return requests.DemoReply(pair.fixed, pair.moving, pair.plan, pair.plan_truth)


def models(request: requests.ModelsRequest, run: Run) -> requests.ModelsReply:
    """Models listed, installed, verified, imported, removed."""
    from Tell2RegLib.worker.model_tasks import act_on_models

    return act_on_models(request, run.clock())


TASKS: Mapping[str, Task] = {
    "find": find,
    "fit": fit,
    "report": report,
    "devices": devices,
    "check": check,
    "demo": demo,
    "models": models,
}
"""By the names of `requests`."""
