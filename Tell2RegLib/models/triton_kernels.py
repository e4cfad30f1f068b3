"""The GPU kernels themselves, in Triton; gpu_kernels.py says where they run. Importing this imports Triton.

In their bodies a name is an array of a program's own part; addresses are counted in elements.
"""

from __future__ import annotations

from typing import Any

try:
    import triton
    import triton.language as tl
except ImportError:  # no Triton for Windows and macOS; there nothing calls the functions below
    triton = None

jit: Any = (lambda function: function) if triton is None else triton.jit


@jit
def norm_kernel(
    x: tl.tensor,
    change: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    total: tl.tensor,
    normed: tl.tensor,
    rows: tl.tensor,
    eps: tl.tensor,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    ADDS: tl.constexpr,
    KEEPS: tl.constexpr,
) -> None:
    """Layer norms of ROWS rows of x + change, and the sums."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    within = column < WIDTH
    inside = (row < rows)[:, None] & within[None, :]
    at = row.to(tl.int64)[:, None] * WIDTH + column[None, :]
    value = tl.load(x + at, mask=inside, other=0.0)
    if ADDS:
        value += tl.load(change + at, mask=inside, other=0.0).to(tl.float32)
    if KEEPS:
        tl.store(total + at, value, mask=inside)
    mean = tl.sum(value, axis=1) / WIDTH
    apart = tl.where(inside, value - mean[:, None], 0.0)
    spread = tl.sqrt(tl.sum(apart * apart, axis=1) / WIDTH + eps)
    scale = tl.load(weight + column, mask=within, other=0.0).to(tl.float32)
    shift = tl.load(bias + column, mask=within, other=0.0).to(tl.float32)
    result = apart / spread[:, None] * scale[None, :] + shift[None, :]
    tl.store(normed + at, result.to(normed.dtype.element_ty), mask=inside)


@jit
def sampling_kernel(
    values: tl.tensor,
    offsets: tl.tensor,
    scores: tl.tensor,
    reference: tl.tensor,
    level_starts: tl.tensor,
    sampled: tl.tensor,
    queries: tl.tensor,
    pixels: tl.tensor,
    references: tl.tensor,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
    LEVELS: tl.constexpr,
    POINTS: tl.constexpr,
    SAMPLES: tl.constexpr,
    BOXES: tl.constexpr,
    QUERIES: tl.constexpr,
) -> None:
    """What QUERIES queries find with one head in one image: softmax, places, bilinear weights and sums."""
    query = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    head = tl.program_id(1)
    image = tl.program_id(2).to(tl.int64)
    active = query < queries
    row = image * queries + query
    channel = tl.arange(0, WIDTH)
    sample = tl.arange(0, SAMPLES)

    first = (row * HEADS + head) * (LEVELS * POINTS)
    is_score = active[:, None] & (sample < LEVELS * POINTS)[None, :]
    every = tl.load(scores + first[:, None] + sample[None, :], mask=is_score, other=float("-inf")).to(tl.float32)
    largest = tl.where(active, tl.max(every, axis=1), 0.0)
    total = tl.where(active, tl.sum(tl.exp(every - largest[:, None]), axis=1), 1.0)

    reference_point = reference + (image * references + query) * (4 if BOXES else 2)
    centre_x = tl.load(reference_point, mask=active, other=0.0)
    centre_y = tl.load(reference_point + 1, mask=active, other=0.0)
    of_head = values + (image * pixels * HEADS + head) * WIDTH
    result = tl.zeros((QUERIES, WIDTH), dtype=tl.float32)
    for level in range(LEVELS):
        start = tl.load(level_starts + 3 * level)
        height = tl.load(level_starts + 3 * level + 1)
        across = tl.load(level_starts + 3 * level + 2)
        anchor_x = centre_x * across - 0.5
        anchor_y = centre_y * height - 0.5
        for point in range(POINTS):
            at = first + level * POINTS + point
            share = tl.exp(tl.load(scores + at, mask=active, other=0.0).to(tl.float32) - largest) / total
            x = tl.load(offsets + 2 * at, mask=active, other=0.0)
            y = tl.load(offsets + 2 * at + 1, mask=active, other=0.0)
            if BOXES:
                x *= tl.load(reference_point + 2, mask=active, other=0.0) * across * (0.5 / POINTS)
                y *= tl.load(reference_point + 3, mask=active, other=0.0) * height * (0.5 / POINTS)
            x = tl.minimum(tl.maximum(x + anchor_x, -1.0), across.to(tl.float32))
            y = tl.minimum(tl.maximum(y + anchor_y, -1.0), height.to(tl.float32))
            result = _with_point(result, of_head, channel, share, x, y, start, height, across, active, HEADS * WIDTH)
    target = sampled + row[:, None] * (HEADS * WIDTH) + head * WIDTH + channel[None, :]
    tl.store(target, result.to(sampled.dtype.element_ty), mask=active[:, None])


@jit
def _with_point(
    result: tl.tensor,
    of_head: tl.tensor,
    channel: tl.tensor,
    share: tl.tensor,
    x: tl.tensor,
    y: tl.tensor,
    start: tl.tensor,
    height: tl.tensor,
    across: tl.tensor,
    active: tl.tensor,
    ROW: tl.constexpr,
) -> tl.tensor:
    """The sums with a point of a level added: `share` of what lies at (x, y), bilinear, nothing outside."""
    left = tl.floor(x)
    upper = tl.floor(y)
    right_share = x - left
    lower_share = y - upper
    for corner in tl.static_range(4):
        if corner % 2:
            column = left.to(tl.int32) + 1
            weight = share * right_share
        else:
            column = left.to(tl.int32)
            weight = share * (1 - right_share)
        if corner // 2:
            line = upper.to(tl.int32) + 1
            weight = weight * lower_share
        else:
            line = upper.to(tl.int32)
            weight = weight * (1 - lower_share)
        inside = active & (column >= 0) & (column < across) & (line >= 0) & (line < height)
        pixel = start + line * across + column
        source = of_head + pixel[:, None] * ROW + channel[None, :]
        value = tl.load(source, mask=inside[:, None], other=0.0).to(tl.float32)
        result += weight[:, None] * value
    return result
