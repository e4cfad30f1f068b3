"""What the cues say, against fits that were really made again, and against shapes whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.fitting.linear import linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.trust.cues import CUES, Registered, cues_of
from Tell2RegLib.trust.linear_sensitivity import LinearSensitivity
from Tell2RegLib.trust.scan_looks import looks_of
from Tell2RegLib.trust.smooth_field import Outlines, SmoothField, signed_distances_mm

GRID = Grid((56, 48, 40), (2.5, 2.5, 3.0), (-70.0, -60.0, -60.0))
CENTRES = {"a": (-35.0, -20.0, 0.0), "b": (30.0, -25.0, 10.0), "c": (5.0, 30.0, -15.0), "d": (0.0, 0.0, 30.0)}
PRIOR = LinearPrior.from_settings(FitSettings())


def ball(name: str, centre: tuple[float, ...], radius_mm: float = 13.0) -> Region:
    away = np.linalg.norm(GRID.voxel_centres_lps_mm() - np.asarray(centre), axis=-1)
    return Region.from_mask(name, away <= radius_mm, GRID)


def pairs_with(shift_of_d: float) -> list[RegionPair]:
    """Four balls in the same places, the last one shifted to the patient's left in the moving volume."""
    moving = {**CENTRES, "d": np.add(CENTRES["d"], [shift_of_d, 0, 0])}
    return [RegionPair(ball(name, CENTRES[name]), ball(name, tuple(moving[name]))) for name in CENTRES]


def registered(pairs: list[RegionPair]) -> Registered:
    maps = linear_maps(pairs, PRIOR)
    return Registered(affine_transform("affine", maps.affine, GRID, GRID), maps.rigid, maps.affine, pairs)


def test_leaving_a_pair_out_changes_the_map_as_another_fit_would() -> None:
    pairs = pairs_with(6.0)
    affine = linear_maps(pairs, PRIOR).affine
    points = np.array([[0.0, 0.0, 30.0], [0.0, 0.0, 0.0], [20.0, 10.0, 20.0]])
    without = [linear_maps([p for m, p in enumerate(pairs) if m != n], PRIOR).affine for n in range(4)]
    moved = [np.linalg.norm(apply_affine(m, points) - apply_affine(affine, points), axis=1) for m in without]
    estimated = LinearSensitivity.of(pairs, affine).leave_one_out_mm(points)
    assert estimated == pytest.approx(np.sqrt(np.mean(np.square(moved), axis=0)), rel=0.5)
    assert estimated[0] > 1.0
    sound = linear_maps(pairs_with(0.0), PRIOR).affine
    assert LinearSensitivity.of(pairs_with(0.0), sound).leave_one_out_mm(points).max() < 0.3


def test_the_map_of_one_ball_is_less_certain_far_from_it_than_that_of_four() -> None:
    points = np.array([CENTRES["a"], (60.0, 40.0, 40.0)])
    single, four = (LinearSensitivity.of(pairs_with(0.0)[:count], np.eye(4)).spread_mm(points) for count in (1, 4))
    assert single[1] > 3 * single[0]
    assert four[1] < 0.6 * single[1]


def test_an_outline_determines_a_smooth_field_near_it_and_not_far_away() -> None:
    pairs = pairs_with(4.0)
    field = SmoothField.of(Outlines.of(pairs, np.eye(4)), 20.0)
    inside, outside = np.array([CENTRES["d"]]), np.array([[60.0, 50.0, -50.0]])
    assert field.mean_mm(inside)[0] == pytest.approx([4.0, 0.0, 0.0], abs=1.0)
    assert field.spread_mm(inside)[0] < 0.5 * field.spread_mm(outside)[0]


def test_distances_to_an_outline_are_negative_inside() -> None:
    region, points = ball("a", (0.0, 0.0, 0.0), 20.0), np.array([[0.0, 0, 0], [30.0, 0, 0], [0, 14.0, 0]])
    assert signed_distances_mm(region, points) == pytest.approx([-20.0, 10.0, -6.0], abs=2.0)


def test_every_target_has_every_cue_in_whatever_order_the_pairs_come() -> None:
    pairs, points = pairs_with(3.0), np.array([CENTRES["d"], (20.0, 20.0, 0.0), (65.0, 50.0, 50.0)])
    cues = cues_of(registered(pairs), points)
    assert cues.shape == (3, len(CUES))
    assert np.isfinite(cues).all()
    named = dict(zip(CUES, cues.T, strict=True))
    assert named["distance"][0] == 0 < named["distance"][1] < named["distance"][2]
    assert named["depth"][0] > 0 == named["depth"][1]
    assert named["open at 25 mm"][0] < named["open at 25 mm"][2]
    assert np.allclose(cues_of(registered(pairs[::-1]), points), cues, atol=0.05)


def test_one_region_has_no_pair_to_leave_out() -> None:
    pairs = pairs_with(0.0)[:1]
    named = dict(zip(CUES, cues_of(registered(pairs), np.zeros((1, 3))).T, strict=True))
    assert (named["single region"][0], named["regions"][0]) == (1.0, 0.0)
    assert named["leave one out"][0] == pytest.approx(np.log(0.5))


@pytest.mark.parametrize("size_mm", [(60, 60, 3), (3, 60, 3)], ids=["slab", "rod"])
def test_a_region_of_one_voxel_in_an_axis_has_every_cue(size_mm: tuple[float, float, float]) -> None:
    offsets = np.abs(GRID.voxel_centres_lps_mm() - GRID.index_to_lps(np.array([28, 24, 20])))
    thin = Region.from_mask("thin", np.all(offsets <= np.array(size_mm) / 2, axis=-1), GRID)
    cues = cues_of(registered([RegionPair(thin, thin)]), np.zeros((1, 3)))
    assert np.isfinite(cues).all()


# --- looks ---


def scan(values: np.ndarray) -> Volume:
    return Volume(values.astype(np.float32), Grid((40, 30, 20), (1.0, 1.0, 2.0)), "scan")


def test_scale_and_offset_of_the_values_do_not_change_how_a_scan_looks() -> None:
    values = np.random.default_rng(0).gamma(2.0, 50.0, (20, 30, 40))
    looks = looks_of(scan(values))
    assert looks_of(scan(4.0 * values)) == pytest.approx(looks, abs=0.01)
    assert np.isfinite(looks_of(scan(np.zeros((20, 30, 40))))).all()


def test_scans_of_different_kinds_look_different() -> None:
    rng = np.random.default_rng(1)
    speckle = rng.gamma(1.0, 40.0, (20, 30, 40))
    smooth = np.add.outer(np.add.outer(np.arange(20.0), np.arange(30.0)), np.arange(40.0))
    computed = np.where(rng.random((20, 30, 40)) < 0.4, -1000.0, 40.0 + 10 * rng.normal(size=(20, 30, 40)))
    looks = [looks_of(scan(values)) for values in (speckle, smooth, computed)]
    assert looks[0][4] > looks[1][4] + 0.35  # grainier
    assert looks[2][1] > 0.3 > looks[0][1]  # negative values
