"""An example plug-in for Tell2Reg: the only words it knows are "bright spot" (docs/plugins.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import Check, Progress


@dataclass(frozen=True)
class BrightSpots:
    """Connected voxels in the brightest part of the range of values.

    Args:
        share: how much of the range is bright.
    """

    share: float = 0.2
    name: str = "bright_spots"

    def find(
        self,
        volume: Volume,
        prompts: Sequence[str],
        *,
        progress: Progress | None = None,
        check: Check | None = None,
    ) -> SourceResult:
        """The spots, largest first; other words find nothing."""
        if "bright spot" not in prompts:
            return SourceResult(self.name, tuple(prompts))
        low, high = float(volume.array_kji.min()), float(volume.array_kji.max())
        numbers, count = ndimage.label(volume.array_kji >= high - self.share * (high - low))
        regions = []
        for number in range(1, count + 1):
            if check:
                check()
            if progress:
                progress("spots", number, count)
            regions.append(Region.from_mask("spot", numbers == number, volume.grid, prompt="bright spot", score=1.0))
        regions.sort(key=lambda region: -region.volume_ml)
        # Sources with a network give prototypes here; without any, regions are paired by their names.
        named = [
            Region(f"bright spot {n}", np.array(r.box_kji), r.start_kji, r.grid, r.prompt, r.score)
            for n, r in enumerate(regions, start=1)
        ]
        return SourceResult(self.name, tuple(prompts), tuple(named))
