"""Which fixed region is which moving region, by a matrix of similarities: Algorithm 1 of the paper."""

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
    """Pairs of regions that look alike, most similar first; none above the threshold is an empty result.

    Args:
        fixed, moving: N and M regions.
        similarity: (N, M), any larger-is-more-alike measure, such as the cosine of prototypes.
        threshold: a pair must be above it.
        method: "greedy" is Algorithm 1 of the paper: again and again the most similar pair, then its row and column
            are done. "optimal" maximises the sum of the similarities of all pairs; pairs at or below zero add nothing
            to it and are not made.
        cross_prompts: whether regions of different prompts may be paired.

    Equal similarities are decided by what the regions are (same prompt and name first), not by their order.

    Raises:
        InputError: a similarity of another shape or with values that are not finite, or an unknown method.
    """
    values = _checked(similarity, (len(fixed), len(moving)), threshold)
    allowed = allowed_pairs(fixed, moving, values, threshold, cross_prompts)
    reason = f"similarity above {threshold:g}"
    return tuple(
        make_pair(n, fixed[i], moving[j], float(values[i, j]), reason=reason)
        for n, (i, j) in enumerate(assign(fixed, moving, values, allowed, method))
    )


def cosine_similarity(fixed: ArrayLike, moving: ArrayLike) -> Floats:
    """S[i, j], the cosine between prototypes (N, C) and (M, C); a prototype of zeros is like nothing.

    >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0], [1.0, -1.0]]).round(3).tolist()
    [[1.0, 0.0, 0.707]]
    """
    ours, theirs = (np.asarray(side, dtype=np.float64) for side in (fixed, moving))
    lengths = [np.linalg.norm(side, axis=1, keepdims=True) for side in (ours, theirs)]
    ours, theirs = (
        np.divide(side, length, out=np.zeros_like(side), where=length > 0)
        for side, length in zip((ours, theirs), lengths, strict=True)
    )
    return np.clip(ours @ theirs.T, -1.0, 1.0)


def allowed_pairs(
    fixed: Sequence[Region], moving: Sequence[Region], values: Floats, threshold: float, cross_prompts: bool
) -> NDArray[np.bool_]:
    """Which pairs (N, M) are above the threshold and, where that is asked for, of one prompt."""
    allowed: NDArray[np.bool_] = values > threshold
    return allowed if cross_prompts else allowed & _equal(fixed, moving, "prompt")


def assign(
    fixed: Sequence[Region], moving: Sequence[Region], values: Floats, allowed: NDArray[np.bool_], method: Method
) -> Indices:
    """One-to-one pairs (i, j) among the allowed ones, largest value first, whatever the order of the regions.

    Raises:
        InputError: an unknown method.
    """
    if method not in ("greedy", "optimal"):
        raise InputError(f"The method of matching is 'greedy' or 'optimal', not '{method}'.")
    rows = sorted(range(len(fixed)), key=lambda i: identity(fixed[i]))
    columns = sorted(range(len(moving)), key=lambda j: identity(moving[j]))
    sorted_fixed, sorted_moving = [fixed[i] for i in rows], [moving[j] for j in columns]
    values, allowed = values[np.ix_(rows, columns)], allowed[np.ix_(rows, columns)]
    found = _optimal(values, allowed) if method == "optimal" else [(int(i), int(j)) for i, j in np.argwhere(allowed)]
    return [(rows[i], columns[j]) for i, j in _largest_first(found, values, sorted_fixed, sorted_moving)]


def _checked(similarity: ArrayLike, shape: tuple[int, int], threshold: float) -> Floats:
    values = np.asarray(similarity, dtype=np.float64)
    if values.shape != shape:
        raise InputError(
            f"{shape[0]} fixed and {shape[1]} moving regions need a similarity of shape {shape}, not {values.shape}."
        )
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise InputError(f"The similarity of fixed region {i} and moving region {j} is {values[i, j]}, not a number.")
    if not np.isfinite(threshold):
        raise InputError(f"The threshold of similarity must be a finite number, not {threshold}.")
    return values


def _equal(fixed: Sequence[Region], moving: Sequence[Region], attribute: str) -> NDArray[np.bool_]:
    """Which fixed and moving regions agree in a text, (N, M)."""
    ours, theirs = ([plain_name(getattr(region, attribute)) for region in side] for side in (fixed, moving))
    return np.array([[a == b for b in theirs] for a in ours], dtype=bool).reshape(len(ours), len(theirs))


def _largest_first(candidates: Indices, values: Floats, fixed: Sequence[Region], moving: Sequence[Region]) -> Indices:
    """Algorithm 1: the largest value, then the largest of what its row and column leave, and so on."""
    same_prompt, same_name = _equal(fixed, moving, "prompt"), _equal(fixed, moving, "name")
    ranked = sorted(candidates, key=lambda ij: (-values[*ij], not same_prompt[*ij], not same_name[*ij], *ij))
    rows: set[int] = set()
    columns: set[int] = set()
    chosen = []
    for i, j in ranked:
        if i not in rows and j not in columns:
            chosen.append((i, j))
            rows.add(i)
            columns.add(j)
    return chosen


def _optimal(values: Floats, allowed: NDArray[np.bool_]) -> Indices:
    """The one-to-one assignment with the largest sum over allowed pairs."""
    from scipy.optimize import linear_sum_assignment

    gain = np.where(allowed & (values > 0), values, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if gain[i, j] > 0]
