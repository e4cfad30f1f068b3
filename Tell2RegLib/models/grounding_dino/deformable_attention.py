"""Deformable attention as one weighted sum of rows of a table.

Each query looks at a few points on each level, each point is bilinear between four pixels, and what it finds is
weighted: altogether a sum of rows of the value table with given weights, which is what an embedding bag computes. The
package samples pictures instead and keeps every sample; on a CPU that takes ten times as long, and much more memory.
A border of zeros around each level of the table stands for all that lies outside.

On a GPU the index arithmetic takes as long as the sum: there one kernel does both (gpu_kernels.py), where it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from Tell2RegLib.models import gpu_kernels

Shapes = Sequence[tuple[int, int]]
"""Rows and columns of each level."""

BORDER = 3
"""Rows and columns of zeros: one before a level, two behind it."""


def deformable_attention(
    module: Any, query: Tensor, value: Tensor, reference: Tensor, shapes: Shapes, halved: Any
) -> Tensor:
    """The package's MultiScaleDeformableAttention with its weights, without padding.

    Args:
        module: it.
        query: (B, Q, C), positions added.
        value: (B, S, C).
        reference: (B or 1, Q, 2) points or (B, Q, 4) boxes (centre, size), as fractions of the image.
        shapes: of the levels.
        halved: makes a context in which products may be in 16 bits; where to look stays in 32.

    Returns:
        (B, Q, C), in the format of the last product.
    """
    batch, queries, width = query.shape
    heads, levels, points = module.num_heads, module.num_levels, module.num_points
    with halved():
        values = module.value_proj(value)
    values = values.reshape(batch, -1, heads, width // heads)
    offsets = module.sampling_offsets(query).reshape(batch, queries, heads, levels, points, 2)
    scores = module.attention_weights(query).reshape(batch, queries, heads, levels, points)
    if gpu_kernels.usable(values.device):
        sampled = gpu_kernels.sampled_sum(values, shapes, offsets, scores, reference)
    else:
        weights = scores.flatten(3).softmax(-1).reshape(scores.shape)
        sampled = deformable_sample(values, shapes, _positions(offsets, reference, shapes), weights)
    with halved():
        return module.output_proj(sampled)


def _positions(offsets: Tensor, reference: Tensor, shapes: Shapes) -> Tensor:
    """Where a query looks, in pixels: as many offsets from each reference point, in pixels or in sizes of its box."""
    heads, points = offsets.shape[2], offsets.shape[4]
    scale = _constants(tuple(shapes), heads, offsets.dtype, offsets.device).sizes
    if reference.shape[-1] == 4:
        offsets = offsets * (reference[:, :, None, 2:] * scale * (0.5 / points))[:, :, None, :, None]
    anchor = reference[:, :, None, :2] * scale - 0.5
    return offsets + anchor[:, :, None, :, None]


def deformable_sample(values: Tensor, shapes: Shapes, positions: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of values at points between the pixels; outside of a level all is 0.

    Args:
        values: (B, S, heads, D), the levels one after another, row by row.
        shapes: of the levels; their products add up to S.
        positions: (B, Q, heads, levels, points, 2), x and y in pixels; pixel i is at i.
        weights: (B, Q, heads, levels, points).

    Returns:
        (B, Q, heads * D), summed in float32.
    """
    batch, _, heads, width = values.shape
    queries, device = positions.shape[1], values.device
    table = _bordered(values, shapes)
    sizes, strides, starts = _constants(tuple(shapes), heads, positions.dtype, device)
    nearby = positions.fmax(positions.new_full((), -1.0)).fmin(sizes[:, None])
    floor = nearby.floor()
    upper = nearby - floor
    corner = floor.to(torch.int32).add_(1)  # in the bordered table
    head = torch.arange(heads, dtype=torch.int32, device=device).reshape(-1, 1, 1)
    image = torch.arange(batch, dtype=torch.int32, device=device).reshape(-1, 1, 1, 1, 1) * table.shape[1]
    origin = (starts[:, None] + image) * heads + head
    first = corner[..., 1] * strides[:, None, 1] + corner[..., 0] * heads + origin
    x, y = upper.unbind(-1)
    low, high = weights - weights * y, weights * y

    index = torch.empty(batch, queries, heads, 4, *weights.shape[3:], dtype=torch.int32, device=device)
    share = torch.empty(index.shape, dtype=table.dtype, device=device)
    for number, (row, beside) in enumerate(((low, 0), (low, 1), (high, 0), (high, 1))):
        step = strides[:, None, 0] * beside + strides[:, None, 1] * (number // 2)
        torch.add(first, step, out=index[:, :, :, number])
        torch.mul(row, x if beside else 1 - x, out=share[:, :, :, number])
    bags = (batch * queries * heads, -1)
    rows = table.reshape(-1, width)
    sampled = F.embedding_bag(index.reshape(bags), rows, mode="sum", per_sample_weights=share.reshape(bags))
    return sampled.reshape(batch, queries, heads * width)


def _bordered(values: Tensor, shapes: Shapes) -> Tensor:
    """Values with zeros around each level.

    In float32; on a GPU in float16 where they come in 16 bits: the kernel reads half as much and sums in float32.
    """
    batch, _, heads, width = values.shape
    sizes = [(height + BORDER) * (across + BORDER) for height, across in shapes]
    dtype = torch.float16 if values.is_cuda and values.dtype.itemsize == 2 else torch.float32
    table = torch.zeros(batch, sum(sizes), heads, width, dtype=dtype, device=values.device)
    start, source = 0, 0
    for (height, across), size in zip(shapes, sizes, strict=True):
        level = table[:, start : start + size].unflatten(1, (height + BORDER, across + BORDER))
        inside = values[:, source : source + height * across].unflatten(1, (height, across))
        level[:, 1 : height + 1, 1 : across + 1] = inside
        start, source = start + size, source + height * across
    return table


class _Constants(NamedTuple):
    """What depends on the levels alone.

    Args:
        sizes: (levels, 2), columns and rows.
        strides: (levels, 2), rows of the table from a pixel to the next one and to the next line.
        starts: (levels,), pixels of the bordered table before a level.
    """

    sizes: Tensor
    strides: Tensor
    starts: Tensor


@lru_cache(maxsize=16)
def _constants(shapes: tuple[tuple[int, int], ...], heads: int, dtype: torch.dtype, device: torch.device) -> _Constants:
    """The constants, created once: on a GPU, each creation is a synchronising copy."""
    lines = [(width + BORDER, height + BORDER) for height, width in shapes]
    starts = [sum(columns * rows for columns, rows in lines[:level]) for level in range(len(lines))]
    return _Constants(
        torch.tensor([(width, height) for height, width in shapes], dtype=dtype, device=device),
        torch.tensor([(heads, columns * heads) for columns, _ in lines], dtype=torch.int32, device=device),
        torch.tensor(starts, dtype=torch.int32, device=device),
    )
