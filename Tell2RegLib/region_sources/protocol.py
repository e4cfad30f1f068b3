"""The interface of region sources by prompts: what a source implements, and the result that it returns.

Another model is added by a class with `find`, or with steps that are cached one by one (docs/plugins.md); nothing here
imports torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from numpy.typing import NDArray

from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import Check, Progress, StepProgress

DetectionOutcome = Literal[
    "kept",
    "no_box",
    "spans_slice",
    "twice",
    "no_mask",
    "mask_small",
    "mask_large",
    "in_larger",
    "speck",
    "unsure",
    "small",
    "beyond_most",
]
"""Outcome of a box: part of a region ("kept"), or the filter that discarded it."""

OUTCOME_TEXTS: Mapping[DetectionOutcome, str] = {
    "kept": "part of a region",
    "no_box": "no area on the slice",
    "spans_slice": "as wide or as high as the slice",
    "twice": "overlaps a box with a higher score",
    "no_mask": "nothing segmented",
    "mask_small": "mask too small",
    "mask_large": "mask too large",
    "in_larger": "mask inside a larger one",
    "speck": "on too few slices",
    "unsure": "score too low on all slices",
    "small": "region too small",
    "beyond_most": "more regions than the limit",
}


@dataclass(frozen=True, eq=False)
class Detection:
    """A box and its outcome.

    Args:
        box: on slice `box.slice_index` of `SourceResult.slices`.
        outcome: "kept", or the filter that discarded the box.
        mask: the segmented mask; None if the box was discarded before segmentation.
        prototype: (C,), mean embedding of the mask; None if the mask was discarded before linking.
        region: index in `SourceResult.regions` of the region that contains the mask, if any.
    """

    box: Box
    outcome: DetectionOutcome = "kept"
    mask: Mask | None = None
    prototype: NDArray | None = None
    region: int | None = None


@dataclass(frozen=True)
class PromptCount:
    """Counts for one prompt in one volume.

    Args:
        prompt: the user's words.
        slices: slices searched.
        slices_without: those without a box.
        boxes: boxes that the detector returned.
        dropped: boxes discarded, by filter; filters that discarded none are omitted.
        masks: masks that are part of a region.
        regions: regions assembled from the masks.
    """

    prompt: str
    slices: int
    slices_without: int
    boxes: int
    dropped: Mapping[DetectionOutcome, int]
    masks: int
    regions: int

    def in_words(self) -> str:
        """One sentence for display.

        >>> PromptCount("bladder", 30, 28, 3, {"mask_small": 2, "speck": 1}, 0, 0).in_words()
        "'bladder': no region; 3 boxes on 2 of 30 slices, discarded: 2 (mask too small), 1 (on too few slices)."
        """
        if not self.boxes:
            return f"'{self.prompt}': nothing detected on any of the {self.slices} slices."
        regions_text = "no region" if not self.regions else _counted(self.regions, "region")
        boxes_text = f"{_counted(self.boxes, 'box')} on {self.slices - self.slices_without} of {self.slices} slices"
        why = ", ".join(f"{count} ({OUTCOME_TEXTS[outcome]})" for outcome, count in self.dropped.items())
        return f"'{self.prompt}': {regions_text}; {boxes_text}{f', discarded: {why}' if why else ''}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + ('es' if noun.endswith('x') else 's')}"


@dataclass(frozen=True, eq=False)
class SourceResult:
    """The regions that a source detected in one volume, with the evidence for them.

    Args:
        source: name of the source.
        prompts: the prompts, in the user's order.
        regions: on the volume's grid, with prompts, scores and, if a network was used, prototypes; names are unique.
        slices: the 8-bit slices of the volume on the working grid; None for sources without slices.
        slice_indices: indices of the slices that the source processed, increasing.
        detections: every box, by slice, prompt and decreasing score.
        embeddings: features of the processed slices; None when none were needed.
    """

    source: str
    prompts: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    slices: Volume | None = None
    slice_indices: tuple[int, ...] = ()
    detections: tuple[Detection, ...] = ()
    embeddings: Embeddings | None = None

    @property
    def counts(self) -> tuple[PromptCount, ...]:
        """The numbers of detections of each prompt, in the order of the prompts."""
        return tuple(self._count(prompt) for prompt in self.prompts)

    def _count(self, prompt: str) -> PromptCount:
        prompt_detections = [detection for detection in self.detections if detection.box.prompt == prompt]
        outcomes = Counter(detection.outcome for detection in prompt_detections)
        return PromptCount(
            prompt=prompt,
            slices=len(self.slice_indices),
            slices_without=len(self.slice_indices)
            - len({detection.box.slice_index for detection in prompt_detections}),
            boxes=len(prompt_detections),
            dropped={
                outcome: outcomes[outcome]
                for outcome in get_args(DetectionOutcome)
                if outcome != "kept" and outcomes[outcome]
            },
            masks=outcomes["kept"],
            regions=sum(region.prompt == prompt for region in self.regions),
        )

    def in_words(self) -> tuple[str, ...]:
        """One sentence per prompt for display; prompts without detections are reported, not raised."""
        if self.slice_indices:
            return tuple(count.in_words() for count in self.counts)
        return tuple(
            f"'{c.prompt}': {_counted(c.regions, 'region') if c.regions else 'nothing was found'}." for c in self.counts
        )

    def nothing_found(self, side: str = "") -> str:
        """Why there is nothing to go on with, and what to do, for terminal, worker and panel.

        Args:
            side: "fixed" or "moving", where there are two volumes.
        """
        where = f" in the {side} volume" if side else ""
        return f"Nothing was found{where}: {' '.join(self.in_words())} Try other words."


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
