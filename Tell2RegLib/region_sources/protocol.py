"""The interface of region sources by prompts: what a source implements (its result is in source_result.py).

Another model is added by a class with `find`, or with steps that are cached one by one (docs/plugins.md); nothing here
imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from Tell2RegLib.models.protocol import SliceStack
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import Check, Progress, StepProgress


@runtime_checkable
class RegionSource(Protocol):
    """Detects regions in a volume by prompts."""

    @property
    def name(self) -> str:
        """Name of the source."""
        ...

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
    ) -> SourceResult:
        """Detect the regions named by prompts; a result without regions is valid.

        Args:
            volume: any geometry.
            prompts: the user's prompts, unique and not empty.
            progress: called with (stage, done, total).
            check: called often; raises `Cancelled` to stop.
        """
        ...


# --- steps ---


@dataclass(frozen=True, eq=False)
class VolumeSearch:
    """The state of a search in one volume between the steps of a source.

    Args:
        volume: any geometry.
        volume_key: SHA-256 of its voxels and geometry, for the keys of steps.
        prompts: the user's prompts, unique and not empty.
        results: results of the earlier steps by stage; for a step per prompt, a mapping from each prompt.
    """

    volume: Volume
    volume_key: str
    prompts: tuple[str, ...]
    results: Mapping[str, Any] = field(default_factory=dict)

    def with_result(self, stage: str, result: Any) -> VolumeSearch:
        """The search with the result of another step added."""
        return replace(self, results={**self.results, stage: result})


@dataclass(frozen=True)
class StepControl:
    """The callbacks of a running step; each may raise `Cancelled`.

    Args:
        step: called with (done, total) of this run of the step.
        progress: called with (stage, done, total), for sources with additional stages.
        check: called where there is no progress to report.
    """

    step: StepProgress
    progress: Progress
    check: Check


StepUnit = Literal["volume", "prompt", "new_prompts", "all_prompts"]
"""The unit that one run of a step computes and that is cached under one key."""


def _always_needed(search: VolumeSearch) -> bool:
    return True


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchStep:
    """One step of a search, as data; `find_regions` runs it for each volume with caching, progress and cancel.

    Args:
        stage: unique name of the step, used for progress, timing and caching.
        run: computes the results of some prompts. With the unit "volume" it receives all prompts and returns one
            result, otherwise a mapping from each of the prompts.
        key: everything on which the result for a prompt depends (the prompt is "" with the unit "volume"); None to
            disable caching. Keys are compared only among sources of one class.
        unit: "volume": one run, one result. "prompt": one run per prompt. "new_prompts": one run for all prompts that
            are not cached. "all_prompts": the same for prompts that influence one another: if one is not cached, all
            are run, and the key must contain all of them.
        reports: whether `run` reports progress by `control.step`; otherwise only the start of each run is reported.
        refine: derives the result for later steps from the cached or computed one, every time.
        needed: returns False where later steps do not need the result: it is then taken from the cache, or None.
            "volume" only.
        embeds: returns the slices whose embeddings `run` computes and the name of the model, so that they are kept on
            disk. "volume" only.
        cache_limit: maximum number of cached results; the limit of the cache when None.
    """

    stage: str
    run: Callable[[VolumeSearch, Sequence[str], StepControl], Any]
    key: Callable[[VolumeSearch, str], Hashable]
    unit: StepUnit = "volume"
    reports: bool = False
    refine: Callable[[VolumeSearch, Any], Any] | None = None
    needed: Callable[[VolumeSearch], bool] = _always_needed
    embeds: Callable[[VolumeSearch], tuple[SliceStack, str]] | None = None
    cache_limit: int | None = None


@runtime_checkable
class SteppedSource(RegionSource, Protocol):
    """A source that consists of steps, each of which is cached and reported separately."""

    def search_steps(self) -> Sequence[SearchStep]:
        """The steps in their order; the result of the last one is the `SourceResult`."""
        ...


def steps_of(source: RegionSource) -> tuple[SearchStep, ...]:
    """The steps of a source; a source without steps has a single one, "find"."""
    if isinstance(source, SteppedSource):
        return tuple(source.search_steps())
    return (_find_step(source),)


def _find_step(source: RegionSource) -> SearchStep:
    def run(search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> SourceResult:
        return source.find(search.volume, tuple(prompts), progress=control.progress, check=control.check)

    def key(search: VolumeSearch, prompt: str) -> Hashable:
        return (source, search.volume_key, search.prompts) if _is_hashable(source) else None

    return SearchStep(stage="find", run=run, key=key, reports=True)


def _is_hashable(source: RegionSource) -> bool:
    """Whether a source is hashable; a source that is not may be modified in place and must not be cached."""
    try:
        hash(source)
    except TypeError:
        return False
    return True
