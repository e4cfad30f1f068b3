"""Linear maps follow the regions as far as these determine them, and the prior for the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.fitting.linear import LinearMaps, LinearSupport, linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior, derivative, linear_parameters, linear_part
from Tell2RegLib.fitting.settings import LEAST_SMOOTHNESS
from Tell2RegLib.fitting.stiffness import with_stiffness
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair

PRIOR = LinearPrior.from_settings(FitSettings())
GRID = Grid((50, 50, 50), (1.5, 1.5, 1.5), (-36.75, -36.75, -36.75))
TURN = Rotation.from_rotvec(np.deg2rad([6.0, -8.0, 10.0])).as_matrix()
OBLIQUE = Rotation.from_euler("zyx", [0.4, -0.3, 0.5]).as_matrix()


def lumpy(radii_mm: tuple[float, float, float], seed: int):  # type: ignore[no-untyped-def]
    """An ellipsoid with a random outline error of 3 % of the radius, correlated over about 30 degrees."""
    centres = Rotation.random(40, random_state=seed).apply([0.0, 0.0, 1.0])
    heights = np.random.default_rng(seed).normal(0, 1, 40)

    def shape(points: np.ndarray) -> np.ndarray:
        scaled = points / np.array(radii_mm)
        radius = np.linalg.norm(scaled, axis=-1)
        nearness = np.exp((scaled @ centres.T / np.maximum(radius, 1e-6)[..., None] - 1) / 0.12)
        return radius < 1 + 0.03 * nearness @ heights

    return shape


def pair_of(
    radii_mm: tuple[float, float, float], turn: np.ndarray = TURN, centre: tuple[float, float, float] = (0, 0, 0)
) -> RegionPair:
    """Two outlines of one ellipsoid, the second turned about the origin."""
    points = GRID.voxel_centres_lps_mm()
    name = f"organ {centre}"
    fixed = Region.from_mask(name, lumpy(radii_mm, 1)(points - np.array(centre)), GRID)
    moving = Region.from_mask(name, lumpy(radii_mm, 2)(points @ turn - np.array(centre)), GRID)
    return RegionPair(fixed, moving)


def fitted(*pairs: RegionPair, prior: LinearPrior = PRIOR) -> LinearMaps:
    return linear_maps(pairs, prior)


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    u, _, v = np.linalg.svd(first[:3, :3] @ np.linalg.inv(second[:3, :3]))
    return float(np.rad2deg(np.linalg.norm(Rotation.from_matrix(u @ v).as_rotvec())))


ROUND, LONG = (18.0, 18.0, 18.0), (28.0, 16.0, 11.0)


def test_the_rotation_of_a_round_region_follows_the_prior() -> None:
    maps = fitted(pair_of(ROUND))
    assert maps.support.rotation < 0.5
    assert maps.support.rotation_deg < 4
    assert maps.support.scale > 0.8, "its size is visible"
    assert degrees_between(maps.rigid, np.eye(4)) < 4


def test_the_rotation_of_an_elongated_region_is_estimated() -> None:
    maps = fitted(pair_of(LONG))
    assert maps.support.rotation > 0.7
    assert degrees_between(maps.rigid, TURN) < 6
    assert degrees_between(maps.affine, TURN) < 8, "a shear explains part of it as well"


def test_the_longer_a_region_the_more_of_its_rotation_is_determined() -> None:
    shares = [fitted(pair_of((18.0 * s, 18.0, 18.0 / s))).support.rotation for s in (1.0, 1.15, 1.35)]
    assert shares == sorted(shares)
    assert shares[-1] > shares[0] + 0.2


def test_two_round_regions_determine_more_than_one_and_three_nearly_all() -> None:
    balls = [pair_of((9.0, 9.0, 9.0), centre=c) for c in ((-18, 4, 0), (14, 12, -8), (2, -16, 12))]
    support = [fitted(*balls[:count]).support.mean for count in (1, 2, 3)]
    assert support == sorted(support)
    assert support[-1] > 0.9
    assert degrees_between(fitted(*balls).affine, TURN) < 3


def test_a_large_rotation_that_the_regions_determine_is_followed() -> None:
    far = Rotation.from_rotvec(np.deg2rad([0.0, 0.0, 60.0])).as_matrix()
    balls = [pair_of((8.0, 8.0, 8.0), far, centre) for centre in ((-18, 4, 0), (14, 12, -8), (2, -16, 12))]
    assert degrees_between(fitted(*balls).affine, far) < 4


def test_the_initial_transform_holds_for_a_round_region_and_yields_to_an_elongated_one() -> None:
    initial = np.eye(4)
    initial[:3, :3] = Rotation.from_rotvec([0.0, 0.0, np.deg2rad(25)]).as_matrix()
    prior = LinearPrior.from_settings(FitSettings(), initial)
    assert degrees_between(fitted(pair_of(ROUND), prior=prior).affine, initial) < 6
    assert degrees_between(initial, TURN) > 15
    assert degrees_between(fitted(pair_of(LONG), prior=prior).affine, TURN) < 8


def test_a_narrower_prior_leaves_less_to_the_regions() -> None:
    pair = pair_of((22.0, 18.0, 16.0))
    shares = [
        fitted(pair, prior=LinearPrior.from_settings(FitSettings(rotation_spread_deg=spread))).support.rotation
        for spread in (2.0, 8.0, 30.0)
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.5 < shares[-1]


def carried(region: Region, turn: np.ndarray, flip: bool) -> Region:
    """The same voxels on a rotated grid, optionally with the first axis reversed."""
    grid = region.grid
    direction = turn @ np.reshape(grid.direction, (3, 3))
    moved = replace(grid, origin_lps_mm=tuple(turn @ grid.origin_lps_mm), direction=tuple(direction.ravel()))
    mask = region.mask_kji()
    if flip:
        last = moved.index_to_lps([grid.size_xyz[0] - 1, 0, 0])
        moved = replace(moved, origin_lps_mm=tuple(last), direction=tuple((direction * [-1, 1, 1]).ravel()))
        mask = mask[:, :, ::-1].copy()
    return Region.from_mask(region.name, mask, moved)


@pytest.mark.parametrize("flip", [False, True], ids=["right-handed", "left-handed"])
def test_rotating_both_scans_rotates_the_maps(flip: bool) -> None:
    """The default prior prefers no axis, so both maps rotate with the scans, on any grid."""
    pair = pair_of((22.0, 18.0, 16.0))
    rotated = RegionPair(carried(pair.fixed, OBLIQUE, flip), carried(pair.moving, OBLIQUE, flip))
    maps, rotated_maps = fitted(pair), fitted(rotated)
    points = pair.fixed.points_lps_mm()[::50]
    for matrix, rotated_matrix in ((maps.rigid, rotated_maps.rigid), (maps.affine, rotated_maps.affine)):
        deviation = apply_affine(rotated_matrix, points @ OBLIQUE.T) - apply_affine(matrix, points) @ OBLIQUE.T
        assert np.linalg.norm(deviation, axis=1).max() < 0.25


def test_the_same_regions_give_the_same_maps_to_the_last_bit() -> None:
    first, second = (fitted(pair_of((22.0, 18.0, 16.0))) for _ in range(2))
    assert first.affine.tobytes() == second.affine.tobytes()
    assert first.support == second.support


def test_swapping_the_volumes_inverts_the_map() -> None:
    pair = pair_of((22.0, 18.0, 16.0))
    forward, backward = fitted(pair).affine, fitted(RegionPair(pair.moving, pair.fixed)).affine
    points = pair.fixed.points_lps_mm()[::50]
    assert np.linalg.norm(apply_affine(backward @ forward, points) - points, axis=1).max() < 1.0


def test_parameters_and_linear_part_convert_into_each_other() -> None:
    parameters = np.array([0.3, -0.2, 0.5, 0.1, -0.2, 0.05, 0.08, -0.1, 0.04])
    np.testing.assert_allclose(linear_parameters(linear_part(parameters)), parameters, atol=1e-9)
    np.testing.assert_allclose(linear_part(-parameters) @ linear_part(parameters), np.eye(3), atol=1e-9)
    change = derivative(parameters)
    for place in range(9):
        step = np.eye(9)[place] * 1e-6
        slope = (linear_part(parameters + step) - linear_part(parameters - step)).ravel() / 2e-6
        np.testing.assert_allclose(change[:, place], slope, atol=1e-7)


@pytest.mark.parametrize("linear", [np.diag([-1.0, 1, 1]), np.diag([1.0, 1, 0])], ids=["mirrors", "singular"])
def test_an_initial_transform_that_mirrors_or_is_singular_is_refused(linear: np.ndarray) -> None:
    initial = np.eye(4)
    initial[:3, :3] = linear
    with pytest.raises(InputError, match="mirrors, is singular"):
        LinearPrior.from_settings(FitSettings(), initial)


@pytest.mark.parametrize("given", [{}, {"smoothness": 0.7}, {"decay_mm": 12.0}])
def test_the_less_the_regions_determine_the_stiffer_and_shorter_the_deformation(given: dict[str, float]) -> None:
    settings = FitSettings(**given)
    chosen = [with_stiffness(settings, LinearSupport(share, share, share, 0.0)) for share in (0.4, 0.7, 0.98)]
    smoothness, decay = [one.smoothness for one in chosen], [one.decay_mm for one in chosen]
    if "smoothness" in given:
        assert smoothness == [0.7] * 3
        assert decay == [None] * 3, "a given smoothness is kept, without decay"
        return
    assert smoothness == sorted(smoothness, reverse=True)
    assert smoothness[-1] == LEAST_SMOOTHNESS
    if "decay_mm" in given:
        assert decay == [12.0] * 3
    else:
        assert decay[0] < decay[1]
        assert decay[2] is None, "no decay where the regions determine the map"


def test_the_inside_of_one_round_region_moves_less_than_its_outline() -> None:
    """A cap of 8 mm is missing on one side: at the default smoothness the centre follows it less."""
    points = GRID.voxel_centres_lps_mm()
    ball = np.linalg.norm(points, axis=-1) < 18
    cut = ball & (points[..., 0] < 10)
    pair = RegionPair(Region.from_mask("gland", ball, GRID), Region.from_mask("gland", cut, GRID))
    coarse = FitSettings(resolution_mm=3.0)
    moved = {}
    for name, settings in (("chosen", coarse), ("loose", replace(coarse, smoothness=0.5))):
        result = fit([pair], settings)
        places = np.array([[16.0, 0.0, 0.0], [4.0, 0.0, 0.0]])
        moved[name] = np.linalg.norm(
            result.transform.apply_to_points(places) - apply_affine(result.affine_lps, places), axis=1
        )
        assert result.smoothness == (0.5 if name == "loose" else pytest.approx(1.8, abs=0.2))
    assert moved["chosen"][0] > 1.5
    assert moved["chosen"][1] / moved["chosen"][0] < 0.8 * moved["loose"][1] / moved["loose"][0]
