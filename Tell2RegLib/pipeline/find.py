"""Detects regions by prompts in several volumes, step by step, reusing the results of earlier runs.

The steps of a source (`region_sources.protocol.SearchStep`) run here over all volumes, with caching, progress and
cancel around each, whatever the source.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache, volume_key
from Tell2RegLib.region_sources.prompts import cleaned_prompts
from Tell2RegLib.region_sources.protocol import (
    RegionSource,
    SearchStep,
    StepControl,
    SteppedSource,
    VolumeSearch,
    steps_of,
)
from Tell2RegLib.region_sources.registry import check_source_result
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import Check, Progress, ProgressTracker, StepProgress

if TYPE_CHECKING:
    from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore


def find_regions(
    source: RegionSource,
    volumes: Sequence[Volume],
    prompts: Sequence[str],
    *,
    tracker: ProgressTracker | None = None,
    memory: InMemoryCache | None = None,
    store: EmbeddingStore | None = None,
) -> tuple[SourceResult, ...]:
    """Detect the regions of the same prompts in each volume.

    Args:
        source: the region source; a source without steps has a single one, "find".
        volumes: any geometry.
        prompts: the user's prompts.
        tracker: reports the stages of the source: "prepare", "detect", "embed", "segment" for the built-in one.
        memory: results of earlier calls.
        store: embeddings on disk.

    Raises:
        GeometryError, InputError: no prompts, an empty one, or an invalid result of the source.
        Cancelled: the run was cancelled.
    """
    tracker, memory, prompts = tracker or ProgressTracker(), memory or InMemoryCache(), cleaned_prompts(prompts)
    searches = [VolumeSearch(volume, volume_key(volume), prompts) for volume in volumes]
    steps = steps_of(source)
    for step in steps:
        runner = _StepRunner(step, type(source), len(volumes), tracker, memory, store)
        with tracker.stage(step.stage):
            for number, search in enumerate(searches):
                result = runner.result(search, number)
                if step is steps[-1]:
                    check_source_result(result, search.volume)
                searches[number] = search.with_result(step.stage, result)
    return tuple(search.results[steps[-1].stage] for search in searches)


def find_by_steps(
    source: SteppedSource,
    volume: Volume,
    prompts: Sequence[str],
    *,
    progress: Progress | None = None,
    check: Check | None = None,
) -> SourceResult:
    """The method `find` of a source that offers its steps: see `RegionSource.find`."""

    def cancelled() -> bool:
        if check:
            check()
        return False

    (result,) = find_regions(source, [volume], prompts, tracker=ProgressTracker(progress, cancelled))
    return result


@dataclass(frozen=True, eq=False)
class _StepRunner:
    """Runs one step over all volumes of one call."""

    step: SearchStep
    source_class: type
    volume_count: int
    tracker: ProgressTracker
    memory: InMemoryCache
    store: EmbeddingStore | None

    def result(self, search: VolumeSearch, number: int) -> Any:
        """The result for one volume, from the cache if available."""
        if self.step.unit == "volume":
            result = self._of_volume(search, number)
        elif self.step.unit == "prompt":
            result = self._prompt_by_prompt(search, number)
        else:
            result = self._of_prompts(search, number)
        return self.step.refine(search, result) if self.step.refine else result

    def _of_volume(self, search: VolumeSearch, number: int) -> Any:
        self._tell_start(number, self.volume_count)
        key = self._key(search, "")
        if not self.step.needed(search) and not self._is_cached(key):
            return None
        return self._cached(key, lambda: self._run_or_read(search, number))

    def _run_or_read(self, search: VolumeSearch, number: int) -> Any:
        """Run the step, or read its embeddings from disk."""
        if self.step.embeds is None:
            return self._run(search, search.prompts, number, self.volume_count)
        slices, model = self.step.embeds(search)
        from_disk = self.store.get(slices, model) if self.store else None
        if from_disk is not None:
            self.memory.reused["encode"] += 1
            return from_disk
        self.memory.runs["encode"] += 1
        embeddings = self._run(search, search.prompts, number, self.volume_count)
        if self.store:
            self.store.put(slices, model, embeddings)
        return embeddings

    def _prompt_by_prompt(self, search: VolumeSearch, number: int) -> dict[str, Any]:
        count = len(search.prompts)
        return {
            prompt: self._of_prompt(search, prompt, number * count + index, self.volume_count * count)
            for index, prompt in enumerate(search.prompts)
        }

    def _of_prompt(self, search: VolumeSearch, prompt: str, number: int, count: int) -> Any:
        self._tell_start(number, count)
        return self._cached(self._key(search, prompt), lambda: self._run(search, (prompt,), number, count)[prompt])

    def _of_prompts(self, search: VolumeSearch, number: int) -> dict[str, Any]:
        """One run for all prompts that are not cached."""
        self._tell_start(number, self.volume_count)
        keys = {prompt: self._key(search, prompt) for prompt in search.prompts}
        missing = [prompt for prompt in search.prompts if not self._is_cached(keys[prompt])]
        if missing and self.step.unit == "all_prompts":
            missing = list(search.prompts)
        # What is cached comes first: keeping what is new may push it out.
        results = {prompt: self._cached(keys[prompt], dict) for prompt in search.prompts if prompt not in missing}
        computed = self._run(search, missing, number, self.volume_count) if missing else {}
        for prompt in missing:
            results[prompt] = self._cached(keys[prompt], lambda prompt=prompt: computed[prompt])  # type: ignore[misc]
        return results

    def _run(self, search: VolumeSearch, prompts: Sequence[str], number: int, count: int) -> Any:
        step: StepProgress = (
            self.tracker.part(self.step.stage, number, count) if self.step.reports else self._check_only
        )
        result = self.step.run(search, prompts, StepControl(step, self.tracker.report, self.tracker.check))
        return check_source_result(result, search.volume) if isinstance(result, SourceResult) else result

    def _check_only(self, done: int, total: int) -> None:
        self.tracker.check()

    def _tell_start(self, number: int, count: int) -> None:
        if self.step.reports:
            self.tracker.check()
        else:
            self.tracker.report(self.step.stage, number, count)

    def _key(self, search: VolumeSearch, prompt: str) -> Hashable:
        key = self.step.key(search, prompt)
        return None if key is None else (self.source_class, key)

    def _is_cached(self, key: Hashable) -> bool:
        return key is not None and self.memory.has(self.step.stage, key)

    def _cached(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        if key is None:
            return compute()
        return self.memory.get(self.step.stage, key, compute, max_results=self.step.cache_limit)
