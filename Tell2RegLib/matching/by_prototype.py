"""Pairs of regions that the same words found: alike by their prototypes, and at the place where the other pairs say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError, NothingFound
from Tell2RegLib.matching.assignment import Indices, allowed_pairs, assign, cosine_similarity
from Tell2RegLib.matching.by_name import pairs_by_name
from Tell2RegLib.matching.by_slice import is_part_of, slice_pairs
from Tell2RegLib.matching.geometric_check import Alignment, Places, align
from Tell2RegLib.matching.pairs import identity, make_pair
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.protocol import SourceResult
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair


def match_found(
    fixed: SourceResult, moving: SourceResult, settings: MatchSettings | None = None
) -> tuple[RegionPair, ...]:
    """Pairs of what was found in two volumes: accepted ones by falling similarity, then those that lie elsewhere.

    Regions of sources that give no prototypes are paired by their names.

    Raises:
        InputError: prototypes of different models, or prototypes for some regions only.
    """
    settings = settings or MatchSettings()
    _check_models(fixed, moving)
    seen = [region.prototype is not None for found in (fixed, moving) for region in found.regions]
    if not any(seen):
        return _by_name(fixed, moving)
    if settings.mode == "regions":
        return match_regions(fixed.regions, moving.regions, settings)
    joined = slice_pairs(fixed, moving, settings)
    values = np.diag(np.array([pair.similarity for pair in joined], dtype=np.float64))
    sides = _Sides([pair.fixed for pair in joined], [pair.moving for pair in joined], values)
    return _checked_by_place(sides, np.eye(len(joined), dtype=bool), settings)


def match_regions(
    fixed: Sequence[Region], moving: Sequence[Region], settings: MatchSettings | None = None
) -> tuple[RegionPair, ...]:
    """Pairs of 3-D regions with prototypes; see `match_found`.

    Raises:
        InputError: a region without a prototype.
    """
    settings = settings or MatchSettings()
    if not fixed or not moving:
        return ()
    fixed, moving = sorted(fixed, key=identity), sorted(moving, key=identity)
    values = cosine_similarity(*_prototypes(fixed, moving))
    allowed = allowed_pairs(fixed, moving, values, settings.threshold, settings.cross_prompts)
    return _checked_by_place(_Sides(fixed, moving, values), allowed, settings)


def without_partner(
    pairs: Sequence[RegionPair], fixed: SourceResult, moving: SourceResult
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The fixed and the moving regions no part of which is in any of the pairs, in their order."""
    taken = [pair.fixed.name for pair in pairs], [pair.moving.name for pair in pairs]
    ours, theirs = (
        tuple(region for region in found.regions if not any(is_part_of(name, region.name) for name in names))
        for found, names in zip((fixed, moving), taken, strict=True)
    )
    return ours, theirs


def _check_models(fixed: SourceResult, moving: SourceResult) -> None:
    if fixed.embeddings and moving.embeddings and fixed.embeddings.model != moving.embeddings.model:
        raise InputError(
            f"The fixed regions were seen by '{fixed.embeddings.model}', the moving ones by "
            f"'{moving.embeddings.model}': use one model for both."
        )


def _by_name(fixed: SourceResult, moving: SourceResult) -> tuple[RegionPair, ...]:
    try:
        return pairs_by_name(fixed.regions, moving.regions)
    except NothingFound:
        return ()


def _prototypes(fixed: Sequence[Region], moving: Sequence[Region]) -> tuple[Floats, Floats]:
    rows = []
    for region in (*fixed, *moving):
        if region.prototype is None:
            raise InputError(f"The region '{region.name}' has no prototype, so it cannot be paired by how it looks.")
        rows.append(region.prototype)
    if len({len(row) for row in rows}) > 1:
        raise InputError("The prototypes have different lengths: they come from different models. Use one for all.")
    values = np.array(rows, dtype=np.float64)
    return values[: len(fixed)], values[len(fixed) :]


# --- places ---


@dataclass(frozen=True, eq=False)
class _Sides:
    """N fixed and M moving regions, and how alike they are (N, M)."""

    fixed: Sequence[Region]
    moving: Sequence[Region]
    values: Floats


def _checked_by_place(sides: _Sides, allowed: NDArray[np.bool_], settings: MatchSettings) -> tuple[RegionPair, ...]:
    """Algorithm 1, the check of places, and Algorithm 1 once more with what the check says.

    In the second round pairs that lie elsewhere are no candidates, and of nearly equal similarities the nearer pair
    wins. So look-alikes on the wrong side find their right partner; a pair whose regions find none is switched off.
    Where that would cost pairs although too few others agree, the first round stands.
    """
    values, geometry = sides.values, settings.geometry
    chosen = assign(sides.fixed, sides.moving, values, allowed, settings.method)
    if geometry is None:
        return _numbered([_pair(sides, i, j, "") for i, j in chosen])
    places = Places.of(sides.fixed), Places.of(sides.moving)
    alignment = align(*places, chosen, _most_similar_first(values, allowed), geometry)
    if alignment is None:
        return _numbered([_pair(sides, i, j, UNCHECKED) for i, j in chosen])
    nearer = values - geometry.tie * alignment.discrepancy**2
    again = assign(sides.fixed, sides.moving, nearer, allowed & alignment.agrees, settings.method)
    if len(again) < len(chosen) and alignment.support < max(geometry.least_support, len(chosen) // 2 + 1):
        return _numbered([_pair(sides, i, j, UNCHECKED) for i, j in chosen])
    kept = [
        _pair(sides, i, j, _why(sides, i, j, chosen, alignment))
        for i, j in sorted(again, key=lambda pair: -values[*pair])
    ]
    off = [
        _pair(sides, i, j, "").rejected(_why_off(sides, i, j, alignment)) for i, j in _without_partner(chosen, again)
    ]
    return _numbered(kept + off)


UNCHECKED = "its place could not be checked, since too few pairs agree on one"


def _most_similar_first(values: Floats, allowed: NDArray[np.bool_]) -> Indices:
    """The allowed pairs, most similar first."""
    return sorted(((int(i), int(j)) for i, j in np.argwhere(allowed)), key=lambda ij: (-values[*ij], *ij))


def _without_partner(chosen: Indices, again: Indices) -> Indices:
    rows, columns = {i for i, _ in again}, {j for _, j in again}
    return [(i, j) for i, j in chosen if i not in rows and j not in columns]


def _pair(sides: _Sides, i: int, j: int, more: str) -> RegionPair:
    value = float(sides.values[i, j])
    reason = f"similarity {value:.2f}" + (f"; {more}" if more else "")
    return RegionPair(sides.fixed[i], sides.moving[j], value, reason=reason)


def _numbered(pairs: Sequence[RegionPair]) -> tuple[RegionPair, ...]:
    """The pairs with the colours of their numbers."""
    coloured = [make_pair(n, pair.fixed, pair.moving) for n, pair in enumerate(pairs)]
    return tuple(
        replace(pair, fixed=both.fixed, moving=both.moving) for pair, both in zip(pairs, coloured, strict=True)
    )


def _why(sides: _Sides, i: int, j: int, chosen: Indices, alignment: Alignment) -> str:
    """Why a pair of the second round was made."""
    if (i, j) in chosen:
        return _where(i, j, alignment)
    first = next(((a, b) for a, b in chosen if a == i), None) or next(((a, b) for a, b in chosen if b == j), None)
    if first is None:
        return "paired by its place"
    a, b = first
    gap = alignment.distance_mm[a, b]
    other = f"'{sides.moving[b].name}'" if a == i else f"'{sides.fixed[a].name}' of the fixed volume"
    return f"paired by its place: the first choice was {other} ({sides.values[a, b]:.2f}), {gap:.0f} mm off"


def _where(i: int, j: int, alignment: Alignment) -> str:
    """Where a pair of both rounds lies."""
    if alignment.support < 2:
        return UNCHECKED
    if alignment.fits[i, j]:
        return "lies where the other pairs say"
    gap = alignment.distance_mm[i, j]
    return f"its place is in doubt: {gap:.0f} mm from where most pairs say, but another placement is nearly as good"


def _why_off(sides: _Sides, i: int, j: int, alignment: Alignment) -> str:
    """Why a pair is switched off."""
    ratio, value = alignment.volume_ratio[i, j], sides.values[i, j]
    if alignment.distance_mm[i, j] >= alignment.tolerance_mm[i, j]:
        what = f"lies {alignment.distance_mm[i, j]:.0f} mm from where the other pairs say"
    elif ratio > 1:
        what = f"is {ratio:.0f} times as large in the moving volume as the other pairs say"
    else:
        what = f"is {1 / ratio:.0f} times as large in the fixed volume as the other pairs say"
    return f"looks alike (similarity {value:.2f}), but {what}; switched off, since it may be another place"
