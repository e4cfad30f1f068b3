"""Masks of one prompt on many slices -> chains, one per 3-D region (method.md section 5).

A chain has at most one mask on a slice. So a false mask that covers two organs on one slice does not melt them into
one: it goes with the organ that it is most like, and the other is linked across the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.region_sources.settings import DetectionSettings

Chain = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Place:
    """A mask on the n-th slice that was looked at; the key sorts masks the same way in any order."""

    rank: int
    mask: NDArray[np.bool_]
    area: int
    key: bytes


def link(
    masks: Sequence[NDArray[np.bool_]], slices: Sequence[int], looked_at: Sequence[int], settings: DetectionSettings
) -> list[Chain]:
    """Chains of masks, as their numbers by rising slice; every mask is in exactly one.

    Of two slices, first neighbours and then those with up to `link_gap` slices between them, the two masks with the
    largest overlap over union are linked, then the next two, as long as they share `link_overlap` of the smaller one's
    area. The result does not depend on the order of the masks.

    Args:
        masks: (J, I) each, none empty.
        slices: the slice of each.
        looked_at: every slice that was looked at, rising.
        settings: `link_overlap` and `link_gap`.
    """
    rank_of = {k: rank for rank, k in enumerate(looked_at)}
    places = [
        _Place(rank_of[k], mask, int(mask.sum()), np.packbits(mask).tobytes())
        for mask, k in zip(masks, slices, strict=True)
    ]
    on_rank: dict[int, list[int]] = {}
    for n, place in enumerate(places):
        on_rank.setdefault(place.rank, []).append(n)
    above: dict[int, int] = {}
    below: dict[int, int] = {}
    for distance in range(1, settings.link_gap + 2):
        for rank in sorted(on_rank):
            lower = [n for n in on_rank[rank] if n not in above]
            upper = [n for n in on_rank.get(rank + distance, []) if n not in below]
            for a, b in _best_links(places, lower, upper, settings.link_overlap):
                above[a], below[b] = b, a
    starts = sorted((n for n in range(len(places)) if n not in below), key=lambda n: (places[n].rank, places[n].key))
    return [_chain(start, above) for start in starts]


def _best_links(places: list[_Place], lower: list[int], upper: list[int], least: float) -> list[tuple[int, int]]:
    """One-to-one links between two slices, the most alike first."""
    links = []
    for a in lower:
        for b in upper:
            shared = int(np.sum(places[a].mask & places[b].mask))
            if shared and shared >= least * min(places[a].area, places[b].area):
                union = places[a].area + places[b].area - shared
                links.append((-shared / union, places[a].key, places[b].key, a, b))
    taken: set[int] = set()
    chosen = []
    for *_, a, b in sorted(links):
        if a not in taken and b not in taken:
            taken |= {a, b}
            chosen.append((a, b))
    return chosen


def _chain(start: int, above: dict[int, int]) -> Chain:
    chain = [start]
    while chain[-1] in above:
        chain.append(above[chain[-1]])
    return tuple(chain)
