"""Displacement fields: SimpleITK's values, the inverse at every voxel, and hostile grids throughout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.errors import Cancelled, GeometryError
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.interpolation import FieldSampler
from Tell2RegLib.space.inversion import invert_field
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.maps import (
    AFFINE,
    CENTRE_LPS_MM,
    KINDS,
    SIX_PAIRS,
    fixed_grid,
    identity_field,
    moving_grid,
    wavy_field,
)

millimetres = st.floats(-60, 60, allow_nan=False)
small = st.floats(-0.2, 0.2, allow_nan=False)
affine_maps = st.builds(
    lambda linear, shift: np.r_[np.c_[np.eye(3) + np.reshape(linear, (3, 3)), shift], [[0, 0, 0, 1]]],
    st.lists(small, min_size=9, max_size=9),
    st.lists(millimetres, min_size=3, max_size=3),
)


def itk_of(field: DisplacementField) -> sitk.DisplacementFieldTransform:
    """Made with SimpleITK alone, so that the library is compared with something else than itself."""
    image = sitk.GetImageFromArray(field.vectors_kji.astype(np.float64), isVector=True)
    image.SetSpacing(field.grid.spacing_mm)
    image.SetOrigin(field.grid.origin_lps_mm)
    image.SetDirection(field.grid.direction)
    return sitk.DisplacementFieldTransform(image)


def sampled_points(grid: Grid, *, beyond_voxels: float = 0.0, number: int = 200) -> np.ndarray:
    last = np.asarray(grid.size_xyz) - 1
    index = np.random.default_rng(3).uniform(-beyond_voxels, last + beyond_voxels, (number, 3))
    return grid.index_to_lps(index)


@pytest.fixture
def a_rough_field(a_hostile_grid: Grid) -> DisplacementField:
    """Every vector another one: any swap of axes, signs or components shows."""
    vectors = np.random.default_rng(1).normal(0, 10, (*a_hostile_grid.shape_kji, 3))
    return DisplacementField(vectors.astype(np.float32), a_hostile_grid)


# --- values ---


def test_between_voxels_a_field_is_what_simpleitk_says(a_rough_field: DisplacementField) -> None:
    itk = itk_of(a_rough_field)
    points = sampled_points(a_rough_field.grid)
    expected = np.array([itk.TransformPoint(point) for point in points.tolist()])
    np.testing.assert_allclose(points + a_rough_field.at(points), expected, atol=1e-5)


def test_at_a_voxel_centre_a_field_is_its_vector(a_rough_field: DisplacementField) -> None:
    np.testing.assert_allclose(
        a_rough_field.at(a_rough_field.grid.voxel_centres_lps_mm()), a_rough_field.vectors_kji, atol=1e-5
    )


def test_beyond_its_grid_a_field_is_that_of_the_nearest_corner(a_rough_field: DisplacementField) -> None:
    grid = a_rough_field.grid
    far = grid.index_to_lps([[-50, -50, -50], [53, 52, 51], [53, -50, 51]])
    expected = a_rough_field.vectors_kji[[0, 1, 1], [0, 2, 0], [0, 3, 3]]
    np.testing.assert_allclose(a_rough_field.at(far), expected, atol=1e-5)


def test_one_point_and_many_have_the_shape_they_came_in(a_rough_field: DisplacementField) -> None:
    point = a_rough_field.grid.index_to_lps([1.2, 0.7, 0.4])
    assert a_rough_field.at(point).shape == (3,)
    assert a_rough_field.at(np.broadcast_to(point, (2, 5, 3))).shape == (2, 5, 3)
    assert a_rough_field.at(np.empty((0, 3))).shape == (0, 3)


def test_a_field_of_one_slice_is_constant_across_it() -> None:
    grid = Grid((3, 2, 1), (1, 2, 3), (5, 6, 7), HOSTILE_GRIDS["oblique"].direction)
    vectors = np.random.default_rng(1).normal(size=(1, 2, 3, 3)).astype(np.float32)
    field = DisplacementField(vectors, grid)
    np.testing.assert_allclose(field.at(grid.index_to_lps([2, 1, 4])), vectors[0, 1, 2], atol=1e-6)


def test_affine_displacements_are_those_of_the_affine_map_at_every_voxel(a_hostile_grid: Grid) -> None:
    centres = a_hostile_grid.voxel_centres_lps_mm()
    expected = apply_affine(AFFINE, centres) - centres
    np.testing.assert_allclose(affine_displacements(AFFINE, a_hostile_grid), expected, atol=1e-5)
    itk = sitk.AffineTransform(AFFINE[:3, :3].ravel().tolist(), AFFINE[:3, 3].tolist())
    moved = itk.TransformPoint(tuple(centres[1, 0, 3]))
    np.testing.assert_allclose(
        centres[1, 0, 3] + affine_displacements(AFFINE, a_hostile_grid)[1, 0, 3], moved, atol=1e-5
    )


def test_the_identity_moves_nothing(a_hostile_grid: Grid) -> None:
    assert not affine_displacements(np.eye(4), a_hostile_grid).any()


# --- bad input ---


@pytest.mark.parametrize("shape", [(4, 3, 2, 3), (2, 3, 4), (3, 2, 3, 4), (2, 3, 4, 2)])
def test_vectors_that_do_not_fit_the_grid_are_refused(a_hostile_grid: Grid, shape: tuple) -> None:
    with pytest.raises(GeometryError, match="does not fit its grid"):
        DisplacementField(np.zeros(shape, np.float32), a_hostile_grid)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused(a_hostile_grid: Grid, bad: float) -> None:
    vectors = np.zeros((*a_hostile_grid.shape_kji, 3), np.float32)
    vectors[1, 2, 3, 1] = bad
    with pytest.raises(GeometryError, match="NaN or infinite"):
        DisplacementField(vectors, a_hostile_grid)


def test_infinities_that_cancel_out_are_refused_too(a_hostile_grid: Grid) -> None:
    vectors = np.zeros((*a_hostile_grid.shape_kji, 3), np.float32)
    vectors[0, 0, 0, 0], vectors[1, 2, 3, 1] = np.inf, -np.inf
    with pytest.raises(GeometryError, match="NaN or infinite"):
        DisplacementField(vectors, a_hostile_grid)


def test_a_field_cannot_be_changed_but_the_callers_array_can(a_hostile_grid: Grid) -> None:
    vectors = np.zeros((*a_hostile_grid.shape_kji, 3), np.float32)
    field = DisplacementField(vectors, a_hostile_grid)
    with pytest.raises(ValueError, match="read-only"):
        field.vectors_kji[0, 0, 0, 0] = 1
    vectors[0, 0, 0, 0] = 1


def test_double_precision_becomes_single(a_hostile_grid: Grid) -> None:
    assert DisplacementField(np.zeros((2, 3, 4, 3)), a_hostile_grid).vectors_kji.dtype == np.float32


# --- the sampler that the inverse is found with ---


@pytest.mark.parametrize("kind", KINDS)
def test_inside_the_sampler_gives_the_field(kind: str) -> None:
    field = wavy_field(fixed_grid(kind))
    points = sampled_points(field.grid)
    sampled = FieldSampler(field, AFFINE)(torch.from_numpy(points.astype(np.float32))).numpy()
    np.testing.assert_allclose(sampled, field.at(points), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_beyond_the_grid_the_sampler_goes_on_with_the_affine_part(kind: str) -> None:
    field = wavy_field(fixed_grid(kind))
    points = sampled_points(field.grid, beyond_voxels=15)
    index = field.grid.lps_to_index(points)
    assert not field.grid.contains_index(index).all()
    nearest = field.grid.index_to_lps(np.clip(index, 0, np.asarray(field.grid.size_xyz) - 1))
    expected = field.at(nearest) + (points - nearest) @ (AFFINE[:3, :3] - np.eye(3)).T
    sampled = FieldSampler(field, AFFINE)(torch.from_numpy(points.astype(np.float32))).numpy()
    np.testing.assert_allclose(sampled, expected, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_across_the_border_the_sampler_does_not_jump(kind: str) -> None:
    field = wavy_field(fixed_grid(kind))
    last = np.asarray(field.grid.size_xyz) - 1
    on_border = np.random.default_rng(5).uniform(0, last, (60, 3))
    axis, end = np.arange(60) % 3, (np.arange(60) // 3) % 2
    on_border[np.arange(60), axis] = end * last[axis]
    outward = np.zeros((60, 3))
    outward[np.arange(60), axis] = (2 * end - 1) * 1e-3
    sampler = FieldSampler(field, AFFINE)
    inside, outside = (
        sampler(torch.from_numpy(field.grid.index_to_lps(index).astype(np.float32))).numpy()
        for index in (on_border - outward, on_border + outward)
    )
    np.testing.assert_allclose(inside, outside, atol=5e-3)


# --- the inverse ---


def residuals_mm(forward: DisplacementField, inverse: DisplacementField) -> tuple[np.ndarray, np.ndarray]:
    """|phi(psi(y)) - y| at every voxel y of the inverse's grid, and whether psi(y) is inside the forward grid."""
    y = inverse.grid.voxel_centres_lps_mm()
    x = y + inverse.vectors_kji
    inside = forward.grid.contains_index(forward.grid.lps_to_index(x))
    return np.linalg.norm(x + forward.at(x) - y, axis=-1), inside


@pytest.mark.parametrize(("fixed", "moving"), SIX_PAIRS)
def test_there_and_back_is_where_it_started_at_every_voxel(fixed: str, moving: str) -> None:
    forward = wavy_field(fixed_grid(fixed))
    error, inside = residuals_mm(forward, invert_field(forward, moving_grid(moving), AFFINE))
    assert inside.mean() > 0.3
    assert error[inside].max() < 1.5e-3


@pytest.mark.parametrize("finer_xyz", [(3, 2, 2), (1, 3, 3), (4, 4, 1)])
@pytest.mark.parametrize(("fixed", "moving"), SIX_PAIRS)
def test_an_inverse_on_many_voxels_found_from_coarse_to_fine_is_as_exact(
    fixed: str, moving: str, finer_xyz: tuple[int, int, int]
) -> None:
    forward, few = wavy_field(fixed_grid(fixed)), moving_grid(moving)
    spacing = np.divide(few.spacing_mm, finer_xyz)
    size = np.multiply(few.size_xyz, finer_xyz)
    many = Grid(tuple(size.tolist()), tuple(spacing.tolist()), few.origin_lps_mm, few.direction)
    error, inside = residuals_mm(forward, invert_field(forward, many, AFFINE))
    assert many.shape_kji != few.shape_kji
    assert inside.mean() > 0.3
    assert error[inside].max() < 1.5e-3


@pytest.mark.parametrize("size_xyz", [(200, 150, 1), (1, 200, 150), (2, 1, 15001), (1, 1, 30001)])
def test_a_plane_or_a_row_of_voxels_has_an_inverse_too(size_xyz: tuple[int, int, int]) -> None:
    forward = wavy_field(fixed_grid("oblique"))
    middle = moving_grid("flipped").index_to_lps(np.subtract(moving_grid("flipped").size_xyz, 1) / 2)
    grid = Grid(size_xyz, (0.1, 0.1, 0.1), tuple(middle.tolist()), moving_grid("flipped").direction)
    error, inside = residuals_mm(forward, invert_field(forward, grid, AFFINE))
    assert inside.any()
    assert error[inside].max() < 1.5e-3


def test_beyond_the_fixed_grid_the_inverse_undoes_the_affine_part_and_the_borders_rest() -> None:
    forward = wavy_field(fixed_grid("oblique"))
    inverse = invert_field(forward, moving_grid("flipped"), AFFINE)
    y = inverse.grid.voxel_centres_lps_mm()
    x = torch.from_numpy((y + inverse.vectors_kji).reshape(-1, 3).astype(np.float32))
    image = (x + FieldSampler(forward, AFFINE)(x)).numpy()
    assert np.linalg.norm(image - y.reshape(-1, 3), axis=-1).max() < 2e-3


def test_a_stretch_of_almost_two_and_a_squeeze_are_inverted() -> None:
    """x grows by up to 1.8 here and shrinks to a fifth there, on top of the affine part."""
    grid = fixed_grid("oblique and left-handed")
    points = grid.voxel_centres_lps_mm()
    vectors = np.zeros_like(points)
    vectors[..., 0] = 0.8 * 6 * np.sin((points[..., 0] - CENTRE_LPS_MM[0]) / 6)
    forward = DisplacementField(vectors.astype(np.float32), grid)
    wanted = Grid((12, 10, 8), (2, 2, 2), tuple(CENTRE_LPS_MM - 9), HOSTILE_GRIDS["axis-aligned"].direction)
    error, inside = residuals_mm(forward, invert_field(forward, wanted, np.eye(4), steps=60))
    assert inside.all()
    assert error.max() < 1.5e-3


def test_the_identity_inverts_to_the_identity_on_any_grid(a_hostile_grid: Grid) -> None:
    inverse = invert_field(identity_field(a_hostile_grid), moving_grid("sagittal"), np.eye(4))
    np.testing.assert_allclose(inverse.vectors_kji, 0, atol=2e-5)


@settings(max_examples=40)
@given(matrix=affine_maps, kind=st.sampled_from(KINDS))
def test_an_affine_map_inverts_to_its_inverse_matrix(matrix: np.ndarray, kind: str) -> None:
    grid, target = HOSTILE_GRIDS[kind], HOSTILE_GRIDS["oblique"]
    forward = DisplacementField(affine_displacements(matrix, grid), grid)
    expected = affine_displacements(np.linalg.inv(matrix), target)
    np.testing.assert_allclose(invert_field(forward, target, matrix).vectors_kji, expected, atol=3e-3)


def test_a_good_first_guess_gives_the_same_inverse() -> None:
    forward = wavy_field(fixed_grid("sagittal"))
    inverse = invert_field(forward, moving_grid("oblique"), AFFINE)
    again = invert_field(forward, inverse.grid, AFFINE, inverse.vectors_kji)
    np.testing.assert_allclose(again.vectors_kji, inverse.vectors_kji, atol=2e-3)


def test_the_guess_is_not_changed() -> None:
    forward, grid = wavy_field(fixed_grid("sagittal")), HOSTILE_GRIDS["oblique"]
    guess = np.zeros((*grid.shape_kji, 3), np.float32)
    invert_field(forward, grid, AFFINE, guess)
    assert not guess.any()


@pytest.fixture
def a_check_that_cancels() -> Callable[[], None]:
    def check() -> None:
        raise Cancelled

    return check


def test_the_user_can_cancel_an_inversion(a_check_that_cancels: Callable[[], None]) -> None:
    with pytest.raises(Cancelled):
        invert_field(wavy_field(fixed_grid("oblique")), moving_grid("flipped"), AFFINE, check=a_check_that_cancels)
