"""Links the masks of one prompt on many slices to chains, one per 3-D region (docs/words-to-regions.md).

A chain has at most one mask per slice. A false mask that covers two organs on one slice therefore does not merge them:
it joins the organ that it overlaps most, and the other organ is linked across the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.region_sources.settings import DetectionSettings

Chain = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _SliceMask:
    """A mask on the n-th processed slice; the key gives an order independent of the input order."""

    rank: int
    mask: NDArray[np.bool_]
    area: int
    key: bytes


def link(
    masks: Sequence[NDArray[np.bool_]], slices: Sequence[int], slice_indices: Sequence[int], settings: DetectionSettings
) -> list[Chain]:
    """Link masks to chains of indices into `masks`, by increasing slice; every mask is in exactly one chain.

    For two slices, first adjacent ones and then those with up to `link_gap` slices between them, masks are linked in
    order of decreasing intersection over union, as long as they share `link_overlap` of the smaller one's area. The
    result does not depend on the order of the masks.

    Args:
        masks: (J, I) each, none empty.
        slices: the slice index of each mask.
        slice_indices: indices of all processed slices, increasing.
        settings: `link_overlap` and `link_gap`.
    """
    rank_of = {k: rank for rank, k in enumerate(slice_indices)}
    slice_masks = [
        _SliceMask(rank_of[k], mask, int(mask.sum()), np.packbits(mask).tobytes())
        for mask, k in zip(masks, slices, strict=True)
    ]
    on_rank: dict[int, list[int]] = {}
    for n, slice_mask in enumerate(slice_masks):
        on_rank.setdefault(slice_mask.rank, []).append(n)
    above: dict[int, int] = {}
    below: dict[int, int] = {}
    for distance in range(1, settings.link_gap + 2):
        for rank in sorted(on_rank):
            lower = [n for n in on_rank[rank] if n not in above]
            upper = [n for n in on_rank.get(rank + distance, []) if n not in below]
            for a, b in _best_links(slice_masks, lower, upper, settings.link_overlap):
                above[a], below[b] = b, a
    starts = sorted(
        (n for n in range(len(slice_masks)) if n not in below), key=lambda n: (slice_masks[n].rank, slice_masks[n].key)
    )
    return [_chain(start, above) for start in starts]


def _best_links(
    slice_masks: list[_SliceMask], lower: list[int], upper: list[int], min_overlap: float
) -> list[tuple[int, int]]:
    """One-to-one links between two slices, by decreasing intersection over union."""
    links = []
    for a in lower:
        for b in upper:
            shared = int(np.sum(slice_masks[a].mask & slice_masks[b].mask))
            if shared and shared >= min_overlap * min(slice_masks[a].area, slice_masks[b].area):
                union = slice_masks[a].area + slice_masks[b].area - shared
                links.append((-shared / union, slice_masks[a].key, slice_masks[b].key, a, b))
    linked: set[int] = set()
    best_links = []
    for *_, a, b in sorted(links):
        if a not in linked and b not in linked:
            linked |= {a, b}
            best_links.append((a, b))
    return best_links


def _chain(start: int, above: dict[int, int]) -> Chain:
    chain = [start]
    while chain[-1] in above:
        chain.append(above[chain[-1]])
    return tuple(chain)
