"""Words -> boxes -> masks -> regions: the paper's source, with any detector and any segmenter behind it.

Every step is a method of its own that keeps nothing; `search_steps` says what each depends on, so that `find_regions`
puts a cache between them: new words need no new embeddings, other filters no new boxes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.embedding_disk_cache import slices_key
from Tell2RegLib.models.protocol import Box, Detector, Embeddings, Mask, Segmenter, Slices, Step
from Tell2RegLib.region_sources.filters import box_outcomes, mask_outcomes
from Tell2RegLib.region_sources.protocol import (
    Check,
    Detection,
    Progress,
    SearchStep,
    SourceResult,
    StepControl,
    VolumeSearch,
)
from Tell2RegLib.region_sources.prototypes import mask_prototype
from Tell2RegLib.region_sources.regions import regions_of_findings
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.space.region import plain_name
from Tell2RegLib.space.volume import Volume, axial_slices

LARGE = 4
"""So many results of stages that hold whole volumes are kept: two pairs."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A volume as the networks see it.

    Args:
        slices: 8 bits, on the working grid.
        looked_at: the slices to look at, rising.
    """

    slices: Volume
    looked_at: tuple[int, ...]

    @property
    def stack(self) -> Slices:
        """The slices to look at, (S, J, I)."""
        array: Slices = self.slices.array_kji
        if len(self.looked_at) == len(array):
            return array
        return array[list(self.looked_at)]

    @property
    def slice_hw(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        _, j, i = self.slices.array_kji.shape
        return j, i

    @cached_property
    def key(self) -> str:
        """What the networks see, as a key."""
        return slices_key(self.stack) + repr(self.looked_at)


@dataclass(frozen=True)
class GroundedSam:
    """Regions by a detector and a segmenter.

    Args:
        detector: words to boxes.
        segmenter: boxes to masks, slices to embeddings.
        settings: filters and linking.
        weights: SHA-256 of the networks' files by the names of the models, for the record.
        unverified: names of those models for which the catalogue knows no hash.

    Boxes carry the number of their slice on the working grid, before, between and after all steps.
    """

    detector: Detector
    segmenter: Segmenter
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    name: str = "grounded_sam"
    weights: Mapping[str, str] = field(default_factory=dict, compare=False)
    unverified: tuple[str, ...] = field(default=(), compare=False)

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
        embeddings: Embeddings | None = None,
    ) -> SourceResult:
        """All steps: see `RegionSource.find`.

        Args:
            embeddings: of the slices in `prepare(volume)`, where they are known already.

        Raises:
            InputError: no prompts, an empty one, or embeddings of other slices.
        """
        prompts = cleaned_prompts(prompts)
        prepared = self.prepare(volume)
        boxes = self.detect(prepared, prompts, step=step_of("detect", progress, check))
        findings = self.filter_boxes(prepared, boxes)
        if embeddings is None and any(finding.outcome == "kept" for finding in findings):
            embeddings = self.embed(prepared, step=step_of("embed", progress, check))
        if embeddings is not None:
            step = step_of("segment", progress, check)
            findings = self.segment(prepared, findings, embeddings, step=step)
        return self.link(volume, prompts, prepared, findings, embeddings)

    def search_steps(self) -> tuple[SearchStep, ...]:
        """The steps for `find_regions`: new words need no new embeddings, other filters no new boxes."""
        return _Steps(self).all()

    def prepare(self, volume: Volume) -> Prepared:
        """The slices of a volume; with a slice step, the skipped ones at both ends are equally many."""
        own = self.settings
        slices = axial_slices(volume, own.spacing_mm, own.slice_spacing_mm)
        count = len(slices.array_kji)
        return Prepared(slices, tuple(range((count - 1) % own.slice_step // 2, count, own.slice_step)))

    def detect(self, prepared: Prepared, prompts: Sequence[str], *, step: Step | None = None) -> tuple[Box, ...]:
        """Every box of the detector."""
        boxes = self.detector.detect(prepared.stack, prompts, step=step)
        return tuple(replace(box, slice_index=prepared.looked_at[box.slice_index]) for box in boxes)

    def filter_boxes(self, prepared: Prepared, boxes: Sequence[Box]) -> tuple[Detection, ...]:
        """What becomes of every box before the segmenter, by slice, prompt and falling score."""
        ordered = sorted(boxes, key=lambda box: (box.slice_index, box.prompt, -box.score, box.xyxy_px))
        findings: list[Detection] = []
        for _, group in groupby(ordered, key=lambda box: (box.slice_index, box.prompt)):
            here = list(group)
            outcomes = box_outcomes(here, prepared.slice_hw, self.settings)
            findings += [Detection(box, outcome) for box, outcome in zip(here, outcomes, strict=True)]
        return tuple(findings)

    def embed(self, prepared: Prepared, *, step: Step | None = None) -> Embeddings:
        """Features of the slices: the slow step, and the same for any words."""
        return self.segmenter.embed(prepared.stack, step=step)

    def segment(
        self, prepared: Prepared, findings: Sequence[Detection], embeddings: Embeddings, *, step: Step | None = None
    ) -> tuple[Detection, ...]:
        """The findings with the masks of the boxes that were kept, their fates and prototypes.

        Raises:
            InputError: embeddings of other slices.
        """
        _check_embeddings(embeddings, prepared)
        rank_of = {k: rank for rank, k in enumerate(prepared.looked_at)}
        kept = [n for n, finding in enumerate(findings) if finding.outcome == "kept"]
        boxes = [replace(findings[n].box, slice_index=rank_of[findings[n].box.slice_index]) for n in kept]
        result = list(findings)
        if boxes:
            for n, mask in zip(kept, self.segmenter.segment(embeddings, boxes, step=step), strict=True):
                result[n] = replace(result[n], mask=Mask(findings[n].box, mask.mask, mask.quality))
        self._judge_masks(result)
        for n, finding in enumerate(result):
            if finding.outcome == "kept" and finding.mask is not None:
                number = rank_of[finding.box.slice_index]
                result[n] = replace(finding, prototype=mask_prototype(finding.mask.mask, embeddings, number))
        return tuple(result)

    def _judge_masks(self, findings: list[Detection]) -> None:
        groups: dict[tuple[int, str], list[int]] = {}
        for n, finding in enumerate(findings):
            if finding.mask is not None:
                groups.setdefault((finding.box.slice_index, finding.box.prompt), []).append(n)
        for numbers in groups.values():
            masks = [mask for n in numbers if (mask := findings[n].mask) is not None]
            for n, outcome in zip(numbers, mask_outcomes(masks, self.settings), strict=True):
                findings[n] = replace(findings[n], outcome=outcome)

    def link(
        self,
        volume: Volume,
        prompts: Sequence[str],
        prepared: Prepared,
        findings: Sequence[Detection],
        embeddings: Embeddings | None = None,
    ) -> SourceResult:
        """Regions on the volume's grid out of the masks that were kept."""
        working, looked_at = prepared.slices.grid, prepared.looked_at
        regions, findings = regions_of_findings(prompts, findings, looked_at, working, volume.grid, self.settings)
        return SourceResult(self.name, tuple(prompts), regions, prepared.slices, looked_at, findings, embeddings)


PromptFindings = Mapping[str, tuple[Detection, ...]]
"""Findings by prompt."""


@dataclass(frozen=True)
class _Steps:
    """The steps of a `GroundedSam` with what each depends on."""

    source: GroundedSam

    def all(self) -> tuple[SearchStep, ...]:
        return (
            SearchStep(stage="prepare", run=self.prepare, key=self.prepare_key, most=LARGE),
            SearchStep(
                stage="detect",
                run=self.detect,
                key=self.detect_key,
                unit="all_prompts" if self.joined else "new_prompts",
                reports=True,
                refine=self.filter_boxes,
            ),
            SearchStep(
                stage="embed",
                run=self.embed,
                key=self.embed_key,
                reports=True,
                needed=self.needs_embeddings,
                embeds=lambda search: (search.results["prepare"].stack, self.source.segmenter.name),
                most=LARGE,
            ),
            SearchStep(stage="segment", run=self.segment, key=self.segment_key, unit="prompt", refine=self.link),
        )

    @property
    def joined(self) -> bool:
        """Whether the detector reads all prompts together."""
        return bool(getattr(self.source.detector, "joined", False))

    def beside(self, search: VolumeSearch) -> tuple[str, ...]:
        """The prompts that the boxes of a prompt depend on besides its own."""
        return search.prompts if self.joined else ()

    def prepare_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        settings = self.source.settings
        return search.volume_key, settings.spacing_mm, settings.slice_spacing_mm, settings.slice_step

    def prepare(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> Prepared:
        return self.source.prepare(search.volume)

    def detect_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        return search.results["prepare"].key, self.source.detector.name, prompt, self.beside(search)

    def detect(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> dict[str, tuple[Box, ...]]:
        boxes = self.source.detect(search.results["prepare"], prompts, step=control.step)
        return {prompt: tuple(box for box in boxes if box.prompt == prompt) for prompt in prompts}

    def filter_boxes(self, search: VolumeSearch, boxes: Mapping[str, tuple[Box, ...]]) -> PromptFindings:
        prepared = search.results["prepare"]
        return {prompt: self.source.filter_boxes(prepared, boxes[prompt]) for prompt in search.prompts}

    def embed_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        return search.results["prepare"].key, self.source.segmenter.name

    def needs_embeddings(self, search: VolumeSearch) -> bool:
        findings: PromptFindings = search.results["detect"]
        return any(finding.outcome == "kept" for by_prompt in findings.values() for finding in by_prompt)

    def embed(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> Embeddings:
        return self.source.embed(search.results["prepare"], step=control.step)

    def segment_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        if search.results["embed"] is None or not search.results["detect"][prompt]:
            return None  # there is nothing to segment
        source, settings = self.source, self.source.settings
        filters: tuple[Any, ...] = (settings.box_margin, settings.box_overlap)
        filters += (settings.mask_smallest, settings.mask_largest, settings.mask_overlap)
        networks = (source.detector.name, source.segmenter.name)
        return search.results["prepare"].key, networks, prompt, self.beside(search), filters

    def segment(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> PromptFindings:
        prepared, findings, embeddings = (search.results[stage] for stage in ("prepare", "detect", "embed"))
        if embeddings is None:
            return {prompt: findings[prompt] for prompt in prompts}
        return {
            prompt: self.source.segment(prepared, findings[prompt], embeddings, step=control.step) for prompt in prompts
        }

    def link(self, search: VolumeSearch, segmented: PromptFindings) -> SourceResult:
        findings = [finding for prompt in search.prompts for finding in segmented[prompt]]
        findings.sort(key=lambda finding: (finding.box.slice_index, finding.box.prompt, -finding.box.score))
        prepared, embeddings = search.results["prepare"], search.results["embed"]
        return self.source.link(search.volume, search.prompts, prepared, findings, embeddings)


def cleaned_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    """The prompts without outer space, each once, in the user's order; neither case nor full stops at the end count.

    Raises:
        InputError: none at all, or an empty one.
    """
    if isinstance(prompts, str):
        prompts = [prompts]
    stripped = [" ".join(prompt.split()) for prompt in prompts]
    if not stripped:
        raise InputError("No words to look for were given: give at least one prompt, such as 'prostate'.")
    if not all(map(_compared, stripped)):
        raise InputError("One of the prompts is empty: give words to look for, such as 'prostate'.")
    first: dict[str, str] = {}
    for prompt in stripped:
        first.setdefault(_compared(prompt), prompt)
    return tuple(first.values())


def _compared(prompt: str) -> str:
    return plain_name(prompt.rstrip(". "))


def step_of(stage: str, progress: Progress | None, check: Check | None) -> Step:
    """A network's step as the progress of a stage, which may be cancelled at every one."""

    def step(done: int, total: int) -> None:
        if check:
            check()
        if progress:
            progress(stage, done, total)

    return step


def _check_embeddings(embeddings: Embeddings, prepared: Prepared) -> None:
    if len(embeddings) != len(prepared.looked_at) or tuple(embeddings.slice_hw) != prepared.slice_hw:
        raise InputError(
            f"The embeddings are of {len(embeddings)} slices of {embeddings.slice_hw} pixels, but the volume has "
            f"{len(prepared.looked_at)} of {prepared.slice_hw}: encode it again with these settings."
        )
