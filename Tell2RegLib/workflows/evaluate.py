"""Evaluates a transform with labels and landmarks that were not used for the fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.metrics import field_quality, inverse_error_mm, target_registration_error_mm
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.matching.points_by_name import BY_ORDER, point_order
from Tell2RegLib.pipeline.measure import agreement
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.label_names import read_label_names
from Tell2RegLib.results.record import field_record
from Tell2RegLib.space.point_files import PointList, read_points
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.region_resampling import resample_region
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import Transform


def evaluate(
    transform: Transform,
    *,
    fixed_labels: Path | None = None,
    moving_labels: Path | None = None,
    fixed_points: Path | None = None,
    moving_points: Path | None = None,
    label_names: Path | None = None,
) -> dict[str, Any]:
    """Overlap and distances of labels, target registration error of landmarks, and the field itself.

    Labels are paired by name; landmarks too, or by their order where no name is in both lists (a remark says so). Names
    are compared without case and separators. The error of a landmark is
    measured in fixed space: |moving point carried to fixed space - fixed point|, in mm.

    Raises:
        InputError: one of two corresponding files is missing, or the two do not match.
    """
    _both("label maps", fixed_labels, moving_labels)
    _both("point lists", fixed_points, moving_points)
    report: dict[str, Any] = {
        "transform": field_record(
            transform.kind,
            field_quality(transform.fixed_to_moving),
            inverse_error_mm(transform.fixed_to_moving, transform.moving_to_fixed),
        ),
        "remarks": [],
    }
    if fixed_labels and moving_labels:
        names = read_label_names(label_names) if label_names else None
        pairs = pairs_by_name(read_regions(fixed_labels, names=names), read_regions(moving_labels, names=names))
        report["labels"] = [_label_row(pair, transform) for pair in pairs]
    if fixed_points and moving_points:
        true_points, plan_points = read_points(fixed_points), read_points(moving_points)
        order = point_order(true_points, plan_points)
        if order is None:
            report["remarks"].append(BY_ORDER)
        report["points"] = _point_rows(
            transform, plan_points, true_points.points_lps_mm[order or range(len(true_points))]
        )
    return report


def _both(content: str, fixed: Path | None, moving: Path | None) -> None:
    if (fixed is None) != (moving is None):
        raise InputError(
            f"Give {content} of both volumes: the {'fixed' if fixed is None else 'moving'} one is missing."
        )


def _label_row(pair: RegionPair, transform: Transform) -> dict[str, Any]:
    unregistered = resample_region(pair.moving, pair.fixed.grid)
    warped = warp_region(pair.moving, transform)
    warped = None if warped is None else resample_region(warped, pair.fixed.grid)
    row: dict[str, Any] = {"name": pair.name}
    for prefix, region in (("before", unregistered), ("after", warped)):
        keys = (f"dice_{prefix}", f"centroid_mm_{prefix}", f"hd95_mm_{prefix}")
        row |= zip(keys, agreement(pair.fixed, region), strict=True)
    return row


def _point_rows(transform: Transform, moving: PointList, fixed_at: np.ndarray) -> list[dict[str, Any]]:
    moving_at = moving.points_lps_mm
    propagated = transform.inverse.apply_to_points(moving_at)
    errors_before = target_registration_error_mm(moving_at, fixed_at)
    errors_after = target_registration_error_mm(propagated, fixed_at)
    return [
        {"name": name, "error_mm_before": float(b), "error_mm_after": float(a), "fixed_lps_mm": position.tolist()}
        for name, b, a, position in zip(moving.names, errors_before, errors_after, propagated, strict=True)
    ]
