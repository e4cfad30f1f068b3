"""SAM's mask decoder run our way: boxes of many slices in one batch, only the mask that is used, no detour in size.

The package decodes the boxes of one slice at a time, makes four masks and keeps one, and enlarges it to the network's
input size before it shrinks it to the slice's. Both resizings are linear, so one small matrix per axis does the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def decode(sam: Any, features: Tensor, boxes: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
    """Mask logits and expected quality of one box each.

    Args:
        sam: a segment_anything Sam.
        features: (B, C, H, W), the embedding of each box's slice.
        boxes: (B, 4), left, top, right, bottom in pixels of the network's input.
        image_size: side of that input in pixels.

    Returns:
        (B, 4 H, 4 W) logits, above 0 inside; (B,) quality.
    """
    decoder, prompts = sam.mask_decoder, sam.prompt_encoder
    corners = _corners(prompts, boxes, image_size)
    count, channels, height, width = features.shape
    output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight], dim=0)
    tokens = torch.cat([output_tokens.expand(count, -1, -1), corners], dim=1)
    src = features + prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
    image_positions = prompts.pe_layer((height, width))[None]
    hidden_states, keys = decoder.transformer(src, image_positions, tokens)
    upscaled = decoder.output_upscaling(keys.transpose(1, 2).reshape(count, channels, height, width))
    weights = decoder.output_hypernetworks_mlps[0](hidden_states[:, 1])
    logits = torch.einsum("bc,bchw->bhw", weights, upscaled)
    return logits, decoder.iou_prediction_head(hidden_states[:, 0])[:, 0]


def _corners(prompts: Any, boxes: Tensor, image_size: int) -> Tensor:
    """(B, 2, C): the two corners of each box as tokens."""
    points = (boxes + 0.5).reshape(-1, 2, 2)
    embedded = prompts.pe_layer.forward_with_coords(points, (image_size, image_size))
    kinds = torch.cat([prompts.point_embeddings[2].weight, prompts.point_embeddings[3].weight], dim=0)
    return embedded + kinds


def to_slice(logits: Tensor, image_size: int, input_hw: tuple[int, int], slice_hw: tuple[int, int]) -> Tensor:
    """Mask logits (B, h, w) at the size of the slice, (B, J, I).

    Args:
        image_size: side of the network's input, to which the package enlarges first.
        input_hw: the part of it that the slice fills, to which it cuts then.
        slice_hw: the slice's own size, to which it shrinks at last.
    """
    rows = _resizing(logits.shape[1], image_size, input_hw[0], slice_hw[0], logits)
    columns = _resizing(logits.shape[2], image_size, input_hw[1], slice_hw[1], logits)
    return rows @ logits @ columns.T


def _resizing(low: int, full: int, used: int, final: int, like: Tensor) -> Tensor:
    """(final, low): the two resizings of one axis as a matrix."""
    unit = torch.eye(low, dtype=like.dtype, device=like.device)[None]
    enlarged = F.interpolate(unit, full, mode="linear", align_corners=False)[..., :used]
    return F.interpolate(enlarged, final, mode="linear", align_corners=False)[0].T
