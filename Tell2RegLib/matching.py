"""Which fixed region is which moving region: by their names, or by their similarity (method.md section 6).

Pairs are one to one. Both regions of a pair get one colour, the fixed region's own or that of the pair's number, and
keep their names. What found no partner is told by `unpaired`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError, NothingFound
from Tell2RegLib.grid import Floats
from Tell2RegLib.region import Region, RegionPair, color_of, plain_name

Method = Literal["greedy", "optimal"]
Indices = list[tuple[int, int]]


def unpaired(
    pairs: Sequence[RegionPair], fixed: Sequence[Region], moving: Sequence[Region]
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The fixed and the moving regions that are in none of the pairs, in their order."""
    return _left_out([pair.fixed for pair in pairs], fixed), _left_out([pair.moving for pair in pairs], moving)


def _left_out(taken: list[Region], regions: Sequence[Region]) -> tuple[Region, ...]:
    return tuple(region for region in regions if not any(_same_region(region, other) for other in taken))


def _same_region(a: Region, b: Region) -> bool:
    """Whether two regions are one, whatever their colours."""
    return _identity(a) == _identity(b) and bool(np.array_equal(a.box_kji, b.box_kji))


def _identity(region: Region) -> tuple[str, str, tuple[int, ...], tuple[int, ...]]:
    """What sorts regions the same way, whatever order they came in."""
    return region.name, region.prompt, tuple(region.start_kji), region.box_kji.shape


def _pair(
    number: int, fixed: Region, moving: Region, similarity: float | None = None, *, reason: str = ""
) -> RegionPair:
    color = fixed.color or color_of(number)
    return RegionPair(replace(fixed, color=color), replace(moving, color=color), similarity, reason=reason)


# --- names ---


def pairs_by_name(fixed: Sequence[Region], moving: Sequence[Region]) -> tuple[RegionPair, ...]:
    """Pairs of regions with the same name, in the order of the fixed ones.

    Names are compared without case and separators. Of several regions with one name, the first goes with the first,
    the second with the second. Then, among what is left, Slicer's additions to names are looked through: a leading
    "Segment_" and a copy number at the end of one of the two names ("Segment_prostate_1" goes with "prostate"). That is
    done only where no other region of either volume could be meant, and two different numbers never go together.

    Raises:
        NothingFound: no name is in both.
    """
    partner = _equal_names(fixed, moving)
    found = {i: (j, "same name") for i, j in partner.items()}
    for i, j in _names_alike(fixed, moving):
        if i not in found and j not in partner.values():
            found[i] = (j, f"names alike: '{fixed[i].name}' and '{moving[j].name}'")
    if not found:
        raise NothingFound(
            f"No region has the same name in both volumes: fixed has {_names(fixed)}, moving has {_names(moving)}. "
            "Give the regions that belong together the same name in both."
        )
    ordered = sorted(found.items())
    return tuple(_pair(n, fixed[i], moving[j], reason=reason) for n, (i, (j, reason)) in enumerate(ordered))


def _equal_names(fixed: Sequence[Region], moving: Sequence[Region]) -> dict[int, int]:
    where = {key: j for j, key in enumerate(_numbered_names(moving))}
    return {i: where[key] for i, key in enumerate(_numbered_names(fixed)) if key in where}


def _numbered_names(regions: Sequence[Region]) -> Iterator[tuple[str, int]]:
    """Every region's plain name, and how many before it have the same."""
    seen: Counter[str] = Counter()
    for region in regions:
        name = plain_name(region.name)
        yield name, seen[name]
        seen[name] += 1


def _names_alike(fixed: Sequence[Region], moving: Sequence[Region]) -> Iterator[tuple[int, int]]:
    """Pairs whose names are the same but for Slicer's additions, where nothing else has that name."""
    fixed_roots, moving_roots = ([_root_and_number(region.name) for region in side] for side in (fixed, moving))
    fixed_count, moving_count = (Counter(root for root, _ in roots) for roots in (fixed_roots, moving_roots))
    for i, (root, number) in enumerate(fixed_roots):
        if not fixed_count[root] == moving_count[root] == 1:
            continue
        j, other = next((j, other) for j, (name, other) in enumerate(moving_roots) if name == root)
        if number == other or not number or not other:
            yield i, j


_SAYS_NOTHING = {"segment", "label", "region", "mask", "structure", "roi"}
"""Words that name no anatomy: behind these a number is the name."""


def _root_and_number(name: str) -> tuple[str, str]:
    """A plain name without Slicer's "segment " before it, and the copy number at its end ('' when there is none).

    >>> _root_and_number("Segment_prostate_1")
    ('prostate', '1')
    >>> _root_and_number("Segment_1")
    ('segment 1', '')
    """
    plain = plain_name(name)
    found = re.fullmatch(r"(?:segment )?(?P<root>.*?[^\W\d].*?)(?: (?P<number>\d+))?", plain)
    if found is None or found["root"] in _SAYS_NOTHING:
        return plain, ""
    return found["root"], found["number"] or ""


def _names(regions: Sequence[Region], most: int = 8) -> str:
    if not regions:
        return "no regions"
    words = ", ".join(f"'{region.name}'" for region in regions[:most])
    return words if len(regions) <= most else f"{words} and {len(regions) - most} more"


# --- similarity ---


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
    rows = sorted(range(len(fixed)), key=lambda i: _identity(fixed[i]))
    columns = sorted(range(len(moving)), key=lambda j: _identity(moving[j]))
    in_order = [fixed[i] for i in rows], [moving[j] for j in columns]
    values = values[np.ix_(rows, columns)]
    allowed = values > threshold
    if not cross_prompts:
        allowed &= _equal(in_order[0], in_order[1], "prompt")
    if method == "optimal":
        found = _optimal(values, allowed)
    elif method == "greedy":
        found = [(int(i), int(j)) for i, j in np.argwhere(allowed)]
    else:
        raise InputError(f"The method of matching is 'greedy' or 'optimal', not '{method}'.")
    chosen = _largest_first(found, values, *in_order)
    return tuple(
        _pair(n, in_order[0][i], in_order[1][j], float(values[i, j]), reason=f"similarity above {threshold:g}")
        for n, (i, j) in enumerate(chosen)
    )


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
