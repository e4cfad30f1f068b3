"""Filters of boxes and masks (docs/words-to-regions.md, "In each volume").

Sizes are fractions of the slice, so that the same limits apply at any resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from Tell2RegLib.models.protocol import Box, Mask
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.region_sources.source_result import DetectionOutcome


def box_outcome(box: Box, slice_hw: tuple[int, int], settings: DetectionSettings) -> DetectionOutcome:
    """The outcome of a single box: "kept" if it is to be segmented.

    Boxes without an area on the slice are discarded, and so are those as wide or as high as the slice, up to
    `box_margin`: they refer to the whole image rather than to a structure in it.

    >>> box_outcome(Box(0, "bladder", (1.0, 30.0, 99.5, 60.0), 0.9), (100, 100), DetectionSettings())
    'spans_slice'
    """
    height, width = slice_hw
    if not all(math.isfinite(value) for value in box.xyxy_px):
        return "no_box"
    left, top, right, bottom = box.xyxy_px
    box_width = min(right, width) - max(left, 0.0)
    box_height = min(bottom, height) - max(top, 0.0)
    if box_width <= 0 or box_height <= 0:
        return "no_box"
    minimum_fraction = 1 - settings.box_margin
    return "spans_slice" if box_width >= minimum_fraction * width or box_height >= minimum_fraction * height else "kept"


def box_outcomes(
    boxes: Sequence[Box], slice_hw: tuple[int, int], settings: DetectionSettings
) -> list[DetectionOutcome]:
    """The outcomes of the boxes of one prompt on one slice, independent of their order.

    First each box separately (`box_outcome`); then, by decreasing score, a box is discarded whose intersection over
    union with a kept box is at least `box_overlap`, because the detector often returns duplicates. A value of 1 keeps
    all.
    """
    outcomes = [box_outcome(box, slice_hw, settings) for box in boxes]
    if settings.box_overlap >= 1:
        return outcomes
    kept_indices: list[int] = []
    for n in sorted(range(len(boxes)), key=lambda n: (-boxes[n].score, boxes[n].xyxy_px)):
        if outcomes[n] != "kept":
            continue
        if any(_share_of_union(boxes[n], boxes[m]) >= settings.box_overlap for m in kept_indices):
            outcomes[n] = "twice"
        else:
            kept_indices.append(n)
    return outcomes


def _share_of_union(a: Box, b: Box) -> float:
    def area(left: float, top: float, right: float, bottom: float) -> float:
        return max(0.0, right - left) * max(0.0, bottom - top)

    low, high = np.maximum(a.xyxy_px[:2], b.xyxy_px[:2]), np.minimum(a.xyxy_px[2:], b.xyxy_px[2:])
    common = area(*low, *high)
    return common / (area(*a.xyxy_px) + area(*b.xyxy_px) - common)


def mask_outcomes(masks: Sequence[Mask], settings: DetectionSettings) -> list[DetectionOutcome]:
    """The outcomes of the masks of one prompt on one slice, independent of their order.

    First by size; then, from the largest to the smallest, a mask is discarded if at least `mask_overlap` of its area
    lies inside a kept mask. Of equally large masks, the one with the higher score is kept.
    """
    areas = [int(mask.mask.sum()) for mask in masks]
    outcomes = [_size_outcome(area, mask.mask.size, settings) for area, mask in zip(areas, masks, strict=True)]
    kept_indices: list[int] = []
    for n in sorted(range(len(masks)), key=lambda n: (-areas[n], -masks[n].box.score, masks[n].box.xyxy_px)):
        if outcomes[n] != "kept":
            continue
        if any(np.sum(masks[n].mask & masks[m].mask) >= settings.mask_overlap * areas[n] for m in kept_indices):
            outcomes[n] = "in_larger"
        else:
            kept_indices.append(n)
    return outcomes


def _size_outcome(area: int, slice_area: int, settings: DetectionSettings) -> DetectionOutcome:
    if area == 0:
        return "no_mask"
    if area < settings.mask_smallest * slice_area:
        return "mask_small"
    return "mask_large" if area > settings.mask_largest * slice_area else "kept"
