"""Two scans of one synthetic patient: the known transform, the pair and its plan."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom import (
    LABELS,
    KnownWarp,
    PhantomPair,
    Push,
    Subject,
    centred_grid,
    make_pair,
    make_plan,
    make_subject,
    render,
)
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.phantom.shapes import rotation
from Testing.Python.phantom.subjects import COARSE, SMALL, labels_at, seeds

points = st.lists(st.tuples(*[st.floats(-200, 200)] * 3), min_size=1, max_size=20)


@lru_cache(maxsize=4)
def a_pair(seed: int) -> PhantomPair:
    return make_pair(seed, SMALL, centred_grid((100, 90, 60), (2.9, 2.9, 2.6), rotation(4, 3, -6)))


@lru_cache(maxsize=1024)
def a_warp(seed: int) -> KnownWarp:
    return draw_warp(make_subject(seed), np.random.default_rng(seed))


# --- the known transform ---


@settings(max_examples=40, deadline=None)
@given(seeds, points)
def test_the_warp_and_its_inverse_undo_each_other(seed: int, cloud: list) -> None:
    warp, cloud_mm = a_warp(seed), np.array(cloud)
    assert np.abs(warp.inverse(warp(cloud_mm)) - cloud_mm).max() < 1e-3
    assert np.abs(warp(warp.inverse(cloud_mm)) - cloud_mm).max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_the_warp_never_folds(seed: int) -> None:
    warp, step = a_warp(seed), 1e-3
    cloud = np.random.default_rng(seed).uniform(-120, 120, (1500, 3))
    columns = [(warp(cloud + step * e) - warp(cloud - step * e)) / (2 * step) for e in np.eye(3)]
    assert np.linalg.det(np.stack(columns, axis=-1)).min() > 0.15


def test_the_warp_keeps_the_shape_of_what_it_is_given() -> None:
    warp = a_warp(0)
    assert warp([1.0, 2.0, 3.0]).shape == (3,)
    assert warp.inverse(np.zeros((4, 5, 3))).shape == (4, 5, 3)


@given(
    st.tuples(*[st.floats(-30, 30)] * 3),
    st.tuples(*[st.floats(-0.9, 0.9)] * 3),
    st.floats(5, 60),
    st.integers(0, 1000),
)
def test_a_push_is_never_steeper_than_it_says_and_too_steep_ones_are_refused(shift, stretch, reach, seed) -> None:
    try:
        push = Push((1.0, 2.0, 3.0), shift, stretch, reach)
    except InputError:
        return
    a = np.random.default_rng(seed).normal(0, 1.5 * reach, (200, 3))
    b = a + np.random.default_rng(seed + 1).normal(0, 0.3 * reach, (200, 3))
    rise = np.linalg.norm(push.displacement(a) - push.displacement(b), axis=1)
    assert (rise <= (push.steepness + 1e-9) * np.linalg.norm(a - b, axis=1) + 1e-9).all()


def test_a_push_that_would_fold_space_is_refused() -> None:
    with pytest.raises(InputError, match="too steep"):
        Push((0, 0, 0), (30, 0, 0), (0, 0, 0), 10)


# --- pairs ---


@pytest.mark.parametrize("seed", [0, 1])
def test_the_fixed_scan_shows_at_x_what_the_moving_one_shows_at_the_warped_x(seed: int) -> None:
    pair = a_pair(seed)
    for region in pair.fixed.regions():
        inner = ndimage.binary_erosion(region.mask_kji())
        at = region.grid.index_to_lps(np.argwhere(inner)[:, ::-1])
        detected = labels_at(pair.moving, pair.fixed_to_moving(at))
        values = [1, 2] if region.name == "prostate" else [v for v, name in LABELS.items() if name == region.name]
        if (detected != 255).sum() > 20:
            assert np.isin(detected[detected != 255], values).mean() > 0.9, region.name


def test_pairs_start_badly_aligned() -> None:
    dice, offsets = [], []
    for seed in range(5):
        pair = make_pair(seed, COARSE, COARSE)
        a, b = (phantom.region("prostate").mask_kji() for phantom in (pair.fixed, pair.moving))
        dice.append(2 * (a & b).sum() / (a.sum() + b.sum()))
        offsets += [np.linalg.norm(np.subtract(t.fixed_lps_mm, t.moving_lps_mm)) for t in pair.plan]
    assert 0.4 < np.mean(dice) < 0.75
    assert max(dice) < 0.85
    assert np.mean(offsets) > 9


def test_no_affine_transform_explains_a_pair() -> None:
    for seed in range(5):
        pair = a_warp(seed)
        cloud = np.random.default_rng(seed).uniform(-60, 60, (2000, 3))
        ones = np.c_[cloud, np.ones(len(cloud))]
        residual = pair(cloud) - ones @ np.linalg.lstsq(ones, pair(cloud), rcond=None)[0]
        assert np.linalg.norm(residual, axis=1).max() > 4


def test_fixed_and_moving_have_contrasts_of_their_own() -> None:
    pair = a_pair(0)
    ratios = [
        np.median(pair.fixed.volume.array_kji[pair.fixed.region(name).mask_kji()])
        / np.median(pair.moving.volume.array_kji[pair.moving.region(name).mask_kji()])
        for name in ("bladder", "left femoral head", "left obturator internus", "peripheral zone")
    ]
    assert np.ptp(ratios) > 0.05


# --- the plan ---


@pytest.mark.parametrize("seed", range(4))
def test_targets_lie_3_mm_inside_the_gland_on_both_scans(seed: int) -> None:
    subject = make_subject(seed)
    gland = subject.from_anatomy([subject.prostate.centre])[0]
    grid = centred_grid((75, 75, 75), (1.0, 1.0, 1.0), centre_lps_mm=tuple(gland))
    pair = make_pair(seed, COARSE, grid)
    depth = ndimage.distance_transform_edt(pair.moving.region("prostate").mask_kji())
    for target in pair.plan:
        index = tuple(np.rint(grid.lps_to_index(target.moving_lps_mm)[::-1]).astype(int))
        assert depth[index] >= 3, target.name
        zone = LABELS[int(pair.moving.labels.array_kji[index])]
        assert zone.startswith("transition" if target.name.endswith("TZ") else "peripheral"), target.name
        assert labels_at(pair.fixed, np.array([target.fixed_lps_mm]))[0] in (1, 2), target.name


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_targets_are_named_for_their_side_and_lie_where_the_warp_says(seed: int) -> None:
    subject, warp = make_subject(seed), a_warp(seed)
    gland = subject.from_anatomy([subject.prostate.centre])[0]
    plan = make_plan(subject, warp)
    assert 6 <= len(plan) <= 8
    assert len({target.name for target in plan}) == len(plan)
    for target in plan:
        assert (target.moving_lps_mm[0] > gland[0]) == target.name.startswith("L"), target.name
        np.testing.assert_allclose(warp(target.fixed_lps_mm), target.moving_lps_mm, atol=1e-3)


def test_the_plan_is_not_its_own_mirror_image() -> None:
    plan = make_pair(0, COARSE, COARSE).plan
    moving = np.array([target.moving_lps_mm for target in plan])
    centre = moving.mean(axis=0)
    mirrored = (moving - centre) * [-1, 1, 1] + centre
    assert np.linalg.norm(moving[:, None] - mirrored[None], axis=2).min(axis=1).max() > 5
    assert sum(target.name.startswith("L") for target in plan) != len(plan) / 2


# --- refusals ---


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1", None])
def test_a_seed_that_is_not_a_natural_number_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="seed"):
        make_subject(seed)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="seed"):
        make_pair(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("without", [["spleen"], "bladder", ["transition zone"]])
def test_an_organ_that_is_not_there_cannot_be_left_out(without: object) -> None:
    with pytest.raises(InputError, match="seminal vesicles"):
        make_subject(0, without=without)  # type: ignore[arg-type]


@pytest.mark.parametrize("warp", [lambda p: p[:-1], lambda p: p * np.nan], ids=["points lost", "not finite"])
def test_a_warp_that_loses_points_is_refused(warp) -> None:
    with pytest.raises(InputError, match="warp"):
        render(make_subject(0), COARSE, warp=warp)


def test_asking_for_a_region_out_of_view_is_told() -> None:
    with pytest.raises(InputError, match="shows no 'bladder'"):
        render(make_subject(0, without={"bladder"}), COARSE).region("bladder")


def test_a_subject_is_a_value() -> None:
    subject: Subject = make_subject(7)
    assert hash(subject) == hash(make_subject(7))
    with pytest.raises(AttributeError):
        subject.seed = 8  # type: ignore[misc]
