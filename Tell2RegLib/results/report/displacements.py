"""How far the transform moves tissue: within the regions, and beyond what its affine part does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.transform_kinds import DEFORMABLE

if TYPE_CHECKING:
    from Tell2RegLib.results.result import Fitted, RegistrationResult

MOST_POINTS = 100_000
"""Points of a region at which displacements are looked at, evenly chosen."""


def largest_in_regions_mm(result: RegistrationResult) -> tuple[float | None, float | None]:
    """Largest displacement of a point of the accepted fixed regions, and the largest beyond the affine part, in mm;
    None without a transform or an accepted pair.
    """
    accepted = [pair.fixed for pair in result.pairs if pair.accepted]
    if result.fitted is None or not accepted:
        return None, None
    largest = np.zeros(2)
    for region in accepted:
        points = region.points_lps_mm()
        points = points[:: max(1, len(points) // MOST_POINTS)]
        moved = result.fitted.transform.apply_to_points(points)
        lengths = [np.linalg.norm(moved - start, axis=-1).max() for start in (points, _affine(result.fitted, points))]
        largest = np.maximum(largest, lengths)
    return float(largest[0]), float(largest[1])


def beyond_affine_mm(fitted: Fitted, points_lps_mm: Floats, moved_lps_mm: Floats) -> Floats:
    """Distance (...) of moved points (..., 3) from where the affine part of the transform takes them."""
    return np.linalg.norm(moved_lps_mm - _affine(fitted, points_lps_mm), axis=-1)


def has_deformation(fitted: Fitted) -> bool:
    """Whether there is anything beyond the affine part."""
    return fitted.transform.kind in DEFORMABLE


def _affine(fitted: Fitted, points_lps_mm: Floats) -> Floats:
    return apply_affine(fitted.transform.affine_lps, points_lps_mm)
