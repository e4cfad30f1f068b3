"""Boxes around labels, and what is known about two boxes; boxes are shares of the slice's sides, 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def boxes_of(labels: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """(G, 4) left, top, right, bottom around each group's labels on a slice (J, I); zeros for one that is gone."""
    import torch

    boxes = []
    rows, columns = labels.shape
    for group in groups:
        mask = torch.stack([labels == value for value in group]).any(0)
        down, across = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        if len(down) == 0:
            boxes.append(torch.zeros(4))
            continue
        left, right, top, bottom = across[0], across[-1] + 1, down[0], down[-1] + 1
        boxes.append(torch.stack([left / columns, top / rows, right / columns, bottom / rows]))
    return torch.stack(boxes) if boxes else torch.zeros(0, 4)


def to_corners(boxes: Tensor) -> Tensor:
    """Centre and size (..., 4) -> left, top, right, bottom."""
    import torch

    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def to_centre_size(boxes: Tensor) -> Tensor:
    """Left, top, right, bottom (..., 4) -> centre and size."""
    import torch

    first, last = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(first + last) / 2, last - first], dim=-1)


def iou_and_giou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Overlap, and generalized overlap (Rezatofighi et al. 2019), of corner boxes (..., 4) that broadcast."""
    import torch

    def area(first: Tensor, last: Tensor) -> Tensor:
        return (last - first).clamp(min=0).prod(-1)

    inner = area(torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:]))
    outer = area(torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:]))
    union = area(a[..., :2], a[..., 2:]) + area(b[..., :2], b[..., 2:]) - inner
    iou = inner / union.clamp(min=1e-9)
    return iou, iou - (outer - union) / outer.clamp(min=1e-9)
