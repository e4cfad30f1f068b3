"""The planes and pixels of the report's pictures."""

from __future__ import annotations

import re

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.results.report import pictures, planes
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.results.scans import CENTRE, a_pair, scan_grid


@pytest.fixture(params=[grid.direction for grid in HOSTILE_GRIDS.values()], ids=list(HOSTILE_GRIDS))
def a_scan_grid(request: pytest.FixtureRequest) -> Grid:
    return scan_grid(request.param)


# --- planes ---


def test_pictures_show_the_patient_as_radiologists_look_at_them(a_scan_grid: Grid) -> None:
    """Patient's right on the left of axial and coronal, anterior up or left, superior up, for every scan direction."""
    axial, coronal, sagittal = planes.planes_through([], a_scan_grid)
    for plane, across, down in ((axial, (0, 1), (1, 1)), (coronal, (0, 1), (2, -1)), (sagittal, (1, 1), (2, -1))):
        step_right = plane.points_lps_mm[0, 1] - plane.points_lps_mm[0, 0]
        step_down = plane.points_lps_mm[1, 0] - plane.points_lps_mm[0, 0]
        np.testing.assert_allclose(step_right, plane.pixel_mm * across[1] * np.eye(3)[across[0]], atol=1e-9)
        np.testing.assert_allclose(step_down, plane.pixel_mm * down[1] * np.eye(3)[down[0]], atol=1e-9)
    assert [plane.letters for plane in (axial, coronal, sagittal)] == ["RLAP", "RLSI", "APSI"]


def test_a_landmark_is_seen_on_its_own_side_whatever_the_scan_direction(a_scan_grid: Grid) -> None:
    """A bright spot left, anterior and superior of the centre: right and up in axial, right and up in coronal."""
    spot = CENTRE + [10, -8, 6]
    away = np.linalg.norm(a_scan_grid.voxel_centres_lps_mm() - spot, axis=-1)
    volume = Volume(np.exp(-((away / 4) ** 2)).astype(np.float32), a_scan_grid)
    for plane in planes.planes_through([a_pair(a_scan_grid)], a_scan_grid):
        normal = int(np.argmin(np.ptp(plane.points_lps_mm.reshape(-1, 3), axis=0)))
        points = plane.points_lps_mm.copy()
        points[..., normal] = spot[normal]
        values = planes.read_volume_at(volume, points)
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        detected, expected = points[row, column], spot
        np.testing.assert_allclose(detected, expected, atol=1.6)
        middle = (np.array(values.shape) - 1) / 2
        if plane.name == "axial":
            assert row < middle[0]
            assert column > middle[1]


def test_planes_go_through_the_regions(a_scan_grid: Grid) -> None:
    pair = a_pair(a_scan_grid)
    axial, coronal, sagittal = planes.planes_through([pair], a_scan_grid)
    centroid = pair.fixed.centroid_lps_mm()
    assert abs(axial.points_lps_mm[0, 0, 2] - centroid[2]) < 4
    assert abs(coronal.points_lps_mm[0, 0, 1] - centroid[1]) < 4
    assert abs(sagittal.points_lps_mm[0, 0, 0] - centroid[0]) < 4


@pytest.mark.parametrize("size", [(9, 7, 1), (1, 8, 6), (1, 1, 1)])
def test_planes_go_through_regions_of_one_slice_and_one_voxel(a_scan_grid: Grid, size: tuple[int, int, int]) -> None:
    mask = np.zeros(a_scan_grid.shape_kji, dtype=bool)
    (i, j, k), (ni, nj, nk) = (n // 3 for n in a_scan_grid.size_xyz), size
    mask[k : k + nk, j : j + nj, i : i + ni] = True
    thin = Region.from_mask("thin", mask, a_scan_grid)
    shown = planes.planes_through([RegionPair(thin, thin)], a_scan_grid)
    for plane, axis in zip(shown, (2, 1, 0), strict=True):
        reach = np.ptp(thin.points_lps_mm()[:, axis]) / 2 + 2.0
        assert abs(plane.points_lps_mm[0, 0, axis] - thin.centroid_lps_mm()[axis]) < reach


def test_a_round_region_is_round_and_as_large_as_it_is(a_scan_grid: Grid) -> None:
    pair = a_pair(a_scan_grid, radius_mm=12)
    for plane in planes.planes_through([pair], a_scan_grid):
        inside = planes.read_region_at(pair.fixed, plane.points_lps_mm) > 0.5
        assert inside.sum() * plane.pixel_mm**2 == pytest.approx(np.pi * 12**2, rel=0.12)
        rows, columns = (np.flatnonzero(inside.any(axis=axis)).size for axis in (1, 0))
        assert rows / columns == pytest.approx(1, abs=0.15)


def test_pictures_are_no_larger_than_they_need_to_be() -> None:
    for plane in planes.planes_through([], Grid((500, 400, 300), (0.7, 0.7, 1))):
        assert max(plane.width, plane.height) <= planes.LONGEST_SIDE_PX


def test_a_position_is_told_as_slicer_tells_it() -> None:
    axial, coronal, sagittal = planes.planes_through([], Grid((11, 11, 11), (1, 1, 1), (-9.0, 2.0, -30.0)))
    assert (axial.position, coronal.position, sagittal.position) == ("I 25.0 mm", "P 7.0 mm", "R 4.0 mm")


def test_values_on_a_plane_are_what_simpleitk_interpolates(a_scan_grid: Grid) -> None:
    values = np.random.default_rng(0).normal(size=a_scan_grid.shape_kji).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(a_scan_grid.spacing_mm)
    image.SetOrigin(a_scan_grid.origin_lps_mm)
    image.SetDirection(a_scan_grid.direction)
    points = CENTRE + np.random.default_rng(1).uniform(-12, 12, (4, 5, 3))
    expected = [image.EvaluateAtPhysicalPoint(point.tolist()) for point in points.reshape(-1, 3)]
    np.testing.assert_allclose(planes.read_volume_at(Volume(values, a_scan_grid), points).ravel(), expected, atol=1e-4)


def test_outside_the_volume_there_is_nothing(a_scan_grid: Grid) -> None:
    volume = Volume(np.ones(a_scan_grid.shape_kji, np.int16), a_scan_grid)
    assert np.isnan(planes.read_volume_at(volume, np.full((2, 2, 3), 999.0))).all()


def test_a_moved_region_lies_on_its_partner(a_scan_grid: Grid) -> None:
    """Fixed to moving is +8 mm to the left: the moving gland read at the moved points is where the fixed one is."""
    pair = a_pair(a_scan_grid, shift=(8, 0, 0))
    shift = np.eye(4)
    shift[0, 3] = 8
    transform = affine_transform("rigid", shift, a_scan_grid, a_scan_grid)
    plane = planes.planes_through([pair], a_scan_grid)[0]
    fixed = planes.read_region_at(pair.fixed, plane.points_lps_mm) > 0.5
    before = planes.read_region_at(pair.moving, plane.points_lps_mm) > 0.5
    after = planes.read_region_at(pair.moving, transform.apply_to_points(plane.points_lps_mm)) > 0.5
    assert (fixed & after).sum() / (fixed | after).sum() > 0.9
    assert (fixed & before).sum() / (fixed | before).sum() < 0.6


# --- pixels ---


def test_volume_change_is_blue_below_one_white_at_one_red_above_and_magenta_when_folded() -> None:
    below, item, above, folded = pictures.change_colors(np.array([0.5, 1.0, 2.0, -0.1], np.float32), 2.0).astype(int)
    assert below[2] > below[0] + 80
    assert above[0] > above[2] + 80
    assert np.ptp(item) < 3
    assert item.min() > 240
    assert tuple(folded) == pictures.FOLDED


def test_doubling_and_halving_are_equally_far_from_one() -> None:
    assert tuple(pictures.change_colors(np.array([1 / 3, 3.0], np.float32), 3.0)[0]) == (20, 60, 130)
    assert tuple(pictures.change_colors(np.array([1 / 3, 3.0], np.float32), 3.0)[1]) == (130, 15, 40)


def test_a_checkerboard_takes_both_pictures_in_turn() -> None:
    board = pictures.checkerboard(np.zeros((80, 80), np.uint8), np.full((80, 80), 200, np.uint8))
    assert (board[5, 5], board[5, 15], board[15, 5], board[15, 15]) == (0, 200, 200, 0)


def test_a_constant_or_empty_picture_is_still_a_picture() -> None:
    constant = np.full((9, 9), 7, np.float32)
    nothing = np.full((9, 9), np.nan, np.float32)
    for values in (constant, nothing):
        assert pictures.grey(values, pictures.window_of([values])).shape == (9, 9)


def test_an_outline_runs_where_the_region_ends() -> None:
    share = np.zeros((20, 30), np.float32)
    share[5:10, 12:20] = 1
    plane = planes.Plane("axial", np.zeros((20, 30, 3)), 1.0, "RLAP", "S 0.0 mm")
    svg = pictures.picture(plane, np.zeros((20, 30), np.uint8), "x", [pictures.Outline("gland", share, (1, 0, 0))])
    path = re.search(r'<path d="(M[^"]+)" stroke="#ff0000"', svg)
    assert path is not None
    numbers = np.array(re.findall(r"([\d.]+) ([\d.]+)", path[1]), float)
    np.testing.assert_allclose(numbers.min(axis=0), [12, 5], atol=0.05)
    np.testing.assert_allclose(numbers.max(axis=0), [20, 10], atol=0.05)
