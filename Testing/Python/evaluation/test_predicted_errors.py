"""A predicted error decides the verdict by the tolerance; limits hold beside it, and without one no target is good."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import (
    CHECK,
    DO_NOT_TRUST,
    GOOD,
    ErrorEstimate,
    TargetTrust,
    judge_targets,
)
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import affine_transform

GRID, MIDDLE = Grid((60, 50, 40), (1.0, 1.0, 1.5), (-30.0, -25.0, -30.0)), np.zeros(3)
AWAY = np.linalg.norm(GRID.voxel_centres_lps_mm(), axis=-1)
GLAND = Region.from_mask("gland", AWAY <= 8.0, GRID)


def judged(position: np.ndarray, estimate: ErrorEstimate, settings: TrustSettings | None = None) -> TargetTrust:
    """One target beside a gland of 8 mm around the middle, under the identity."""
    transform = affine_transform("affine", np.eye(4), GRID, GRID)
    pairs = [RegionPair(GLAND, GLAND)]
    (item,) = judge_targets(
        ["lesion"], [position], transform, np.eye(4), np.eye(4), pairs, settings, estimates=[estimate]
    )
    return item


@pytest.mark.parametrize(
    ("predicted", "radius", "verdict", "reason"),
    [
        (1.5, 4.0, GOOD, "The radius of 4.0 mm is within the tolerance of 5.0 mm."),
        (3.0, 7.0, CHECK, "The predicted error is 3.0 mm, but the radius of 7.0 mm exceeds 5.0 mm."),
        (6.0, 11.0, DO_NOT_TRUST, "The predicted error of 6.0 mm exceeds the tolerance of 5.0 mm."),
    ],
)
def test_a_predicted_error_decides_by_the_tolerance(predicted: float, radius: float, verdict: str, reason: str) -> None:
    far_away = np.array([8.5 + 15.0, 0.0, 0.0])  # "check" by the rules
    trust = judged(far_away, ErrorEstimate(predicted, radius, "Learned from 20 patients."))
    assert (trust.verdict, trust.reasons) == (verdict, (reason,))
    assert (trust.predicted_mm, trust.radius_mm, trust.basis) == (predicted, radius, "Learned from 20 patients.")


def test_a_small_predicted_error_does_not_overrule_a_limit() -> None:
    trust = judged(np.array([8.5 + 21.0, 0.0, 0.0]), ErrorEstimate(1.0, 2.0))
    assert trust.verdict == DO_NOT_TRUST
    assert trust.reasons == ("Lies 21 mm from the nearest accepted region (gland).",)


def test_without_a_number_no_target_is_good_and_the_reason_is_told() -> None:
    trust = judged(MIDDLE, ErrorEstimate(reason="It is another modality."))
    assert (trust.verdict, trust.radius_mm) == (CHECK, None)
    assert trust.reasons == ("No predicted error: It is another modality.",)


def test_another_tolerance_gives_another_verdict() -> None:
    estimate = ErrorEstimate(3.0, 7.0)
    assert judged(MIDDLE, estimate, TrustSettings(tolerance_mm=8.0)).verdict == GOOD
    assert judged(MIDDLE, estimate, TrustSettings(tolerance_mm=2.0)).verdict == DO_NOT_TRUST
