"""What earlier runs computed and what is still valid: results kept by the content they were made from.

A run asks for the result of a stage by a key that holds everything the result depends on. So new words encode no slice
again, a rejected pair detects nothing again, another smoothness matches nothing again; nobody has to say what changed.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.hashing import array_key

T = TypeVar("T")


class InMemoryCache:
    """Results of stages, the latest few of each.

    Args:
        most: so many results of a stage are kept; those used longest ago go first.

    `runs` counts by stage what was computed, `reused` what was not.
    """

    def __init__(self, most: int = 64) -> None:
        self.runs: Counter[str] = Counter()
        self.reused: Counter[str] = Counter()
        self._most = most
        self._kept: dict[str, OrderedDict[Hashable, Any]] = {}

    def get(self, stage: str, key: Hashable, make: Callable[[], T], *, most: int | None = None) -> T:
        """The kept result, or what `make` gives, kept from now on."""
        if self.has(stage, key):
            self.reused[stage] += 1
            self._kept[stage].move_to_end(key)
            kept: T = self._kept[stage][key]
            return kept
        value = make()
        self.runs[stage] += 1
        self.keep(stage, key, value, most=most)
        return value

    def has(self, stage: str, key: Hashable) -> bool:
        """Whether there is a kept result."""
        return key in self._kept.get(stage, ())

    def keep(self, stage: str, key: Hashable, value: Any, *, most: int | None = None) -> None:
        """Keep a result that was found elsewhere."""
        kept = self._kept.setdefault(stage, OrderedDict())
        kept[key] = value
        kept.move_to_end(key)
        while len(kept) > (most or self._most):
            kept.popitem(last=False)


def volume_key(volume: Volume) -> str:
    """SHA-256 of a volume's voxels and geometry."""
    return array_key(repr((volume.grid, volume.array_kji.dtype.str)), volume.array_kji)


def region_key(region: Region) -> str:
    """SHA-256 of where a region is and what it is called."""
    about = (region.name, region.prompt, region.score, region.start_kji, region.box_kji.shape, region.grid)
    return array_key(repr(about), region.box_kji)
