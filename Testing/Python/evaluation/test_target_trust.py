"""Trust in carried targets: each rule by a case whose answer is known, and laws that hold on every geometry."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import (
    CHECK,
    DO_NOT_TRUST,
    GOOD,
    ErrorEstimate,
    TargetTrust,
    distances_mm,
    judge_targets,
)
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.jacobian import jacobian_at, jacobian_determinant
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform, affine_transform
from Testing.Python.conftest import rotation
from Testing.Python.maps import AFFINE, CENTRE_LPS_MM, KINDS, a_wavy_transform, fixed_grid, wavy_field

RIGID = np.eye(4)
RIGID[:3, 3] = AFFINE[:3, 3]
STRAIGHT = Grid((60, 50, 40), (1.0, 1.0, 1.5), (-30.0, -25.0, -30.0))
MIDDLE = np.zeros(3)


def ball(name: str, grid: Grid, centre: np.ndarray, radius_mm: float) -> Region:
    away = np.linalg.norm(grid.voxel_centres_lps_mm() - centre, axis=-1)
    return Region.from_mask(name, away <= radius_mm, grid)


def pair_of(region: Region) -> RegionPair:
    return RegionPair(region, region)


def scaled(factor: float) -> np.ndarray:
    """Fixed to moving: every length times the factor."""
    return np.diag([factor, factor, factor, 1.0])


GLAND = ball("gland", STRAIGHT, MIDDLE, 8.0)
ANY_TURN = TrustSettings(centre_mm=1e3)
"""Without the rule on how a round region is turned, which has tests of its own."""


def judged(position: np.ndarray, matrix: np.ndarray | None = None, **more) -> TargetTrust:
    """One target on the straight grid, next to a gland of 8 mm around the middle, under one and the same affine map."""
    matrix = np.eye(4) if matrix is None else matrix
    transform = affine_transform("affine", matrix, STRAIGHT, STRAIGHT)
    given = {"settings": ANY_TURN, "rigid_lps": matrix, "affine_lps": matrix, "pairs": [pair_of(GLAND)]}
    (item,) = judge_targets(["lesion"], [position], transform, **{**given, **more})
    return item


# --- rules ---


def test_a_target_inside_an_accepted_region_is_good() -> None:
    trust = judged(np.array([2.0, -3.0, 1.0]))
    assert (trust.verdict, trust.nearest_mm, trust.nearest_name) == (GOOD, 0.0, "gland")
    assert trust.reasons == ("Lies inside an accepted region (gland).",)
    assert (trust.moved_mm, trust.spread_mm, trust.inside_volume) == (0.0, 0.0, True)
    assert trust.det_j == pytest.approx(1.0)


@pytest.mark.parametrize(("away_mm", "verdict"), [(4.0, GOOD), (6.0, CHECK), (19.0, CHECK), (21.0, DO_NOT_TRUST)])
def test_the_farther_from_every_accepted_region_the_less_it_is_trusted(away_mm: float, verdict: str) -> None:
    trust = judged(np.array([8.5 + away_mm, 0.0, 0.0]))  # the last voxel of the ball ends at 8.5 mm
    assert trust.nearest_mm == pytest.approx(away_mm)
    assert trust.verdict == verdict
    message = f"{away_mm:.0f}" if away_mm > 10 else f"{away_mm:.1f}"
    assert trust.reasons == (f"Lies {message} mm from the nearest accepted region (gland).",)


def test_a_rejected_pair_counts_for_nothing() -> None:
    near = pair_of(ball("bladder", STRAIGHT, np.array([20.0, 0, 0]), 5.0)).rejected("Not that one.")
    trust = judged(np.array([20.0, 0.0, 0.0]), pairs=[near, pair_of(ball("gland", STRAIGHT, MIDDLE, 8.0))])
    assert (trust.nearest_name, trust.verdict) == ("gland", CHECK)


def test_without_an_accepted_pair_nothing_is_trusted() -> None:
    trust = judged(MIDDLE, pairs=[pair_of(ball("gland", STRAIGHT, MIDDLE, 8.0)).rejected("No.")])
    assert (trust.verdict, trust.nearest_mm, trust.nearest_name) == (DO_NOT_TRUST, None, "")
    assert trust.reasons == ("No pair of regions is accepted, so nothing constrains the transform.",)


def test_of_several_regions_that_hold_it_the_smallest_is_named() -> None:
    gland, body = ball("gland", STRAIGHT, MIDDLE, 8.0), ball("body", STRAIGHT, MIDDLE, 15.0)
    for pairs in ([pair_of(gland), pair_of(body)], [pair_of(body), pair_of(gland)]):
        assert judged(MIDDLE, pairs=pairs).nearest_name == "gland"


@pytest.mark.parametrize(
    ("factor", "verdict", "reason"),
    [
        (0.85, GOOD, "Lies inside an accepted region (gland)."),
        (0.7, CHECK, "The transform stretches tissue to 2.9 times its volume there."),
        (1.3, CHECK, "The transform compresses tissue to 0.46 times its volume there."),
        (0.45, DO_NOT_TRUST, "The transform stretches tissue to 11 times its volume there."),
        (1.72, DO_NOT_TRUST, "The transform compresses tissue to 0.2 times its volume there."),
    ],
)
def test_tissue_that_is_squeezed_or_stretched_is_checked_or_not_trusted(
    factor: float, verdict: str, reason: str
) -> None:
    trust = judged(np.array([1.0, 1.0, 1.0]), scaled(factor))
    assert trust.det_j == pytest.approx(factor**3, rel=1e-4)
    assert (trust.verdict, trust.reasons) == (verdict, (reason,))


def test_a_fold_is_not_trusted() -> None:
    trust = judged(np.array([1.0, 1.0, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert trust.verdict == DO_NOT_TRUST
    assert trust.reasons == ("The transform folds space there.",)


@pytest.mark.parametrize(("apart_mm", "verdict"), [(4.9, GOOD), (5.1, CHECK), (14.9, CHECK), (15.1, DO_NOT_TRUST)])
@pytest.mark.parametrize("which", ["rigid_lps", "affine_lps"])
def test_where_rigid_affine_and_fitted_disagree_is_checked_or_not_trusted(
    which: str, apart_mm: float, verdict: str
) -> None:
    shifted = np.eye(4)
    shifted[:3, 3] = apart_mm * np.array([2.0, -1.0, 2.0]) / 3
    trust = judged(MIDDLE, **{which: shifted})
    assert trust.spread_mm == pytest.approx(apart_mm)
    assert trust.verdict == verdict
    assert ("disagree by" in trust.reasons[0]) == (verdict != GOOD)


def test_a_place_outside_the_fixed_volume_is_not_trusted() -> None:
    matrix = np.eye(4)
    matrix[0, 3] = -45.0  # moving to fixed: 45 mm to the left
    trust = judged(MIDDLE, matrix)
    assert (trust.inside_volume, trust.verdict, trust.moved_mm) == (False, DO_NOT_TRUST, pytest.approx(45.0))
    assert trust.reasons == ("Propagated to a position outside the other volume.",)
    assert judged(np.array([29.4, 0.0, 0.0])).inside_volume  # in the last voxel, beyond its centre


@pytest.mark.parametrize(("away_mm", "verdict"), [(9.0, GOOD), (11.0, CHECK)])
def test_one_round_region_alone_does_not_say_how_it_is_turned(away_mm: float, verdict: str) -> None:
    trust = judged(np.array([away_mm, 0.0, 0.0]), settings=TrustSettings())
    assert trust.verdict == verdict
    assert any("does not determine the rotation" in reason for reason in trust.reasons) == (verdict == CHECK)


def test_a_second_region_or_a_shape_says_how_it_is_turned() -> None:
    position = np.array([11.0, 0.0, 0.0])
    second_ball = ball("bone", STRAIGHT, np.array([-20.0, 10.0, 10.0]), 5.0)
    assert judged(position, settings=TrustSettings(), pairs=[pair_of(GLAND), pair_of(second_ball)]).verdict == GOOD
    x, y, z = np.moveaxis(STRAIGHT.voxel_centres_lps_mm(), -1, 0)
    long = Region.from_mask("gland", (x / 16) ** 2 + (y / 10) ** 2 + (z / 6) ** 2 <= 1, STRAIGHT)
    assert judged(position, settings=TrustSettings(), pairs=[pair_of(long)]).verdict == GOOD
    disc = Region.from_mask("gland", (x / 12) ** 2 + (y / 12) ** 2 + (z / 6) ** 2 <= 1, STRAIGHT)
    assert judged(position, settings=TrustSettings(), pairs=[pair_of(disc)]).verdict == CHECK


def test_a_region_of_one_voxel_is_round() -> None:
    mask = np.zeros(STRAIGHT.shape_kji, dtype=bool)
    mask[20, 25, 30] = True
    assert (
        judged(
            np.array([12.0, 0, 0]), settings=TrustSettings(), pairs=[pair_of(Region.from_mask("speck", mask, STRAIGHT))]
        ).verdict
        == CHECK
    )


def test_the_worst_rule_decides_and_is_told_first() -> None:
    shifted = np.eye(4)
    shifted[1, 3] = 17.0
    trust = judged(np.array([8.5 + 7, 0, 0]), rigid_lps=shifted)
    assert trust.verdict == DO_NOT_TRUST
    assert trust.reasons == (
        "Rigid, affine and fitted transform disagree by 17 mm there.",
        "Lies 7.0 mm from the nearest accepted region (gland).",
    )


def test_other_thresholds_give_other_verdicts() -> None:
    position = np.array([8.5 + 7, 0, 0])
    assert judged(position, settings=TrustSettings(near_mm=8.0, centre_mm=1e3)).verdict == GOOD
    assert judged(position, settings=TrustSettings(near_mm=1.0, far_mm=6.0)).verdict == DO_NOT_TRUST


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"near_mm": 30.0}, "near_mm, far_mm are 30, 20, but must increase from left to right"),
        ({"spread_check_mm": 16.0}, "spread_check_mm, spread_never_mm are 16, 15, but must increase"),
        ({"far_mm": float("nan")}, "'far_mm' is nan, but must be a number of at least 0 mm"),
        ({"spread_check_mm": -1.0}, "'spread_check_mm' is -1, but must be a number of at least 0 mm"),
        ({"round_ratio": 0.5}, "'round_ratio' is 0.5, but must be a number of at least 1"),
        ({"jacobian_check": (0.05, 2.0)}, "jacobian_never, jacobian_check are 0.1, 0.05, 2, 5, but must increase"),
        ({"jacobian_check": (2.0, 0.5)}, "must be two numbers of at least 0, the smaller one first"),
        ({"jacobian_never": (0.1, float("inf"))}, "must be two numbers of at least 0, the smaller one first"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        TrustSettings(**wrong)


def test_no_targets_are_no_problem_and_wrong_ones_are_refused() -> None:
    transform, eye = affine_transform("affine", np.eye(4), STRAIGHT, STRAIGHT), np.eye(4)
    assert judge_targets([], np.empty((0, 3)), transform, eye, eye, []) == ()
    with pytest.raises(InputError, match="2 names for 1 targets"):
        judge_targets(["a", "b"], [MIDDLE], transform, eye, eye, [])
    with pytest.raises(GeometryError, match="finite"):
        judge_targets(["a"], [[0.0, np.nan, 0.0]], transform, eye, eye, [])
    with pytest.raises(InputError, match="2 predicted errors for 1 targets"):
        judge_targets(["a"], [MIDDLE], transform, eye, eye, [], estimates=[ErrorEstimate(1.0, 2.0)] * 2)


# --- distance to a region ---


def test_a_voxel_is_a_box_not_a_point(a_hostile_grid: Grid) -> None:
    """Against many points in every voxel of the region; 'inside' is the voxel that holds the point."""
    rng = np.random.default_rng(3)
    mask = rng.random(a_hostile_grid.shape_kji) < 0.4
    region = Region.from_mask("part", mask, a_hostile_grid)
    index = rng.uniform(-3, np.asarray(a_hostile_grid.size_xyz) + 2, (60, 3))
    fine = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 9)] * 3), axis=-1).reshape(-1, 3)
    boxes = a_hostile_grid.index_to_lps((np.argwhere(mask)[:, None, ::-1] + fine).reshape(-1, 3))
    points = a_hostile_grid.index_to_lps(index)
    detected, expected = distances_mm(region, points), cdist(points, boxes).min(axis=1)
    held = [
        bool(np.all((at >= 0) & (at < a_hostile_grid.size_xyz)) and mask[tuple(at[::-1])])
        for at in np.rint(index).astype(int)
    ]
    np.testing.assert_array_equal(detected == 0, held)
    np.testing.assert_allclose(detected[detected > 0], expected[detected > 0], atol=0.15)


# --- det J at a place ---


@pytest.mark.parametrize("kind", KINDS)
def test_det_j_at_voxel_centres_is_that_of_the_whole_field(kind: str) -> None:
    field = wavy_field(fixed_grid(kind))
    expected = jacobian_determinant(field.vectors_kji, field.grid)
    np.testing.assert_allclose(jacobian_at(field, field.grid.voxel_centres_lps_mm()), expected, atol=2e-5)


def test_det_j_of_an_affine_map_is_the_same_everywhere_and_beyond(a_hostile_grid: Grid) -> None:
    field = affine_transform("affine", AFFINE, a_hostile_grid, a_hostile_grid).fixed_to_moving
    points = a_hostile_grid.index_to_lps(np.random.default_rng(1).uniform(-2, 6, (50, 3)))
    np.testing.assert_allclose(jacobian_at(field, points), np.linalg.det(AFFINE[:3, :3]), rtol=1e-4)


def test_a_field_of_one_slice_changes_nothing_across_it() -> None:
    grid = Grid((5, 4, 1), (1.0, 2.0, 3.0))
    vectors = np.zeros((*grid.shape_kji, 3), np.float32)
    vectors[..., 0] = 0.25 * np.arange(5)
    np.testing.assert_allclose(jacobian_at(DisplacementField(vectors, grid), [[2.0, 1.0, 0.0]]), [1.25])


# --- laws ---


def four_targets(transform: Transform) -> np.ndarray:
    """On the moving side: near the middle, farther out, and outside of everything."""
    offsets = np.array([[1.0, -2.0, 3.0], [8.0, 3.0, -6.0], [-12.0, 9.0, 5.0], [40.0, -10.0, 3.0]])
    return transform.apply_to_points(CENTRE_LPS_MM + offsets)


def two_pairs(transform: Transform) -> list[RegionPair]:
    grid = transform.moving_to_fixed.grid
    centres = transform.apply_to_points(CENTRE_LPS_MM + np.array([[0.0, 0.0, 0.0], [9.0, 9.0, 2.0]]))
    return [pair_of(ball(name, grid, at, 5.0)) for name, at in zip(("gland", "vessel"), centres, strict=True)]


def turned(matrix: np.ndarray, transform: Transform) -> Transform:
    """The same registration of a patient who lies elsewhere: both spaces moved by one rigid matrix."""

    def moved(field: DisplacementField) -> DisplacementField:
        vectors = field.vectors_kji @ matrix[:3, :3].T.astype(np.float32)
        points = field.grid.voxel_centres_lps_mm()
        shift = apply_affine(matrix, points + field.vectors_kji) - apply_affine(matrix, points)
        np.testing.assert_allclose(vectors, shift, atol=1e-3)
        return DisplacementField(vectors, turned_grid(matrix, field.grid))

    affine = matrix @ transform.affine_lps @ np.linalg.inv(matrix)
    return Transform(transform.kind, moved(transform.fixed_to_moving), moved(transform.moving_to_fixed), affine)


def turned_grid(matrix: np.ndarray, grid: Grid) -> Grid:
    direction = matrix[:3, :3] @ np.reshape(grid.direction, (3, 3))
    origin = apply_affine(matrix, grid.origin_lps_mm)
    return dataclasses.replace(grid, direction=tuple(direction.ravel()), origin_lps_mm=tuple(origin))


def on_a_threshold(trust: TargetTrust, settings: TrustSettings) -> bool:
    """So near to a bound that rounding decides."""
    known = {
        trust.nearest_mm: (settings.near_mm, settings.far_mm),
        trust.det_j: (*settings.jacobian_check, *settings.jacobian_never),
        trust.spread_mm: (settings.spread_check_mm, settings.spread_never_mm),
    }
    return any(abs(value - bound) < 1e-2 for value, bounds in known.items() for bound in bounds)


thresholds = st.builds(
    lambda near, far, low, spread, never: TrustSettings(
        near_mm=near,
        far_mm=near + far,
        jacobian_check=(low, 2.0),
        spread_check_mm=spread,
        spread_never_mm=spread + never,
    ),
    *(st.floats(0, 12), st.floats(0, 12), st.floats(0.2, 1.5), st.floats(0, 12), st.floats(0, 12)),
)


@given(
    st.sampled_from(list(zip(KINDS, KINDS[2:] + KINDS[:2], strict=True))),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    st.floats(-180, 180),
    st.tuples(*[st.floats(-200, 200)] * 3),
    thresholds,
)
def test_a_patient_who_lies_elsewhere_gets_the_same_verdicts(kinds, axis, degrees, shift, settings) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(axis, degrees), shift
    transform = a_wavy_transform(*kinds)
    points, pairs = four_targets(transform), two_pairs(transform)
    back = np.linalg.inv(matrix)
    verdicts = judge_targets("abcd", points, transform, RIGID, AFFINE, pairs, settings)
    moved_verdicts = judge_targets(
        "abcd",
        apply_affine(matrix, points),
        turned(matrix, transform),
        matrix @ RIGID @ back,
        matrix @ AFFINE @ back,
        [pair_of(dataclasses.replace(p.moving, grid=turned_grid(matrix, p.moving.grid))) for p in pairs],
        settings,
    )
    for item, moved_item in zip(verdicts, moved_verdicts, strict=True):
        assert moved_item.det_j == pytest.approx(item.det_j, abs=1e-3)
        assert moved_item.spread_mm == pytest.approx(item.spread_mm, abs=1e-2)
        assert moved_item.nearest_mm == pytest.approx(item.nearest_mm, abs=1e-6)
        assert moved_item.moved_mm == pytest.approx(item.moved_mm, abs=1e-2)
        assert moved_item.inside_volume == item.inside_volume
    assume(not any(on_a_threshold(item, settings) for item in verdicts))
    assert [item.verdict for item in moved_verdicts] == [item.verdict for item in verdicts]


@given(st.permutations(range(4)), st.booleans(), st.sampled_from(KINDS))
def test_the_order_of_targets_and_pairs_does_not_matter(order, swapped, kind) -> None:
    transform = a_wavy_transform(kind, "oblique")
    points, pairs = four_targets(transform), two_pairs(transform)
    plain = {item.name: item for item in judge_targets("abcd", points, transform, RIGID, AFFINE, pairs)}
    names = ["abcd"[n] for n in order]
    shuffled = judge_targets(names, points[list(order)], transform, RIGID, AFFINE, pairs[::-1] if swapped else pairs)
    for item in shuffled:
        assert (item.verdict, item.reasons) == (plain[item.name].verdict, plain[item.name].reasons)
        np.testing.assert_allclose(item.fixed_lps_mm, plain[item.name].fixed_lps_mm, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_are_carried_as_the_transform_carries_points(kind: str) -> None:
    transform = a_wavy_transform(kind, "left-handed")
    points = four_targets(transform)
    detected = judge_targets("abcd", points, transform, RIGID, AFFINE, two_pairs(transform))
    np.testing.assert_array_equal([item.fixed_lps_mm for item in detected], transform.inverse.apply_to_points(points))
    assert [item.inside_volume for item in detected] == [True, True, True, False]
    assert (detected[0].nearest_mm, detected[3].verdict) == (0, DO_NOT_TRUST)


def test_judging_needs_neither_torch_nor_what_slicer_lacks() -> None:
    code = "import Tell2RegLib, sys; Tell2RegLib.judge_targets; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "typer", "rich", "jinja2", "platformdirs", "filelock"} & set(done.stdout.split())
