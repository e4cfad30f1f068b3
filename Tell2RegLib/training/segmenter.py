"""Teaching the demo segmenter to fill a box with the phantom's organ in it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.sam.network import DEMO, SegmenterConfig, build_segmenter
from Tell2RegLib.models.slice_preparation import long_side_size
from Tell2RegLib.training.augment import augmented
from Tell2RegLib.training.boxes import boxes_of
from Tell2RegLib.training.data import SliceSet
from Tell2RegLib.training.loop import Schedule, train
from Tell2RegLib.training.words import PROMPTS, draw_slices

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GROUPS: dict[str, tuple[int, ...]] = {name: groups[0] for name, groups in PROMPTS.items() if len(groups) == 1}
"""Organ -> its labels."""

LEAST_SHARE = 0.0008
"""Cuts that cover less of a slice are not taught."""

DIFFICULT = ("seminal vesicles", "pubic symphysis")
"""Small or ragged; a run of their own helps."""

MASKS = 4
"""Organs taught on each slice of a batch, at most."""


def new_segmenter(config: SegmenterConfig = DEMO, seed: int = 1) -> Any:
    """An untaught segmenter; the same seed is always the same network."""
    import torch

    torch.manual_seed(seed)
    network = build_segmenter(config)
    with torch.no_grad():
        network.image_encoder.pos_embed.normal_(std=0.02)
    return network


def with_input_of(weights: Mapping[str, Tensor], network: Any) -> dict[str, Tensor]:
    """Weights of a segmenter for smaller pictures, for one like it with a larger input.

    What it knows of places is stretched: the position embedding (1, E, E, C), and the relative positions (2 E - 1, C)
    of attention across the whole picture.
    """
    import torch.nn.functional as F

    stretched = dict(weights)
    for name, expected in network.state_dict().items():
        stored = weights[name]
        if stored.shape == expected.shape:
            continue
        if name.endswith("pos_embed"):
            grid = stored.permute(0, 3, 1, 2)
            larger = F.interpolate(grid, expected.shape[1:3], mode="bicubic", align_corners=False)
            stretched[name] = larger.permute(0, 2, 3, 1)
        else:
            line = F.interpolate(stored.T[None], expected.shape[0], mode="linear", align_corners=False)
            stretched[name] = line[0].T
    return stretched


def padded(pictures: Tensor, side: int = DEMO.image_size_px) -> Tensor:
    """Grey slices (B, 1, H, W) in 0..255 at the input's size -> (B, 3, side, side), as Sam.preprocess does."""
    import torch
    import torch.nn.functional as F

    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (DEMO.pixel_mean, DEMO.pixel_std))
    rows, columns = pictures.shape[2:]
    return F.pad((pictures - mean) / std, (0, side - columns, 0, side - rows))


def _at(pictures: Tensor, side: int) -> Tensor:
    """Grey slices (B, 1, H, W), those kept for the whole input, for an input of this side."""
    import torch.nn.functional as F

    current_hw = (pictures.shape[2], pictures.shape[3])
    size = long_side_size(current_hw, side)
    if size == current_hw:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True)


def mask_logits(network: Any, features: Tensor, owners: Tensor, boxes_px: Tensor) -> tuple[Tensor, Tensor]:
    """Sam's single mask for boxes on several slices at once.

    Args:
        network: Sam.
        features: (B, C, E, E) of the slices.
        owners: (P,) which slice each box is on.
        boxes_px: (P, 4) corners in pixels of the network's input.

    Returns:
        Logits (P, 4 E, 4 E), and the overlap with the truth that the network expects (P,).
    """
    import torch

    decoder, prompts = network.mask_decoder, network.prompt_encoder
    sparse, dense = prompts(points=None, boxes=boxes_px, masks=None)
    fixed = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = torch.cat([fixed.expand(len(boxes_px), -1, -1), sparse], dim=1)
    position_encoding = prompts.get_dense_pe().expand(len(boxes_px), -1, -1, -1)
    hidden, image = decoder.transformer(features[owners] + dense, position_encoding, tokens)
    image = image.transpose(1, 2).reshape(len(boxes_px), *features.shape[1:])
    upscaled = decoder.output_upscaling(image)
    weights = decoder.output_hypernetworks_mlps[0](hidden[:, 1])
    return torch.einsum("pc,pchw->phw", weights, upscaled), decoder.iou_prediction_head(hidden[:, 0])[:, 0]


def segmenter_loss(logits: Tensor, expected: Tensor, true_masks: Tensor, boxes_px: Tensor, side: int) -> Tensor:
    """Cross entropy for a box's area, soft Dice, and how well the expected overlap meets the real one.

    Args:
        logits: (P, h, w), of the low resolution.
        expected: (P,) overlap.
        true_masks: (P, H, W) share of each pixel inside the organ, without the input's padding.
        boxes_px: (P, 4) the boxes that were given.
        side: of the input, in pixels.
    """
    import torch.nn.functional as F

    rows, columns = true_masks.shape[1:]
    full_logits = F.interpolate(logits[:, None], (side, side), mode="bilinear", align_corners=False)[
        :, 0, :rows, :columns
    ]
    area = ((boxes_px[:, 2] - boxes_px[:, 0]) * (boxes_px[:, 3] - boxes_px[:, 1])).clamp(min=16)
    entropy = F.binary_cross_entropy_with_logits(full_logits, true_masks, reduction="none").sum((1, 2)) / area
    share = full_logits.sigmoid()
    intersection = (share * true_masks).sum((1, 2))
    dice = 1 - 2 * intersection / (share.sum((1, 2)) + true_masks.sum((1, 2))).clamp(min=1)
    predicted, expected_pixels = full_logits > 0, true_masks > 0.5
    overlap = (predicted & expected_pixels).sum((1, 2)) / (predicted | expected_pixels).sum((1, 2)).clamp(min=1)
    return (entropy + dice).mean() + 0.2 * F.mse_loss(expected, overlap)


def _drawn_groups(rng: np.random.Generator, labels: Tensor, first: Sequence[str]) -> list[tuple[int, ...]]:
    area = np.bincount(labels.numpy().ravel(), minlength=11) / labels.numel()
    visible_groups = [group for group in GROUPS.values() if area[list(group)].sum() >= LEAST_SHARE]
    drawn = [visible_groups[n] for n in rng.permutation(len(visible_groups))]
    return sorted(drawn, key=lambda group: group not in [GROUPS[name] for name in first])[:MASKS]


def _shaken(boxes: Tensor, rng: np.random.Generator, most: float) -> Tensor:
    """Boxes (P, 4) as a detector would give them: every side off by up to this share of the box; some exact."""
    import torch

    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    amount = rng.uniform(-most, most, boxes.shape) * (rng.random((len(boxes), 1)) < 0.7)
    return boxes + size * torch.from_numpy(amount.astype(np.float32))


def _lesson(
    rng: np.random.Generator, slices: SliceSet, count: int, first: Sequence[str], side: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures (B, 1, H, W), owners (P,), corner boxes (P, 4) 0..1 and masks (P, H, W) of one batch."""
    import torch
    import torch.nn.functional as F

    names = (*GROUPS, *first, *first) if first else tuple(PROMPTS)
    chosen = draw_slices(rng, slices.area, count, names)
    pictures, labels = augmented(slices.square[chosen], slices.labels[chosen], rng)
    pictures = _at(pictures, side)
    owners, boxes, masks = [], [], []
    for n, slice_labels in enumerate(labels):
        groups = _drawn_groups(rng, slice_labels, first)
        owners += [n] * len(groups)
        boxes.append(boxes_of(slice_labels, groups))
        masks += [torch.stack([slice_labels == value for value in group]).any(0) for group in groups]
    true_masks = F.interpolate(torch.stack(masks)[:, None].float(), pictures.shape[2:], mode="area")[:, 0]
    return pictures, torch.tensor(owners), torch.cat(boxes), true_masks


def train_segmenter(
    training: SliceSet,
    validation: SliceSet,
    schedule: Schedule,
    out: Path,
    start: Path | None = None,
    first: Sequence[str] = (),
    side: int = DEMO.image_size_px,
    shake: float = 0.12,
) -> Any:
    """A taught segmenter; `out` holds its weights at every checkpoint (see `loop.train`).

    `start` are weights of an earlier run. Slices that show the organs in `first` come three times as often as others,
    and those organs are never left out. With a smaller input (`side`, in pixels) each step takes less time; a run with
    a larger one may start from its weights. The boxes are off by up to `shake` of their size.
    """
    import torch

    network = new_segmenter(replace(DEMO, image_size_px=side), seed=schedule.seed)
    if start is not None:
        network.load_state_dict(with_input_of(torch.load(start, weights_only=True), network))
    rows, columns = long_side_size((training.square.shape[1], training.square.shape[2]), side)
    scale = torch.tensor([columns, rows, columns, rows], dtype=torch.float32)

    def loss_of(rng: np.random.Generator, step: int) -> Tensor:
        pictures, owners, boxes, true_masks = _lesson(rng, training, schedule.batch, first, side)
        boxes_px = _shaken(boxes, rng, shake) * scale
        logits, expected = mask_logits(network, network.image_encoder(padded(pictures, side)), owners, boxes_px)
        return segmenter_loss(logits, expected, true_masks, boxes_px, side)

    def score(taught: torch.nn.Module) -> dict[str, Any]:
        return {"dice": dice_by_organ(taught, validation, np.arange(0, len(validation), 9))}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages, about PyTorch's future
        train(network, loss_of, schedule, out, score)
    return network


def dice_by_organ(network: Any, slices: SliceSet, indices: NDArray, least_share: float = 0.002) -> dict[str, float]:
    """Mean Dice per organ over slices (at 1 mm) where it covers at least this share, from its true box."""
    import torch
    import torch.nn.functional as F

    side = int(network.image_encoder.img_size)
    rows, columns = long_side_size((slices.square.shape[1], slices.square.shape[2]), side)
    scale = torch.tensor([columns, rows, columns, rows], dtype=torch.float32)
    scores: dict[str, list[float]] = {name: [] for name in GROUPS}
    for index in indices:
        present = [n for n, group in GROUPS.items() if slices.area[index, list(group)].sum() >= least_share]
        if not present:
            continue
        labels = torch.from_numpy(slices.labels[index])
        boxes = boxes_of(labels, [GROUPS[name] for name in present]) * scale
        with torch.inference_mode():
            picture = _at(torch.from_numpy(slices.square[index]).float()[None, None], side)
            features = network.image_encoder(padded(picture, side))
            logits, _ = mask_logits(network, features, torch.zeros(len(present), dtype=torch.long), boxes)
            full = F.interpolate(logits[:, None], (side, side), mode="bilinear", align_corners=False)[
                ..., :rows, :columns
            ]
            masks = F.interpolate(full, labels.shape, mode="bilinear", align_corners=False)[:, 0] > 0
        for name, mask in zip(present, masks, strict=True):
            true = torch.stack([labels == value for value in GROUPS[name]]).any(0)
            scores[name].append(float(2 * (mask & true).sum() / (mask.sum() + true.sum())))
    return {name: round(float(np.mean(values)), 4) for name, values in scores.items() if values}
