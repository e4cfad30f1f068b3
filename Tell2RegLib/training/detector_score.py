"""How well a detector finds what is named: recall per prompt, boxes where nothing is, boxes for unknown words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.grounding_dino.network import DEMO, DetectorConfig
from Tell2RegLib.models.protocol import Box
from Tell2RegLib.training.boxes import boxes_of, iou_and_giou, to_corners
from Tell2RegLib.training.data import SliceSet
from Tell2RegLib.training.detector_forward import answer, encode_captions
from Tell2RegLib.training.words import PROMPTS, UNSEEN_WORDS, truth

if TYPE_CHECKING:
    import torch

MIN_IOU = 0.5

SourceResult = Mapping[str, list[tuple[NDArray, NDArray]]]
"""Prompt -> for each slice: corner boxes (Q, 4), shares of the slice's sides, and their scores (Q,)."""


@dataclass(eq=False)
class Tally:
    """Counts per prompt.

    Args:
        wanted, hit: boxes that are there, and those of them found with an overlap of at least MIN_IOU.
        silent, false: slices where nothing is to be found, and boxes given there.
        extra: boxes that match nothing, on slices where there is something to be found.
    """

    wanted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    hit: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    silent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    false: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    extra: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(
        self, boxes_by_prompt: SourceResult, labels: NDArray[np.uint8], area: NDArray[np.float32], threshold: float
    ) -> None:
        """Count what was found on slices (S, J, I) of labels against what is there."""
        for prompt, answers in boxes_by_prompt.items():
            for labels_here, area_here, (boxes, scores) in zip(labels, area, answers, strict=True):
                groups = truth(prompt, area_here)
                if groups is not None:
                    self._add_slice(prompt, boxes[scores > threshold], labels_here, groups)

    def _add_slice(
        self, prompt: str, boxes: NDArray, labels: NDArray[np.uint8], groups: tuple[tuple[int, ...], ...]
    ) -> None:
        import torch

        if not groups:
            self.silent[prompt] += 1
            self.false[prompt] += len(boxes)
            return
        true_boxes = boxes_of(torch.from_numpy(labels), groups)
        self.wanted[prompt] += len(true_boxes)
        if len(boxes):
            is_hit = iou_and_giou(torch.from_numpy(boxes).float()[:, None], true_boxes[None])[0] >= MIN_IOU
            self.hit[prompt] += int(is_hit.any(0).sum())
            self.extra[prompt] += int((~is_hit.any(1)).sum())

    def recall(self, prompts: Iterable[str] = tuple(PROMPTS)) -> float:
        """Share of the boxes that were found."""
        prompts = list(prompts)
        return sum(self.hit[p] for p in prompts) / max(1, sum(self.wanted[p] for p in prompts))

    def false_positives(self, prompts: Iterable[str] = tuple(PROMPTS)) -> float:
        """Boxes per prompt and slice where there is nothing to be found."""
        prompts = list(prompts)
        return sum(self.false[p] for p in prompts) / max(1, sum(self.silent[p] for p in prompts))

    def extra_boxes(self, prompts: Iterable[str] = tuple(PROMPTS)) -> float:
        """Boxes beside the right ones, per right one."""
        prompts = list(prompts)
        return sum(self.extra[p] for p in prompts) / max(1, sum(self.wanted[p] for p in prompts))

    def summary(self) -> dict[str, Any]:
        """The numbers that matter, rounded."""
        return {
            "recall": round(self.recall(), 4),
            "recall by prompt": {prompt: round(self.recall([prompt]), 3) for prompt in PROMPTS if self.wanted[prompt]},
            "false per absent prompt and slice": round(self.false_positives(), 4),
            "false per unseen word and slice": round(self.false_positives(UNSEEN_WORDS), 4),
            "extra boxes per box": round(self.extra_boxes(), 4),
        }


def detected_boxes(
    network: torch.nn.Module,
    tokenizer: Any,
    slices: SliceSet,
    indices: NDArray,
    *,
    prompts: Sequence[str] = (*PROMPTS, *UNSEEN_WORDS),
    config: DetectorConfig = DEMO,
    keep: float = 0.05,
) -> SourceResult:
    """Every box above a low score for each prompt, one caption each, on these slices of a set."""
    import torch

    boxes_by_prompt: dict[str, list[tuple[NDArray, NDArray]]] = {prompt: [] for prompt in prompts}
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (config.pixel_mean, config.pixel_std))
    captions = encode_captions([[prompt] for prompt in prompts], tokenizer)
    with torch.inference_mode():
        for index in indices:
            pixels = torch.from_numpy(slices.small[index]).float()[None, None]
            last = answer(network, (pixels / 255 - mean) / std, captions).layers[-1]
            best_scores = last.logits.sigmoid().masked_fill(~captions.mask[:, None], 0).amax(-1)
            corners = to_corners(last.boxes)
            for n, prompt in enumerate(prompts):
                above_threshold = best_scores[n] > keep
                boxes_by_prompt[prompt].append(
                    (corners[n, above_threshold].numpy(), best_scores[n, above_threshold].numpy())
                )
    return boxes_by_prompt


def as_boxes_by_prompt(boxes: Iterable[Box], prompts: Sequence[str], shape: tuple[int, ...]) -> SourceResult:
    """A detector's boxes on slices of this shape (S, J, I), sorted for a `Tally`."""
    count, rows, columns = shape
    rows_of: dict[str, list[list[tuple[float, ...]]]] = {prompt: [[] for _ in range(count)] for prompt in prompts}
    for box in boxes:
        left, top, right, bottom = box.xyxy_px
        fractions = (left / columns, top / rows, right / columns, bottom / rows)
        rows_of[box.prompt][box.slice_index].append((*fractions, box.score))
    tables = {prompt: [np.array(rows).reshape(-1, 5) for rows in lists] for prompt, lists in rows_of.items()}
    return {prompt: [(table[:, :4], table[:, 4]) for table in lists] for prompt, lists in tables.items()}
