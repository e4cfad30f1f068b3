"""Deformable attention as one weighted sum of rows of a table.

Each query looks at a few points on each level, each point is bilinear between four pixels, and what it finds is
weighted: altogether a sum of rows of the value table with given weights, which is what an embedding bag computes. The
package samples pictures instead and keeps every sample; on a CPU that takes ten times as long, and much more memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Shapes = Sequence[tuple[int, int]]
"""Rows and columns of each level."""


def deformable_sample(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of values at points between the pixels; outside of a level all is 0.

    Args:
        value: (B, S, heads, D) float32, the levels one after another, row by row.
        shapes: of the levels; their products add up to S.
        locations: (B, Q, heads, levels, points, 2), x and y as fractions of a level.
        weights: (B, Q, heads, levels, points).

    Returns:
        (B, Q, heads * D).
    """
    batch, total, heads, width = value.shape
    queries = locations.shape[1]
    place = value.device
    rows = torch.tensor([[h] for h, _ in shapes], dtype=torch.int32, device=place)
    columns = torch.tensor([[w] for _, w in shapes], dtype=torch.int32, device=place)
    sizes = [h * w for h, w in shapes]
    starts = torch.tensor([[sum(sizes[:level])] for level in range(len(sizes))], dtype=torch.int32, device=place)
    image = torch.arange(batch, dtype=torch.int32, device=place).reshape(-1, 1, 1, 1, 1) * (total * heads)
    head = torch.arange(heads, dtype=torch.int32, device=place).reshape(-1, 1, 1) + image
    xs = [(left * heads + head, share) for left, share in _neighbours(locations[..., 0], columns)]
    ys = [((top * columns + starts) * heads, share * weights) for top, share in _neighbours(locations[..., 1], rows)]

    shape = (batch, queries, heads, 4, len(shapes), weights.shape[-1])
    index = torch.empty(shape, dtype=torch.int32, device=place)
    share = torch.empty(shape, dtype=value.dtype, device=place)
    for corner, (y, x) in enumerate((y, x) for y in ys for x in xs):
        index[:, :, :, corner] = y[0] + x[0]
        share[:, :, :, corner] = y[1] * x[1]
    bags = (batch * queries * heads, -1)
    table = value.reshape(-1, width)
    found = F.embedding_bag(index.reshape(bags), table, mode="sum", per_sample_weights=share.reshape(bags))
    return found.reshape(batch, queries, heads * width)


def _neighbours(fraction: Tensor, size: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two pixels beside each position along one axis, and their shares: 0 for what lies outside."""
    position = fraction * size - 0.5
    floor = position.floor()
    upper = position - floor
    low = floor.to(torch.int32)
    high = low + 1
    last = size - 1
    pair = []
    for pixel, share in ((low, 1 - upper), (high, upper)):
        inside = (pixel >= 0) & (pixel <= last)
        pair.append((pixel.clamp(min=0).minimum(last), share * inside))
    return pair


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
        table = module.value_proj(value)
    table = table.float().reshape(batch, -1, heads, width // heads)
    offsets = module.sampling_offsets(query).reshape(batch, queries, heads, levels, points, 2)
    weights = module.attention_weights(query).reshape(batch, queries, heads, -1).softmax(-1)
    weights = weights.reshape(batch, queries, heads, levels, points)
    anchor = reference[:, :, None, None, None]
    if reference.shape[-1] == 2:
        scale = torch.tensor([(w, h) for h, w in shapes], dtype=query.dtype, device=query.device)
        locations = anchor + offsets / scale[:, None]
    else:
        locations = anchor[..., :2] + offsets / points * anchor[..., 2:] * 0.5
    found = deformable_sample(table, shapes, locations, weights)
    with halved():
        return module.output_proj(found).float()
