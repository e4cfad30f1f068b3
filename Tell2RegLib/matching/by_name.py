"""Which fixed region is which moving region, by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from Tell2RegLib.errors import NothingFound
from Tell2RegLib.matching.pairs import make_pair
from Tell2RegLib.space.region import Region, RegionPair, plain_name


def pairs_by_name(fixed: Sequence[Region], moving: Sequence[Region]) -> tuple[RegionPair, ...]:
    """Pairs of regions with the same name, in the order of the fixed ones.

    Names are compared without case and separators; of several that are then the same, those that are written alike go
    together first. Of several regions with one name, the first goes with the first, the second with the second. Then,
    among what is left, Slicer's additions to names are looked through: a leading "Segment_" and a copy number at the
    end of one of the two names ("Segment_prostate_1" goes with "prostate"). That is done only where no other region of
    either volume could be meant, and two different numbers never go together.

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
    return tuple(make_pair(n, fixed[i], moving[j], reason=reason) for n, (i, (j, reason)) in enumerate(ordered))


def _equal_names(fixed: Sequence[Region], moving: Sequence[Region]) -> dict[int, int]:
    """Pairs whose names are the same without case and separators; of several, those that are written alike."""
    ours, theirs = [r.name for r in fixed], [r.name for r in moving]
    found: dict[int, int] = {}
    for compared in (str, plain_name):
        left = [i for i in range(len(ours)) if i not in found]
        free = [j for j in range(len(theirs)) if j not in found.values()]
        where = dict(zip(_numbered([compared(theirs[j]) for j in free]), free, strict=True))
        keys = _numbered([compared(ours[i]) for i in left])
        found |= {i: where[key] for i, key in zip(left, keys, strict=True) if key in where}
    return found


def numbered_names(names: Sequence[str]) -> list[tuple[str, int]]:
    """Every plain name, and how many before it are the same: what pairs the second of a name with the second."""
    return _numbered([plain_name(name) for name in names])


def _numbered(names: Sequence[str]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


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
