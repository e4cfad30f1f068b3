"""Weights of pairs in the fit: what counts less moves the result less, and full weights change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair

GRID = Grid((40, 40, 30), (3.0, 3.0, 3.0), (-58.5, -58.5, -43.5))
CENTRES = np.array([(-30, -6, 0), (30, 0, 6), (0, 30, -6), (0, -33, 12)], dtype=float)
WRONG_MM = np.array([0.0, 0.0, 15.0])


def ball(centre: np.ndarray, name: str) -> Region:
    return Region.from_mask(name, np.linalg.norm(GRID.voxel_centres_lps_mm() - centre, axis=-1) < 12, GRID)


def pairs_with(weight: float) -> list[RegionPair]:
    """Three balls shifted by 6 mm to the left, and a fourth, of this weight, by 15 mm upwards besides."""
    shifts = np.array([(6.0, 0, 0)] * 3 + [(6.0, 0, 0) + WRONG_MM])
    pairs = [
        RegionPair(ball(centre, str(n)), ball(centre + shift, str(n)))
        for n, (centre, shift) in enumerate(zip(CENTRES, shifts, strict=True))
    ]
    return [*pairs[:3], replace(pairs[3], weight=weight)]


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_a_wrong_pair_of_little_weight_hardly_moves_the_points_of_the_others(kind: str) -> None:
    def error_mm(weight: float) -> float:
        transform = fit(pairs_with(weight), FitSettings(kind=kind)).transform
        return float(np.linalg.norm(transform.apply_to_points(CENTRES[:3]) - CENTRES[:3] - (6, 0, 0), axis=1).mean())

    full, little = error_mm(1.0), error_mm(0.02)
    assert little < 0.6
    assert little < 0.5 * full


def test_a_deformation_follows_a_pair_as_far_as_its_weight_says() -> None:
    def rise_mm(weight: float) -> float:
        transform = fit(pairs_with(weight), FitSettings(resolution_mm=6.0, max_steps=30)).transform
        return float(transform.apply_to_points(CENTRES[3])[2] - CENTRES[3][2])

    assert rise_mm(1.0) > 10
    assert rise_mm(0.001) < 4


def test_only_the_ratio_of_the_weights_counts() -> None:
    halves = [replace(pair, weight=0.5 * pair.weight) for pair in pairs_with(0.4)]
    matrices = [fit(pairs, FitSettings(kind="rigid")).rigid_lps for pairs in (pairs_with(0.4), halves)]
    np.testing.assert_allclose(*(apply_affine(matrix, CENTRES) for matrix in matrices), atol=0.3)


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5, float("nan")])
def test_a_weight_out_of_its_range_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="weight of the pair 'a' must lie above 0 and be at most 1"):
        RegionPair(ball(CENTRES[0], "a"), ball(CENTRES[0], "a"), weight=weight)
