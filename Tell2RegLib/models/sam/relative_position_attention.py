"""Attention with SAM's relative positions, by the fused kernels that know nothing of relative positions.

SAM adds to the product of a query and a key what the query says about the key's row and about its column (a
"decomposed relative position"): score = scale * q.k + q.R_row[row of k] + q.R_column[column of k]. The two last terms
are a product too, of [q.R_row, q.R_column] and the key's row and column as one-hot vectors. Put behind q and k, they
make the whole score one product of longer vectors, which a fused kernel takes without ever writing the scores down.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL_WIDTH = 8
"""Flash kernels want head widths that are multiples of this."""


def relative_attention(q: Tensor, k: Tensor, v: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Attention over an H x W grid of tokens.

    Args:
        q, k, v: (B, heads, H * W, D), the query not yet scaled.
        rows: (H, H, D), the relative position of query row and key row.
        columns: (W, W, D), likewise.

    Returns:
        (B, heads, H * W, D).
    """
    batch, heads, tokens, width = q.shape
    height, across = rows.shape[0], columns.shape[0]
    grid = q.reshape(batch, heads, height, across, width)
    along = torch.einsum("bnhwd,hkd->bnhwk", grid, rows).reshape(batch, heads, tokens, height)
    beside = torch.einsum("bnhwd,wkd->bnhwk", grid, columns).reshape(batch, heads, tokens, across)
    padding = -(width + height + across) % KERNEL_WIDTH
    relative_positions = F.pad(_positions(height, across, k), (0, padding)).expand(batch, heads, -1, -1)
    long_q = torch.cat([q * width**-0.5, along, F.pad(beside, (0, padding))], dim=-1)
    long_k = torch.cat([k, relative_positions], dim=-1)
    long_v = F.pad(v, (0, relative_positions.shape[-1]))
    return F.scaled_dot_product_attention(long_q, long_k, long_v, scale=1.0)[..., :width]


def _positions(height: int, across: int, like: Tensor) -> Tensor:
    """(H * W, H + W): each token's row and column, one-hot."""
    row = torch.eye(height, dtype=like.dtype, device=like.device).repeat_interleave(across, dim=0)
    column = torch.eye(across, dtype=like.dtype, device=like.device).repeat(height, 1)
    return torch.cat([row, column], dim=1)
