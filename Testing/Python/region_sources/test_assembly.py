"""Masks on slices of the working grid come to the right place on the volume's own grid, and none vanishes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.region_sources.assembly import fill_between, region_from_masks, signed_distance_px
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import working_grid
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.small import centred_grid

DIRECTIONS = {name: np.reshape(grid.direction, (3, 3)) for name, grid in HOSTILE_GRIDS.items()}


def a_grid(kind: str) -> Grid:
    """Anisotropic, no two sizes alike, away from the origin."""
    return centred_grid((34, 40, 28), (2.2, 1.7, 3.1), DIRECTIONS[kind], (12.0, -40.0, 66.0))


def a_hook(grid: Grid) -> np.ndarray:
    """Where points lie in a body without any symmetry: a bar, a post on one end, a knob on the other; (K, J, I)."""
    x, y, z = np.moveaxis(grid.voxel_centres_lps_mm() - (12.0, -40.0, 66.0), -1, 0)
    bar = (np.abs(x) < 16.5) & (np.abs(y) < 6.8) & (np.abs(z) < 6)
    post = (np.abs(x - 11) < 5) & (np.abs(y) < 6.8) & (z > 0) & (z < 20)
    knob = (x + 12) ** 2 + (y - 8) ** 2 + (z + 2) ** 2 < 8**2
    return bar | post | knob


def on_slices(working: Grid) -> dict[int, np.ndarray]:
    return {k: mask for k, mask in enumerate(a_hook(working)) if mask.any()}


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_a_body_without_symmetry_comes_back_on_any_grid(kind: str) -> None:
    grid = a_grid(kind)
    region = region_from_masks("hook", on_slices(working_grid(grid, 1.0)), working_grid(grid, 1.0), grid)
    truth = a_hook(grid)
    assert region.grid is grid
    assert 2 * np.sum(region.mask_kji() & truth) / (region.mask_kji().sum() + truth.sum()) > 0.95
    centroid = grid.voxel_centres_lps_mm()[truth].mean(axis=0)
    np.testing.assert_allclose(region.centroid_lps_mm(), centroid, atol=0.4)


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_it_lies_where_simpleitk_resamples_it(kind: str) -> None:
    grid = a_grid(kind)
    working = working_grid(grid, 1.5)
    image = sitk.GetImageFromArray(a_hook(working).astype(np.float32))
    image.SetSpacing(working.spacing_mm)
    image.SetOrigin(working.origin_lps_mm)
    image.SetDirection(working.direction)
    expected = sitk.Resample(
        image, grid.size_xyz, sitk.Transform(), sitk.sitkLinear, grid.origin_lps_mm, grid.spacing_mm, grid.direction
    )
    wrong = (sitk.GetArrayFromImage(expected) >= 0.5) != region_from_masks(
        "hook", on_slices(working), working, grid
    ).mask_kji()
    assert wrong.sum() <= 0.01 * a_hook(grid).sum()


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_one_slice_is_half_a_slice_thick_on_both_sides(kind: str) -> None:
    """Its slices lie 6 mm apart, the volume's voxels about 2 mm: it is 6 mm thick, not 12 and not nothing."""
    grid = a_grid(kind)
    working = working_grid(grid, 1.0, 6.0)
    mask = np.zeros(working.shape_kji[1:], dtype=bool)
    mask[20:40, 15:45] = True
    region = region_from_masks("slab", {5: mask}, working, grid)
    assert region.volume_ml == pytest.approx(20 * 30 * 6 / 1000, rel=0.35)
    middle = working.index_to_lps([29.5, 29.5, 5.0])
    # An even number of voxels cannot lie around the middle of one.
    assert np.linalg.norm(region.centroid_lps_mm() - middle) < 0.5 * max(grid.spacing_mm)


def test_what_falls_between_the_volumes_voxels_does_not_vanish() -> None:
    grid = Grid((20, 20, 5), (2.0, 2.0, 10.0))
    working = working_grid(grid, 1.0, 1.0)
    mask = np.zeros(working.shape_kji[1:], dtype=bool)
    mask[10:20, 10:24] = True
    region = region_from_masks("thin", {13: mask}, working, grid, prompt="thin", score=0.5, prototype=np.ones(3))
    assert sorted(set(np.argwhere(region.mask_kji())[:, 0])) == [1]
    assert (region.prompt, region.score) == ("thin", 0.5)
    assert region.prototype is not None


def test_what_a_region_carries_arrives_with_it() -> None:
    grid = a_grid("oblique")
    working = working_grid(grid)
    region = region_from_masks("a", on_slices(working), working, grid, prompt="p", score=0.25, prototype=np.ones(2))
    assert (region.name, region.prompt, region.score) == ("a", "p", 0.25)
    np.testing.assert_array_equal(region.prototype, [1, 1])


# --- between slices ---


def test_the_signed_distance_by_hand() -> None:
    assert signed_distance_px(np.array([[0, 0, 1, 1, 1, 0]], dtype=bool))[0].tolist() == [
        -1.5,
        -0.5,
        0.5,
        0.5,
        0.5,
        -0.5,
    ]


def disc(radius: float, at: tuple[float, float] = (30.0, 30.0)) -> np.ndarray:
    j, i = np.mgrid[:60, :60]
    return (j - at[0]) ** 2 + (i - at[1]) ** 2 <= radius**2


def test_between_two_discs_lie_discs_of_the_radii_between() -> None:
    filled = fill_between({2: disc(6), 6: disc(18), 7: disc(18)})
    assert sorted(filled) == [2, 3, 4, 5, 6, 7]
    for k, radius in ((3, 9), (4, 12), (5, 15)):
        assert np.sum(filled[k]) == pytest.approx(np.sum(disc(radius)), rel=0.06)
    np.testing.assert_array_equal(filled[6], disc(18))


def test_a_disc_that_moves_is_half_way_in_the_middle() -> None:
    between = fill_between({0: disc(12, (30, 20)), 2: disc(12, (30, 34))})[1]
    np.testing.assert_allclose(np.argwhere(between).mean(axis=0), (30, 27), atol=0.05)


def test_masks_at_the_border_are_filled_too() -> None:
    everything = np.ones((5, 6), dtype=bool)
    assert fill_between({0: everything, 2: everything})[1].all()
