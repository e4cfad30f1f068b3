"""What the scene keeps of a fit, so that it can be shown, told old from new and used again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from Tell2RegLib.grid import Floats
from Tell2RegLib.hashing import array_key
from Tell2RegLib.module.scene_results import meanOf
from Tell2RegLib.region import RegionPair
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
    keys = [array_key(repr((one.start_kji, one.box_kji.shape)), one.box_kji) for one in regions]
    return hashlib.sha256("".join(keys).encode()).hexdigest()


def fromTheVolumeAsItLies(reply: FitReply, initial: Floats | None) -> tuple[Transform, dict[str, Floats]]:
    """The fitted transforms without the initial one that the moving volume was put under."""
    linear = {"rigid": reply.rigid_lps, "affine": reply.affine_lps}
    if initial is None:
        return reply.transform, linear
    back = np.linalg.inv(initial)
    return after_moving(reply.transform, initial), {kind: back @ matrix for kind, matrix in linear.items()}
