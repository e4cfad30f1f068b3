"""Cache in memory: results of earlier runs, keyed by the content of their inputs.

The key of a result contains everything on which it depends. New prompts therefore encode no slice again, a rejected
pair detects nothing again, and another smoothness matches nothing again; changes need not be declared.
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
    """The most recently used results of each stage.

    Args:
        max_results: maximum number of results per stage; the least recently used are dropped.

    `runs` counts computed results by stage, `reused` those taken from the cache.
    """

    def __init__(self, max_results: int = 64) -> None:
        self.runs: Counter[str] = Counter()
        self.reused: Counter[str] = Counter()
        self._max_results = max_results
        self._results: dict[str, OrderedDict[Hashable, Any]] = {}

    def get(self, stage: str, key: Hashable, make: Callable[[], T], *, max_results: int | None = None) -> T:
        """The cached result, or the result of `make`, which is then cached."""
        if self.has(stage, key):
            self.reused[stage] += 1
            self._results[stage].move_to_end(key)
            cached_result: T = self._results[stage][key]
            return cached_result
        value = make()
        self.runs[stage] += 1
        self.keep(stage, key, value, max_results=max_results)
        return value

    def has(self, stage: str, key: Hashable) -> bool:
        """Whether a result is cached."""
        return key in self._results.get(stage, ())

    def keep(self, stage: str, key: Hashable, value: Any, *, max_results: int | None = None) -> None:
        """Cache a result that was computed elsewhere."""
        stage_results = self._results.setdefault(stage, OrderedDict())
        stage_results[key] = value
        stage_results.move_to_end(key)
        while len(stage_results) > (max_results or self._max_results):
            stage_results.popitem(last=False)


def volume_key(volume: Volume) -> str:
    """SHA-256 of a volume's voxels and geometry."""
    return array_key(repr((volume.grid, volume.array_kji.dtype.str)), volume.array_kji)


def region_key(region: Region) -> str:
    """SHA-256 of a region's voxels, geometry, name, prompt and score."""
    metadata = (region.name, region.prompt, region.score, region.start_kji, region.box_kji.shape, region.grid)
    return array_key(repr(metadata), region.box_kji)
