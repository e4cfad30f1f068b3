"""GroundingDINO's Swin backbone run our way: the package's weights, with attention by the fused kernels.

The bias of a pair of pixels within a window, and the bar between parts of a shifted window that are no neighbours, go
into the kernel as one mask. What surrounds it follows the package layer by layer.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from Tell2RegLib.support.progress import Check

BLOCKED = -100.0
"""Added to the scores of pixels that a shift has brought together, as in the package."""


def swin_features(swin: Any, images: Tensor, check: Check) -> list[Tensor]:
    """Feature maps (B, C, H, W) of the stages that the backbone gives out.

    Args:
        swin: a groundingdino SwinTransformer.
        images: (B, 3, H, W), normalised.
        check: called before every block.
    """
    x = swin.patch_embed(images)
    if swin.ape:
        x = x + F.interpolate(swin.absolute_pos_embed, size=x.shape[2:], mode="bicubic")
    height, width = x.shape[2:]
    x = x.flatten(2).transpose(1, 2)
    maps = []
    for number, layer in enumerate(swin.layers):
        bars = _blocked_pairs(height, width, layer.window_size, layer.shift_size, x.device)
        for block in layer.blocks:
            check()
            x = _block(block, x, height, width, bars)
        if number in swin.out_indices:
            normed = getattr(swin, f"norm{number}")(x)
            maps.append(normed.unflatten(1, (height, width)).permute(0, 3, 1, 2).contiguous())
        if layer.downsample is not None:
            x = layer.downsample(x, height, width)
            height, width = (height + 1) // 2, (width + 1) // 2
    return maps


def _block(block: Any, x: Tensor, height: int, width: int, bars: Tensor) -> Tensor:
    """One block on (B, H * W, C)."""
    size, shift = block.window_size, block.shift_size
    grid = F.pad(block.norm1(x).unflatten(1, (height, width)), (0, 0, 0, -width % size, 0, -height % size))
    if shift:
        grid = grid.roll((-shift, -shift), dims=(1, 2))
    window_rows, window_columns = grid.shape[1] // size, grid.shape[2] // size
    windows = grid.unflatten(2, (window_columns, size)).unflatten(1, (window_rows, size)).transpose(2, 3)
    mixed = _window_attention(
        block.attn, windows.reshape(len(x), window_rows * window_columns, size * size, -1), bars, bool(shift)
    )
    windows = mixed.unflatten(2, (size, size)).unflatten(1, (window_rows, window_columns)).transpose(2, 3)
    grid = windows.reshape(grid.shape)
    if shift:
        grid = grid.roll((shift, shift), dims=(1, 2))
    x = x + grid[:, :height, :width].flatten(1, 2)
    return x + block.mlp(block.norm2(x))


def _window_attention(attention: Any, windows: Tensor, bars: Tensor, shifted: bool) -> Tensor:
    """Attention within windows (B, windows, tokens, C); a window and a head are one head to the kernel."""
    batch, count, tokens, _ = windows.shape
    heads = attention.num_heads
    qkv = attention.qkv(windows).reshape(batch, count, tokens, 3, heads, -1).permute(3, 0, 1, 4, 2, 5)
    q, k, v = qkv.reshape(3, batch, count * heads, tokens, -1).unbind(0)
    bias = attention.relative_position_bias_table[attention.relative_position_index.flatten()]
    bias = bias.reshape(tokens, tokens, heads).permute(2, 0, 1)[None]
    bias = bias + bars[:, None] if shifted else bias.expand(count, -1, -1, -1)
    mask = bias.reshape(1, count * heads, tokens, tokens).to(q.dtype)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=attention.scale)
    mixed = mixed.unflatten(1, (count, heads)).transpose(2, 3).flatten(3)
    return attention.proj(mixed)


def _blocked_pairs(height: int, width: int, size: int, shift: int, device: torch.device) -> Tensor:
    """(windows, tokens, tokens): 0 between pixels that were together before the shift, `BLOCKED` between others."""
    rows, columns = (_window_part(length + -length % size, size, shift, device) for length in (height, width))
    region_labels = rows[:, None] * 3 + columns
    window_rows, window_columns = region_labels.shape[0] // size, region_labels.shape[1] // size
    region_labels = region_labels.unflatten(1, (window_columns, size)).unflatten(0, (window_rows, size)).transpose(1, 2)
    region_labels = region_labels.reshape(window_rows * window_columns, size * size)
    return (region_labels[:, :, None] != region_labels[:, None]).float() * BLOCKED


def _window_part(length: int, size: int, shift: int, device: torch.device) -> Tensor:
    """0, 1 or 2 for each row: before the last window, in it, and what the shift has brought around."""
    positions = torch.arange(length, device=device)
    return (positions >= length - size).long() + (positions >= length - shift).long()
