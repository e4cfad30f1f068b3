"""Pairs fixed and moving regions by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from Tell2RegLib.errors import NothingFound
from Tell2RegLib.matching.pairs import make_pair
from Tell2RegLib.space.region import Region, RegionPair, plain_name


def pairs_by_name(fixed: Sequence[Region], moving: Sequence[Region]) -> tuple[RegionPair, ...]:
    """Pair regions with the same name, in the order of the fixed regions.

    Names are compared without case and separators; identically written names take precedence. Where several regions
    share a name, the first is paired with the first, the second with the second. Among the remaining regions, Slicer's
    additions to names are ignored: a leading "Segment_", and a copy number at the end of one of the two names
    ("Segment_prostate_1" is paired with "prostate"). This applies only where the match is unambiguous in both volumes;
    names with two different numbers are never paired.

    Raises:
        NothingFound: the volumes have no name in common.
    """
    equal_partner = _equal_names(fixed, moving)
    partner_and_reason = {i: (j, "same name") for i, j in equal_partner.items()}
    for i, j in _similar_names(fixed, moving):
        if i not in partner_and_reason and j not in equal_partner.values():
            partner_and_reason[i] = (j, f"similar names: '{fixed[i].name}' and '{moving[j].name}'")
    if not partner_and_reason:
        raise NothingFound(
            f"No region has the same name in both volumes: fixed has {_names(fixed)}, moving has {_names(moving)}. "
            "Give corresponding regions the same name in both volumes."
        )
    ordered = sorted(partner_and_reason.items())
    return tuple(make_pair(n, fixed[i], moving[j], reason=reason) for n, (i, (j, reason)) in enumerate(ordered))


def _equal_names(fixed: Sequence[Region], moving: Sequence[Region]) -> dict[int, int]:
    """Pairs with the same name without case and separators; identically written names take precedence."""
    fixed_names, moving_names = [r.name for r in fixed], [r.name for r in moving]
    partner: dict[int, int] = {}
    for compared in (str, plain_name):
        unpaired_fixed = [i for i in range(len(fixed_names)) if i not in partner]
        unpaired_moving = [j for j in range(len(moving_names)) if j not in partner.values()]
        index_of_key = dict(
            zip(_numbered([compared(moving_names[j]) for j in unpaired_moving]), unpaired_moving, strict=True)
        )
        keys = _numbered([compared(fixed_names[i]) for i in unpaired_fixed])
        partner |= {i: index_of_key[key] for i, key in zip(unpaired_fixed, keys, strict=True) if key in index_of_key}
    return partner


def numbered_names(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each plain name with the number of equal names before it, so that n-th is paired with n-th."""
    return _numbered([plain_name(name) for name in names])


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    occurrences: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, occurrences[name]))
        occurrences[name] += 1
    return keys


def _similar_names(fixed: Sequence[Region], moving: Sequence[Region]) -> Iterator[tuple[int, int]]:
    """Pairs with the same name apart from Slicer's additions, where that name is unique in both volumes."""
    fixed_roots, moving_roots = ([_root_and_number(region.name) for region in side] for side in (fixed, moving))
    fixed_count, moving_count = (Counter(root for root, _ in roots) for roots in (fixed_roots, moving_roots))
    for i, (root, number) in enumerate(fixed_roots):
        if not fixed_count[root] == moving_count[root] == 1:
            continue
        j, other_number = next((j, other_number) for j, (name, other_number) in enumerate(moving_roots) if name == root)
        if number == other_number or not number or not other_number:
            yield i, j


_GENERIC_NAMES = {"segment", "label", "region", "mask", "structure", "roi"}
"""Names without anatomical meaning; a number after one of these is part of the name."""


def _root_and_number(name: str) -> tuple[str, str]:
    """A plain name without Slicer's prefix "segment ", and the copy number at its end ('' when there is none).

    >>> _root_and_number("Segment_prostate_1")
    ('prostate', '1')
    >>> _root_and_number("Segment_1")
    ('segment 1', '')
    """
    plain = plain_name(name)
    match = re.fullmatch(r"(?:segment )?(?P<root>.*?[^\W\d].*?)(?: (?P<number>\d+))?", plain)
    if match is None or match["root"] in _GENERIC_NAMES:
        return plain, ""
    return match["root"], match["number"] or ""


def _names(regions: Sequence[Region], limit: int = 8) -> str:
    if not regions:
        return "no regions"
    quoted = ", ".join(f"'{region.name}'" for region in regions[:limit])
    return quoted if len(regions) <= limit else f"{quoted} and {len(regions) - limit} more"
