"""SAM's image encoder run our way: the package's weights, fused attention, any input size, half precision inside.

What is not in the fused kernels follows the package layer by layer. Where a window sticks out of the image, the package
runs padding through its projections; the outcome is the projection's bias, which is put there directly.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from Tell2RegLib.models.gpu_kernels import add_and_norm
from Tell2RegLib.models.inference import Compute
from Tell2RegLib.models.sam.relative_position_attention import relative_attention
from Tell2RegLib.support.progress import Check


class Positions(NamedTuple):
    """Relative positions of one block: (H, H, D) and (W, W, D)."""

    rows: Tensor
    columns: Tensor


class SamEncoder:
    """The image encoder at one input size.

    Args:
        encoder: a segment_anything ImageEncoderViT.
        image_size: side of the input in pixels, a multiple of the patch. Other than the encoder's own, the position
            embedding is resized and the relative positions are interpolated, the latter as the package does.
        compute: where and in which format.
    """

    def __init__(self, encoder: Any, image_size: int, compute: Compute) -> None:
        self.encoder = encoder
        self.compute = compute
        self.tokens = image_size // encoder.patch_embed.proj.kernel_size[0]
        with compute.running():
            self.position = resized_position(encoder.pos_embed, self.tokens)
            self.relative = [self._relative(block) for block in encoder.blocks]

    def __call__(self, images: Tensor, check: Check) -> Tensor:
        """(B, 3, size, size) normalised -> (B, C, size / patch, size / patch) in float32.

        `check` is called before every block.
        """
        encoder = self.encoder
        x = _patches(encoder.patch_embed, images)
        if self.position is not None:
            x = x + self.position
        change = None
        with self.compute.halved():
            for block, positions in zip(encoder.blocks, self.relative, strict=True):
                check()
                x, normed = add_and_norm(block.norm1, x, change, self.compute.dtype)
                x, normed = add_and_norm(block.norm2, x, _attend(block, normed, positions), self.compute.dtype)
                change = block.mlp(normed)
            x = x if change is None else x + change
        return encoder.neck(x.float().permute(0, 3, 1, 2))

    def _relative(self, block: Any) -> Positions:
        from segment_anything.modeling.image_encoder import get_rel_pos

        side = block.window_size or self.tokens
        attention = block.attn
        if not attention.use_rel_pos:
            zeros = torch.zeros(side, side, attention.qkv.in_features // attention.num_heads)
            return Positions(*(zeros.to(attention.qkv.weight),) * 2)
        return Positions(get_rel_pos(side, side, attention.rel_pos_h), get_rel_pos(side, side, attention.rel_pos_w))


def _patches(embed: Any, images: Tensor) -> Tensor:
    """Patches of images (B, 3, H, W) to tokens (B, h, w, C).

    The patches do not overlap, so the convolution is one product; cuDNN takes one of its slowest ways for it.
    """
    return _as_product(embed.proj, images) if images.is_cuda else embed(images)


def _as_product(convolution: Any, images: Tensor) -> Tensor:
    side = convolution.kernel_size[0]
    patches = images.unflatten(3, (-1, side)).unflatten(2, (-1, side)).permute(0, 2, 4, 1, 3, 5).flatten(3)
    return F.linear(patches, convolution.weight.flatten(1), convolution.bias)


def resized_position(position: Tensor | None, tokens: int) -> Tensor | None:
    """A learned position embedding (1, H, W, C) for a grid of other size."""
    if position is None or position.shape[1:3] == (tokens, tokens):
        return position
    smaller = tokens < position.shape[1]
    channels_first = position.permute(0, 3, 1, 2)
    resized = F.interpolate(channels_first, (tokens, tokens), mode="bicubic", align_corners=False, antialias=smaller)
    return resized.permute(0, 2, 3, 1)


def _attend(block: Any, x: Tensor, positions: Positions) -> Tensor:
    """The attention of a block over all tokens or within windows; x is (B, H, W, C)."""
    from segment_anything.modeling.image_encoder import window_partition, window_unpartition

    attention = block.attn
    size = x.shape[1:3]
    qkv = attention.qkv(x)
    if not block.window_size:
        return attention.proj(_grid_attention(qkv, attention.num_heads, positions))
    qkv = _padded(qkv, attention.qkv.bias, block.window_size)
    windows, padded = window_partition(qkv, block.window_size)
    windows = _grid_attention(windows, attention.num_heads, positions)
    return attention.proj(window_unpartition(windows, block.window_size, padded, size))


def _grid_attention(qkv: Tensor, heads: int, positions: Positions) -> Tensor:
    """(B, H, W, 3 C) -> (B, H, W, C)."""
    batch, height, across, _ = qkv.shape
    q, k, v = qkv.reshape(batch, height * across, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    rows, columns = (table.to(q.dtype) for table in positions)
    mixed = relative_attention(q, k, v, rows, columns)
    return mixed.transpose(1, 2).reshape(batch, height, across, -1)


def _padded(qkv: Tensor, bias: Tensor | None, window: int) -> Tensor:
    """(B, H, W, C) enlarged to whole windows, with what the projection makes of zeros: its bias."""
    batch, height, across, channels = qkv.shape
    if height % window == 0 and across % window == 0:
        return qkv
    shape = (batch, height + -height % window, across + -across % window, channels)
    padded = qkv.new_zeros(shape) if bias is None else bias.to(qkv.dtype).expand(shape).contiguous()
    padded[:, :height, :across] = qkv
    return padded
