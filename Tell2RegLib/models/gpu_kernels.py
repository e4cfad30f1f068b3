"""Where two kernels for NVIDIA GPUs run, written in Triton (triton_kernels.py), which comes with torch on Linux.

Both replace a chain of PyTorch operations that each read and write the whole feature map. Where Triton or a fit GPU is
missing, `usable` says so, and the caller takes PyTorch's own operations.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

CAPABILITY = (8, 0)
"""Of the oldest GPUs that get the kernels: those with bf16."""

QUERIES, SAMPLING_WARPS = 32, 4
"""Queries of a program that samples, and its warps."""

ROW_VALUES, NORM_WARPS = 1024, 4
"""Values of a program that normalises, and its warps."""

_log = logging.getLogger(__name__)


@lru_cache(maxsize=8)
def usable(device: torch.device) -> bool:
    """Whether the kernels run on a device and give what PyTorch gives, tried out once in a process."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < CAPABILITY or find_spec("triton") is None:
        return False
    try:
        right = _norm_is_right(device) and _sampling_is_right(device)
    except Exception as error:  # no C compiler for Triton's launcher, a driver that it does not know, ...
        _log.info("Triton does not run on %s (%s): PyTorch's operations are used.", device, error)
        return False
    return right


# --- residual sum and layer norm ---


def add_and_norm(
    norm: torch.nn.LayerNorm, x: Tensor, change: Tensor | None, dtype: torch.dtype | None = None
) -> tuple[Tensor, Tensor]:
    """The sum of a feature map and a change, and its layer norm.

    Args:
        norm: over the last axis.
        x: (..., C), float32 where the kernel is to be used.
        change: of the same shape, in 16 or 32 bits; None for nothing.
        dtype: of the layer norm; None: as PyTorch has it. Counts where the kernel runs only: elsewhere it is left to
            autocast.

    Returns:
        Both, (..., C); the sum in the format of x.
    """
    if not _takes(norm, x):
        total = x if change is None else x + change
        return total, norm(total)
    total = x if change is None else torch.empty_like(x)
    return total, _normed(norm, x, change, total, dtype)


def norm_of_sum(norm: torch.nn.LayerNorm, x: Tensor, change: Tensor | None = None) -> Tensor:
    """The layer norm alone of `add_and_norm`."""
    if not _takes(norm, x):
        return norm(x if change is None else x + change)
    return _normed(norm, x, change, None, None)


def _takes(norm: torch.nn.LayerNorm, x: Tensor) -> bool:
    return usable(x.device) and x.dtype == torch.float32 and x.is_contiguous() and norm.weight is not None


def _normed(
    norm: torch.nn.LayerNorm, x: Tensor, change: Tensor | None, total: Tensor | None, dtype: torch.dtype | None
) -> Tensor:
    from Tell2RegLib.models.triton_kernels import norm_kernel

    width = x.shape[-1]
    rows = x.numel() // width
    normed = torch.empty_like(x, dtype=dtype)
    block = 1 << (width - 1).bit_length()
    at_once = max(1, ROW_VALUES // block)
    with torch.cuda.device_of(x):
        norm_kernel[(-(-rows // at_once),)](
            x,
            x if change is None else change.contiguous(),
            norm.weight,
            norm.bias,
            normed if total is None else total,
            normed,
            rows,
            norm.eps,
            WIDTH=width,
            BLOCK=block,
            ROWS=at_once,
            ADDS=change is not None,
            KEEPS=change is not None and total is not None,
            num_warps=NORM_WARPS,
        )
    return normed


# --- deformable attention ---


def sampled_sum(
    values: Tensor, shapes: Sequence[tuple[int, int]], offsets: Tensor, scores: Tensor, reference: Tensor
) -> Tensor:
    """Weighted sums of values at points between the pixels, with the points and weights still to be computed.

    Args:
        values: (B, S, heads, D), the levels one after another, row by row; D a power of two.
        shapes: rows and columns of each level; their products add up to S.
        offsets: (B, Q, heads, levels, points, 2), x and y in pixels from the reference point, or in sizes of its box.
        scores: (B, Q, heads, levels, points): the weights before the softmax over levels and points.
        reference: (B or 1, Q, 2) points or (B or 1, Q, 4) boxes (centre, size), as fractions of the image.

    Returns:
        (B, Q, heads * D) in the format of the values, summed in float32.
    """
    from Tell2RegLib.models.triton_kernels import sampling_kernel

    batch, pixels, heads, width = values.shape
    queries, levels, points = offsets.shape[1], offsets.shape[3], offsets.shape[4]
    sampled = torch.empty(batch, queries, heads * width, dtype=values.dtype, device=values.device)
    with torch.cuda.device_of(values):
        sampling_kernel[(-(-queries // QUERIES), heads, batch)](
            values.contiguous(),
            offsets.contiguous(),
            scores.contiguous(),
            reference.contiguous(),
            _level_starts(tuple(shapes), values.device),
            sampled,
            queries,
            pixels,
            queries if len(reference) > 1 else 0,
            HEADS=heads,
            WIDTH=width,
            LEVELS=levels,
            POINTS=points,
            SAMPLES=1 << (levels * points - 1).bit_length(),
            BOXES=reference.shape[-1] == 4,
            QUERIES=QUERIES,
            num_warps=SAMPLING_WARPS,
        )
    return sampled


@lru_cache(maxsize=16)
def _level_starts(shapes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """(levels, 3): the first pixel of each level, its rows and its columns."""
    starts = [sum(height * width for height, width in shapes[:level]) for level in range(len(shapes))]
    rows = [(start, height, width) for start, (height, width) in zip(starts, shapes, strict=True)]
    return torch.tensor(rows, dtype=torch.int32, device=device)


# --- tried out ---


def _norm_is_right(device: torch.device) -> bool:
    norm = torch.nn.LayerNorm(256, device=device)
    x = torch.linspace(-3, 5, 3 * 256, device=device).reshape(3, 256).sin()
    change = x.flip(0).to(torch.bfloat16)
    with torch.no_grad():
        return torch.allclose(_normed(norm, x, change, None, None), norm(x + change), atol=1e-5)


def _sampling_is_right(device: torch.device) -> bool:
    """The middle of the official sizes' first level: offsets of zero and equal scores give the mean of the levels."""
    shapes = ((3, 5), (3, 3), (1, 3), (1, 1))
    numbers = [torch.full((height * width,), float(level)) for level, (height, width) in enumerate(shapes)]
    values = torch.cat(numbers)[None, :, None, None].expand(1, -1, 8, 32).to(device, torch.bfloat16)
    nothing = torch.zeros(1, 2, 8, 4, 4, 2, device=device)
    middle = torch.full((1, 2, 2), 0.5, device=device)
    sampled = sampled_sum(values, shapes, nothing, nothing[..., 0], middle)
    return bool((sampled.float() - 1.5).abs().max() < 0.01)
