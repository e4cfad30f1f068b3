"""What the scene keeps of a fit, so that it can be shown, told old from new and used again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.grid import Floats
from Tell2RegLib.hashing import array_key
from Tell2RegLib.module.scene_results import meanOf
from Tell2RegLib.region import Region, RegionPair
from Tell2RegLib.transform import Transform, after_moving
from Tell2RegLib.worker.requests import FitReply

SUMMARY = ("pairs", "dice", "distance_mm", "folding_percent", "max_displacement_mm", "inverse_error_mm")
"""What every summary holds."""
_DICE = ("dice_before", "dice_after")
_DISTANCE = ("centroid_mm_before", "centroid_mm_after")


def summaryOf(reply: FitReply) -> dict[str, Any]:
    """A fit in numbers, of the accepted pairs."""
    quality, used = reply.quality, [metric for metric in reply.metrics if metric.accepted]
    return {
        "pairs": len(used),
        "dice": [meanOf([getattr(metric, name) for metric in used]) for name in _DICE],
        "distance_mm": [meanOf([getattr(metric, name) for metric in used]) for name in _DISTANCE],
        "folding_percent": quality.folding_percent,
        "max_displacement_mm": quality.max_displacement_mm,
        "inverse_error_mm": list(reply.inverse_error_mm),
        "seconds": reply.timing_s.get("total"),
    }


def voxelsOf(pairs: Sequence[RegionPair]) -> str:
    """A hash of the voxels of the pairs that a fit uses."""
    regions = [region for pair in pairs if pair.accepted for region in (pair.fixed, pair.moving)]
    keys = [array_key(repr((start, box.shape)), box) for start, box in map(_along_the_patient, regions)]
    return hashlib.sha256("".join(keys).encode()).hexdigest()


def _along_the_patient(region: Region) -> tuple[tuple[int, ...], NDArray[np.bool_]]:
    """First voxel and box, every axis turned towards plus: Slicer saves left-handed volumes with one axis reversed."""
    axes = np.reshape(region.grid.direction, (3, 3))
    reversed_ijk = [axes[np.abs(axes[:, axis]).argmax(), axis] < 0 for axis in range(3)]
    start = list(region.start_kji)
    for axis, turned in enumerate(reversed_ijk[::-1]):
        if turned:
            start[axis] = region.grid.shape_kji[axis] - start[axis] - region.box_kji.shape[axis]
    flips = tuple(slice(None, None, -1 if turned else 1) for turned in reversed_ijk[::-1])
    return tuple(int(first) for first in start), np.ascontiguousarray(region.box_kji[flips])


def fromTheVolumeAsItLies(reply: FitReply, initial: Floats | None) -> tuple[Transform, dict[str, Floats]]:
    """The fitted transforms without the initial one that the moving volume was put under."""
    linear = {"rigid": reply.rigid_lps, "affine": reply.affine_lps}
    if initial is None:
        return reply.transform, linear
    back = np.linalg.inv(initial)
    return after_moving(reply.transform, initial), {kind: back @ matrix for kind, matrix in linear.items()}
