"""The phantom: one truth, seen alike from every grid, with sides, sizes and a transform that can be relied on."""

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
    ORGANS,
    KnownWarp,
    PhantomPair,
    PhantomVolume,
    Push,
    Subject,
    centred_grid,
    default_grid,
    make_pair,
    make_plan,
    make_subject,
    render,
)
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.phantom.shapes import rotation
from Tell2RegLib.space.grid import Grid

SMALL = centred_grid((96, 80, 48), (3.0, 3.0, 3.0))
COARSE = centred_grid((58, 48, 29), (5.0, 5.0, 5.0))
OBLIQUE = centred_grid((90, 84, 40), (3.0, 2.8, 3.8), rotation(12, -8, 10))
LEFT_HANDED = centred_grid((48, 96, 80), (3.0, 3.0, 3.0), rotation(0, 0, 6)[:, [2, 0, 1]] * [-1, -1, -1])
FLIPPED = centred_grid((96, 80, 48), (3.0, 3.0, 3.0), np.diag([-1.0, -1.0, -1.0]))

seeds = st.integers(0, 10_000)
points = st.lists(st.tuples(*[st.floats(-200, 200)] * 3), min_size=1, max_size=20)


@lru_cache(maxsize=32)
def seen(seed: int, grid: Grid = SMALL) -> PhantomVolume:
    return render(make_subject(seed), grid)


@lru_cache(maxsize=4)
def a_pair(seed: int) -> PhantomPair:
    return make_pair(seed, SMALL, centred_grid((100, 90, 60), (2.9, 2.9, 2.6), rotation(4, 3, -6)))


@lru_cache(maxsize=1024)
def a_warp(seed: int) -> KnownWarp:
    return draw_warp(make_subject(seed), np.random.default_rng(seed))


def labels_at(phantom: PhantomVolume, points_lps_mm: np.ndarray) -> np.ndarray:
    """Label of the nearest voxel; 255 outside the volume."""
    index = np.rint(phantom.labels.grid.lps_to_index(points_lps_mm)[..., ::-1]).T
    return ndimage.map_coordinates(phantom.labels.array_kji, index.reshape(3, -1), order=0, cval=255)


# --- one seed, one patient ---


def test_the_same_seed_renders_to_identical_bytes() -> None:
    first, second = (render(make_subject(5), COARSE) for _ in range(2))
    assert first.volume.array_kji.tobytes() == second.volume.array_kji.tobytes()
    assert first.labels.array_kji.tobytes() == second.labels.array_kji.tobytes()


def test_the_same_seed_makes_an_identical_pair() -> None:
    first, second = (make_pair(3, COARSE, COARSE) for _ in range(2))
    assert first.fixed.volume.array_kji.tobytes() == second.fixed.volume.array_kji.tobytes()
    assert first.moving.volume.array_kji.tobytes() == second.moving.volume.array_kji.tobytes()
    assert first.plan == second.plan
    assert first.warp == second.warp


@given(seeds, seeds)
def test_different_seeds_are_different_men(a: int, b: int) -> None:
    assert (make_subject(a) == make_subject(b)) == (a == b)


def test_the_scan_seed_changes_contrast_and_noise_but_not_anatomy() -> None:
    item, other = (render(make_subject(5), COARSE, seed=seed) for seed in (1, 2))
    assert (item.labels.array_kji == other.labels.array_kji).all()
    assert (item.volume.array_kji != other.volume.array_kji).mean() > 0.9


# --- what is seen ---


def test_every_organ_is_in_the_default_view_with_the_right_types() -> None:
    phantom = render(make_subject(1))
    assert phantom.volume.grid == default_grid()
    assert phantom.volume.array_kji.dtype == np.int16
    assert phantom.labels.array_kji.dtype == np.uint8
    names = [region.name for region in phantom.regions()]
    assert sorted(names) == sorted({"prostate", *LABELS.values()})


def test_the_prostate_is_the_union_of_its_zones() -> None:
    phantom = seen(2)
    zones = [phantom.region(f"{zone} zone").mask_kji() for zone in ("transition", "peripheral")]
    assert not (zones[0] & zones[1]).any()
    assert ((zones[0] | zones[1]) == phantom.region("prostate").mask_kji()).all()


@pytest.mark.parametrize("seed", range(5))
def test_every_organ_is_in_one_piece(seed: int) -> None:
    for region in seen(seed).regions():
        pieces, count = ndimage.label(region.mask_kji(), structure=np.ones((3, 3, 3)))
        largest = np.bincount(pieces.ravel())[1:].max() if count else 0
        pair_of_organs = region.name == "seminal vesicles"
        assert largest >= (0.35 if pair_of_organs else 0.97) * region.box_kji.sum(), region.name


# mL; men between 50 and 80: textbook and atlas ranges, a little widened for 5 mm voxels
RANGES_ML = {
    "prostate": (17, 98),
    "transition zone": (5, 65),
    "bladder": (45, 450),
    "rectum": (25, 190),
    "left femoral head": (40, 95),
    "right femoral head": (40, 95),
    "pubic symphysis": (3, 14),
    "left obturator internus": (22, 75),
    "right obturator internus": (22, 75),
    "seminal vesicles": (3, 18),
}


def test_sizes_are_physiological_in_twenty_men() -> None:
    for seed in range(20):
        for region in seen(seed, COARSE).regions():
            low, high = RANGES_ML.get(region.name, (5, 60))
            assert low < region.volume_ml < high, (seed, region.name, region.volume_ml)


def test_twenty_men_differ_in_size_and_place() -> None:
    glands = [seen(seed, COARSE).region("prostate") for seed in range(20)]
    volumes = [gland.volume_ml for gland in glands]
    assert max(volumes) > 2 * min(volumes)
    assert np.ptp([gland.centroid_lps_mm() for gland in glands], axis=0).min() > 5


def mean_signal(phantom: PhantomVolume, name: str) -> float:
    inner = ndimage.binary_erosion(phantom.region(name).mask_kji())
    return float(phantom.volume.array_kji[inner].mean())


@pytest.mark.parametrize("seed", range(4))
def test_tissues_have_the_order_of_brightness_of_t2(seed: int) -> None:
    phantom = seen(seed)
    urine = float(np.percentile(phantom.volume.array_kji[phantom.region("bladder").mask_kji()], 75))
    muscle = mean_signal(phantom, "left obturator internus")
    marrow = mean_signal(phantom, "right femoral head")
    assert muscle < 0.6 * mean_signal(phantom, "transition zone")
    assert mean_signal(phantom, "transition zone") < 0.85 * phantom_pz(phantom)
    assert muscle < 0.6 * marrow < urine
    assert phantom_pz(phantom) < 1.2 * urine


def phantom_pz(phantom: PhantomVolume) -> float:
    return float(np.median(phantom.volume.array_kji[phantom.region("peripheral zone").mask_kji()]))


def test_noise_is_rician_in_air_and_partial_volume_softens_edges() -> None:
    phantom = render(make_subject(4), centred_grid((120, 120, 3), (3.4, 3.4, 3.4)))
    air = phantom.volume.array_kji[:, :6, :].astype(float)
    assert air.min() >= 0
    assert 1.5 < air.mean() / air.std() < 2.3  # Rayleigh: 1.91
    wall = phantom.region("bladder").mask_kji()
    edge = phantom.volume.array_kji[ndimage.binary_dilation(wall) & ~ndimage.binary_erosion(wall)]
    assert len(np.unique(edge // 20)) > 20


# --- any grid ---


@pytest.mark.parametrize(
    "grid", [SMALL, OBLIQUE, LEFT_HANDED, FLIPPED], ids=["axial", "oblique", "left-handed", "flipped"]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_left_is_towards_plus_x_on_every_grid(seed: int, grid: Grid) -> None:
    phantom = render(make_subject(seed), grid)
    for name in ("femoral head", "obturator internus"):
        left = phantom.region(f"left {name}").centroid_lps_mm()
        right = phantom.region(f"right {name}").centroid_lps_mm()
        assert left[0] > 25
        assert right[0] < -25
    rectum, bladder = (phantom.region(name).centroid_lps_mm() for name in ("rectum", "bladder"))
    assert (
        rectum[1]
        > phantom.region("prostate").centroid_lps_mm()[1]
        > phantom.region("pubic symphysis").centroid_lps_mm()[1]
    )
    assert bladder[2] > phantom.region("prostate").centroid_lps_mm()[2]


def test_the_same_voxel_centres_in_another_order_show_the_same_labels() -> None:
    flipped = render(make_subject(2), FLIPPED).labels.array_kji[::-1, ::-1, ::-1]
    assert (flipped == seen(2).labels.array_kji).mean() > 0.9999


@pytest.mark.parametrize("grid", [OBLIQUE, LEFT_HANDED], ids=["oblique", "left-handed"])
def test_two_grids_agree_about_every_organ(grid: Grid) -> None:
    here, there = seen(2), render(make_subject(2), grid)
    for region in here.regions():
        # The small and thin ones lose more to voxel corners.
        wanted = 0.9 if region.volume_ml > 25 else 0.65
        detected = labels_at(there, region.points_lps_mm())
        values = {1, 2} if region.name == "prostate" else {v for v, name in LABELS.items() if name == region.name}
        assert np.isin(detected[detected != 255], list(values)).mean() > wanted, region.name


def test_two_grids_agree_about_the_signal() -> None:
    here, there = seen(2), render(make_subject(2), OBLIQUE)
    body = here.region("prostate").points_lps_mm()
    cloud = body + np.random.default_rng(0).normal(0, 25, body.shape)
    values = []
    for phantom in (here, there):
        index = phantom.volume.grid.lps_to_index(cloud)[:, ::-1].T
        values.append(ndimage.map_coordinates(phantom.volume.array_kji.astype(float), index, order=1))
    assert np.corrcoef(values)[0, 1] > 0.85


def test_thick_slices_average_what_lies_in_them() -> None:
    thick = render(make_subject(2), centred_grid((96, 80, 12), (3.0, 3.0, 12.0))).volume.array_kji.astype(float)
    thin = seen(2).volume.array_kji.astype(float).reshape(12, 4, 80, 96).mean(axis=1)
    assert np.corrcoef(thick.ravel(), thin.ravel())[0, 1] > 0.97


# --- without an organ ---


@pytest.mark.parametrize("organ", ORGANS)
def test_an_organ_can_be_left_out_and_nothing_else_goes(organ: str) -> None:
    names = {region.name for region in render(make_subject(1, without=[organ]), COARSE).regions()}
    gone = {organ, "transition zone", "peripheral zone"} if organ == "prostate" else {organ}
    assert names == {"prostate", *LABELS.values()} - gone


def test_a_missing_organ_leaves_no_trace_in_the_picture() -> None:
    organ, whole = "bladder", seen(1, COARSE)
    without = render(make_subject(1, without={organ}), COARSE)
    inside = ndimage.binary_erosion(whole.region(organ).mask_kji(), iterations=2)
    assert without.volume.array_kji[inside].mean() < 0.8 * whole.volume.array_kji[inside].mean()
    far = ~ndimage.binary_dilation(whole.region(organ).mask_kji(), iterations=3)
    np.testing.assert_array_equal(without.volume.array_kji[far], whole.volume.array_kji[far])


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
