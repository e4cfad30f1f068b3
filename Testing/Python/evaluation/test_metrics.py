"""Metrics against other implementations (SimpleITK, SciPy, NumPy) and against cases whose answer is known."""

from __future__ import annotations

import tracemalloc
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, distance_transform_edt, gaussian_filter, map_coordinates
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.evaluation import metrics
from Tell2RegLib.space import jacobian
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import array_of, to_simpleitk
from Testing.Python.maps import identity_field, strict_min_jacobian

SIZE, SPACING, ORIGIN = (26, 22, 17), (1.0, 1.5, 2.5), (-130.0, 45.0, 900.0)
OBLIQUE = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": OBLIQUE,
    "flipped": OBLIQUE @ np.diag([-1, -1, 1]),
    "left_handed": OBLIQUE @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
}
GRIDS = {name: Grid(SIZE, SPACING, ORIGIN, tuple(d.ravel())) for name, d in DIRECTIONS.items()}
SHEARED = Grid(SIZE, SPACING, ORIGIN, (1.0, 0.2, 0.1, 0.0, 0.98, -0.3, 0.0, 0.0, 0.95))
ALL_GRIDS = [*GRIDS.values(), SHEARED]
every_grid = pytest.mark.parametrize("grid", ALL_GRIDS, ids=[*GRIDS, "sheared"])
orthogonal_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))


def hausdorff_mm(a: Region, b: Region) -> float:
    """The larger of the two directed maxima: what `hausdorff95_mm` is at 100 %, and what SimpleITK measures."""
    return max(float(directed.max()) for directed in metrics.surface_distances_mm(a, b))


def a_blob(seed: int, grid: Grid, name: str = "organ") -> Region:
    """An irregular region somewhere on the grid."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.standard_normal(grid.shape_kji), 2.0)
    at = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.shape_kji), indexing="ij")
    away = sum((x - c) ** 2 for x, c in zip(at, rng.uniform(-0.4, 0.4, 3), strict=True))
    return Region.from_mask(name, (noise / noise.std() * 0.12 - away) > -0.3, grid)


def a_ball(centre_lps_mm: NDArray, radius_mm: float, grid: Grid) -> Region:
    away = np.linalg.norm(grid.voxel_centres_lps_mm() - centre_lps_mm, axis=-1)
    return Region.from_mask("ball", away <= radius_mm, grid)


def centre_of(grid: Grid) -> NDArray:
    return grid.index_to_lps((np.asarray(grid.size_xyz) - 1) / 2)


def a_rough_field(seed: int, grid: Grid, size_mm: float = 3.0, smooth: float = 1.5) -> NDArray[np.float32]:
    """Random displacements, rough enough to fold here and there."""
    noise = np.random.default_rng(seed).standard_normal((*grid.shape_kji, 3))
    smoothed = gaussian_filter(noise, (smooth, smooth, smooth, 0))
    return (smoothed * size_mm / smoothed.std()).astype(np.float32)


# --- overlap ---


@every_grid
@pytest.mark.parametrize("seed", range(4))
def test_dice_is_simpleitks(grid: Grid, seed: int) -> None:
    a, b = a_blob(seed, grid), a_blob(seed + 100, grid)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(to_simpleitk(a.mask_kji(), grid), to_simpleitk(b.mask_kji(), grid))
    assert metrics.dice(a, b) == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-12)
    assert metrics.dice(a, b) == metrics.dice(b, a)
    assert metrics.dice(a, a) == 1.0


def test_dice_of_regions_whose_boxes_do_not_meet_is_zero() -> None:
    grid = GRIDS["oblique"]
    corner, far, beside = (np.zeros(grid.shape_kji, bool) for _ in range(3))
    corner[:3, :3, :3] = far[-3:, -3:, -3:] = beside[:3, :3, 3:6] = True
    regions = [Region.from_mask("part", mask, grid) for mask in (corner, far, beside)]
    assert metrics.dice(regions[0], regions[1]) == metrics.dice(regions[0], regions[2]) == 0.0


def test_dice_refuses_regions_on_different_grids() -> None:
    a, b = a_blob(0, GRIDS["straight"]), a_blob(0, GRIDS["oblique"])
    with pytest.raises(GeometryError, match="different grids"):
        metrics.dice(a, b)


def test_dice_of_small_regions_needs_no_memory_of_the_whole_volume() -> None:
    grid = Grid((500, 500, 400))
    box = np.ones((20, 20, 20), bool)
    a, b = Region("a", box, (10, 20, 30), grid), Region("b", box, (20, 20, 30), grid)
    tracemalloc.start()
    assert metrics.dice(a, b) == 0.5
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((4, 5, 6)) < 0.4)


@settings(deadline=None, max_examples=60)
@given(masks, masks, st.tuples(*[st.integers(0, 6)] * 3))
def test_moving_both_regions_changes_neither_overlap_nor_distance(a, b, shift) -> None:
    grid = GRIDS["flipped"]
    here = [Region("r", mask, (0, 0, 0), grid) for mask in (a, b)]
    there = [Region("r", mask, shift, grid) for mask in (a, b)]
    for measure in (metrics.dice, hausdorff_mm, metrics.hausdorff95_mm, metrics.centroid_distance_mm):
        assert measure(*there) == pytest.approx(measure(*here), abs=1e-9)
        assert measure(*here) == pytest.approx(measure(*reversed(here)), abs=1e-9)
    assert 0.0 <= metrics.dice(*here) <= 1.0
    assert metrics.volume_ratio(*here) == pytest.approx(1.0 / metrics.volume_ratio(*reversed(here)))


def test_volume_ratio_is_second_over_first_in_millilitres() -> None:
    coarse, fine = Grid((10, 10, 10), (2.0, 2.0, 3.0)), Grid((10, 10, 10), (1.0, 1.0, 1.0))
    a = Region("a", np.ones((2, 2, 2), bool), (0, 0, 0), coarse)
    b = Region("b", np.ones((4, 3, 2), bool), (0, 0, 0), fine)
    assert metrics.volume_ratio(a, b) == pytest.approx(24.0 / 96.0)


def test_centroids_are_compared_in_millimetres_across_grids() -> None:
    fine = Grid((60, 60, 60), (0.8, 0.8, 0.8), tuple(centre_of(SHEARED) - 24.0))
    shift = np.array([2.0, -1.0, 3.0])
    for grid in ALL_GRIDS:
        there = a_ball(centre_of(grid), 9.0, grid)
        here = a_ball(centre_of(SHEARED), 9.0, fine)
        expected = np.linalg.norm(centre_of(grid) - centre_of(SHEARED))
        assert metrics.centroid_distance_mm(here, there) == pytest.approx(expected, abs=0.1)
    moved = a_ball(centre_of(SHEARED) + shift, 9.0, fine)
    assert metrics.centroid_distance_mm(here, moved) == pytest.approx(np.linalg.norm(shift), abs=0.05)


# --- surfaces ---


def surface_by_erosion(region: Region) -> NDArray[np.bool_]:
    mask = region.mask_kji()
    eroded = sitk.BinaryErode(to_simpleitk(np.pad(mask, 1), region.grid.crop((-1, -1, -1), np.add(SIZE, 2))), (1, 1, 1),
                              sitk.sitkCross)  # fmt: skip
    return mask & ~array_of(eroded)[1:-1, 1:-1, 1:-1].astype(bool)


@orthogonal_grid
@pytest.mark.parametrize("seed", range(3))
def test_hausdorff_is_simpleitks_between_surfaces(grid: Grid, seed: int) -> None:
    a, b = a_blob(seed, grid), a_blob(seed + 50, grid)
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*(to_simpleitk(surface_by_erosion(r), grid) for r in (a, b)))
    assert hausdorff_mm(a, b) == pytest.approx(hausdorff.GetHausdorffDistance(), abs=1e-4)


@orthogonal_grid
@pytest.mark.parametrize("seed", range(3))
def test_surface_distances_are_those_of_distance_maps(grid: Grid, seed: int) -> None:
    a, b = a_blob(seed, grid), a_blob(seed + 50, grid)
    on_a, on_b = surface_by_erosion(a), surface_by_erosion(b)
    from_a = distance_transform_edt(~on_b, sampling=grid.spacing_mm[::-1])[on_a]
    from_b = distance_transform_edt(~on_a, sampling=grid.spacing_mm[::-1])[on_b]
    measured = metrics.surface_distances_mm(a, b)
    np.testing.assert_allclose(measured[0], from_a, atol=1e-9)
    np.testing.assert_allclose(measured[1], from_b, atol=1e-9)
    expected = max(np.percentile(from_a, 95), np.percentile(from_b, 95))
    assert metrics.hausdorff95_mm(a, b) == pytest.approx(expected, abs=1e-9)


def test_surface_distances_are_right_on_a_sheared_grid_and_across_grids() -> None:
    a, b = a_blob(1, SHEARED), a_blob(2, GRIDS["left_handed"])
    points = [r.grid.index_to_lps(np.argwhere(surface_by_erosion(r))[:, ::-1]) for r in (a, b)]
    distances = cdist(*points)
    measured = metrics.surface_distances_mm(a, b)
    np.testing.assert_allclose(measured[0], distances.min(axis=1), atol=1e-9)
    np.testing.assert_allclose(measured[1], distances.min(axis=0), atol=1e-9)


def test_spheres_a_known_distance_apart() -> None:
    grid = Grid((70, 60, 60), (1.0, 1.0, 1.0), (5.0, 6.0, 7.0), tuple(OBLIQUE.ravel()))
    ball = a_ball(centre_of(grid), 15.0, grid)
    shifted = a_ball(centre_of(grid) + 6.0 * OBLIQUE[:, 0], 15.0, grid)
    larger = a_ball(centre_of(grid), 19.0, grid)
    assert hausdorff_mm(ball, shifted) == pytest.approx(6.0, abs=0.6)
    assert hausdorff_mm(ball, larger) == pytest.approx(4.0, abs=1.0)
    assert 3.5 <= metrics.hausdorff95_mm(ball, larger) <= hausdorff_mm(ball, larger)
    # Along the shift the surfaces are 6 mm apart, across it they meet: 95 % lie within 6 cos(18 degrees).
    assert metrics.hausdorff95_mm(ball, shifted) == pytest.approx(6.0 * 0.95, abs=0.5)


def test_the_95_percent_distance_takes_the_worse_direction_and_does_not_pool() -> None:
    grid = Grid((60, 40, 40))
    large = np.zeros(grid.shape_kji, bool)
    large[5:35, 5:35, 5:35] = True
    with_spike = large.copy()
    with_spike[18:21, 18:21, 35:55] = True  # a thin spike: few voxels, one direction only
    a, b = (Region.from_mask("r", mask, grid) for mask in (large, with_spike))
    directed = metrics.surface_distances_mm(a, b)
    assert np.percentile(np.concatenate(directed), 95) == 0.0
    assert metrics.hausdorff95_mm(a, b) == max(np.percentile(d, 95) for d in directed)
    assert hausdorff_mm(a, b) == 20.0


@settings(deadline=None, max_examples=40)
@given(masks, masks, masks)
def test_hausdorff_is_a_distance(a, b, c) -> None:
    x, y, z = (Region("r", mask, (0, 0, 0), GRIDS["oblique"]) for mask in (a, b, c))
    assert hausdorff_mm(x, x) == metrics.hausdorff95_mm(x, x) == 0.0
    assert hausdorff_mm(x, z) <= hausdorff_mm(x, y) + hausdorff_mm(y, z) + 1e-9
    assert metrics.hausdorff95_mm(x, y) <= hausdorff_mm(x, y)


def test_turning_the_patient_changes_no_distance() -> None:
    for name in ("straight", "left_handed"):
        a, b = a_blob(3, GRIDS[name]), a_blob(4, GRIDS[name])
        rotation = Rotation.from_rotvec([0.3, 1.1, -0.7]).as_matrix()
        direction = rotation @ np.reshape(GRIDS[name].direction, (3, 3))
        turned = Grid(SIZE, SPACING, (1.0, 2.0, 3.0), tuple(direction.ravel()))
        c, d = (Region("r", r.box_kji, r.start_kji, turned) for r in (a, b))
        for measure in (metrics.dice, hausdorff_mm, metrics.hausdorff95_mm, metrics.centroid_distance_mm):
            assert measure(a, b) == pytest.approx(measure(c, d), abs=1e-9)


# --- detection and points ---


def test_detection_counts_true_regions_with_an_overlapping_find() -> None:
    grid = Grid((40, 10, 10))
    organs = [Region("organ", np.ones((5, 5, 5), bool), (0, 0, at), grid) for at in (0, 10, 20, 30)]
    exact = organs[0]
    half_off = Region("find", np.ones((5, 5, 5), bool), (0, 0, 12), grid)  # Dice 0.6 with the second
    stray = Region("find", np.ones((5, 5, 5), bool), (0, 0, 24), grid)  # Dice 0.2 with the third
    detected = [exact, exact, half_off, stray]
    assert metrics.detection_ratio(detected, organs) == 0.5
    assert metrics.detection_ratio(detected, organs, min_dice=0.7) == 0.25
    assert metrics.detection_ratio([], organs) == 0.0
    with pytest.raises(InputError, match="at least one true region"):
        metrics.detection_ratio(detected, [])


def test_target_error_is_the_distance_of_each_pair_of_points() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (7, 3))
    turned = points @ OBLIQUE.T
    np.testing.assert_allclose(metrics.target_registration_error_mm(points, points + [1.0, 2.0, 2.0]), 3.0)
    np.testing.assert_allclose(metrics.target_registration_error_mm(points, turned), np.diag(cdist(points, turned)))
    with pytest.raises(InputError, match=r"\(7, 3\) and \(6, 3\)"):
        metrics.target_registration_error_mm(points, points[1:])
    with pytest.raises(InputError, match="3-D points"):
        metrics.target_registration_error_mm([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])


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
            other = [np.add(at, np.eye(3, dtype=int)[axis] * sign) for axis, sign in enumerate(signs)]
            if any(np.any(o < 0) or np.any(o >= grid.shape_kji) for o in other):
                continue
            slopes = [s * (vectors_kji[tuple(o)] - vectors_kji[at]) for o, s in zip(other, signs, strict=True)]
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
    other = Grid((40, 44, 48), (2.0, 1.8, 1.6), tuple(centre_of(grid) - 40.0))
    forward = DisplacementField(affine_displacements(matrix, grid), grid)
    backward = DisplacementField(affine_displacements(np.linalg.inv(matrix), other), other)
    mean, largest = metrics.inverse_error_mm(forward, backward)
    assert 0.0 <= mean <= largest < 1e-3


@every_grid
def test_inverse_error_is_scipys(grid: Grid) -> None:
    other = Grid((24, 20, 18), (1.3, 1.4, 1.9), tuple(centre_of(grid) - 16.0), tuple(OBLIQUE.T.ravel()))
    forward = DisplacementField(a_rough_field(4, grid), grid)
    backward = DisplacementField(a_rough_field(5, other), other)
    image = grid.voxel_centres_lps_mm() + forward.vectors_kji
    index = other.lps_to_index(image)
    inside = other.contains_index(index)
    kji = index[inside][:, ::-1].T
    back = [map_coordinates(backward.vectors_kji[..., c], kji, np.float64, order=1) for c in range(3)]
    errors = np.linalg.norm(forward.vectors_kji[inside] + np.stack(back, axis=-1), axis=-1)
    assert 0.1 < inside.mean() < 0.95
    measured = metrics.inverse_error_mm(forward, backward)
    assert measured == pytest.approx((errors.mean(), errors.max()), rel=1e-3)


def test_inverse_error_of_a_constant_miss_is_that_miss() -> None:
    grid = GRIDS["left_handed"]
    there = np.broadcast_to(np.float32([3, 0, 0]), (*grid.shape_kji, 3))
    back = np.broadcast_to(np.float32([-3, 0.3, 0.4]), (*grid.shape_kji, 3))
    measured = metrics.inverse_error_mm(DisplacementField(there, grid), DisplacementField(back, grid))
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
