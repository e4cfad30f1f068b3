"""Deformable attention as one weighted sum of rows of a table.

Each query looks at a few points on each level, each point is bilinear between four pixels, and what it finds is
weighted: altogether a sum of rows of the value table with given weights, which is what an embedding bag computes. The
package samples pictures instead and keeps every sample; on a CPU that takes ten times as long, and much more memory.
A border of zeros around each level of the table stands for all that lies outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

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
    """
    batch, queries, width = query.shape
    heads, levels, points = module.num_heads, module.num_levels, module.num_points
    with halved():
        values = module.value_proj(value)
    values = values.reshape(batch, -1, heads, width // heads)
    offsets = module.sampling_offsets(query).reshape(batch, queries, heads, levels, points, 2)
    weights = module.attention_weights(query).reshape(batch, queries, heads, -1).softmax(-1)
    scale = torch.tensor([(w, h) for h, w in shapes], dtype=query.dtype, device=query.device)
    if reference.shape[-1] == 4:
        offsets = offsets * (reference[:, :, None, 2:] * scale * (0.5 / points))[:, :, None, :, None]
    anchor = reference[:, :, None, :2] * scale - 0.5
    positions = offsets + anchor[:, :, None, :, None]
    found = deformable_sample(values, shapes, positions, weights.reshape(batch, queries, heads, levels, points))
    with halved():
        return module.output_proj(found).float()


def deformable_sample(values: Tensor, shapes: Shapes, positions: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of values at points between the pixels; outside of a level all is 0.

    Args:
        values: (B, S, heads, D), the levels one after another, row by row.
        shapes: of the levels; their products add up to S.
        positions: (B, Q, heads, levels, points, 2), x and y in pixels; pixel i is at i.
        weights: (B, Q, heads, levels, points).

    Returns:
        (B, Q, heads * D) float32.
    """
    batch, _, heads, width = values.shape
    queries, place = positions.shape[1], values.device
    table, starts = _bordered(values, shapes)
    last = torch.tensor([[(w, h)] for h, w in shapes], dtype=positions.dtype, device=place)
    nearby = positions.fmax(positions.new_tensor(-1.0)).fmin(last)
    floor = nearby.floor()
    upper = nearby - floor
    corner = floor.to(torch.int32).add_(1)  # in the bordered table
    strides = torch.tensor([(1, w + BORDER) for _, w in shapes], dtype=torch.int32, device=place).mul_(heads)
    head = torch.arange(heads, dtype=torch.int32, device=place).reshape(-1, 1, 1)
    image = torch.arange(batch, dtype=torch.int32, device=place).reshape(-1, 1, 1, 1, 1) * table.shape[1]
    origin = (starts[:, None] + image) * heads + head
    first = corner[..., 1] * strides[:, None, 1] + corner[..., 0] * heads + origin
    x, y = upper.unbind(-1)
    low, high = weights - weights * y, weights * y

    index = torch.empty(batch, queries, heads, 4, *weights.shape[3:], dtype=torch.int32, device=place)
    share = torch.empty(index.shape, dtype=table.dtype, device=place)
    for number, (row, beside) in enumerate(((low, 0), (low, 1), (high, 0), (high, 1))):
        step = strides[:, None, 0] * beside + strides[:, None, 1] * (number // 2)
        torch.add(first, step, out=index[:, :, :, number])
        torch.mul(row, x if beside else 1 - x, out=share[:, :, :, number])
    bags = (batch * queries * heads, -1)
    rows = table.reshape(-1, width)
    found = F.embedding_bag(index.reshape(bags), rows, mode="sum", per_sample_weights=share.reshape(bags))
    return found.reshape(batch, queries, heads * width)


def _bordered(values: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
    """Values in float32 with zeros around each level, and where each level starts."""
    batch, _, heads, width = values.shape
    sizes = [(height + BORDER) * (across + BORDER) for height, across in shapes]
    table = torch.zeros(batch, sum(sizes), heads, width, device=values.device)
    starts, start, source = [], 0, 0
    for (height, across), size in zip(shapes, sizes, strict=True):
        level = table[:, start : start + size].unflatten(1, (height + BORDER, across + BORDER))
        inside = values[:, source : source + height * across].unflatten(1, (height, across))
        level[:, 1 : height + 1, 1 : across + 1] = inside
        starts.append(start)
        start, source = start + size, source + height * across
    return table, torch.tensor(starts, dtype=torch.int32, device=values.device)
