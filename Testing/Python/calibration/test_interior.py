"""How the inside of a region moves is learned from what is true inside it, and used only if it helps."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.calibration.choice import LEAST_GROUPS
from Tell2RegLib.calibration.interior import InteriorEvidence, learn_interior
from Tell2RegLib.calibration.true_distance import REACH_MM, TrueDistance
from Tell2RegLib.cases.contents import Landmarks, Truth
from Tell2RegLib.fitting import FitResult, FitSettings, fit
from Tell2RegLib.fitting.interior import FEATURES, TERMS, Inside
from Tell2RegLib.space.region import RegionPair
from Testing.Python.fitting.drawn_pairs import FIXED_GRID, HOSTILE, a_ball, a_pair, drawn

TRUE = np.zeros((len(FEATURES), len(TERMS)))
TRUE[0, TERMS.index((1, (0, 0, 0)))] = 0.6
TRUE[1, TERMS.index((2, (0, 0, 0)))] = 0.5
"""The middle moves along y in everybody, and along z with size."""
COUNT = LEAST_GROUPS + 2


@pytest.fixture(scope="module")
def fitted() -> list[tuple[RegionPair, FitResult]]:
    sizes = np.random.default_rng(1).uniform(0.85, 1.2, (COUNT, 3))
    pairs = [a_pair(FIXED_GRID, lambda points, size=size: points / size) for size in sizes]  # type: ignore[misc]
    return [(pair, fit([pair], FitSettings(kind="affine"))) for pair in pairs]


def mapped(fit_result: FitResult, points: np.ndarray) -> np.ndarray:
    return points + fit_result.transform.fixed_to_moving.at(points)


def landmark_cases(fitted: list[tuple[RegionPair, FitResult]], true: np.ndarray) -> list[InteriorEvidence]:
    """Twelve landmarks inside each gland and one far away, 0.3 mm uncertain."""
    generator, cases = np.random.default_rng(2), []
    for number, (pair, fit_result) in enumerate(fitted):
        points = pair.fixed.points_lps_mm()
        chosen = np.vstack([generator.choice(points, 12), [[28.0, 28.0, 25.0]]])
        features = InteriorEvidence("", ("",), pair, fit_result, Truth()).features
        targets = mapped(fit_result, Inside(pair.fixed).moved(chosen, features @ true))
        landmarks = Landmarks(tuple("abcdefghijklm"), chosen, targets + generator.normal(0, 0.3, targets.shape))
        cases.append(InteriorEvidence(f"case {number}", (f"p{number}",), pair, fit_result, Truth(landmarks)))
    return cases


def test_a_motion_that_all_patients_share_is_learned_from_landmarks(
    fitted: list[tuple[RegionPair, FitResult]],
) -> None:
    cases = landmark_cases(fitted, TRUE)
    learned = learn_interior("gland", cases)
    assert learned.used
    assert learned.patients == learned.cases == COUNT
    assert "helped on patients left out" in learned.reason
    unseen = learn_interior("gland", cases[:-1]).model.coefficients
    assert cases[-1].error_mm(unseen) < 0.8 * cases[-1].error_mm(np.zeros_like(unseen))
    backwards = learn_interior("gland", cases[::-1])
    np.testing.assert_array_equal(backwards.model.coefficients, learned.model.coefficients)


def test_what_does_not_help_is_not_used(fitted: list[tuple[RegionPair, FitResult]]) -> None:
    learned = learn_interior("gland", landmark_cases(fitted, np.zeros_like(TRUE)))
    assert not learned.used
    assert "did not help beyond chance" in learned.reason


def test_few_patients_give_no_model(fitted: list[tuple[RegionPair, FitResult]]) -> None:
    learned = learn_interior("gland", landmark_cases(fitted, TRUE)[: LEAST_GROUPS - 1])
    assert not learned.used
    assert not learned.model.coefficients.any()
    assert f"at least {LEAST_GROUPS} are needed" in learned.reason


def test_a_motion_is_learned_from_true_regions_inside(fitted: list[tuple[RegionPair, FitResult]]) -> None:
    """A nodule lies at the centre of every fixed gland, and 2.5 mm further back in every moving one."""
    cases = []
    for number, (pair, fit_result) in enumerate(fitted):
        middle = Inside(pair.fixed).centre_lps_mm
        place = mapped(fit_result, middle[None] + [0, 2.5, 0])[0]
        nodule = RegionPair(
            drawn(a_ball(tuple(middle), 4.0), FIXED_GRID, "nodule"),
            drawn(a_ball(tuple(place), 4.0), pair.moving.grid, "nodule"),
        )
        far = drawn(a_ball((25.0, 20.0, 20.0), 4.0), FIXED_GRID, "far away")
        truth = Truth(regions=(nodule, RegionPair(far, far)))
        cases.append(InteriorEvidence(f"case {number}", (f"p{number}",), pair, fit_result, truth))
    learned = learn_interior("gland", cases)
    assert learned.used
    for case in cases:
        assert case.error_mm(learned.model.coefficients) < 0.6 * case.error_mm(np.zeros_like(TRUE))


def test_a_case_without_truth_inside_the_region_tells_nothing(fitted: list[tuple[RegionPair, FitResult]]) -> None:
    pair, fit_result = fitted[0]
    far = np.array([[28.0, 28.0, 25.0]])
    outside = Truth(Landmarks(("far",), far, far))
    assert not InteriorEvidence("a", ("p",), pair, fit_result, outside).tells
    assert landmark_cases(fitted[:1], TRUE)[0].tells


@pytest.mark.parametrize("grid", HOSTILE.values(), ids=HOSTILE.keys())
def test_distances_from_an_outline_are_in_mm_on_every_grid(grid) -> None:  # type: ignore[no-untyped-def]
    distance = TrueDistance(drawn(a_ball((2.0, -1.0, 0.5), 8.0), grid))
    at = distance.at(
        np.array([[2.0, -1.0, 4.5], [2.0, -7.0, 0.5], [12.0, -1.0, 0.5], [2.0, -1.0, 0.5], [40.0, 40.0, 40.0]])
    )
    np.testing.assert_allclose(at, [4.0, 2.0, -2.0, REACH_MM, -REACH_MM], atol=1.0)
