"""Errors of landmarks and true regions of one case under each of its transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.cases.contents import Truth
from Tell2RegLib.evaluation.metrics import centroid_distance_mm, dice, target_registration_error_mm
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.space.displacement_field import affine_displacements
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.region_resampling import sample_region, sampled_points
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.transform_kinds import LINEAR
from Tell2RegLib.validation.baselines import CENTRE, CENTRE_AND_SCALE, UNREGISTERED, baselines

REGISTERED = "registered"
"""The transform that the fit returns, of any kind."""
TRANSFORMS = (UNREGISTERED, CENTRE, CENTRE_AND_SCALE, *LINEAR, REGISTERED)
"""In the order of tables."""


@dataclass(frozen=True)
class Score:
    """How one transform maps the truth of a case.

    Args:
        landmark_mm: target registration error of each landmark in fixed space: |moving point mapped to fixed space -
            fixed point|.
        landmark_in_moving_mm: the same in moving space: |fixed point mapped to moving space - moving point|.
        dice: of each true region in fixed space.
        centroid_mm: distance of its centroids; where the mapped region lies outside the fixed grid, that of the mean of
            its mapped voxel centres.
    """

    landmark_mm: tuple[float, ...] = ()
    landmark_in_moving_mm: tuple[float, ...] = ()
    dice: tuple[float, ...] = ()
    centroid_mm: tuple[float, ...] = ()


@dataclass(frozen=True)
class CaseScores:
    """The scores of one case, or why there are none.

    Args:
        name, patients, labels: those of the case.
        reason: why the case failed, one sentence; empty when it did not.
        landmarks, regions: their names, in the order of the scores.
        scores: by transform, in the order of `TRANSFORMS`; empty when the case failed.
        fit: kind of the registered transform, mean Dice of the matched regions, folding, inverse error, seconds.
        remarks: sentences about the truth.
    """

    name: str
    patients: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    landmarks: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    scores: Mapping[str, Score] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there are no scores."""
        return bool(self.reason)


def scores_of(result: RegistrationResult, truth: Truth) -> dict[str, Score]:
    """Score every transform of a result, and the baselines of its accepted pairs, against a truth.

    Args:
        result: with a fit.
        truth: which the fit did not use.
    """
    fitted = result.fitted
    if fitted is None:
        return {}
    accepted = [pair for pair in result.pairs if pair.accepted]
    matrices = {**baselines(accepted), "rigid": fitted.rigid_lps, "affine": fitted.affine_lps}
    maps: dict[str, Matrix | Transform] = {name: Matrix(matrix) for name, matrix in matrices.items()}
    maps[REGISTERED] = fitted.transform
    return {name: _score(maps[name], truth) for name in TRANSFORMS}


def fit_record(result: RegistrationResult) -> dict[str, Any]:
    """The measures of a fit that a table of cases shows."""
    fitted = result.fitted
    if fitted is None:
        return {}
    return {
        "kind": fitted.transform.kind,
        "mean_dice": result.summary.mean_dice_after,
        "folding_percent": fitted.quality.folding_percent,
        "inverse_error_mm": fitted.inverse_error_mm[0],
        "seconds": result.timing_s.get("fit", 0.0),
    }


# --- one transform ---


@dataclass(frozen=True, eq=False)
class Matrix:
    """A linear map from fixed to moving space (4 x 4, LPS mm) that needs no field."""

    matrix_lps: Floats

    @property
    def inverse(self) -> Matrix:
        """From moving to fixed space."""
        return Matrix(np.linalg.inv(self.matrix_lps).astype(np.float64))

    def apply_to_points(self, points_lps_mm: Floats) -> Floats:
        """Map points (..., 3)."""
        return apply_affine(self.matrix_lps, points_lps_mm)


def _score(fixed_to_moving: Matrix | Transform, truth: Truth) -> Score:
    landmarks = truth.landmarks
    in_fixed = fixed_to_moving.inverse.apply_to_points(landmarks.moving_lps_mm)
    in_moving = fixed_to_moving.apply_to_points(landmarks.fixed_lps_mm)
    agreements = [_agreement(pair, fixed_to_moving) for pair in truth.regions]
    return Score(
        landmark_mm=tuple(target_registration_error_mm(in_fixed, landmarks.fixed_lps_mm).tolist()),
        landmark_in_moving_mm=tuple(target_registration_error_mm(in_moving, landmarks.moving_lps_mm).tolist()),
        dice=tuple(overlap for overlap, _ in agreements),
        centroid_mm=tuple(distance for _, distance in agreements),
    )


def _agreement(pair: RegionPair, fixed_to_moving: Matrix | Transform) -> tuple[float, float]:
    """Dice and centroid distance, mm, on the grid of the fixed region."""
    grid = pair.fixed.grid
    mapped_points = fixed_to_moving.inverse.apply_to_points(sampled_points(pair.moving))
    warped = sample_region(pair.moving, grid, mapped_points, _displacements(fixed_to_moving, grid))
    if warped is None:
        return 0.0, float(np.linalg.norm(mapped_points.mean(axis=0) - pair.fixed.centroid_lps_mm()))
    return dice(pair.fixed, warped), centroid_distance_mm(pair.fixed, warped)


def _displacements(fixed_to_moving: Matrix | Transform, grid: Grid) -> NDArray[np.float32]:
    if isinstance(fixed_to_moving, Matrix):
        return affine_displacements(fixed_to_moving.matrix_lps, grid)
    field = fixed_to_moving.fixed_to_moving
    if field.grid.same_space(grid):
        return field.vectors_kji
    points = grid.voxel_centres_lps_mm()
    return (fixed_to_moving.apply_to_points(points) - points).astype(np.float32)
