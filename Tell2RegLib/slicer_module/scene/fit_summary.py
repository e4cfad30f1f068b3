"""The record of a fit in the scene: shown in the panel, compared with later decisions, and reused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.evaluation.target_trust import is_round
from Tell2RegLib.results.result import PairMetrics
from Tell2RegLib.slicer_module.scene.pair_decisions import PairRow, Rows
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform, transform_before_move
from Tell2RegLib.space.transform_kinds import LINEAR, STATES
from Tell2RegLib.support.hashing import array_key
from Tell2RegLib.worker.requests import FitReply, FitValues

SUMMARY = ("pairs", "dice", "distance_mm", "folding_percent", "max_displacement_mm", "inverse_error_mm")
"""The keys of every summary."""

Measure = float | None


@dataclass(frozen=True)
class FitRow:
    """The measures of one pair in one fit, independent of later decisions.

    Args:
        number, name, fixed, moving: of the pair at the time of the fit (`pair_decisions.PairRow`).
        accepted: whether this fit used it.
        dice, distance_mm: one value per state of `transform_kinds.STATES`.
        hd95_mm: before and after the deformable transform.
    """

    number: int
    name: str
    fixed: str
    moving: str
    accepted: bool
    dice: tuple[Measure, ...]
    distance_mm: tuple[Measure, ...]
    hd95_mm: tuple[Measure, ...]


def summaryOf(fit: FitValues, reply: FitReply, pairs: Sequence[RegionPair], rows: Rows) -> dict[str, Any]:
    """A fit in numbers: means over the pairs that it used, the field, and a row per pair.

    Args:
        fit: the transform of `reply`, and its measures.
        reply: the worker's.
        pairs: of the request, rejected ones too.
        rows: of the same pairs, in their order.
    """
    used = [number for number, metric in enumerate(reply.metrics) if metric.accepted]
    fitRows = [_fitRow(number, row, reply) for number, row in enumerate(rows)]
    grid = fit.transform.fixed_to_moving.grid
    inside = _largestInside(fit.transform.fixed_to_moving, pairs)
    return {
        "pairs": len(used),
        "dice": _means([fitRows[number].dice for number in used]),
        "distance_mm": _means([fitRows[number].distance_mm for number in used]),
        "folding_percent": fit.quality.folding_percent,
        "max_displacement_mm": fit.quality.max_displacement_mm,
        "max_displacement_inside_mm": inside,
        "volume_mm": list(np.multiply(grid.size_xyz, grid.spacing_mm)),
        "inverse_error_mm": list(fit.inverse_error_mm),
        "only_region": rows[used[0]].name if len(used) == 1 else "",
        "only_region_is_round": len(used) == 1 and is_round(pairs[used[0]].moving),
        "recommended": reply.recommendation.kind if reply.recommendation else "",
        "error_model": reply.error_model,
        "calibration": reply.provenance.get("parameters", {}).get("calibration"),
        "seconds": reply.timing_s.get("total"),
        "regions": voxelsOf(pairs),
        "rows": [asdict(row) for row in fitRows],
    }


def _fitRow(number: int, row: PairRow, reply: FitReply) -> FitRow:
    metric: PairMetrics = reply.metrics[number]
    linear = [reply.linear[kind][number] if kind in reply.linear else None for kind in LINEAR]
    return FitRow(
        number=row.number,
        name=row.name,
        fixed=row.fixed,
        moving=row.moving,
        accepted=metric.accepted,
        dice=(
            metric.dice_before,
            *(None if agreement is None else agreement.dice for agreement in linear),
            metric.dice_after,
        ),
        distance_mm=(
            metric.centroid_mm_before,
            *(None if agreement is None else agreement.centroid_mm for agreement in linear),
            metric.centroid_mm_after,
        ),
        hd95_mm=(metric.hd95_mm_before, metric.hd95_mm_after),
    )


def _means(rows: Sequence[Sequence[Measure]]) -> list[Measure]:
    """The mean of each column, over those that are known."""
    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    return [float(np.mean(column)) if column else None for column in columns]


def _largestInside(field: DisplacementField, pairs: Sequence[RegionPair]) -> float:
    """The longest displacement within the fixed regions that were used, mm."""
    regions = [pair.fixed for pair in pairs if pair.accepted]
    lengths = [
        np.linalg.norm(field.vectors_kji[region.slices_kji][region.box_kji], axis=-1).max() for region in regions
    ]
    return float(max(lengths))


def rowsOfFit(summary: Mapping[str, Any]) -> tuple[FitRow, ...]:
    """The rows that a summary keeps; none when it is damaged."""
    try:
        rows = tuple(FitRow(**{**row, **_tuples(row)}) for row in summary.get("rows", ()))
    except (TypeError, KeyError, ValueError):
        return ()
    whole = all(len(row.dice) == len(row.distance_mm) == len(STATES) and len(row.hd95_mm) == 2 for row in rows)
    return rows if whole else ()


def _tuples(row: Mapping[str, Any]) -> dict[str, tuple[Measure, ...]]:
    return {
        name: tuple(None if value is None else float(value) for value in row[name])
        for name in ("dice", "distance_mm", "hd95_mm")
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


def withoutInitialTransform(fit: FitValues, initial: Floats | None) -> tuple[Transform, dict[str, Floats]]:
    """The fitted transforms without the initial transform of the moving volume."""
    linear = {"rigid": fit.rigid_lps, "affine": fit.affine_lps}
    if initial is None:
        return fit.transform, linear
    back = np.linalg.inv(initial)
    return transform_before_move(fit.transform, initial), {kind: back @ matrix for kind, matrix in linear.items()}
