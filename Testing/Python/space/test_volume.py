"""Volumes: hostile geometry and hostile files in, the working grid and its 8-bit slices out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space import volume as v
from Tell2RegLib.space.grid import Grid
from Testing.Python.space.images import image_on, spacings

# --- values ---


def test_a_volume_refuses_an_array_that_is_not_on_its_grid(a_hostile_grid: Grid) -> None:
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\).*needs \(2, 3, 4\)"):
        v.Volume(np.zeros((4, 3, 2)), a_hostile_grid, "x")


def test_a_volume_cannot_be_changed_but_the_callers_array_can(a_hostile_grid: Grid, values_of: Callable) -> None:
    array = values_of(a_hostile_grid)
    volume = v.Volume(array, a_hostile_grid)
    with pytest.raises(ValueError, match="read-only"):
        volume.array_kji[0, 0, 0] = 1
    array[0, 0, 0] = 1


def test_other_values_keep_grid_and_name(a_volume: v.Volume) -> None:
    zero_volume = a_volume.with_array(np.zeros(a_volume.grid.shape_kji))
    assert (zero_volume.grid, zero_volume.name) == (a_volume.grid, a_volume.name)


# --- SimpleITK ---


def test_a_landmark_is_where_simpleitk_puts_it(a_hostile_grid: Grid) -> None:
    """One bright voxel off every axis of symmetry: any swap of axes or sign would move it."""
    array = np.zeros(a_hostile_grid.shape_kji, dtype=np.int16)
    array[1, 0, 3] = 1000
    image = v.to_simpleitk(array, a_hostile_grid)
    assert image[3, 0, 1] == 1000
    expected = a_hostile_grid.index_to_lps([3, 0, 1])
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((3, 0, 1)), expected)


def test_to_simpleitk_and_back_is_the_same(a_volume: v.Volume) -> None:
    back = v.from_simpleitk(v.to_simpleitk(a_volume.array_kji, a_volume.grid), a_volume.name)
    np.testing.assert_array_equal(back.array_kji, a_volume.array_kji)
    assert back.grid.same_space(a_volume.grid)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_every_kind_of_number_keeps_its_kind(dtype: str, values_of: Callable) -> None:
    grid = Grid((4, 3, 2), (1, 2, 3))
    array = values_of(grid, np.dtype(dtype)) % 100
    back = v.from_simpleitk(v.to_simpleitk(array, grid))
    assert back.array_kji.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back.array_kji, array)


@pytest.mark.parametrize(("dtype", "stored"), [("bool", "uint8"), ("float16", "float32")])
def test_numbers_itk_does_not_know_become_the_nearest_that_holds_them(dtype: str, stored: str) -> None:
    grid = Grid((4, 3, 2))
    array = (np.arange(24).reshape(grid.shape_kji) % 2).astype(dtype)
    back = v.array_of(v.to_simpleitk(array, grid))
    assert back.dtype == np.dtype(stored)
    np.testing.assert_array_equal(back, array)


def test_vectors_keep_their_components_in_order(a_hostile_grid: Grid) -> None:
    array = np.arange(24 * 3, dtype=np.float64).reshape(*a_hostile_grid.shape_kji, 3)
    image = v.to_simpleitk(array, a_hostile_grid)
    assert image.GetNumberOfComponentsPerPixel() == 3
    assert image[3, 0, 1] == tuple(array[1, 0, 3])
    np.testing.assert_array_equal(v.array_of(image), array)


def test_a_view_that_is_not_contiguous_is_stored_as_it_reads(a_hostile_grid: Grid, values_of: Callable) -> None:
    turned = np.asfortranarray(values_of(a_hostile_grid))[:, ::-1]
    np.testing.assert_array_equal(v.array_of(v.to_simpleitk(turned, a_hostile_grid)), turned)


# --- images of another kind ---

REFUSED = {
    "2-D": (sitk.Image(4, 3, sitk.sitkUInt8), "2-D"),
    "a single slice": (sitk.Image(4, 3, 1, sitk.sitkUInt8), "single slice"),
    "a single row": (sitk.Image(1, 3, 4, sitk.sitkUInt8), "single slice"),
    "several frames": (sitk.Image([4, 3, 2, 5], sitk.sitkUInt8), "4-D.*Extract one frame"),
    "colour": (sitk.Image([4, 3, 2], sitk.sitkVectorUInt8, 3), "3 values per voxel"),
    "complex": (sitk.Image(4, 3, 2, sitk.sitkComplexFloat32), "complex"),
    "empty": (sitk.Image(0, 0, 0, sitk.sitkUInt8), "empty"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_an_image_of_another_kind_is_refused_with_its_name_and_why(image: sitk.Image, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)'scan'.*{message}"):
        v.from_simpleitk(image, "scan")


def test_4d_with_one_frame_is_that_frame(a_hostile_grid: Grid, values_of: Callable) -> None:
    frame = image_on(a_hostile_grid, values_of(a_hostile_grid))
    volume = v.from_simpleitk(sitk.JoinSeries(frame))
    np.testing.assert_array_equal(volume.array_kji, values_of(a_hostile_grid))
    assert volume.grid.same_space(a_hostile_grid)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_number_become_the_lowest_and_are_logged(
    bad: float, a_hostile_grid: Grid, values_of: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    array = values_of(a_hostile_grid) - 7
    array[1, 1, 1] = bad
    volume = v.from_simpleitk(image_on(a_hostile_grid, array), "scan")
    assert volume.array_kji[1, 1, 1] == -7
    assert volume.array_kji.dtype == np.float32
    assert np.isfinite(volume.array_kji).all()
    assert "'scan': 1 NaN" in caplog.text


def test_nothing_but_nan_is_refused(a_hostile_grid: Grid) -> None:
    with pytest.raises(InputError, match="no finite value"):
        v.from_simpleitk(image_on(a_hostile_grid, np.full(a_hostile_grid.shape_kji, np.nan)))


def test_a_constant_volume_is_read_and_said_to_be_constant(
    a_hostile_grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    volume = v.from_simpleitk(image_on(a_hostile_grid, np.full(a_hostile_grid.shape_kji, 3, np.int16)), "scan")
    assert (volume.array_kji == 3).all()
    assert "'scan' is constant: every voxel is 3." in caplog.text
    assert (v.to_uint8(volume).array_kji == 0).all()


def test_a_volume_that_is_constant_but_for_nan_is_not_said_to_be_constant_everywhere(
    a_hostile_grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.full(a_hostile_grid.shape_kji, 3, np.float32)
    values[0] = np.nan
    v.from_simpleitk(image_on(a_hostile_grid, values), "scan")
    assert "'scan' is constant: every finite voxel is 3" in caplog.text


# --- working grid ---

big = st.tuples(*[st.integers(2, 40)] * 3)
angles = st.tuples(*[st.floats(-0.6, 0.6)] * 3)


def turned(angles_rad: tuple, order: list[int], signs: tuple) -> np.ndarray:
    a, b, c = angles_rad
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (about_x @ about_y @ about_z)[:, order] * np.asarray(signs)


@given(big, spacings, angles, st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
def test_the_working_grid_is_axial_right_handed_and_isotropic_in_plane(
    size: tuple, spacing: tuple, tilt: tuple, order: list[int], signs: tuple
) -> None:
    grid = Grid(size, spacing, (10, 20, -30), tuple(turned(tilt, order, signs).ravel()))
    working = v.working_grid(grid)
    direction = np.reshape(working.direction, (3, 3))
    assert working.spacing_mm[0] == working.spacing_mm[1] == 1.0
    assert working.spacing_mm[2] >= 1.0
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    assert np.linalg.det(direction) == pytest.approx(1.0)
    own_columns = np.reshape(grid.direction, (3, 3))
    for column in direction.T:  # oblique volumes keep their own axes
        assert np.abs(own_columns.T @ column).max() == pytest.approx(1.0)


@given(big, spacings, angles, st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
def test_the_working_grid_covers_the_volume(
    size: tuple, spacing: tuple, tilt: tuple, order: list[int], signs: tuple
) -> None:
    grid = Grid(size, spacing, (10, 20, -30), tuple(turned(tilt, order, signs).ravel()))
    working = v.working_grid(grid)
    corners = working.lps_to_index(grid.corners_lps_mm())
    assert corners.min() >= -0.5 - 1e-6
    assert (corners.max(axis=0) <= np.asarray(working.size_xyz) - 0.5 + 1e-6).all()


def test_axes_of_the_working_grid_run_to_left_posterior_superior(a_hostile_grid: Grid) -> None:
    direction = np.reshape(v.working_grid(a_hostile_grid).direction, (3, 3))
    assert (np.diag(direction) > 0.5).all()


def test_an_axial_volume_at_working_spacing_is_its_own_working_grid() -> None:
    grid = Grid((20, 18, 9), (1, 1, 3), (10, 20, -30))
    assert v.working_grid(grid).same_space(grid)


def test_slice_spacing_is_the_volumes_own_unless_asked_otherwise() -> None:
    grid = Grid((20, 18, 9), (0.5, 0.5, 3), (10, 20, -30))
    assert v.working_grid(grid).spacing_mm == (1, 1, 3)
    assert v.working_grid(grid, 2.0, 1.5).spacing_mm == (2, 2, 1.5)
    assert v.working_grid(Grid((20, 18, 9), (1, 1, 0.2))).spacing_mm == (1, 1, 1)


@pytest.mark.parametrize(("plane", "slices"), [(0, None), (-1, None), (1, 0), (float("nan"), None)])
def test_a_working_spacing_that_is_not_positive_is_refused(plane: float, slices: float | None) -> None:
    with pytest.raises(GeometryError, match="positive"):
        v.working_grid(Grid((4, 3, 2)), plane, slices)


# --- resampling and slices ---


def test_resampling_is_what_simpleitk_resamples(a_volume: v.Volume) -> None:
    target = Grid((5, 6, 4), (0.7, 0.9, 1.1), a_volume.grid.origin_lps_mm)
    image = image_on(a_volume.grid, a_volume.array_kji)
    reference = image_on(target, np.zeros(target.shape_kji, np.uint8))
    expected = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, 0.0)
    np.testing.assert_allclose(v.resample(a_volume, target).array_kji, sitk.GetArrayFromImage(expected), atol=1e-4)


def test_a_landmark_stays_in_its_place_on_the_working_grid() -> None:
    """A blob in one corner of an oblique, left-handed volume has the same position in mm on the working grid."""
    grid = Grid(
        (40, 30, 20), (1, 1.5, 2), (10, 20, -30), tuple(turned((0.2, -0.3, 0.1), [1, 0, 2], (1, -1, 1)).ravel())
    )
    where = grid.index_to_lps([29, 9, 14])
    distance = np.linalg.norm(grid.voxel_centres_lps_mm() - where, axis=-1)
    axial = v.resample(v.Volume(np.exp(-((distance / 4) ** 2)).astype(np.float32), grid), v.working_grid(grid))
    weights = axial.array_kji / axial.array_kji.sum()
    centroid = (weights[..., None] * axial.grid.voxel_centres_lps_mm()).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(centroid, where, atol=0.1)


def test_outside_the_volume_is_its_lowest_value(a_volume: v.Volume) -> None:
    lower = a_volume.with_array(a_volume.array_kji - 50)
    far = Grid((3, 3, 3), (1, 1, 1), (500, 500, 500))
    assert (v.resample(lower, far).array_kji == -50).all()


def test_labels_resampled_to_the_nearest_stay_labels(a_hostile_grid: Grid) -> None:
    labels = v.Volume(
        np.random.default_rng(0).choice([0, 3, 9], a_hostile_grid.shape_kji).astype(np.uint8), a_hostile_grid
    )
    finer = v.working_grid(a_hostile_grid, 0.4)
    assert set(np.unique(v.resample(labels, finer, nearest=True).array_kji)) <= {0, 3, 9}


def test_8_bit_slices_span_the_middle_99_percent() -> None:
    values = np.linspace(-1000, 3000, 20 * 20 * 20).reshape(20, 20, 20)
    values[0, 0, 0], values[-1, -1, -1] = -1e6, 1e6
    eight = v.to_uint8(v.Volume(values, Grid((20, 20, 20)))).array_kji
    low, high = np.percentile(values, [0.5, 99.5])
    assert eight.dtype == np.uint8
    assert (eight[values <= low] == 0).all()
    assert (eight[values >= high] == 255).all()
    middle = (values > low) & (values < high)
    np.testing.assert_allclose(eight[middle], (values[middle] - low) / (high - low) * 255, atol=0.51)


def test_a_volume_that_is_almost_all_background_is_still_seen() -> None:
    values = np.zeros((20, 20, 20))
    values[10, 10, 10] = 8
    assert v.to_uint8(v.Volume(values, Grid((20, 20, 20)))).array_kji[10, 10, 10] == 255


def test_axial_slices_look_along_the_body_whatever_the_scan_direction() -> None:
    """A sagittal scan of a body whose values grow upwards: every axial slice is one grey, brighter than the last."""
    sagittal = Grid((24, 20, 16), (1, 1, 2), (5, 6, 7), (0, 0, 1, 1, 0, 0, 0, -1, 0))
    height = sagittal.voxel_centres_lps_mm()[..., 2]
    slices = v.axial_slices(v.Volume(height.astype(np.float32), sagittal))
    assert slices.array_kji.dtype == np.uint8
    assert slices.array_kji.shape == (20, 24, 31)
    assert (np.ptp(slices.array_kji, axis=(1, 2)) == 0).all()
    assert (np.diff(slices.array_kji[:, 0, 0].astype(int)) > 0).all()


@pytest.mark.parametrize(("spacing", "own_mm"), [(0.001, 2.0), (1e-5, 0.4), (1e-30, 2.0)])
def test_slices_too_fine_for_any_memory_are_refused_with_a_spacing_that_is_not(spacing: float, own_mm: float) -> None:
    grid = Grid((20, 18, 9), (own_mm,) * 3)
    with pytest.raises(
        GeometryError, match=f"At a spacing of {spacing:g} mm the slices would have .* voxels"
    ) as message:
        v.axial_slices(v.Volume(np.zeros(grid.shape_kji, np.float32), grid), spacing)
    advised = float(re.search(r"spacing of (\S+) mm or more", str(message.value))[1])  # type: ignore[index]
    assert np.prod(v.working_grid(grid, advised).size_xyz) <= v.MAX_WORKING_VOXELS


def test_reading_keeps_the_warning_for_the_log_not_for_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture, values_of: Callable
) -> None:
    grid = Grid((4, 3, 2))
    v.write_volume(v.Volume(values_of(grid), grid), tmp_path / "scan.nii.gz")
    v.read_volume(tmp_path / "scan.nii.gz")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
