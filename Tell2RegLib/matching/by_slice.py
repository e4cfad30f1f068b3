"""The paper's own way of pairing: slice k of the fixed volume against slice k of the moving one.

Both volumes must be cropped alike, as the paper's are: nothing else says that slice k is at the same height in both.
What is paired on the slices is then joined: masks of the same two linked regions become one 3-D pair of only those
slices, whose similarity is the mean over its masks, weighted by their areas; slices that were skipped between two of
them are filled in. A region that goes with one region on some slices and with another on others is cut in parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.assignment import allowed_pairs, assign, cosine_similarity
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.assembly import fill_between, region_from_masks
from Tell2RegLib.region_sources.protocol import Detection, SourceResult
from Tell2RegLib.region_sources.prototypes import mean_prototype
from Tell2RegLib.space.region import Region, RegionPair

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Match:
    """Two masks of one slice."""

    fixed: Detection
    moving: Detection
    similarity: float

    @property
    def area(self) -> int:
        return _area(self.fixed) + _area(self.moving)


def slice_pairs(fixed: SourceResult, moving: SourceResult, settings: MatchSettings) -> tuple[RegionPair, ...]:
    """Algorithm 1 on every slice, joined to 3-D pairs, most similar first.

    Raises:
        InputError: a source that gave no slices, or volumes of which no slice k was looked at in both.
    """
    ours, theirs = _by_slice(fixed), _by_slice(moving)
    if ours and theirs and not set(fixed.looked_at) & set(moving.looked_at):
        raise InputError(
            "No slice was looked at in both volumes, since they have different numbers of slices "
            f"({_count(fixed)} and {_count(moving)}) and only some are looked at. To pair slice by slice, "
            "look at every slice (a slice step of 1), or crop the volumes alike."
        )
    groups: dict[tuple[int, int], list[_Match]] = {}
    for k in sorted(ours.keys() & theirs.keys()):
        for match in _matches(fixed, moving, ours[k], theirs[k], settings):
            key = (_number(match.fixed), _number(match.moving))
            groups.setdefault(key, []).append(match)
    # The largest part of a region keeps its name.
    largest_first = sorted(groups.items(), key=lambda item: (-sum(match.area for match in item[1]), item[0]))
    seen: tuple[dict[int, int], dict[int, int]] = ({}, {})
    pairs = []
    for (i, j), matches in largest_first:
        a = _part(fixed, i, [match.fixed for match in matches], _next(seen[0], i))
        b = _part(moving, j, [match.moving for match in matches], _next(seen[1], j))
        weights = [match.area for match in matches]
        mean = float(np.average([match.similarity for match in matches], weights=weights))
        pairs.append(RegionPair(a, b, mean))
    return tuple(sorted(pairs, key=lambda pair: (-(pair.similarity or 0), pair.fixed.name, pair.moving.name)))


def is_part_of(name: str, whole: str) -> bool:
    """Whether a name is that of a region, or of a part of it.

    >>> is_part_of("prostate (part 2)", "prostate"), is_part_of("prostate 2", "prostate")
    (True, False)
    """
    return name == whole or name.startswith(f"{whole} (part ")


def _by_slice(found: SourceResult) -> dict[int, list[Detection]]:
    """Findings that are part of a region, by slice."""
    if found.regions and found.slices is None:
        raise InputError(f"The source '{found.source}' does not work slice by slice: pair its 3-D regions instead.")
    slices: dict[int, list[Detection]] = {}
    for finding in found.findings:
        if finding.region is not None:
            slices.setdefault(finding.box.slice_index, []).append(finding)
    return slices


def _matches(
    fixed: SourceResult,
    moving: SourceResult,
    ours: Sequence[Detection],
    theirs: Sequence[Detection],
    settings: MatchSettings,
) -> list[_Match]:
    """Algorithm 1 on one slice."""
    values = cosine_similarity(*(np.array([finding.prototype for finding in side]) for side in (ours, theirs)))
    sides = [_flat(fixed, finding) for finding in ours], [_flat(moving, finding) for finding in theirs]
    allowed = allowed_pairs(*sides, values, settings.threshold, settings.cross_prompts)
    chosen = assign(*sides, values, allowed, settings.method)
    return [_Match(ours[i], theirs[j], float(values[i, j])) for i, j in chosen]


def _flat(found: SourceResult, finding: Detection) -> Region:
    """One mask as a region of one voxel: what `assign` needs to know of it is its name and prompt."""
    whole = found.regions[_number(finding)]
    return Region(whole.name, np.ones((1, 1, 1), dtype=bool), (0, 0, 0), whole.grid, whole.prompt)


def _part(found: SourceResult, number: int, findings: Sequence[Detection], part: int) -> Region:
    whole = found.regions[number]
    masks = {finding.box.slice_index: finding.mask.mask for finding in findings if finding.mask is not None}
    areas = [_area(finding) for finding in findings]
    assert found.slices is not None
    return region_from_masks(
        whole.name if part == 1 else f"{whole.name} (part {part})",
        _filled(masks, found.looked_at),
        found.slices.grid,
        whole.grid,
        prompt=whole.prompt,
        score=float(np.average([finding.box.score for finding in findings], weights=areas)),
        prototype=mean_prototype([p for finding in findings if (p := finding.prototype) is not None], areas),
    )


def _filled(masks: Mapping[int, Mask], looked_at: Sequence[int]) -> dict[int, Mask]:
    """The masks, and those of the slices that were skipped between neighbours among the slices looked at."""
    filled = dict(masks)
    for low, high in zip(looked_at, looked_at[1:], strict=False):
        if low in masks and high in masks:
            filled |= fill_between({low: masks[low], high: masks[high]})
    return filled


def _count(found: SourceResult) -> int:
    return 0 if found.slices is None else len(found.slices.array_kji)


def _number(finding: Detection) -> int:
    assert finding.region is not None
    return finding.region


def _area(finding: Detection) -> int:
    return 0 if finding.mask is None else int(finding.mask.mask.sum())


def _next(counts: dict[int, int], number: int) -> int:
    counts[number] = counts.get(number, 0) + 1
    return counts[number]
