"""Metrics against other implementations (SimpleITK, SciPy, NumPy) and against cases whose answer is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.evaluation import metrics
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import array_of, to_simpleitk
from Testing.Python.evaluation.grids import (
    ALL_GRIDS,
    GRIDS,
    OBLIQUE,
    SHEARED,
    SIZE,
    SPACING,
    centre_of,
    every_grid,
    orthogonal_grid,
)


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
    regions = [Region("r", mask, (0, 0, 0), grid) for mask in (a, b)]
    shifted_regions = [Region("r", mask, shift, grid) for mask in (a, b)]
    for measure in (metrics.dice, hausdorff_mm, metrics.hausdorff95_mm, metrics.centroid_distance_mm):
        assert measure(*shifted_regions) == pytest.approx(measure(*regions), abs=1e-9)
        assert measure(*regions) == pytest.approx(measure(*reversed(regions)), abs=1e-9)
    assert 0.0 <= metrics.dice(*regions) <= 1.0
    assert metrics.volume_ratio(*regions) == pytest.approx(1.0 / metrics.volume_ratio(*reversed(regions)))


def test_volume_ratio_is_second_over_first_in_millilitres() -> None:
    coarse, fine = Grid((10, 10, 10), (2.0, 2.0, 3.0)), Grid((10, 10, 10), (1.0, 1.0, 1.0))
    a = Region("a", np.ones((2, 2, 2), bool), (0, 0, 0), coarse)
    b = Region("b", np.ones((4, 3, 2), bool), (0, 0, 0), fine)
    assert metrics.volume_ratio(a, b) == pytest.approx(24.0 / 96.0)


def test_centroids_are_compared_in_millimetres_across_grids() -> None:
    fine = Grid((60, 60, 60), (0.8, 0.8, 0.8), tuple(centre_of(SHEARED) - 24.0))
    shift = np.array([2.0, -1.0, 3.0])
    for grid in ALL_GRIDS:
        ball_on_grid = a_ball(centre_of(grid), 9.0, grid)
        ball_on_fine_grid = a_ball(centre_of(SHEARED), 9.0, fine)
        expected = np.linalg.norm(centre_of(grid) - centre_of(SHEARED))
        assert metrics.centroid_distance_mm(ball_on_fine_grid, ball_on_grid) == pytest.approx(expected, abs=0.1)
    moved = a_ball(centre_of(SHEARED) + shift, 9.0, fine)
    assert metrics.centroid_distance_mm(ball_on_fine_grid, moved) == pytest.approx(np.linalg.norm(shift), abs=0.05)


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
    assert [metrics.is_detected(organ, detected, 0.5) for organ in organs] == [True, True, False, False]
    assert [metrics.is_detected(organ, detected, 0.7) for organ in organs] == [True, False, False, False]
    assert not metrics.is_detected(exact, [], 0.5)


def test_target_error_is_the_distance_of_each_pair_of_points() -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (7, 3))
    turned = points @ OBLIQUE.T
    np.testing.assert_allclose(metrics.target_registration_error_mm(points, points + [1.0, 2.0, 2.0]), 3.0)
    np.testing.assert_allclose(metrics.target_registration_error_mm(points, turned), np.diag(cdist(points, turned)))
    with pytest.raises(InputError, match=r"\(7, 3\) and \(6, 3\)"):
        metrics.target_registration_error_mm(points, points[1:])
    with pytest.raises(InputError, match="3-D points"):
        metrics.target_registration_error_mm([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
