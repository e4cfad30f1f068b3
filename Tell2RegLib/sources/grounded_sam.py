"""Words -> boxes -> masks -> regions: the paper's source, with any detector and any segmenter behind it.

Every step is a method of its own that keeps nothing, so that a caller may put a store between them: new words need no
new embeddings, other filters no new boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import Box, Detector, Embeddings, Mask, Segmenter, Slices, Step
from Tell2RegLib.region import plain_name
from Tell2RegLib.sources.filters import box_fates, mask_fates
from Tell2RegLib.sources.protocol import Check, Finding, Found, Progress
from Tell2RegLib.sources.prototypes import mask_prototype
from Tell2RegLib.sources.regions import regions_of_findings
from Tell2RegLib.sources.settings import WordsSettings
from Tell2RegLib.volume import Volume, axial_slices


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


@dataclass(frozen=True)
class GroundedSam:
    """Regions by a detector and a segmenter.

    Args:
        detector: words to boxes.
        segmenter: boxes to masks, slices to embeddings.
        settings: filters and linking.

    Boxes carry the number of their slice on the working grid, before, between and after all steps.
    """

    detector: Detector
    segmenter: Segmenter
    settings: WordsSettings = field(default_factory=WordsSettings)
    name: str = "grounded_sam"

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
        embeddings: Embeddings | None = None,
    ) -> Found:
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
        if embeddings is None and any(finding.fate == "kept" for finding in findings):
            embeddings = self.embed(prepared, step=step_of("embed", progress, check))
        if embeddings is not None:
            step = step_of("segment", progress, check)
            findings = self.segment(prepared, findings, embeddings, step=step)
        return self.link(volume, prompts, prepared, findings, embeddings)

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

    def filter_boxes(self, prepared: Prepared, boxes: Sequence[Box]) -> tuple[Finding, ...]:
        """What becomes of every box before the segmenter, by slice, prompt and falling score."""
        ordered = sorted(boxes, key=lambda box: (box.slice_index, box.prompt, -box.score, box.xyxy_px))
        findings: list[Finding] = []
        for _, group in groupby(ordered, key=lambda box: (box.slice_index, box.prompt)):
            here = list(group)
            fates = box_fates(here, prepared.slice_hw, self.settings)
            findings += [Finding(box, fate) for box, fate in zip(here, fates, strict=True)]
        return tuple(findings)

    def embed(self, prepared: Prepared, *, step: Step | None = None) -> Embeddings:
        """Features of the slices: the slow step, and the same for any words."""
        return self.segmenter.embed(prepared.stack, step=step)

    def segment(
        self, prepared: Prepared, findings: Sequence[Finding], embeddings: Embeddings, *, step: Step | None = None
    ) -> tuple[Finding, ...]:
        """The findings with the masks of the boxes that were kept, their fates and prototypes.

        Raises:
            InputError: embeddings of other slices.
        """
        _check_embeddings(embeddings, prepared)
        rank_of = {k: rank for rank, k in enumerate(prepared.looked_at)}
        kept = [n for n, finding in enumerate(findings) if finding.fate == "kept"]
        boxes = [replace(findings[n].box, slice_index=rank_of[findings[n].box.slice_index]) for n in kept]
        result = list(findings)
        if boxes:
            for n, mask in zip(kept, self.segmenter.segment(embeddings, boxes, step=step), strict=True):
                result[n] = replace(result[n], mask=Mask(findings[n].box, mask.mask, mask.quality))
        self._judge_masks(result)
        for n, finding in enumerate(result):
            if finding.fate == "kept" and finding.mask is not None:
                number = rank_of[finding.box.slice_index]
                result[n] = replace(finding, prototype=mask_prototype(finding.mask.mask, embeddings, number))
        return tuple(result)

    def _judge_masks(self, findings: list[Finding]) -> None:
        groups: dict[tuple[int, str], list[int]] = {}
        for n, finding in enumerate(findings):
            if finding.mask is not None:
                groups.setdefault((finding.box.slice_index, finding.box.prompt), []).append(n)
        for numbers in groups.values():
            masks = [mask for n in numbers if (mask := findings[n].mask) is not None]
            for n, fate in zip(numbers, mask_fates(masks, self.settings), strict=True):
                findings[n] = replace(findings[n], fate=fate)

    def link(
        self,
        volume: Volume,
        prompts: Sequence[str],
        prepared: Prepared,
        findings: Sequence[Finding],
        embeddings: Embeddings | None = None,
    ) -> Found:
        """Regions on the volume's grid out of the masks that were kept."""
        working, looked_at = prepared.slices.grid, prepared.looked_at
        regions, findings = regions_of_findings(prompts, findings, looked_at, working, volume.grid, self.settings)
        return Found(self.name, tuple(prompts), regions, prepared.slices, looked_at, findings, embeddings)


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
