"""The region source of the paper: prompts -> boxes -> masks -> regions, with any detector and segmenter.

Every step is a stateless method; `search_steps` declares the dependencies of each, so that `find_regions` can cache
them: new prompts need no new embeddings, other filters no new boxes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.embedding_disk_cache import slices_key
from Tell2RegLib.models.protocol import Box, Detector, Embeddings, Mask, Segmenter, SliceStack
from Tell2RegLib.region_sources.filters import box_outcomes, mask_outcomes
from Tell2RegLib.region_sources.prompts import cleaned_prompts
from Tell2RegLib.region_sources.protocol import SearchStep, StepControl, VolumeSearch
from Tell2RegLib.region_sources.prototypes import mask_prototype
from Tell2RegLib.region_sources.regions_from_masks import regions_of_detections
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.region_sources.source_result import Detection, SourceResult
from Tell2RegLib.region_sources.suitability import is_in_domain
from Tell2RegLib.space.volume import Volume, axial_slices
from Tell2RegLib.support.hashing import array_key
from Tell2RegLib.support.progress import Check, Progress, StepProgress

if TYPE_CHECKING:
    from Tell2RegLib.models.training_domain import TrainingDomain

LARGE_RESULTS_CACHED = 4
"""Maximum number of cached results of stages that store whole volumes: two pairs."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A volume prepared for the networks.

    Args:
        slices: 8 bits, on the working grid.
        slice_indices: indices of the slices to process, increasing.
    """

    slices: Volume
    slice_indices: tuple[int, ...]

    @property
    def stack(self) -> SliceStack:
        """The slices to process, (S, J, I)."""
        array: SliceStack = self.slices.array_kji
        if len(self.slice_indices) == len(array):
            return array
        return array[list(self.slice_indices)]

    @property
    def slice_hw(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        _, j, i = self.slices.array_kji.shape
        return j, i

    @cached_property
    def key(self) -> str:
        """A cache key of the slices to process."""
        return slices_key(self.stack) + repr(self.slice_indices)


@dataclass(frozen=True)
class GroundedSam:
    """Regions by a detector and a segmenter.

    Args:
        detector: words to boxes.
        segmenter: boxes to masks, slices to embeddings.
        settings: filters and linking.
        weights: SHA-256 of the networks' files by the names of the models, for the record.
        unverified: names of those models for which the catalogue knows no hash.
        domain: what the networks were trained on, where statistics of it come with them.

    Boxes carry the number of their slice on the working grid, before, between and after all steps.
    """

    detector: Detector
    segmenter: Segmenter
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    name: str = "grounded_sam"
    weights: Mapping[str, str] = field(default_factory=dict, compare=False)
    unverified: tuple[str, ...] = field(default=(), compare=False)
    domain: TrainingDomain | None = field(default=None, compare=False)
    _judged: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
        embeddings: Embeddings | None = None,
    ) -> SourceResult:
        """Run all steps; see `RegionSource.find`.

        Args:
            volume: any geometry.
            prompts: the user's prompts.
            progress: called with (stage, done, total).
            check: called often; raises `Cancelled` to stop.
            embeddings: embeddings of the slices in `prepare(volume)`, if already computed.

        Raises:
            InputError: no prompts, an empty one, or embeddings of other slices.
        """
        prompts = cleaned_prompts(prompts)
        prepared = self.prepare(volume)
        boxes = self.detect(prepared, prompts, step=step_of("detect", progress, check))
        detections = self.filter_boxes(prepared, boxes)
        if embeddings is None and any(detection.outcome == "kept" for detection in detections):
            embeddings = self.embed(prepared, step=step_of("embed", progress, check))
        if embeddings is not None:
            step = step_of("segment", progress, check)
            detections = self.segment(prepared, detections, embeddings, step=step)
        return self.link(volume, prompts, prepared, detections, embeddings)

    @property
    def made_for(self) -> str:
        """What the networks were trained on, in words; empty where nothing is known."""
        return "" if self.domain is None else self.domain.subject

    def is_suited(self, volume: Volume) -> bool:
        """Whether a volume is like those that the networks were trained on."""
        if self.domain is None:
            return True
        key = array_key(repr(volume.grid), volume.array_kji)
        if key not in self._judged:
            self._judged[key] = is_in_domain(volume, self.domain, self.segmenter)
        return self._judged[key]

    def search_steps(self) -> tuple[SearchStep, ...]:
        """The steps for `find_regions`: new prompts need no new embeddings, other filters no new boxes."""
        return _Steps(self).all()

    def prepare(self, volume: Volume) -> Prepared:
        """The slices of a volume; with a slice step, about as many slices are skipped at either end."""
        settings = self.settings
        slices = axial_slices(volume, settings.spacing_mm, settings.slice_spacing_mm)
        count = len(slices.array_kji)
        return Prepared(slices, tuple(range((count - 1) % settings.slice_step // 2, count, settings.slice_step)))

    def detect(
        self, prepared: Prepared, prompts: Sequence[str], *, step: StepProgress | None = None
    ) -> tuple[Box, ...]:
        """All boxes of the detector."""
        boxes = self.detector.detect(prepared.stack, prompts, step=step)
        return tuple(replace(box, slice_index=prepared.slice_indices[box.slice_index]) for box in boxes)

    def filter_boxes(self, prepared: Prepared, boxes: Sequence[Box]) -> tuple[Detection, ...]:
        """Filter the boxes before segmentation; sorted by slice, prompt and decreasing score."""
        ordered = sorted(boxes, key=lambda box: (box.slice_index, box.prompt, -box.score, box.xyxy_px))
        detections: list[Detection] = []
        for _, group in groupby(ordered, key=lambda box: (box.slice_index, box.prompt)):
            slice_boxes = list(group)
            outcomes = box_outcomes(slice_boxes, prepared.slice_hw, self.settings)
            detections += [Detection(box, outcome) for box, outcome in zip(slice_boxes, outcomes, strict=True)]
        return tuple(detections)

    def embed(self, prepared: Prepared, *, step: StepProgress | None = None) -> Embeddings:
        """Embeddings of the slices: the slowest step, independent of the prompts."""
        return self.segmenter.embed(prepared.stack, step=step)

    def segment(
        self,
        prepared: Prepared,
        detections: Sequence[Detection],
        embeddings: Embeddings,
        *,
        step: StepProgress | None = None,
    ) -> tuple[Detection, ...]:
        """Segment the boxes that were kept, and add masks, outcomes and prototypes to the detections.

        Raises:
            InputError: embeddings of other slices.
        """
        _check_embeddings(embeddings, prepared)
        rank_of = {k: rank for rank, k in enumerate(prepared.slice_indices)}
        box_indices = [n for n, detection in enumerate(detections) if detection.outcome == "kept"]
        boxes = [replace(detections[n].box, slice_index=rank_of[detections[n].box.slice_index]) for n in box_indices]
        result = list(detections)
        if boxes:
            for n, mask in zip(box_indices, self.segmenter.segment(embeddings, boxes, step=step), strict=True):
                result[n] = replace(result[n], mask=Mask(detections[n].box, mask.mask, mask.quality))
        self._set_mask_outcomes(result)
        for n, detection in enumerate(result):
            if detection.outcome == "kept" and detection.mask is not None:
                number = rank_of[detection.box.slice_index]
                result[n] = replace(detection, prototype=mask_prototype(detection.mask.mask, embeddings, number))
        return tuple(result)

    def _set_mask_outcomes(self, detections: list[Detection]) -> None:
        groups: dict[tuple[int, str], list[int]] = {}
        for n, detection in enumerate(detections):
            if detection.mask is not None:
                groups.setdefault((detection.box.slice_index, detection.box.prompt), []).append(n)
        for indices in groups.values():
            masks = [mask for n in indices if (mask := detections[n].mask) is not None]
            for n, outcome in zip(indices, mask_outcomes(masks, self.settings), strict=True):
                detections[n] = replace(detections[n], outcome=outcome)

    def link(
        self,
        volume: Volume,
        prompts: Sequence[str],
        prepared: Prepared,
        detections: Sequence[Detection],
        embeddings: Embeddings | None = None,
    ) -> SourceResult:
        """Build regions on the volume's grid from the masks that were kept."""
        working_grid, slice_indices = prepared.slices.grid, prepared.slice_indices
        regions, detections = regions_of_detections(
            prompts, detections, slice_indices, working_grid, volume.grid, self.settings
        )
        return SourceResult(self.name, tuple(prompts), regions, prepared.slices, slice_indices, detections, embeddings)


PromptDetections = Mapping[str, tuple[Detection, ...]]
"""Detections by prompt."""


@dataclass(frozen=True)
class _Steps:
    """The steps of a `GroundedSam` and their cache keys."""

    source: GroundedSam

    def all(self) -> tuple[SearchStep, ...]:
        return (
            SearchStep(stage="prepare", run=self.prepare, key=self.prepare_key, cache_limit=LARGE_RESULTS_CACHED),
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
                cache_limit=LARGE_RESULTS_CACHED,
            ),
            SearchStep(stage="segment", run=self.segment, key=self.segment_key, unit="prompt", refine=self.link),
        )

    @property
    def joined(self) -> bool:
        """Whether the detector processes all prompts together."""
        return bool(getattr(self.source.detector, "joined", False))

    def other_prompts(self, search: VolumeSearch) -> tuple[str, ...]:
        """The prompts on which the boxes of a prompt depend in addition."""
        return search.prompts if self.joined else ()

    def prepare_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        settings = self.source.settings
        return search.volume_key, settings.spacing_mm, settings.slice_spacing_mm, settings.slice_step

    def prepare(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> Prepared:
        return self.source.prepare(search.volume)

    def detect_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        return search.results["prepare"].key, self.source.detector.name, prompt, self.other_prompts(search)

    def detect(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> dict[str, tuple[Box, ...]]:
        boxes = self.source.detect(search.results["prepare"], prompts, step=control.step)
        return {prompt: tuple(box for box in boxes if box.prompt == prompt) for prompt in prompts}

    def filter_boxes(self, search: VolumeSearch, boxes: Mapping[str, tuple[Box, ...]]) -> PromptDetections:
        prepared = search.results["prepare"]
        return {prompt: self.source.filter_boxes(prepared, boxes[prompt]) for prompt in search.prompts}

    def embed_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        return search.results["prepare"].key, self.source.segmenter.name

    def needs_embeddings(self, search: VolumeSearch) -> bool:
        detections: PromptDetections = search.results["detect"]
        return any(
            detection.outcome == "kept" for prompt_detections in detections.values() for detection in prompt_detections
        )

    def embed(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> Embeddings:
        return self.source.embed(search.results["prepare"], step=control.step)

    def segment_key(self, search: VolumeSearch, prompt: str) -> Hashable:
        if search.results["embed"] is None or not search.results["detect"][prompt]:
            return None  # there is nothing to segment
        source, settings = self.source, self.source.settings
        filters: tuple[Any, ...] = (settings.box_margin, settings.box_overlap)
        filters += (settings.mask_smallest, settings.mask_largest, settings.mask_overlap)
        networks = (source.detector.name, source.segmenter.name)
        return search.results["prepare"].key, networks, prompt, self.other_prompts(search), filters

    def segment(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> PromptDetections:
        prepared, detections, embeddings = (search.results[stage] for stage in ("prepare", "detect", "embed"))
        if embeddings is None:
            return {prompt: detections[prompt] for prompt in prompts}
        return {
            prompt: self.source.segment(prepared, detections[prompt], embeddings, step=control.step)
            for prompt in prompts
        }

    def link(self, search: VolumeSearch, segmented: PromptDetections) -> SourceResult:
        detections = [detection for prompt in search.prompts for detection in segmented[prompt]]
        detections.sort(key=lambda detection: (detection.box.slice_index, detection.box.prompt, -detection.box.score))
        prepared, embeddings = search.results["prepare"], search.results["embed"]
        return self.source.link(search.volume, search.prompts, prepared, detections, embeddings)


def step_of(stage: str, progress: Progress | None, check: Check | None) -> StepProgress:
    """A callback that reports the steps of a network as progress of a stage, and checks for cancel at each."""

    def step(done: int, total: int) -> None:
        if check:
            check()
        if progress:
            progress(stage, done, total)

    return step


def _check_embeddings(embeddings: Embeddings, prepared: Prepared) -> None:
    if len(embeddings) != len(prepared.slice_indices) or tuple(embeddings.slice_hw) != prepared.slice_hw:
        raise InputError(
            f"The embeddings are of {len(embeddings)} slices of {embeddings.slice_hw} pixels, but the volume has "
            f"{len(prepared.slice_indices)} of {prepared.slice_hw}. Compute them again with these settings."
        )
