"""The result of a source of regions in one volume: regions, every box with its outcome, and the counts per prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from numpy.typing import NDArray

from Tell2RegLib.models.protocol import Box, Embeddings, Mask
from Tell2RegLib.region_sources import messages
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume

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

    def sentence(self) -> str:
        """One sentence for display.

        >>> PromptCount("bladder", 30, 28, 3, {"mask_small": 2, "speck": 1}, 0, 0).sentence()
        "'bladder': no region; 3 boxes on 2 of 30 slices, discarded: 2 (mask too small), 1 (on too few slices)."
        """
        return messages.prompt_sentence(self)


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

    def sentences(self) -> tuple[str, ...]:
        """One sentence per prompt for display; prompts without detections are reported, not raised."""
        return messages.result_sentences(self)

    def nothing_found(self, side: str = "", advice: str = "") -> str:
        """Why there is nothing to go on with, and what to do, for terminal, worker and panel.

        Args:
            side: "fixed" or "moving", where there are two volumes.
            advice: what to do, where more is known than to try other words.
        """
        return messages.nothing_found(self, side, advice)
