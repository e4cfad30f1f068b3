"""Interfaces and values of the networks: boxes from prompts, masks from boxes, embeddings from slices.

Slices are 8-bit grey, (S, J, I). Pixel positions are continuous: pixel i covers i to i + 1, so a box around pixels
3..7 of a row is (3, ..., 8, ...). Nothing here imports torch: any other model can stand behind these types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.support.progress import StepProgress

SliceStack = NDArray[np.uint8]
"""8-bit slices, (S, J, I)."""


@dataclass(frozen=True)
class Box:
    """A rectangle on one slice in which a prompt was detected.

    Args:
        slice_index: which of the slices.
        prompt: the user's words.
        xyxy_px: left, top, right, bottom in pixels of the slice as it was given.
        score: how sure the detector is, 0..1: the largest token probability of the phrase.
        phrase: the tokens of the caption that answered, joined; may be a part of the prompt.
    """

    slice_index: int
    prompt: str
    xyxy_px: tuple[float, float, float, float]
    score: float
    phrase: str = ""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Image features of slices, computed once and used for every box and prototype.

    Args:
        features: (S, C, H, W), float16 or float32; row and column 0 lie at the slice's top left.
        covered_hw: how many of the H rows and W columns the slice covers, such as (51.2, 64.0); the rest is padding.
        slice_hw: rows and columns of the slices.
        model: name and content hash of what made them, so that embeddings of two models are never compared.
    """

    features: NDArray
    covered_hw: tuple[float, float]
    slice_hw: tuple[int, int]
    model: str

    def __len__(self) -> int:
        return self.features.shape[0]


@dataclass(frozen=True, eq=False)
class Mask:
    """The mask segmented in a box.

    Args:
        box: what it was made from.
        mask: (J, I) bool, of the slice as it was given.
        quality: overlap with the truth that the segmenter itself expects, 0..1.
    """

    box: Box
    mask: NDArray[np.bool_]
    quality: float


class Detector(Protocol):
    """Detects boxes by prompts.

    One whose prompts influence one another says so by an attribute `joined` that is true: what it found for a prompt
    is then used again only beside the same other prompts.
    """

    name: str

    def detect(
        self, slices: SliceStack, prompts: Sequence[str], *, step: StepProgress | None = None
    ) -> tuple[Box, ...]:
        """All boxes above the detector's thresholds, by slice, prompt and decreasing score."""
        ...


class Segmenter(Protocol):
    """Boxes to masks, slices to embeddings."""

    name: str

    def embed(self, slices: SliceStack, *, step: StepProgress | None = None) -> Embeddings:
        """Features of every slice."""
        ...

    def segment(
        self, embeddings: Embeddings, boxes: Sequence[Box], *, step: StepProgress | None = None
    ) -> tuple[Mask, ...]:
        """One mask per box, in the order of the boxes; may be empty."""
        ...
