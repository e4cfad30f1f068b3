"""Which boxes are worth segmenting, and which masks are worth keeping (method.md sections 3 and 4).

Every size is a share of the slice, so that the same numbers hold for any resolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from Tell2RegLib.models.protocol import Box, Mask
from Tell2RegLib.region_sources.protocol import DetectionOutcome
from Tell2RegLib.region_sources.settings import DetectionSettings


def box_outcome(box: Box, slice_hw: tuple[int, int], settings: DetectionSettings) -> DetectionOutcome:
    """Whether a box goes on to the segmenter.

    Dropped are boxes without an area on the slice, and those as wide or as high as the slice but for `box_margin`: they
    mean the whole picture, not something in it.

    >>> box_outcome(Box(0, "bladder", (1.0, 30.0, 99.5, 60.0), 0.9), (100, 100), DetectionSettings())
    'spans_slice'
    """
    height, width = slice_hw
    if not all(math.isfinite(value) for value in box.xyxy_px):
        return "no_box"
    left, top, right, bottom = box.xyxy_px
    wide = min(right, width) - max(left, 0.0)
    high = min(bottom, height) - max(top, 0.0)
    if wide <= 0 or high <= 0:
        return "no_box"
    least = 1 - settings.box_margin
    return "spans_slice" if wide >= least * width or high >= least * height else "kept"


def box_outcomes(
    boxes: Sequence[Box], slice_hw: tuple[int, int], settings: DetectionSettings
) -> list[DetectionOutcome]:
    """What becomes of the boxes of one prompt on one slice, whatever their order.

    First each alone (`box_outcome`); then from the surest on, a box that shares `box_overlap` of the union with one
    that is kept is dropped: the detector gives a place more than once. A share of 1 drops nothing.
    """
    outcomes = [box_outcome(box, slice_hw, settings) for box in boxes]
    if settings.box_overlap >= 1:
        return outcomes
    kept: list[int] = []
    for n in sorted(range(len(boxes)), key=lambda n: (-boxes[n].score, boxes[n].xyxy_px)):
        if outcomes[n] != "kept":
            continue
        if any(_share_of_union(boxes[n], boxes[m]) >= settings.box_overlap for m in kept):
            outcomes[n] = "twice"
        else:
            kept.append(n)
    return outcomes


def _share_of_union(a: Box, b: Box) -> float:
    def area(left: float, top: float, right: float, bottom: float) -> float:
        return max(0.0, right - left) * max(0.0, bottom - top)

    low, high = np.maximum(a.xyxy_px[:2], b.xyxy_px[:2]), np.minimum(a.xyxy_px[2:], b.xyxy_px[2:])
    common = area(*low, *high)
    return common / (area(*a.xyxy_px) + area(*b.xyxy_px) - common)


def mask_outcomes(masks: Sequence[Mask], settings: DetectionSettings) -> list[DetectionOutcome]:
    """What becomes of the masks of one prompt on one slice, whatever their order.

    First by size; then from the largest to the smallest, a mask that lies in one that is kept, by `mask_overlap` of
    its own area, is dropped. Of equally large ones the surer box is kept.
    """
    areas = [int(mask.mask.sum()) for mask in masks]
    outcomes = [_size_outcome(area, mask.mask.size, settings) for area, mask in zip(areas, masks, strict=True)]
    kept: list[int] = []
    for n in sorted(range(len(masks)), key=lambda n: (-areas[n], -masks[n].box.score, masks[n].box.xyxy_px)):
        if outcomes[n] != "kept":
            continue
        if any(np.sum(masks[n].mask & masks[m].mask) >= settings.mask_overlap * areas[n] for m in kept):
            outcomes[n] = "in_larger"
        else:
            kept.append(n)
    return outcomes


def _size_outcome(area: int, slice_area: int, settings: DetectionSettings) -> DetectionOutcome:
    if area == 0:
        return "no_mask"
    if area < settings.mask_smallest * slice_area:
        return "mask_small"
    return "mask_large" if area > settings.mask_largest * slice_area else "kept"
