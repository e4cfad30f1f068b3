"""The maps that a registration has to beat, against independent arithmetic on the voxels."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.errors import NothingFound
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.validation.baselines import baselines
from Testing.Python.conftest import rotation
from Testing.Python.small import centred_grid


def an_ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float], turned: bool = False) -> Region:
    grid = centred_grid((40, 44, 36), (2.0, 1.5, 2.5), rotation((1, 2, 3), 25) if turned else None)
    inside = np.sum(((grid.voxel_centres_lps_mm() - centre) / radii) ** 2, axis=-1) <= 1
    return Region.from_mask("gland", inside, grid)


def test_centre_and_scale_maps_an_ellipsoid_onto_a_stretched_one_whatever_the_voxels() -> None:
    """Radii are along the patient's axes; the moving grid is oblique."""
    fixed = an_ellipsoid((5, 3, 1), (20, 16, 14))
    moving = an_ellipsoid((-2, 8, 4), (16, 18, 21), turned=True)
    maps = baselines([RegionPair(fixed, moving)])
    expected = np.diag([16 / 20, 18 / 16, 21 / 14])
    assert maps["centre + scale"][:3, :3] == pytest.approx(expected, abs=0.02)
    assert apply_affine(maps["centre + scale"], [5, 3, 1]) == pytest.approx([-2, 8, 4], abs=0.3)
    assert maps["centre"][:3, :3].tolist() == np.eye(3).tolist()
    assert apply_affine(maps["centre"], fixed.centroid_lps_mm()) == pytest.approx(moving.centroid_lps_mm())
    assert maps["unregistered"].tolist() == np.eye(4).tolist()


def test_of_one_region_they_match_mean_and_standard_deviation_of_its_voxels() -> None:
    fixed, moving = an_ellipsoid((5, 3, 1), (20, 16, 14)), an_ellipsoid((-2, 8, 4), (16, 18, 21), turned=True)
    points = apply_affine(baselines([RegionPair(fixed, moving)])["centre + scale"], fixed.points_lps_mm())
    assert points.mean(axis=0) == pytest.approx(moving.points_lps_mm().mean(axis=0))
    assert points.std(axis=0) == pytest.approx(moving.points_lps_mm().std(axis=0))


def test_every_region_counts_the_same_however_large() -> None:
    large, small = an_ellipsoid((15, 3, 1), (22, 16, 14)), an_ellipsoid((-25, 3, 1), (6, 6, 6))
    matrix = baselines([RegionPair(large, large), RegionPair(small, an_ellipsoid((-25, 13, 1), (6, 6, 6)))])["centre"]
    assert matrix[:3, 3] == pytest.approx([0, 5, 0], abs=0.1)


def test_a_region_of_one_slice_is_not_scaled_across_it() -> None:
    grid = centred_grid((10, 10, 5), (2.0, 2.0, 3.0))
    masks = [np.zeros(grid.shape_kji, bool) for _ in range(2)]
    masks[0][2, 2:8, 2:8] = True
    masks[1][1:4, 2:8, 2:5] = True
    fixed, moving = (Region.from_mask("flat", mask, grid) for mask in masks)
    scale = np.diag(baselines([RegionPair(fixed, moving)])["centre + scale"])
    assert scale[2] == 1
    assert scale[0] == pytest.approx(np.std(range(3)) / np.std(range(6)))


def test_without_pairs_there_is_no_centre() -> None:
    with pytest.raises(NothingFound, match="no pairs of regions"):
        baselines([])
