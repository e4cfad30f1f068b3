"""The offset between two kinds of scan, learned from simulated cases with a known one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.calibration.choice import LEAST_GROUPS, choose_prior
from Tell2RegLib.calibration.evidence import CaseEvidence, case_evidence
from Tell2RegLib.calibration.offset import estimate_offset, log_evidence, most_probable
from Tell2RegLib.cases.contents import Landmarks
from Tell2RegLib.fitting.linear_prior import LinearPrior, linear_part
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.conftest import rotation
from Testing.Python.small import affine_of, centred_grid

DEFAULT = LinearPrior.from_settings(FitSettings())
MEAN = np.array([0.02, -0.10, 0.08, 0.05, -0.09, -0.02, 0.01, 0.03, -0.02])
SPREAD = np.array([0.05, 0.09, 0.04, 0.2, 0.2, 0.2, 0.02, 0.02, 0.02])
WEAK, STRONG = 0.15, 0.01
"""Standard deviation of what the regions of a case say of each parameter."""


def a_case(number: int, true: Floats, noise: float = STRONG, seed: int = 0, landmarks: int = 0) -> CaseEvidence:
    rng = np.random.default_rng([seed, number])
    precision = np.eye(9) / noise**2
    measured = true + rng.normal(0, noise, 9)
    slopes = rng.normal(0, 15, (landmarks, 3, 9))
    targets = slopes @ true + rng.normal(0, 1.0, (landmarks, 3))
    return CaseEvidence(f"case {number}", (f"patient {number}",), precision, precision @ measured, slopes, targets)


def cases_of(
    count: int, mean: Floats = MEAN, noise: float = STRONG, seed: int = 0, landmarks: int = 0
) -> list[CaseEvidence]:
    rng = np.random.default_rng(seed + 1000)
    return [a_case(n, mean + SPREAD * rng.normal(0, 1, 9), noise, seed, landmarks) for n in range(count)]


def test_mean_and_covariance_of_many_certain_cases_are_recovered() -> None:
    prior = estimate_offset(cases_of(400), DEFAULT).prior
    assert np.all(np.abs(prior.mean - MEAN) < 4 * SPREAD / 400**0.5 + 0.002)
    assert np.sqrt(np.diag(prior.covariance)) == pytest.approx(SPREAD, rel=0.15, abs=0.005)


def test_the_estimate_does_not_depend_on_the_order_of_the_cases() -> None:
    cases = cases_of(12, noise=WEAK, landmarks=3)
    in_order, reversed_order = estimate_offset(cases, DEFAULT), estimate_offset(cases[::-1], DEFAULT)
    np.testing.assert_array_equal(in_order.prior.mean, reversed_order.prior.mean)
    np.testing.assert_array_equal(in_order.prior.covariance, reversed_order.prior.covariance)


def test_a_case_counts_by_its_certainty() -> None:
    certain, vague = (
        [a_case(n, np.full(9, 0.1)) for n in range(20)],
        [a_case(n + 20, -np.full(9, 0.1), 2.0) for n in range(20)],
    )
    assert np.all(estimate_offset([*certain, *vague], DEFAULT).prior.mean > 0.07)


def test_one_wrong_case_moves_the_mean_little() -> None:
    cases = cases_of(30)
    wrong = a_case(99, MEAN + np.array([1.5, -1.5, 1.5, 0, 0, 0, 0, 0, 0]))
    right, with_it = (estimate_offset(some, DEFAULT).prior.mean for some in (cases, [*cases, wrong]))
    plain_mean_moves = 1.5 / 31
    assert np.abs(with_it - right)[:3].max() < 0.4 * plain_mean_moves


def test_a_patient_weighs_the_same_however_many_cases_it_has() -> None:
    cases = cases_of(10)
    again = [replace(cases[0], name=f"again {n}") for n in range(8)]
    once, twice = (estimate_offset(some, DEFAULT).prior.mean for some in (cases, [*cases, *again]))
    np.testing.assert_allclose(once, twice, atol=1e-3)


def test_landmarks_say_what_regions_leave_open_and_their_spread_is_estimated() -> None:
    round_regions = cases_of(40, noise=10.0, landmarks=4)
    offset = estimate_offset(round_regions, DEFAULT)
    assert np.abs(offset.prior.mean - MEAN)[:3].max() < 0.05
    assert offset.landmark_spread_mm == pytest.approx(1.0, abs=0.3)


def test_few_patients_leave_the_default() -> None:
    choice = choose_prior(cases_of(LEAST_GROUPS - 1), DEFAULT)
    assert choice.prior is DEFAULT
    assert choice.used == ""
    assert f"{LEAST_GROUPS - 1} independent group(s) of patients are too few" in choice.reason


def test_one_patient_barely_moves_the_estimate_from_the_default() -> None:
    estimated = estimate_offset(cases_of(1, noise=WEAK), DEFAULT).prior
    assert np.abs(estimated.mean)[:3].max() < 0.06
    assert np.sqrt(np.diag(estimated.covariance)) == pytest.approx(np.sqrt(np.diag(DEFAULT.covariance)), rel=0.25)


@pytest.mark.parametrize("landmarks", [0, 3])
def test_a_clear_offset_is_used_and_helps_on_new_patients(landmarks: int) -> None:
    choice = choose_prior(cases_of(24, noise=WEAK, landmarks=landmarks), DEFAULT)
    assert "mean" in choice.used
    assert choice.used in choice.reason
    new = cases_of(40, noise=WEAK, seed=7, landmarks=5)
    errors = [np.mean([c.landmark_errors_mm(most_probable(c, p)).mean() for c in new]) for p in (choice.prior, DEFAULT)]
    assert errors[0] < errors[1]


def test_what_does_not_help_is_left_out_and_the_reason_says_so() -> None:
    rng = np.random.default_rng(3)
    spread = np.sqrt(np.diag(DEFAULT.covariance)) * 0.2
    cases = [a_case(n, spread * rng.normal(0, 1, 9), WEAK, landmarks=3) for n in range(10)]
    unsure = [replace(c, landmark_targets=rng.normal(0, 40, c.landmark_targets.shape)) for c in cases]
    choice = choose_prior(unsure, DEFAULT)
    assert [trial.helps for trial in choice.trials] == [False] * 3
    assert choice.prior is DEFAULT
    assert "Neither mean nor spread helped" in choice.reason


def test_the_evidence_is_the_density_of_a_normal_distribution() -> None:
    from scipy.stats import multivariate_normal

    case = a_case(1, MEAN, WEAK)
    measured = np.linalg.solve(case.precision, case.information)
    priors = (DEFAULT, LinearPrior(MEAN, np.diag(SPREAD**2)))
    expected = [multivariate_normal.logpdf(measured, p.mean, p.covariance + np.eye(9) * WEAK**2) for p in priors]
    values = [log_evidence(case, p) for p in priors]
    assert values[1] - values[0] == pytest.approx(expected[1] - expected[0])


def test_the_evidence_of_oblique_regions_points_to_the_true_map() -> None:
    grid = centred_grid((30, 30, 30), (2.0, 2.0, 2.5), rotation((2, 1, -1), 20) @ np.diag([1.0, -1.0, 1.0]), (0, 0, 0))
    truth = affine_of(linear_part(np.array([0.0, 0.1, 0.15, 0.05, -0.05, 0.02, 0, 0, 0])), (3.0, -2.0, 1.0))
    points = grid.voxel_centres_lps_mm()
    fixed = np.sum((points / (22, 13, 8)) ** 2, axis=-1) < 1
    moving = np.sum((apply_affine(np.linalg.inv(truth), points) / (22, 13, 8)) ** 2, axis=-1) < 1
    pair = RegionPair(Region.from_mask("organ", fixed, grid), Region.from_mask("organ", moving, grid))
    places = np.array([[5.0, 3, 1], [-6, 2, -3], [2, -5, 3]])
    landmarks = Landmarks(("a", "b", "c"), places, apply_affine(truth, places))
    case = case_evidence("case", ("patient",), [pair], DEFAULT, landmarks)
    assert case.landmark_errors_mm(most_probable(case, DEFAULT)).max() < 0.8
    untouched = case.landmark_errors_mm(np.zeros(9))
    assert untouched.max() == pytest.approx(
        np.linalg.norm(places @ (truth[:3, :3] - np.eye(3)).T, axis=1).max(), rel=0.3
    )
