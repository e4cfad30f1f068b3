"""Measure a transform against labels and landmarks that it may never have seen."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.carry import carry_region
from Tell2RegLib.errors import InputError
from Tell2RegLib.markups import PointList, read_points
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.measuring import agreement
from Tell2RegLib.metrics import field_quality, inverse_error_mm, target_registration_error_mm
from Tell2RegLib.occupancy import place_region
from Tell2RegLib.region import RegionPair
from Tell2RegLib.sources.label_map import read_regions
from Tell2RegLib.transform import Transform


def evaluate(
    transform: Transform,
    *,
    fixed_labels: Path | None = None,
    moving_labels: Path | None = None,
    fixed_points: Path | None = None,
    moving_points: Path | None = None,
) -> dict[str, Any]:
    """Overlap and distances of labels, target registration error of landmarks, and the field itself.

    Labels are paired by name; landmarks too, or by their order when the names differ. The error of a landmark is
    measured in fixed space: |moving point carried to fixed space - fixed point|, in mm.

    Raises:
        InputError: one of two files that belong together is missing, or they do not fit together.
    """
    _both("label maps", fixed_labels, moving_labels)
    _both("point lists", fixed_points, moving_points)
    mean, largest = inverse_error_mm(transform.fixed_to_moving, transform.moving_to_fixed)
    report: dict[str, Any] = {
        "transform": {
            "kind": transform.kind,
            **asdict(field_quality(transform.fixed_to_moving)),
            "inverse_error_mm": {"mean": mean, "max": largest},
        }
    }
    if fixed_labels and moving_labels:
        fixed = read_regions(fixed_labels)
        pairs = pairs_by_name(fixed, read_regions(moving_labels))
        report["labels"] = [_label_row(pair, transform) for pair in pairs]
    if fixed_points and moving_points:
        report["points"] = _point_rows(transform, read_points(fixed_points), read_points(moving_points))
    return report


def _both(what: str, fixed: Path | None, moving: Path | None) -> None:
    if (fixed is None) != (moving is None):
        raise InputError(f"Give {what} of both volumes: the {'fixed' if fixed is None else 'moving'} one is missing.")


def _label_row(pair: RegionPair, transform: Transform) -> dict[str, Any]:
    before = place_region(pair.moving, pair.fixed.grid)
    after = carry_region(pair.moving, transform)
    after = None if after is None else place_region(after, pair.fixed.grid)
    row: dict[str, Any] = {"name": pair.name}
    for when, region in (("before", before), ("after", after)):
        keys = (f"dice_{when}", f"centroid_mm_{when}", f"hd95_mm_{when}")
        row |= zip(keys, agreement(pair.fixed, region), strict=True)
    return row


def _point_rows(transform: Transform, fixed: PointList, moving: PointList) -> list[dict[str, Any]]:
    fixed_at, moving_at = _matched(fixed, moving)
    carried = transform.inverse.apply_to_points(moving_at)
    before = target_registration_error_mm(moving_at, fixed_at)
    after = target_registration_error_mm(carried, fixed_at)
    return [
        {"name": name, "error_mm_before": float(b), "error_mm_after": float(a), "fixed_lps_mm": place.tolist()}
        for name, b, a, place in zip(moving.names, before, after, carried, strict=True)
    ]


def _matched(fixed: PointList, moving: PointList) -> tuple[np.ndarray, np.ndarray]:
    if sorted(fixed.names) == sorted(moving.names) and len(set(fixed.names)) == len(fixed):
        place = {name: number for number, name in enumerate(fixed.names)}
        return fixed.points_lps_mm[[place[name] for name in moving.names]], moving.points_lps_mm
    if len(fixed) != len(moving):
        raise InputError(
            f"The point lists do not belong together: {len(fixed)} fixed and {len(moving)} moving points, and their "
            "names differ."
        )
    return fixed.points_lps_mm, moving.points_lps_mm
