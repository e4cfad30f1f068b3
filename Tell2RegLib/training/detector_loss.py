"""What the detector is taught with: each box answered once, nothing else answered (matching, focal, L1, GIoU)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from Tell2RegLib.training.boxes import iou_and_giou, to_centre_size, to_corners

if TYPE_CHECKING:
    from torch import Tensor

    from Tell2RegLib.training.detector_forward import Answer, Answers

CLASS, L1, GIOU = 2.0, 5.0, 2.0
"""Weights of the three terms, in matching as in the loss (Grounding DINO's)."""

DENSE = 0.5
"""Weight of the answers at every token of the encoder, where several tokens may claim one box: it learns far faster."""


@dataclass(frozen=True, eq=False)
class Target:
    """What one caption should give on one slice.

    Args:
        boxes: (G, 4) corners, 0..1.
        tokens: (G, T) 1 where a token belongs to the box's prompt.
    """

    boxes: Tensor
    tokens: Tensor


def detector_loss(answers: Answers, targets: Sequence[Target], mask: Tensor) -> Tensor:
    """One number: the mean over captions' boxes of all terms of all stages.

    Args:
        answers: of B captions.
        targets: as many.
        mask: (B, T) where tokens are.
    """
    total = _dense_loss(answers.dense, answers.positions, targets, mask) * DENSE
    for layer in answers.layers:
        total = total + _matched_loss(layer, targets, mask)
    return total


def _matched_loss(layer: Answer, targets: Sequence[Target], mask: Tensor) -> Tensor:
    import torch

    labels = torch.zeros_like(layer.logits)
    predicted, expected = [], []
    for n, target in enumerate(targets):
        if len(target.boxes) == 0:
            continue
        rows, columns = _match(layer.logits[n].detach(), layer.boxes[n].detach(), target)
        labels[n, rows] = target.tokens[columns]
        predicted.append(layer.boxes[n, rows])
        expected.append(target.boxes[columns])
    count = max(1, sum(len(target.boxes) for target in targets))
    loss = CLASS * focal(layer.logits, labels, mask) / count
    if predicted:
        loss = loss + _box_loss(torch.cat(predicted), torch.cat(expected)) / count
    return loss


def _match(logits: Tensor, boxes: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Queries and boxes that go together at the least cost, one to one."""
    import torch
    from scipy.optimize import linear_sum_assignment

    chance = logits.sigmoid().clamp(1e-6, 1 - 1e-6)
    cost_is = 0.25 * (1 - chance) ** 2 * -chance.log()
    cost_not = 0.75 * chance**2 * -(1 - chance).log()
    share = target.tokens / target.tokens.sum(1, keepdim=True)
    cost = CLASS * (cost_is - cost_not) @ share.T
    cost = cost + L1 * torch.cdist(boxes, to_centre_size(target.boxes), p=1)
    cost = cost - GIOU * iou_and_giou(to_corners(boxes)[:, None], target.boxes[None])[1]
    rows, columns = linear_sum_assignment(cost.numpy())
    return torch.from_numpy(rows), torch.from_numpy(columns)


def _box_loss(boxes: Tensor, true_boxes: Tensor) -> Tensor:
    """Sum over pairs of boxes (P, 4), the first as centre and size, the second as corners."""
    distance = (boxes - to_centre_size(true_boxes)).abs().sum()
    return L1 * distance + GIOU * (1 - iou_and_giou(to_corners(boxes), true_boxes)[1]).sum()


def focal(logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Sum of the sigmoid focal loss (alpha 0.25, gamma 2) of logits (B, Q, T) over tokens that are there (B, T)."""
    import torch.nn.functional as F

    logits = logits.masked_fill(~mask[:, None], -50.0)
    chance = logits.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    missed = chance + labels - 2 * chance * labels
    return ((0.75 - 0.5 * labels) * entropy * missed**2).sum()


def _dense_loss(dense: Answer, positions: Tensor, targets: Sequence[Target], mask: Tensor) -> Tensor:
    """Every token near the middle of a box answers with that box."""
    import torch

    labels = torch.zeros_like(dense.logits)
    predicted, expected = [], []
    for n, target in enumerate(targets):
        if len(target.boxes) == 0:
            continue
        owner, is_near = _owners(positions, target.boxes)
        labels[n, is_near] = target.tokens[owner[is_near]]
        predicted.append(dense.boxes[n, is_near])
        expected.append(target.boxes[owner[is_near]])
    count = max(1, sum(len(part) for part in predicted))
    loss = CLASS * focal(dense.logits, labels, mask) / count
    if predicted:
        loss = loss + _box_loss(torch.cat(predicted), torch.cat(expected)) / count
    return loss


def _owners(positions: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """For tokens at places (N, 2): the nearest of the boxes (G, 4), and whether the token lies in its middle."""
    box = to_centre_size(boxes)
    offset = (positions[:, None] - box[None, :, :2]).abs() / box[None, :, 2:].clamp(min=1e-3)
    distance = offset.max(-1).values
    nearest = distance.min(1)
    is_near = nearest.values < 0.25
    for g in range(len(boxes)):  # a box smaller than the tokens' spacing still has its nearest token
        closest = int(distance[:, g].argmin())
        is_near[closest] = True
        nearest.indices[closest] = g
    return nearest.indices, is_near
