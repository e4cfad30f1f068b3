"""Regions and pairs: small frozen values whose places and volumes are right on any grid."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region, RegionPair, bounding_box, plain_name


def an_asymmetric_mask(grid: Grid) -> np.ndarray:
    """Three voxels in an L at one end: no flip or swap leaves it where it is."""
    mask = np.zeros(grid.shape_kji, dtype=bool)
    mask[1, 0, 3] = mask[1, 1, 3] = mask[0, 0, 3] = True
    return mask


@pytest.fixture
def a_region(a_hostile_grid: Grid) -> Region:
    return Region.from_mask("prostate", an_asymmetric_mask(a_hostile_grid), a_hostile_grid, prompt="gland", score=0.9)


def test_a_region_keeps_only_its_box_and_gives_its_mask_back(a_region: Region) -> None:
    assert a_region.box_kji.shape == (2, 2, 1)
    assert a_region.start_kji == (0, 0, 3)
    np.testing.assert_array_equal(a_region.mask_kji(), an_asymmetric_mask(a_region.grid))


@given(arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)).filter(np.any))
def test_any_mask_comes_back_as_it_was(mask: np.ndarray) -> None:
    region = Region.from_mask("x", mask, Grid(mask.shape[::-1]))
    np.testing.assert_array_equal(region.mask_kji(), mask)
    np.testing.assert_array_equal(mask[region.slices_kji], region.box_kji)


def test_centroid_and_volume_are_what_simpleitk_measures(a_region: Region) -> None:
    image = sitk.GetImageFromArray(a_region.mask_kji().astype(np.uint8))
    image.SetSpacing(a_region.grid.spacing_mm)
    image.SetOrigin(a_region.grid.origin_lps_mm)
    image.SetDirection(a_region.grid.direction)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(image)
    np.testing.assert_allclose(a_region.centroid_lps_mm(), shape.GetCentroid(1))
    assert a_region.volume_ml * 1000 == pytest.approx(shape.GetPhysicalSize(1))


def test_points_are_the_centres_of_the_masks_voxels(a_region: Region) -> None:
    expected = a_region.grid.voxel_centres_lps_mm()[a_region.mask_kji()]
    np.testing.assert_allclose(a_region.points_lps_mm(), expected)


def test_the_box_grid_lies_where_the_box_does(a_region: Region) -> None:
    np.testing.assert_allclose(a_region.box_grid.index_to_lps([0, 1, 1]), a_region.grid.index_to_lps([3, 1, 1]))
    assert a_region.box_grid.shape_kji == a_region.box_kji.shape


def test_a_mask_of_numbers_counts_everything_but_zero() -> None:
    mask = np.zeros((2, 3, 4), dtype=np.uint8)
    mask[0, 1, 2] = 7
    assert Region.from_mask("x", mask, Grid((4, 3, 2))).box_kji.tolist() == [[[True]]]


def test_a_region_does_not_follow_later_changes_of_the_mask_it_came_from() -> None:
    mask = np.ones((2, 3, 4), dtype=bool)
    region = Region.from_mask("x", mask, Grid((4, 3, 2)))
    mask[:] = False
    assert region.mask_kji().all()


def test_a_region_cannot_be_changed(a_region: Region) -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_region.box_kji[0, 0, 0] = False
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_region.name = "bladder"  # type: ignore[misc]


def test_an_empty_region_is_refused_by_name(a_hostile_grid: Grid) -> None:
    with pytest.raises(InputError, match="'prostate' is empty"):
        Region.from_mask("prostate", np.zeros(a_hostile_grid.shape_kji, bool), a_hostile_grid)
    with pytest.raises(InputError, match="'prostate' is empty"):
        Region("prostate", np.zeros((1, 1, 1), bool), (0, 0, 0), a_hostile_grid)


def test_a_mask_of_another_grid_is_refused(a_hostile_grid: Grid) -> None:
    with pytest.raises(GeometryError, match=r"'prostate' has shape \(4, 3, 2\).*needs \(2, 3, 4\)"):
        Region.from_mask("prostate", np.ones((4, 3, 2), bool), a_hostile_grid)


@pytest.mark.parametrize("start", [(-1, 0, 0), (0, 0, 4), (2, 0, 0)])
def test_a_box_outside_its_grid_is_refused(start: tuple, a_hostile_grid: Grid) -> None:
    with pytest.raises(GeometryError, match="'prostate' extends beyond"):
        Region("prostate", np.ones((1, 1, 1), bool), start, a_hostile_grid)


# --- pairs ---


def pair_named(fixed: str, moving: str, fixed_prompt: str = "", moving_prompt: str = "") -> RegionPair:
    mask, grid = np.ones((2, 3, 4), bool), Grid((4, 3, 2))
    return RegionPair(
        Region.from_mask(fixed, mask, grid, prompt=fixed_prompt),
        Region.from_mask(moving, mask, grid, prompt=moving_prompt),
    )


def test_a_pair_has_one_name_where_both_sides_agree() -> None:
    assert pair_named("Seminal_Vesicles", "seminal vesicles").name == "Seminal_Vesicles"
    assert pair_named("bladder", "prostate").name == "bladder ~ prostate"


def test_a_pair_has_one_prompt_where_both_sides_agree() -> None:
    assert pair_named("a", "a", "gland", "gland").prompt == "gland"
    assert pair_named("a", "a", "gland", "hole").prompt == "gland ~ hole"
    assert pair_named("a", "a").prompt == ""


def test_rejecting_makes_another_pair_with_the_reason() -> None:
    pair = pair_named("a", "a")
    rejected = pair.rejected("too far away")
    assert (pair.accepted, rejected.accepted, rejected.reason) == (True, False, "too far away")
    assert rejected.fixed is pair.fixed


# --- names, boxes, colours ---


@pytest.mark.parametrize(
    "written", ["Seminal_Vesicles ", " seminal-vesicles", "SEMINAL  vesicles", "seminal__vesicles"]
)
def test_names_compare_without_case_and_separators(written: str) -> None:
    assert plain_name(written) == "seminal vesicles"


@given(st.text())
def test_a_plain_name_stays_plain(name: str) -> None:
    assert plain_name(plain_name(name)) == plain_name(name)


def test_the_bounding_box_of_nothing_is_none() -> None:
    assert bounding_box(np.zeros((2, 3, 4), bool)) is None


def test_the_first_colours_are_all_different_and_all_are_colours() -> None:
    colors = [color_of(n) for n in range(40)]
    assert len(set(colors[:24])) == 24
    assert all(0 <= channel <= 1 for color in colors for channel in color)


def test_a_region_keeps_what_it_looks_like_and_nobody_can_change_it(a_region: Region) -> None:
    recorded = dataclasses.replace(a_region, prototype=np.array([0.5, -1.0]))
    assert a_region.prototype is None
    with pytest.raises(ValueError, match="read-only"):
        recorded.prototype[0] = 3
    assert dataclasses.replace(recorded, name="other").prototype is not None


@pytest.mark.parametrize("wrong", [np.ones((2, 2)), np.array([1.0, np.nan])])
def test_a_prototype_that_cannot_be_compared_is_refused(a_region: Region, wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="'prostate' must be a list of finite numbers"):
        dataclasses.replace(a_region, prototype=wrong)
