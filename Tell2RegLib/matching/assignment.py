"""One-to-one assignment of fixed to moving regions by a similarity matrix: Algorithm 1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.pairs import identity, make_pair
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair, plain_name

Method = Literal["greedy", "optimal"]
Indices = list[tuple[int, int]]


def pairs_by_similarity(
    fixed: Sequence[Region],
    moving: Sequence[Region],
    similarity: ArrayLike,
    *,
    threshold: float = 0.8,
    method: Method = "greedy",
    cross_prompts: bool = True,
) -> tuple[RegionPair, ...]:
    """Pair similar regions, most similar first; empty when no similarity exceeds the threshold.

    Args:
        fixed, moving: N and M regions.
        similarity: (N, M), any measure that is larger for more similar regions, such as the cosine of prototypes.
        threshold: the similarity of a pair must exceed it.
        method: "greedy" is Algorithm 1 of the paper: repeatedly take the most similar pair and remove its row and
            column. "optimal" maximises the sum of the similarities of all pairs; pairs at or below zero add nothing
            to the sum and are omitted.
        cross_prompts: whether regions of different prompts may be paired.

    Ties are resolved by the regions' properties (same prompt and name first), not by their order.

    Raises:
        InputError: a similarity matrix of another shape or with values that are not finite, or an unknown method.
    """
    values = _checked(similarity, (len(fixed), len(moving)), threshold)
    allowed = allowed_pairs(fixed, moving, values, threshold, cross_prompts)
    reason = f"similarity above {threshold:g}"
    return tuple(
        make_pair(n, fixed[i], moving[j], float(values[i, j]), reason=reason)
        for n, (i, j) in enumerate(assign(fixed, moving, values, allowed, method))
    )


def cosine_similarity(fixed: ArrayLike, moving: ArrayLike) -> Floats:
    """The cosines (N, M) between prototypes (N, C) and (M, C); 0 for a prototype of zeros.

    >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0], [1.0, -1.0]]).round(3).tolist()
    [[1.0, 0.0, 0.707]]
    """
    fixed_unit, moving_unit = (np.asarray(side, dtype=np.float64) for side in (fixed, moving))
    lengths = [np.linalg.norm(side, axis=1, keepdims=True) for side in (fixed_unit, moving_unit)]
    fixed_unit, moving_unit = (
        np.divide(side, length, out=np.zeros_like(side), where=length > 0)
        for side, length in zip((fixed_unit, moving_unit), lengths, strict=True)
    )
    return np.clip(fixed_unit @ moving_unit.T, -1.0, 1.0)


def allowed_pairs(
    fixed: Sequence[Region], moving: Sequence[Region], values: Floats, threshold: float, cross_prompts: bool
) -> NDArray[np.bool_]:
    """(N, M), True for pairs above the threshold and, unless `cross_prompts`, of the same prompt."""
    allowed: NDArray[np.bool_] = values > threshold
    return allowed if cross_prompts else allowed & _equal_texts(fixed, moving, "prompt")


def assign(
    fixed: Sequence[Region], moving: Sequence[Region], values: Floats, allowed: NDArray[np.bool_], method: Method
) -> Indices:
    """Assign one-to-one pairs (i, j) among the allowed ones, largest value first, independent of the regions' order.

    Args:
        fixed, moving: N and M regions.
        values, allowed: (N, M).
        method: see `pairs_by_similarity`.

    Raises:
        InputError: an unknown method.
    """
    if method not in ("greedy", "optimal"):
        raise InputError(f"The matching method must be 'greedy' or 'optimal', not '{method}'.")
    rows = sorted(range(len(fixed)), key=lambda i: identity(fixed[i]))
    columns = sorted(range(len(moving)), key=lambda j: identity(moving[j]))
    sorted_fixed, sorted_moving = [fixed[i] for i in rows], [moving[j] for j in columns]
    values, allowed = values[np.ix_(rows, columns)], allowed[np.ix_(rows, columns)]
    candidates = (
        _optimal(values, allowed) if method == "optimal" else [(int(i), int(j)) for i, j in np.argwhere(allowed)]
    )
    return [(rows[i], columns[j]) for i, j in _largest_first(candidates, values, sorted_fixed, sorted_moving)]


def _checked(similarity: ArrayLike, shape: tuple[int, int], threshold: float) -> Floats:
    values = np.asarray(similarity, dtype=np.float64)
    if values.shape != shape:
        raise InputError(
            f"The similarity matrix of {shape[0]} fixed and {shape[1]} moving regions must have shape {shape}, not "
            f"{values.shape}."
        )
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise InputError(f"The similarity of fixed region {i} and moving region {j} is {values[i, j]}, not a number.")
    if not np.isfinite(threshold):
        raise InputError(f"The similarity threshold must be a finite number, not {threshold}.")
    return values


def _equal_texts(fixed: Sequence[Region], moving: Sequence[Region], attribute: str) -> NDArray[np.bool_]:
    """(N, M), True where a fixed and a moving region have the same name or prompt."""
    fixed_texts, moving_texts = (
        [plain_name(getattr(region, attribute)) for region in side] for side in (fixed, moving)
    )
    return np.array([[a == b for b in moving_texts] for a in fixed_texts], dtype=bool).reshape(
        len(fixed_texts), len(moving_texts)
    )


def _largest_first(candidates: Indices, values: Floats, fixed: Sequence[Region], moving: Sequence[Region]) -> Indices:
    """Algorithm 1: repeatedly take the largest value and remove its row and column."""
    same_prompt, same_name = _equal_texts(fixed, moving, "prompt"), _equal_texts(fixed, moving, "name")
    ranked = sorted(candidates, key=lambda ij: (-values[*ij], not same_prompt[*ij], not same_name[*ij], *ij))
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    assigned = []
    for i, j in ranked:
        if i not in used_rows and j not in used_columns:
            assigned.append((i, j))
            used_rows.add(i)
            used_columns.add(j)
    return assigned


def _optimal(values: Floats, allowed: NDArray[np.bool_]) -> Indices:
    """The one-to-one assignment with the largest sum over allowed pairs."""
    from scipy.optimize import linear_sum_assignment

    gain = np.where(allowed & (values > 0), values, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if gain[i, j] > 0]
