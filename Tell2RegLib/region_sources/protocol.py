"""What a source of regions by words promises, and what it hands over: regions, and the story of how they were found.

Another model is added by a class with `find`, or with steps that are cached one by one (docs/plugins.md); nothing here
imports torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from numpy.typing import NDArray

from Tell2RegLib.models.protocol import Box, Embeddings, Mask, Slices, Step
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
Check = Callable[[], None]
"""Called often; raises Cancelled to stop."""

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

OUTCOME_WORDS: Mapping[DetectionOutcome, str] = {
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
        """One sentence for the user.

        >>> PromptCount("bladder", 30, 28, 3, {"mask_small": 2, "speck": 1}, 0, 0).in_words()
        "'bladder': no region; 3 boxes on 2 of 30 slices, discarded: 2 (mask too small), 1 (on too few slices)."
        """
        if not self.boxes:
            return f"'{self.prompt}': nothing detected on any of the {self.slices} slices."
        found = "no region" if not self.regions else _counted(self.regions, "region")
        seen = f"{_counted(self.boxes, 'box')} on {self.slices - self.slices_without} of {self.slices} slices"
        why = ", ".join(f"{count} ({OUTCOME_WORDS[outcome]})" for outcome, count in self.dropped.items())
        return f"'{self.prompt}': {found}; {seen}{f', discarded: {why}' if why else ''}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + ('es' if noun.endswith('x') else 's')}"


@dataclass(frozen=True, eq=False)
class SourceResult:
    """The regions that a source detected in one volume, with the evidence for them.

    Args:
        source: the name of the source.
        prompts: the words, in the user's order.
        regions: on the volume's own grid, with prompts, scores and, where a network saw them, prototypes; their names
            are all different.
        slices: the 8-bit slices that the source looked at, on the working grid; None for sources without slices.
        looked_at: which of them.
        findings: every box by slice, prompt and falling score.
        embeddings: features of the slices in `looked_at`; None when none were needed.
    """

    source: str
    prompts: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    slices: Volume | None = None
    looked_at: tuple[int, ...] = ()
    findings: tuple[Detection, ...] = ()
    embeddings: Embeddings | None = None

    @property
    def counts(self) -> tuple[PromptCount, ...]:
        """What each prompt gave, in the order of the prompts."""
        return tuple(self._count(prompt) for prompt in self.prompts)

    def _count(self, prompt: str) -> PromptCount:
        own = [finding for finding in self.findings if finding.box.prompt == prompt]
        outcomes = Counter(finding.outcome for finding in own)
        return PromptCount(
            prompt=prompt,
            slices=len(self.looked_at),
            slices_without=len(self.looked_at) - len({finding.box.slice_index for finding in own}),
            boxes=len(own),
            dropped={
                outcome: outcomes[outcome]
                for outcome in get_args(DetectionOutcome)
                if outcome != "kept" and outcomes[outcome]
            },
            masks=outcomes["kept"],
            regions=sum(region.prompt == prompt for region in self.regions),
        )

    def in_words(self) -> tuple[str, ...]:
        """What each prompt gave, a sentence each; nothing found is said, not raised."""
        if self.looked_at:
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
    """Words and a volume to regions."""

    @property
    def name(self) -> str:
        """What the source is called."""
        ...

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
    ) -> SourceResult:
        """The regions that the words find; none at all is a result.

        Args:
            volume: any geometry.
            prompts: the user's words, none empty, none twice.
            progress: called with (stage, done, total).
            check: called often; raises Cancelled to stop.
        """
        ...


# --- steps ---


@dataclass(frozen=True, eq=False)
class VolumeSearch:
    """One volume on its way through the steps of a source.

    Args:
        volume: any geometry.
        volume_key: SHA-256 of its voxels and geometry, for the keys of steps.
        prompts: the user's words, none empty, none twice.
        results: of the earlier steps, by stage; of a step that works prompt by prompt, a mapping from each prompt.
    """

    volume: Volume
    volume_key: str
    prompts: tuple[str, ...]
    results: Mapping[str, Any] = field(default_factory=dict)

    def with_result(self, stage: str, result: Any) -> VolumeSearch:
        """The same with the result of one more step."""
        return replace(self, results={**self.results, stage: result})


@dataclass(frozen=True)
class StepControl:
    """What a running step reports to; each of the three raises Cancelled to stop.

    Args:
        step: told (done, total) of this run of the step.
        progress: told (stage, done, total), for sources that name stages of their own.
        check: called where there is nothing to tell.
    """

    step: Step
    progress: Progress
    check: Check


StepUnit = Literal["volume", "prompt", "new_prompts", "all_prompts"]
"""What one run of a step computes, and what is cached under one key."""


def _always(search: VolumeSearch) -> bool:
    return True


@dataclass(frozen=True, eq=False, kw_only=True)
class SearchStep:
    """One step of a search, as data; `find_regions` runs it for each volume, with cache, progress and cancel around it.

    Args:
        stage: what progress, timing and the cache call it; each step of a source has another.
        run: computes the result of some prompts. With the unit "volume" it is handed all prompts and gives one result,
            otherwise it gives a mapping from each of the prompts.
        key: everything that the result for a prompt depends on (the prompt is "" with the unit "volume"); None where it
            must not be cached. Keys are compared among sources of one class only.
        unit: "volume": one run, one result. "prompt": one run per prompt. "new_prompts": one run for all prompts that
            are not cached. "all_prompts": the same, but the prompts influence one another, so that one which is not
            cached makes all run; the key must hold all of them.
        reports: whether `run` tells how far it is by `control.step`; otherwise the start of each run is told.
        refine: makes the result that later steps see, from the cached or computed one, every time.
        needed: False where later steps can do without: then the result is what is cached, or None. "volume" only.
        embeds: the slices whose embeddings `run` gives, and the name of the model, so that they are kept on disk.
            "volume" only.
        most: so many results are cached; None for as many as the cache keeps of any stage.
    """

    stage: str
    run: Callable[[VolumeSearch, Sequence[str], StepControl], Any]
    key: Callable[[VolumeSearch, str], Hashable]
    unit: StepUnit = "volume"
    reports: bool = False
    refine: Callable[[VolumeSearch, Any], Any] | None = None
    needed: Callable[[VolumeSearch], bool] = _always
    embeds: Callable[[VolumeSearch], tuple[Slices, str]] | None = None
    most: int | None = None


@runtime_checkable
class SteppedSource(RegionSource, Protocol):
    """A source that offers its steps, so that each is cached and reported on its own."""

    def search_steps(self) -> Sequence[SearchStep]:
        """The steps in their order; the result of the last one is what was found, as `SourceResult`."""
        ...


def steps_of(source: RegionSource) -> tuple[SearchStep, ...]:
    """The steps of a source; one that offers none has a single one, "find"."""
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
    """Whether a source tells when it is another one; what has no hash may be changed in place."""
    try:
        hash(source)
    except TypeError:
        return False
    return True
