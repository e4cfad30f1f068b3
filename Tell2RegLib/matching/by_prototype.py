"""Pairs regions found by prompts: similar prototypes, then a check of their positions against the other pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError, NothingFound
from Tell2RegLib.matching.assignment import Indices, allowed_pairs, assign, cosine_similarity
from Tell2RegLib.matching.by_name import pairs_by_name
from Tell2RegLib.matching.by_slice import is_part_of, slice_pairs
from Tell2RegLib.matching.geometric_check import Alignment, RegionPositions, align
from Tell2RegLib.matching.pairs import identity, make_pair
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair


def match_source_results(
    fixed: SourceResult, moving: SourceResult, settings: MatchSettings | None = None
) -> tuple[RegionPair, ...]:
    """Pair the regions found in two volumes: accepted pairs by decreasing similarity, then rejected ones.

    Regions of sources without prototypes are paired by name.

    Args:
        fixed, moving: results of one source on the two volumes.
        settings: `MatchSettings()` when None.

    Raises:
        InputError: prototypes of different models, or prototypes for some regions only.
    """
    settings = settings or MatchSettings()
    _check_models(fixed, moving)
    has_prototype = [region.prototype is not None for result in (fixed, moving) for region in result.regions]
    if not any(has_prototype):
        return _by_name(fixed, moving)
    if settings.mode == "regions":
        return match_regions(fixed.regions, moving.regions, settings)
    pairs = slice_pairs(fixed, moving, settings)
    values = np.diag(np.array([pair.similarity for pair in pairs], dtype=np.float64))
    candidates = _Candidates([pair.fixed for pair in pairs], [pair.moving for pair in pairs], values)
    return _with_geometric_check(candidates, np.eye(len(pairs), dtype=bool), settings)


def match_regions(
    fixed: Sequence[Region], moving: Sequence[Region], settings: MatchSettings | None = None
) -> tuple[RegionPair, ...]:
    """Pair 3-D regions with prototypes; see `match_source_results`.

    Raises:
        InputError: a region without a prototype.
    """
    settings = settings or MatchSettings()
    if not fixed or not moving:
        return ()
    fixed, moving = sorted(fixed, key=identity), sorted(moving, key=identity)
    values = cosine_similarity(*_prototypes(fixed, moving))
    allowed = allowed_pairs(fixed, moving, values, settings.threshold, settings.cross_prompts)
    return _with_geometric_check(_Candidates(fixed, moving, values), allowed, settings)


def regions_without_partner(
    pairs: Sequence[RegionPair], fixed: SourceResult, moving: SourceResult
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The fixed and the moving regions of which no part is in any pair, in their order."""
    paired_names = [pair.fixed.name for pair in pairs], [pair.moving.name for pair in pairs]
    fixed_regions, moving_regions = (
        tuple(region for region in result.regions if not any(is_part_of(name, region.name) for name in names))
        for result, names in zip((fixed, moving), paired_names, strict=True)
    )
    return fixed_regions, moving_regions


def _check_models(fixed: SourceResult, moving: SourceResult) -> None:
    if fixed.embeddings and moving.embeddings and fixed.embeddings.model != moving.embeddings.model:
        raise InputError(
            f"The fixed regions come from the model '{fixed.embeddings.model}', the moving ones from "
            f"'{moving.embeddings.model}'. Use one model for both."
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
            raise InputError(f"The region '{region.name}' has no prototype, so it cannot be paired by similarity.")
        rows.append(region.prototype)
    if len({len(row) for row in rows}) > 1:
        raise InputError(
            "The prototypes have different lengths, so they come from different models. Use one model for all."
        )
    values = np.array(rows, dtype=np.float64)
    return values[: len(fixed)], values[len(fixed) :]


# --- positions ---


@dataclass(frozen=True, eq=False)
class _Candidates:
    """N fixed and M moving regions with their similarities (N, M)."""

    fixed: Sequence[Region]
    moving: Sequence[Region]
    values: Floats


def _with_geometric_check(
    candidates: _Candidates, allowed: NDArray[np.bool_], settings: MatchSettings
) -> tuple[RegionPair, ...]:
    """Algorithm 1, the geometric check, and Algorithm 1 again with the outcome of the check.

    In the second round, inconsistent pairs are excluded, and among nearly equal similarities the nearer pair wins.
    Similar structures on the wrong side thus get their correct partner; a pair of the first round without a replacement
    is rejected. The first round is kept where the second loses pairs and too few pairs support the alignment.
    """
    values, geometry = candidates.values, settings.geometry
    first_round = assign(candidates.fixed, candidates.moving, values, allowed, settings.method)
    if geometry is None:
        return _with_colors([_pair(candidates, i, j, "") for i, j in first_round])
    positions = RegionPositions.of(candidates.fixed), RegionPositions.of(candidates.moving)
    alignment = align(*positions, first_round, _most_similar_first(values, allowed), geometry)
    if alignment is None:
        return _with_colors([_pair(candidates, i, j, POSITION_UNCHECKED) for i, j in first_round])
    adjusted = values - geometry.tie * alignment.discrepancy**2
    second_round = assign(candidates.fixed, candidates.moving, adjusted, allowed & alignment.agrees, settings.method)
    if len(second_round) < len(first_round) and alignment.support < max(
        geometry.least_support, len(first_round) // 2 + 1
    ):
        return _with_colors([_pair(candidates, i, j, POSITION_UNCHECKED) for i, j in first_round])
    accepted = [
        _pair(candidates, i, j, _pairing_reason(candidates, i, j, first_round, alignment))
        for i, j in sorted(second_round, key=lambda pair: -values[*pair])
    ]
    rejected = [
        _pair(candidates, i, j, "").rejected(_rejection_reason(candidates, i, j, alignment))
        for i, j in _lost_in_second_round(first_round, second_round)
    ]
    return _with_colors(accepted + rejected)


POSITION_UNCHECKED = "position could not be checked: too few pairs agree"


def _most_similar_first(values: Floats, allowed: NDArray[np.bool_]) -> Indices:
    """The allowed pairs, most similar first."""
    return sorted(((int(i), int(j)) for i, j in np.argwhere(allowed)), key=lambda ij: (-values[*ij], *ij))


def _lost_in_second_round(first_round: Indices, second_round: Indices) -> Indices:
    rows, columns = {i for i, _ in second_round}, {j for _, j in second_round}
    return [(i, j) for i, j in first_round if i not in rows and j not in columns]


def _pair(candidates: _Candidates, i: int, j: int, remark: str) -> RegionPair:
    similarity = float(candidates.values[i, j])
    reason = f"similarity {similarity:.2f}" + (f"; {remark}" if remark else "")
    return RegionPair(candidates.fixed[i], candidates.moving[j], similarity, reason=reason)


def _with_colors(pairs: Sequence[RegionPair]) -> tuple[RegionPair, ...]:
    """The pairs, in the colours of their numbers."""
    colored_pairs = [make_pair(n, pair.fixed, pair.moving) for n, pair in enumerate(pairs)]
    return tuple(
        replace(pair, fixed=colored.fixed, moving=colored.moving)
        for pair, colored in zip(pairs, colored_pairs, strict=True)
    )


def _pairing_reason(candidates: _Candidates, i: int, j: int, first_round: Indices, alignment: Alignment) -> str:
    """The reason for a pair of the second round."""
    if (i, j) in first_round:
        return _position_reason(i, j, alignment)
    first_pair = next(((a, b) for a, b in first_round if a == i), None) or next(
        ((a, b) for a, b in first_round if b == j), None
    )
    if first_pair is None:
        return "paired by position"
    a, b = first_pair
    gap = alignment.distance_mm[a, b]
    first_choice = f"'{candidates.moving[b].name}'" if a == i else f"'{candidates.fixed[a].name}' of the fixed volume"
    return f"paired by position: the most similar was {first_choice} ({candidates.values[a, b]:.2f}), {gap:.0f} mm away"


def _position_reason(i: int, j: int, alignment: Alignment) -> str:
    """What the geometric check says about a pair of both rounds."""
    if alignment.support < 2:
        return POSITION_UNCHECKED
    if alignment.fits[i, j]:
        return "position consistent with the other pairs"
    gap = alignment.distance_mm[i, j]
    return f"position uncertain: {gap:.0f} mm from where most pairs imply, but another alignment fits nearly as well"


def _rejection_reason(candidates: _Candidates, i: int, j: int, alignment: Alignment) -> str:
    """The reason for rejecting a pair."""
    ratio, similarity = alignment.volume_ratio[i, j], candidates.values[i, j]
    if alignment.distance_mm[i, j] >= alignment.tolerance_mm[i, j]:
        contradiction = f"{alignment.distance_mm[i, j]:.0f} mm from where the other pairs imply"
    elif ratio > 1:
        contradiction = f"{ratio:.0f} times as large in the moving volume as the other pairs imply"
    else:
        contradiction = f"{1 / ratio:.0f} times as large in the fixed volume as the other pairs imply"
    return f"rejected: similar ({similarity:.2f}), but {contradiction}; possibly another structure"
