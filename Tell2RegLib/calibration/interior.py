"""Learns how the inside of a region moves with size and shape, from landmarks and true regions inside it.

The errors of the default transform, mm, are linear in the coefficients of `fitting.interior` to first order: ridge
regression, linearised twice. The penalty is chosen, and the model compared with none, on patients left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from Tell2RegLib.calibration.choice import LEAST_GAIN, LEAST_GROUPS, MOST_FOLDS, mean_over_patients
from Tell2RegLib.calibration.true_distance import TrueDistance
from Tell2RegLib.cases.contents import Truth
from Tell2RegLib.cases.groups import folds_of, groups_of, weights_of
from Tell2RegLib.fitting import FitResult
from Tell2RegLib.fitting.interior import FEATURES, TERMS, Inside, InteriorModel, shape_features
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.region_resampling import occupancy_at

PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Of a constant term, in cases with an error of 1 mm per unit; times 1 + degree for the others."""
MOST_POINTS = 1000
"""Of a region, at which true regions are compared."""
LEAST_INSIDE = 0.5
"""Share of a true region's voxels inside a region from which it tells of that region's inside."""
LARGE_ERROR_MM = 2.0
"""Errors beyond it count linearly instead of squared."""
STEP_MM = 0.5
"""Of the finite differences."""


@dataclass(frozen=True)
class InteriorTrial:
    """What the model gained over none on patients left out.

    Args:
        penalty: one of `PENALTIES`.
        gain_mm, standard_error_mm: of the mean error, over groups of patients; positive is better.
    """

    penalty: float
    gain_mm: float
    standard_error_mm: float


@dataclass(frozen=True, eq=False)
class LearnedInterior:
    """The model of one region and what it rests on.

    Args:
        model: as estimated from all cases.
        used: whether it helped beyond chance on patients left out.
        cases, patients: how many tell of the region's inside.
        reason: why it is used or not, one sentence.
        trials: what was compared.
    """

    model: InteriorModel
    used: bool
    cases: int
    patients: int
    reason: str
    trials: tuple[InteriorTrial, ...] = ()


class InteriorEvidence:
    """What one case says of the inside of one region, under its default transform.

    Args:
        name, patients: of the case.
        pair: of the region.
        fitted: the default transform, a deformation.
        truth: of the case.
    """

    def __init__(self, name: str, patients: tuple[str, ...], pair: RegionPair, fitted: FitResult, truth: Truth) -> None:
        self.name, self.patients = name, patients
        self.features = shape_features(pair.fixed, pair.moving, fitted.rigid_lps)
        self._inside = Inside(pair.fixed)
        self._field = _around(fitted.transform.fixed_to_moving, pair.fixed)
        in_region = occupancy_at(pair.fixed, truth.landmarks.fixed_lps_mm) >= 0.5
        self._landmarks = truth.landmarks.fixed_lps_mm[in_region]
        self._targets = truth.landmarks.moving_lps_mm[in_region]
        points = pair.fixed.points_lps_mm()
        self._samples = points[np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).astype(int))]
        self._regions = [
            (TrueDistance(part.moving), TrueDistance(part.fixed).at(self._samples))
            for part in truth.regions
            if (occupancy_at(pair.fixed, part.fixed.points_lps_mm()) >= 0.5).mean() >= LEAST_INSIDE
        ]

    @property
    def tells(self) -> bool:
        """Whether anything true lies inside the region."""
        return bool(len(self._landmarks) or self._regions)

    def error_mm(self, coefficients: Floats) -> float:
        """Mean error with a model (5, 30): of the landmarks, or without any of the true regions' outlines."""
        motion = self.features @ coefficients
        if len(self._landmarks):
            errors = self._landmark_errors(self._inside.moved(self._landmarks, motion))
            return float(np.linalg.norm(errors, axis=1).mean())
        return float(np.abs(self._region_errors(self._inside.moved(self._samples, motion))).mean())

    @cached_property
    def error_without_mm(self) -> float:
        """Mean error without a model."""
        return self.error_mm(np.zeros((len(FEATURES), len(TERMS))))

    def equations(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """Normal equations (150, 150) and (150,) of the coefficients, linearised at some (5, 30)."""
        size = coefficients.size
        matrix, vector, motion = np.zeros((size, size)), np.zeros(size), self.features @ coefficients
        for points, errors_at in ((self._landmarks, self._landmark_errors), (self._samples, self._region_errors)):
            if not len(points):
                continue
            moved = self._inside.moved(points, motion)
            errors = errors_at(moved)
            steps = np.eye(3) * STEP_MM
            change = np.stack([(errors_at(moved + s) - errors_at(moved - s)) / (2 * STEP_MM) for s in steps], axis=-1)
            by_motion = np.einsum("nca,nak->nck", change, self._inside.velocity_basis(points))
            slopes = (by_motion[:, :, None, :] * self.features[:, None]).reshape(*errors.shape, size)
            weights = 1 / np.maximum(1.0, np.linalg.norm(errors, axis=1) / LARGE_ERROR_MM) / len(points)
            rows = (slopes * np.sqrt(weights)[:, None, None]).reshape(-1, size)
            targets = (slopes @ coefficients.ravel() - errors) * np.sqrt(weights)[:, None]
            matrix += rows.T @ rows
            vector += rows.T @ targets.ravel()
        return matrix, vector

    def _mapped(self, points: Floats) -> Floats:
        return points + self._field.at(points)

    def _landmark_errors(self, moved: Floats) -> Floats:
        """(N, 3), mm."""
        return self._mapped(moved) - self._targets

    def _region_errors(self, moved: Floats) -> Floats:
        """(N, true regions), mm: how much deeper a mapped point lies in the moving region than it does in the fixed."""
        mapped = self._mapped(moved)
        columns = [moving.at(mapped) - fixed_mm for moving, fixed_mm in self._regions]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(moved), 0))


def learn_interior(region: str, cases: Sequence[InteriorEvidence]) -> LearnedInterior:
    """The model of one region, and whether it helps on patients left out; independent of the order of the cases."""
    cases = sorted(cases, key=lambda case: case.name)
    groups, patients = groups_of(cases), len({patient for case in cases for patient in case.patients})
    none = np.zeros((len(FEATURES), len(TERMS)))
    if len(groups) < LEAST_GROUPS:
        reason = (
            f"{len(groups)} independent group(s) of patients tell of the inside of '{region}'; at least {LEAST_GROUPS} "
            "are needed."
        )
        return LearnedInterior(InteriorModel(region, none), False, len(cases), patients, reason)
    equations = {case.name: case.equations(none) for case in cases}
    penalty = max(PENALTIES, key=lambda value: _trial(cases, equations, value).gain_mm)
    # Linearised once more, at the first estimate.
    first = _solved(cases, equations, penalty)
    equations = {case.name: case.equations(first) for case in cases}
    trials = tuple(_trial(cases, equations, value) for value in PENALTIES)
    best = max(trials, key=lambda trial: trial.gain_mm)
    used = best.gain_mm > 0 and best.gain_mm >= LEAST_GAIN * best.standard_error_mm
    helped = "helped" if used else "did not help beyond chance"
    reason = (
        f"A model of the inside of '{region}' {helped} on patients left out: {best.gain_mm:+.2g} mm (standard error "
        f"{best.standard_error_mm:.1g})."
    )
    coefficients = _solved(cases, equations, best.penalty)
    return LearnedInterior(InteriorModel(region, coefficients), used, len(cases), patients, reason, trials)


def _trial(
    cases: Sequence[InteriorEvidence], equations: Mapping[str, tuple[Floats, Floats]], penalty: float
) -> InteriorTrial:
    groups, gains = groups_of(cases), {}
    for fold in folds_of(cases, min(MOST_FOLDS, len(groups))):
        coefficients = _solved(fold.train, equations, penalty)
        for case in fold.test:
            gains[case.name] = case.error_without_mm - case.error_mm(coefficients)
    return InteriorTrial(penalty, *mean_over_patients(groups, gains))


def _solved(
    cases: Sequence[InteriorEvidence], equations: Mapping[str, tuple[Floats, Floats]], penalty: float
) -> Floats:
    """(5, 30), the coefficients that the equations of these cases give."""
    weights = weights_of(cases)
    matrix = sum(weight * equations[case.name][0] for weight, case in zip(weights, cases, strict=True))
    vector = sum(weight * equations[case.name][1] for weight, case in zip(weights, cases, strict=True))
    degrees = np.array([1.0 + sum(powers) for _, powers in TERMS])
    ridge = np.diag(np.tile(penalty * degrees, len(FEATURES)))
    coefficients: Floats = np.linalg.solve(matrix + ridge, vector).reshape(len(FEATURES), len(TERMS))
    return coefficients


def _around(field: DisplacementField, region: Region) -> DisplacementField:
    """The part of a field that covers a region, to keep those of many cases in memory."""
    first, size = region.start_kji, region.box_kji.shape
    box = tuple(slice(start, start + length) for start, length in zip(first, size, strict=True))
    return DisplacementField(field.vectors_kji[box].copy(), region.box_grid)
