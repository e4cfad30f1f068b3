"""Grid: every conversion against SimpleITK, on geometry that hides no swap of axes, sign or order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space.grid import Grid, apply_affine
from Testing.Python.conftest import HOSTILE_GRIDS, rotation

finite = st.floats(-1e3, 1e3)
points = st.tuples(finite, finite, finite)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any size, spacing, origin, rotation and handedness."""
    sizes = draw(st.tuples(*[st.integers(1, 50)] * 3))
    spacings = draw(st.tuples(*[st.floats(0.1, 10)] * 3))
    origin = draw(points)
    quaternion = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 4))) + [0, 0, 0, 2.5]
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    direction = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    # No subnormal numbers: ITK's inversion of such a matrix is NaN.
    direction[np.abs(direction) < 1e-300] = 0.0
    signs = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    order = draw(st.permutations([0, 1, 2]))
    return Grid(sizes, spacings, origin, tuple((direction * signs)[:, order].ravel()))


def simpleitk_image(grid: Grid) -> sitk.Image:
    image = sitk.Image(*grid.size_xyz, sitk.sitkUInt8)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    return image


# --- frames ---


@given(grids(), points)
def test_index_to_lps_is_what_simpleitk_says(grid: Grid, index: tuple) -> None:
    expected = simpleitk_image(grid).TransformContinuousIndexToPhysicalPoint(index)
    np.testing.assert_allclose(grid.index_to_lps(index), expected, atol=1e-6)


@given(grids(), points)
def test_lps_to_index_is_what_simpleitk_says(grid: Grid, point: tuple) -> None:
    expected = simpleitk_image(grid).TransformPhysicalPointToContinuousIndex(point)
    np.testing.assert_allclose(grid.lps_to_index(point), expected, atol=1e-6)


@given(grids(), points)
def test_index_to_lps_and_back_is_where_it_started(grid: Grid, index: tuple) -> None:
    np.testing.assert_allclose(grid.lps_to_index(grid.index_to_lps(index)), index, atol=1e-6)


@given(grids(), points)
def test_vectors_to_lps_and_back_are_what_they_were(grid: Grid, vector: tuple) -> None:
    np.testing.assert_allclose(grid.lps_to_index_vectors(grid.index_to_lps_vectors(vector)), vector, atol=1e-6)


@given(grids(), points, points)
def test_a_vector_is_the_difference_of_two_points(grid: Grid, start: tuple, end: tuple) -> None:
    difference = grid.index_to_lps(end) - grid.index_to_lps(start)
    np.testing.assert_allclose(grid.index_to_lps_vectors(np.subtract(end, start)), difference, atol=1e-6)


def test_points_of_any_leading_shape_convert_alike(a_hostile_grid: Grid) -> None:
    index = np.random.default_rng(0).normal(size=(5, 2, 3))
    one_by_one = [[a_hostile_grid.index_to_lps(point) for point in row] for row in index]
    np.testing.assert_allclose(a_hostile_grid.index_to_lps(index), one_by_one)


def test_first_and_last_voxel_centres_are_the_ends_of_the_cube(a_hostile_grid: Grid) -> None:
    last = np.asarray(a_hostile_grid.size_xyz) - 1
    np.testing.assert_array_equal(a_hostile_grid.index_to_cube([[0, 0, 0], last]), [[-1, -1, -1], [1, 1, 1]])


@given(grids(), st.tuples(*[st.floats(0, 1)] * 3))
def test_the_cube_is_linear_between_its_ends(grid: Grid, share: tuple) -> None:
    last = np.asarray(grid.size_xyz) - 1
    expected = np.where(last > 0, 2 * np.asarray(share) - 1, 0)
    np.testing.assert_allclose(grid.index_to_cube(share * last), expected, atol=1e-9)


def test_the_cube_is_what_grid_sample_reads(a_hostile_grid: Grid, values_of) -> None:
    array = torch.from_numpy(values_of(a_hostile_grid, np.float64))[None, None]
    index = np.array([[3.0, 0.0, 1.0], [0.5, 1.5, 0.25], [2.0, 2.0, 0.0]])
    cube = torch.from_numpy(a_hostile_grid.index_to_cube(index))[None, None, None]
    read = torch.nn.functional.grid_sample(array, cube, mode="bilinear", align_corners=True).numpy().ravel()
    np.testing.assert_allclose(read, index @ [100, 10, 1])


def test_an_axis_of_one_voxel_maps_to_the_middle_of_the_cube() -> None:
    assert Grid((5, 1, 2)).index_to_cube([4, 0, 1]).tolist() == [1, 0, 1]


# --- values ---


def test_shape_is_size_in_reverse(a_hostile_grid: Grid) -> None:
    assert a_hostile_grid.size_xyz == (4, 3, 2)
    assert a_hostile_grid.shape_kji == (2, 3, 4)
    assert a_hostile_grid.voxel_volume_mm3 == pytest.approx(6.0)


def test_equal_values_make_equal_grids_whatever_they_were_given_as() -> None:
    plain = Grid((4, 3, 2), (1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    arrays = Grid(np.array([4, 3, 2]), np.array([1, 2, 3]), np.float32([1, 2, 3]), np.eye(3))  # type: ignore[arg-type]
    assert plain == arrays
    assert hash(plain) == hash(arrays)
    assert all(type(n) is int for n in arrays.size_xyz)


def test_a_grid_cannot_be_changed(a_hostile_grid: Grid) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        a_hostile_grid.spacing_mm = (1, 1, 1)  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        a_hostile_grid.index_to_lps_matrix[0, 0] = 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size_xyz", (4, 3, 0)),
        ("size_xyz", (4, 3)),
        ("size_xyz", (4, -3, 2)),
        ("spacing_mm", (1, 2, 0)),
        ("spacing_mm", (1, -2, 3)),
        ("spacing_mm", (1, float("nan"), 3)),
        ("spacing_mm", (1, float("inf"), 3)),
        ("spacing_mm", (1, 2)),
        ("origin_lps_mm", (0, float("nan"), 0)),
        ("origin_lps_mm", (0, 0)),
        ("direction", (1, 0, 0, 0, 1, 0, 0, 0, 0)),
        ("direction", (1, 0, 0, 0, 1, 0, 0, 0, float("nan"))),
        ("direction", (1, 0, 0, 1)),
        ("direction", (0,) * 9),
    ],
)
def test_what_cannot_describe_a_volume_is_refused_with_the_value(field: str, value: tuple) -> None:
    with pytest.raises(GeometryError) as message:
        dataclasses.replace(Grid((4, 3, 2)), **{field: value})
    shown = [float(v) if field != "size_xyz" else v for v in value]
    assert str(tuple(shown)) in str(message.value)


def test_a_sheared_direction_is_legal_and_inverts() -> None:
    sheared = Grid((4, 3, 2), (1, 2, 3), (5, 6, 7), (1, 0.3, 0, 0, 1, 0.2, 0, 0, 1))
    np.testing.assert_allclose(sheared.lps_to_index(sheared.index_to_lps([1, 2, 1])), [1, 2, 1])


# --- derived grids ---


def test_voxel_centres_are_in_the_order_of_arrays(a_hostile_grid: Grid) -> None:
    centres = a_hostile_grid.voxel_centres_lps_mm()
    assert centres.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(centres[1, 2, 3], a_hostile_grid.index_to_lps([3, 2, 1]))
    np.testing.assert_allclose(centres[0, 0, 0], a_hostile_grid.origin_lps_mm)


def test_corners_are_the_extreme_voxel_centres(a_hostile_grid: Grid) -> None:
    corners = a_hostile_grid.corners_lps_mm()
    centres = a_hostile_grid.voxel_centres_lps_mm().reshape(-1, 3)
    assert corners.shape == (8, 3)
    np.testing.assert_allclose(corners.min(axis=0), centres.min(axis=0))
    np.testing.assert_allclose(corners.max(axis=0), centres.max(axis=0))


def test_a_crop_keeps_its_voxels_in_place(a_hostile_grid: Grid) -> None:
    part = a_hostile_grid.crop((1, 1, 0), (2, 2, 2))
    assert part.size_xyz == (2, 2, 2)
    np.testing.assert_allclose(part.index_to_lps([1, 0, 1]), a_hostile_grid.index_to_lps([2, 1, 1]))


def test_a_crop_is_what_simpleitk_crops(a_hostile_grid: Grid) -> None:
    expected = simpleitk_image(a_hostile_grid)[1:3, 1:3, 0:2]
    part = a_hostile_grid.crop((1, 1, 0), (2, 2, 2))
    np.testing.assert_allclose(part.origin_lps_mm, expected.GetOrigin())
    assert part.size_xyz == expected.GetSize()


def test_a_crop_may_reach_outside(a_hostile_grid: Grid) -> None:
    wider = a_hostile_grid.crop((-2, -1, 0), (9, 9, 9))
    np.testing.assert_allclose(wider.index_to_lps([2, 1, 0]), a_hostile_grid.origin_lps_mm)


def test_inside_ends_at_the_outer_voxel_centres(a_hostile_grid: Grid) -> None:
    inside = a_hostile_grid.contains_index([[0, 0, 0], [3, 2, 1], [3.1, 0, 0], [0, -0.1, 0], [0, 0, 1.1]])
    assert inside.tolist() == [True, True, False, False, False]


def test_rounding_in_a_file_header_is_the_same_space(a_hostile_grid: Grid) -> None:
    nearly = dataclasses.replace(a_hostile_grid, spacing_mm=(1.00001, 2.0, 3.0))
    moved = dataclasses.replace(a_hostile_grid, origin_lps_mm=(10.0, 20.0, -29.9))
    cropped = a_hostile_grid.crop((0, 0, 0), (3, 3, 2))
    assert a_hostile_grid.same_space(nearly)
    assert not a_hostile_grid.same_space(moved)
    assert not a_hostile_grid.same_space(cropped)


def test_a_flipped_copy_of_the_same_box_is_another_space() -> None:
    small_grid = Grid((4, 3, 2))
    back = Grid((4, 3, 2), (1, 1, 1), (3, 0, 0), (-1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert not small_grid.same_space(back)


def test_an_affine_moves_points_as_written() -> None:
    matrix = [[0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]]
    assert apply_affine(matrix, [[1, 2, 3]]).tolist() == [[3, 7, 13]]


# --- moved grids ---


@settings(max_examples=60)
@given(
    kind=st.sampled_from(sorted(HOSTILE_GRIDS)),
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    degrees=st.floats(-180, 180),
    shift=st.tuples(*[st.floats(-100, 100)] * 3),
    scales=st.tuples(*[st.sampled_from([-2.0, -1.0, 0.5, 1.0, 1.3])] * 3),
)
def test_voxels_of_a_moved_grid_are_the_moved_voxels(
    kind: str, axis: tuple, degrees: float, shift: tuple, scales: tuple
) -> None:
    """Turns, shifts, flips, and scales along the voxels' own axes."""
    grid = HOSTILE_GRIDS[kind]
    direction = np.reshape(grid.direction, (3, 3))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(axis, degrees) @ direction @ np.diag(scales) @ direction.T, shift
    moved = grid.moved_by(matrix)
    expected = apply_affine(matrix, grid.voxel_centres_lps_mm())
    np.testing.assert_allclose(moved.voxel_centres_lps_mm(), expected, atol=1e-9)
    assert moved.size_xyz == grid.size_xyz


def test_a_grid_is_not_sheared() -> None:
    shear = np.eye(4)
    shear[0, 1] = 0.01
    with pytest.raises(GeometryError, match="shears the voxels"):
        HOSTILE_GRIDS["axis-aligned"].moved_by(shear)
    with pytest.raises(GeometryError, match="scales them obliquely to their axes"):
        HOSTILE_GRIDS["oblique"].moved_by(np.diag([1.0, 2.0, 1.0, 1.0]))


@pytest.mark.parametrize(
    "matrix",
    [np.eye(3), np.diag([1, 1, 0, 1]), np.full((4, 4), np.nan), np.diag([1.0, 1, 1, 2])],
    ids=["3 x 3", "flat", "NaN", "projective"],
)
def test_a_grid_is_not_moved_by_what_is_no_affine_map(matrix: np.ndarray) -> None:
    with pytest.raises(GeometryError):
        HOSTILE_GRIDS["axis-aligned"].moved_by(matrix)
