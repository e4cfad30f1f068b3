"""Jacobian, field quality and inverse error, compared with numpy, SimpleITK, Learn2Reg and plain loops."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.evaluation import metrics
from Tell2RegLib.space import jacobian
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import array_of, to_simpleitk
from Testing.Python.evaluation.grids import (
    ALL_GRIDS,
    DIRECTIONS,
    GRIDS,
    OBLIQUE,
    ORIGIN,
    SHEARED,
    SIZE,
    SPACING,
    centre_of,
    every_grid,
    orthogonal_grid,
)
from Testing.Python.maps import identity_field, strict_min_jacobian


def a_rough_field(seed: int, grid: Grid, size_mm: float = 3.0, smooth: float = 1.5) -> NDArray[np.float32]:
    """Random displacements, rough enough to fold here and there."""
    noise = np.random.default_rng(seed).standard_normal((*grid.shape_kji, 3))
    smoothed = gaussian_filter(noise, (smooth, smooth, smooth, 0))
    return (smoothed * size_mm / smoothed.std()).astype(np.float32)


# --- Jacobian ---


def jacobian_by_numpy(vectors_kji: NDArray, grid: Grid) -> NDArray:
    """The long way round: gradients, chain rule, determinants; all in float64."""
    vectors = vectors_kji.astype(np.float64)
    by_index = np.stack([np.gradient(vectors, axis=axis) for axis in (2, 1, 0)], axis=-1)
    return np.linalg.det(np.eye(3) + by_index @ grid.lps_to_index_matrix[:3, :3])


AFFINES = {
    "stretch": np.array([[1.3, 0.1, -0.2], [0.0, 0.8, 0.3], [0.2, -0.1, 1.1]]),
    "mirror": np.diag([-0.7, 1.2, 1.0]),
    "turn": Rotation.from_rotvec([0.5, 0.2, -1.0]).as_matrix(),
    "flat": np.diag([1.0, 0.0, 1.0]),
}


@every_grid
@pytest.mark.parametrize("linear", AFFINES.values(), ids=list(AFFINES))
def test_an_affine_map_has_its_determinant_everywhere_even_at_the_border(grid: Grid, linear: NDArray) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, (5.0, -3.0, 11.0)
    vectors = affine_displacements(matrix, grid)
    np.testing.assert_allclose(jacobian.jacobian_determinant(vectors, grid), np.linalg.det(linear), atol=2e-3)
    assert strict_min_jacobian(vectors, grid) == pytest.approx(np.linalg.det(linear), abs=2e-3)


@every_grid
def test_jacobian_is_numpys_on_rough_fields(grid: Grid) -> None:
    vectors = a_rough_field(0, grid)
    expected = jacobian_by_numpy(vectors, grid)
    assert expected.min() < -0.5  # it does fold
    np.testing.assert_allclose(jacobian.jacobian_determinant(vectors, grid), expected, rtol=1e-4, atol=1e-4)


def test_jacobian_does_not_depend_on_how_the_volume_is_cut_into_slabs() -> None:
    grid = Grid((130, 120, 40), SPACING, ORIGIN, tuple(OBLIQUE.ravel()))
    assert len(list(jacobian.slab_ranges(grid.shape_kji))) > 2
    vectors = a_rough_field(1, grid)
    expected = jacobian_by_numpy(vectors, grid)
    np.testing.assert_allclose(jacobian.jacobian_determinant(vectors, grid), expected, rtol=1e-4, atol=1e-3)
    small = Grid((130, 120, 41), SPACING, ORIGIN, tuple(OBLIQUE.ravel()))
    fold = np.zeros((*small.shape_kji, 3), np.float32)
    for slab_border, _ in list(jacobian.slab_ranges((40, 120, 130)))[1:]:
        fold[:] = 0.0
        fold[slab_border, 60, 60] = 0.7 * SPACING[2] * OBLIQUE[:, 2]
        assert strict_min_jacobian(fold, small) == pytest.approx(0.3, abs=1e-4)
        fold *= -1
        assert strict_min_jacobian(fold, small) == pytest.approx(0.3, abs=1e-4)


@orthogonal_grid
def test_jacobian_is_simpleitks_inside(grid: Grid) -> None:
    """SimpleITK's filter looks at index axes only, so the vectors are turned into them; det J stays the same."""
    vectors = a_rough_field(2, grid)
    turned = vectors @ np.reshape(grid.direction, (3, 3)).astype(np.float32)
    field = to_simpleitk(turned.astype(np.float64), Grid(SIZE, SPACING))
    expected = array_of(sitk.DisplacementFieldJacobianDeterminant(field))
    inside = (slice(1, -1),) * 3  # at the border ITK takes half of the one-sided difference
    measured = jacobian.jacobian_determinant(vectors, grid)
    np.testing.assert_allclose(measured[inside], expected[inside], rtol=1e-4, atol=1e-4)


def a_wave(points: NDArray) -> NDArray:
    """A smooth map of space, in closed form."""
    x, y, z = np.moveaxis(points, -1, 0) / 12.0
    return points + 2.0 * np.stack([np.sin(y + 0.3 * z), np.cos(z - x), np.sin(x) * np.cos(y)], axis=-1)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=list(DIRECTIONS))
def test_jacobian_of_a_closed_form_map_is_its_derivative(direction: NDArray) -> None:
    grid = Grid((60, 50, 40), (0.4, 0.5, 0.6), (-7.0, 3.0, 12.0), tuple(direction.ravel()))
    points = grid.voxel_centres_lps_mm()
    measured = jacobian.jacobian_determinant((a_wave(points) - points).astype(np.float32), grid)
    rng = np.random.default_rng(0)
    for k, j, i in zip(*(rng.integers(1, n - 1, 40) for n in grid.shape_kji), strict=True):
        steps = points[k, j, i] + 1e-4 * np.concatenate([np.eye(3), -np.eye(3)])
        values = a_wave(steps)
        derivative = (values[:3] - values[3:]).T / 2e-4
        assert measured[k, j, i] == pytest.approx(np.linalg.det(derivative), abs=2e-3)


def test_a_single_slice_has_the_determinant_of_its_plane() -> None:
    grid = Grid((12, 10, 1), SPACING, ORIGIN, tuple(OBLIQUE.ravel()))
    in_plane = np.eye(4)
    in_plane[:3, :3] = OBLIQUE @ np.diag([1.5, 0.5, 1.0]) @ OBLIQUE.T
    vectors = affine_displacements(in_plane, grid)
    np.testing.assert_allclose(jacobian.jacobian_determinant(vectors, grid), 0.75, atol=1e-4)
    assert strict_min_jacobian(vectors, grid) == pytest.approx(0.75, abs=1e-4)


def strict_by_loops(vectors_kji: NDArray, grid: Grid) -> float:
    """Forward or backward difference per axis at each voxel that has that neighbour."""
    to_index = grid.lps_to_index_matrix[:3, :3]
    smallest = np.inf
    for at in np.ndindex(*grid.shape_kji):
        for signs in product((-1, 1), repeat=3):
            neighbours = [np.add(at, np.eye(3, dtype=int)[axis] * sign) for axis, sign in enumerate(signs)]
            if any(np.any(o < 0) or np.any(o >= grid.shape_kji) for o in neighbours):
                continue
            slopes = [s * (vectors_kji[tuple(o)] - vectors_kji[at]) for o, s in zip(neighbours, signs, strict=True)]
            jacobian = np.eye(3) + np.stack(slopes[::-1], axis=-1) @ to_index
            smallest = min(smallest, np.linalg.det(jacobian))
    return smallest


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=list(DIRECTIONS))
def test_strict_minimum_is_over_all_one_sided_differences(direction: NDArray) -> None:
    grid = Grid((5, 4, 6), SPACING, ORIGIN, tuple(direction.ravel()))
    for seed in range(3):
        vectors = a_rough_field(seed, grid, size_mm=0.7, smooth=0.5)
        assert strict_min_jacobian(vectors, grid) == pytest.approx(strict_by_loops(vectors, grid), abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ALL_GRIDS), st.floats(0.1, 3.0))
def test_strict_minimum_is_never_above_the_central_one(seed: int, grid: Grid, size_mm: float) -> None:
    vectors = a_rough_field(seed, grid, size_mm, smooth=0.8)
    central = float(jacobian.jacobian_determinant(vectors, grid).min())
    assert strict_min_jacobian(vectors, grid) <= central + 1e-4


def test_the_strict_check_sees_the_fold_that_central_differences_cannot() -> None:
    grid = Grid((8, 8, 8))
    vectors = np.zeros((8, 8, 8, 3), np.float32)
    vectors[:, :, ::2, 0] = 1.2  # every other voxel jumps over its neighbour
    central = jacobian.jacobian_determinant(vectors, grid)[:, :, 1:-1]
    np.testing.assert_allclose(central, 1.0, atol=1e-6)
    assert strict_min_jacobian(vectors, grid) == pytest.approx(-0.2, abs=1e-6)


def test_jacobians_refuse_vectors_of_another_grid() -> None:
    for measure in (jacobian.jacobian_determinant, strict_min_jacobian):
        with pytest.raises(GeometryError, match="shape"):
            measure(np.zeros((3, 4, 5, 3), np.float32), Grid((3, 4, 5)))


# --- field quality ---


def learn2reg_sdlogj(displacement_voxels: NDArray) -> float:
    """The challenge's own formula (MDL-UzL/L2R), with displacements (3, I, J, K) in voxels."""
    kernel = [-0.5, 0.0, 0.5]
    rows = [[correlate1d(d, kernel, axis, mode="constant") for axis in range(3)] for d in displacement_voxels]
    jacobian = np.moveaxis(np.array(rows), (0, 1), (-2, -1))[2:-2, 2:-2, 2:-2] + np.eye(3)
    return float(np.log((np.linalg.det(jacobian) + 3).clip(1e-9, 1e9)).std())


@orthogonal_grid
def test_field_quality_of_a_rough_field(grid: Grid) -> None:
    vectors = a_rough_field(3, grid)
    quality = metrics.field_quality(DisplacementField(vectors, grid))
    expected = jacobian_by_numpy(vectors, grid)
    assert quality.folding_percent == pytest.approx(100 * (expected <= 0).mean(), abs=0.02)
    assert quality.min_jacobian == pytest.approx(expected.min(), abs=1e-3)
    assert quality.sdlogj == pytest.approx(np.log(expected[expected > 0]).std(), rel=1e-2)
    assert quality.max_displacement_mm == pytest.approx(np.linalg.norm(vectors, axis=-1).max(), rel=1e-6)
    in_voxels = np.moveaxis(grid.lps_to_index_vectors(vectors), (0, 1, 2, 3), (3, 2, 1, 0))
    assert quality.sdlogj_l2r == pytest.approx(learn2reg_sdlogj(in_voxels), rel=1e-4)


def test_field_quality_of_nothing_is_perfect() -> None:
    quality = metrics.field_quality(identity_field(SHEARED))
    assert quality == metrics.FieldQuality(0.0, pytest.approx(1.0, abs=1e-6), 0.0, 0.0, 0.0)


def test_field_quality_of_a_mirror_is_all_folds_and_has_no_sdlogj() -> None:
    vectors = affine_displacements(np.diag([-1.0, 1.0, 1.0, 1.0]), GRIDS["oblique"])
    quality = metrics.field_quality(DisplacementField(vectors, GRIDS["oblique"]))
    assert quality.folding_percent == 100.0
    assert np.isnan(quality.sdlogj)


def test_sdlogj_of_two_halves_that_swell_and_shrink() -> None:
    grid = Grid((400, 6, 6))
    slope = np.where(np.arange(400) < 200, 0.25, -0.2)  # det J = 1.25 and 0.8
    vectors = np.zeros((6, 6, 400, 3), np.float32)
    vectors[..., 0] = np.cumsum(slope)
    assert metrics.field_quality(DisplacementField(vectors, grid)).sdlogj == pytest.approx(np.log(1.25), rel=0.01)


# --- inverse error ---


@every_grid
def test_an_affine_map_and_its_inverse_have_no_inverse_error(grid: Grid) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = AFFINES["stretch"]
    matrix[:3, 3] = centre_of(grid) - matrix[:3, :3] @ centre_of(grid) + [1.0, 2.0, -3.0]
    inverse_grid = Grid((40, 44, 48), (2.0, 1.8, 1.6), tuple(centre_of(grid) - 40.0))
    forward = DisplacementField(affine_displacements(matrix, grid), grid)
    backward = DisplacementField(affine_displacements(np.linalg.inv(matrix), inverse_grid), inverse_grid)
    mean, largest = metrics.inverse_error_mm(forward, backward)
    assert 0.0 <= mean <= largest < 1e-3


@every_grid
def test_inverse_error_is_scipys(grid: Grid) -> None:
    inverse_grid = Grid((24, 20, 18), (1.3, 1.4, 1.9), tuple(centre_of(grid) - 16.0), tuple(OBLIQUE.T.ravel()))
    forward = DisplacementField(a_rough_field(4, grid), grid)
    backward = DisplacementField(a_rough_field(5, inverse_grid), inverse_grid)
    image = grid.voxel_centres_lps_mm() + forward.vectors_kji
    index = inverse_grid.lps_to_index(image)
    inside = inverse_grid.contains_index(index)
    kji = index[inside][:, ::-1].T
    back = [map_coordinates(backward.vectors_kji[..., c], kji, np.float64, order=1) for c in range(3)]
    errors = np.linalg.norm(forward.vectors_kji[inside] + np.stack(back, axis=-1), axis=-1)
    assert 0.1 < inside.mean() < 0.95
    measured = metrics.inverse_error_mm(forward, backward)
    assert measured == pytest.approx((errors.mean(), errors.max()), rel=1e-3)


def test_inverse_error_of_a_constant_miss_is_that_miss() -> None:
    grid = GRIDS["left_handed"]
    forward_vectors = np.broadcast_to(np.float32([3, 0, 0]), (*grid.shape_kji, 3))
    backward_vectors = np.broadcast_to(np.float32([-3, 0.3, 0.4]), (*grid.shape_kji, 3))
    measured = metrics.inverse_error_mm(
        DisplacementField(forward_vectors, grid), DisplacementField(backward_vectors, grid)
    )
    assert measured == pytest.approx((0.5, 0.5), abs=1e-5)


def test_voxels_that_leave_the_backward_grid_do_not_count() -> None:
    grid = Grid((20, 10, 10))
    vectors = np.zeros((*grid.shape_kji, 3), np.float32)
    vectors[:, :, 10:, 0] = 500.0  # half of the volume goes far away
    assert metrics.inverse_error_mm(DisplacementField(vectors, grid), identity_field(grid)) == (0.0, 0.0)
    far = Grid((20, 10, 10), origin_lps_mm=(1e4, 0.0, 0.0))
    assert np.isnan(metrics.inverse_error_mm(identity_field(grid), identity_field(far))).all()


def test_inverse_error_on_a_single_slice_counts_only_points_in_its_plane() -> None:
    volume, plane = Grid((8, 7, 5)), Grid((8, 7, 1), origin_lps_mm=(0.0, 0.0, 2.0))
    vectors = np.ones((*volume.shape_kji, 3), np.float32) * np.float32([0, 0, 0.5])
    vectors[2] = (0.25, 0.0, 0.0)
    measured = metrics.inverse_error_mm(DisplacementField(vectors, volume), identity_field(plane))
    assert measured == pytest.approx((0.25, 0.25))
