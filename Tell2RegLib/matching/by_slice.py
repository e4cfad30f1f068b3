"""Pairing as in the paper: slice k of the fixed volume with slice k of the moving one.

Both volumes must be cropped to the same extent, as in the paper; nothing else ensures that slice k is at the same
height in both. The pairs of masks are then joined: masks of the same two regions become one 3-D pair of those slices
only, with the area-weighted mean of their similarities; slices skipped between two of them are interpolated. A region
that has different partners on different slices is split into parts.
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
from Tell2RegLib.region_sources.prototypes import mean_prototype
from Tell2RegLib.region_sources.source_result import Detection, SourceResult
from Tell2RegLib.space.region import Region, RegionPair

MaskArray = NDArray[np.bool_]
"""The pixels of one mask on its slice, (J, I)."""


@dataclass(frozen=True, eq=False)
class _Match:
    """Two paired masks of one slice."""

    fixed: Detection
    moving: Detection
    similarity: float

    @property
    def area(self) -> int:
        return _area(self.fixed) + _area(self.moving)


def slice_pairs(fixed: SourceResult, moving: SourceResult, settings: MatchSettings) -> tuple[RegionPair, ...]:
    """Algorithm 1 on every slice, joined to 3-D pairs, most similar first.

    Raises:
        InputError: a source that does not work on slices, or volumes without a common processed slice.
    """
    fixed_detections, moving_detections = _by_slice(fixed), _by_slice(moving)
    if fixed_detections and moving_detections and not set(fixed.slice_indices) & set(moving.slice_indices):
        raise InputError(
            "No slice was processed in both volumes, because they have different numbers of slices "
            f"({_slice_count(fixed)} and {_slice_count(moving)}) and some are skipped. To pair slice by slice, "
            "process every slice (a slice step of 1), or crop both volumes to the same extent."
        )
    groups: dict[tuple[int, int], list[_Match]] = {}
    for k in sorted(fixed_detections.keys() & moving_detections.keys()):
        for match in _matches(fixed, moving, fixed_detections[k], moving_detections[k], settings):
            key = (_region_index(match.fixed), _region_index(match.moving))
            groups.setdefault(key, []).append(match)
    # The largest part of a region keeps its name.
    largest_first = sorted(groups.items(), key=lambda item: (-sum(match.area for match in item[1]), item[0]))
    parts_so_far: tuple[dict[int, int], dict[int, int]] = ({}, {})
    pairs = []
    for (i, j), matches in largest_first:
        fixed_part = _region_part(fixed, i, [match.fixed for match in matches], _count_up(parts_so_far[0], i))
        moving_part = _region_part(moving, j, [match.moving for match in matches], _count_up(parts_so_far[1], j))
        weights = [match.area for match in matches]
        mean_similarity = float(np.average([match.similarity for match in matches], weights=weights))
        pairs.append(RegionPair(fixed_part, moving_part, mean_similarity))
    return tuple(sorted(pairs, key=lambda pair: (-(pair.similarity or 0), pair.fixed.name, pair.moving.name)))


def is_part_of(name: str, region_name: str) -> bool:
    """Whether a name denotes a region or a part of it.

    >>> is_part_of("prostate (part 2)", "prostate"), is_part_of("prostate 2", "prostate")
    (True, False)
    """
    return name == region_name or name.startswith(f"{region_name} (part ")


def _by_slice(result: SourceResult) -> dict[int, list[Detection]]:
    """Detections that are part of a region, by slice."""
    if result.regions and result.slices is None:
        raise InputError(f"The source '{result.source}' does not work on slices. Pair its 3-D regions instead.")
    by_slice: dict[int, list[Detection]] = {}
    for detection in result.detections:
        if detection.region is not None:
            by_slice.setdefault(detection.box.slice_index, []).append(detection)
    return by_slice


def _matches(
    fixed: SourceResult,
    moving: SourceResult,
    fixed_detections: Sequence[Detection],
    moving_detections: Sequence[Detection],
    settings: MatchSettings,
) -> list[_Match]:
    """Algorithm 1 on one slice."""
    values = cosine_similarity(
        *(np.array([detection.prototype for detection in side]) for side in (fixed_detections, moving_detections))
    )
    stand_ins = (
        [_stand_in(fixed, detection) for detection in fixed_detections],
        [_stand_in(moving, detection) for detection in moving_detections],
    )
    allowed = allowed_pairs(*stand_ins, values, settings.threshold, settings.cross_prompts)
    assigned = assign(*stand_ins, values, allowed, settings.method)
    return [_Match(fixed_detections[i], moving_detections[j], float(values[i, j])) for i, j in assigned]


def _stand_in(result: SourceResult, detection: Detection) -> Region:
    """A one-voxel region with the name and prompt of a mask's region, which is all that `assign` needs."""
    region = result.regions[_region_index(detection)]
    return Region(region.name, np.ones((1, 1, 1), dtype=bool), (0, 0, 0), region.grid, region.prompt)


def _region_part(result: SourceResult, number: int, detections: Sequence[Detection], part_number: int) -> Region:
    region = result.regions[number]
    masks = {detection.box.slice_index: detection.mask.mask for detection in detections if detection.mask is not None}
    areas = [_area(detection) for detection in detections]
    assert result.slices is not None
    return region_from_masks(
        region.name if part_number == 1 else f"{region.name} (part {part_number})",
        _filled(masks, result.slice_indices),
        result.slices.grid,
        region.grid,
        prompt=region.prompt,
        score=float(np.average([detection.box.score for detection in detections], weights=areas)),
        prototype=mean_prototype([p for detection in detections if (p := detection.prototype) is not None], areas),
    )


def _filled(masks: Mapping[int, MaskArray], slice_indices: Sequence[int]) -> dict[int, MaskArray]:
    """The masks, and interpolated ones on slices skipped between two adjacent processed slices."""
    filled = dict(masks)
    for lower, upper in zip(slice_indices, slice_indices[1:], strict=False):
        if lower in masks and upper in masks:
            filled |= fill_between({lower: masks[lower], upper: masks[upper]})
    return filled


def _slice_count(result: SourceResult) -> int:
    return 0 if result.slices is None else len(result.slices.array_kji)


def _region_index(detection: Detection) -> int:
    assert detection.region is not None
    return detection.region


def _area(detection: Detection) -> int:
    return 0 if detection.mask is None else int(detection.mask.mask.sum())


def _count_up(counts: dict[int, int], number: int) -> int:
    counts[number] = counts.get(number, 0) + 1
    return counts[number]
