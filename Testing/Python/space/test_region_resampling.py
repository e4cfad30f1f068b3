"""Regions on other grids lie where SimpleITK resamples them, and keep all that they carry."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import resample_region
from Testing.Python.conftest import HOSTILE_GRIDS, rotation
from Testing.Python.small import centred_grid

OTHER = centred_grid((31, 27, 23), (2.0, 2.6, 2.9), rotation((1, -1, 2), 17) @ np.diag([1.0, -1.0, 1.0]))


def a_corner(grid: Grid) -> Region:
    """Three bars of different lengths that meet: no turn or mirror brings it onto itself."""
    x, y, z = np.moveaxis(grid.voxel_centres_lps_mm() - (6.0, 4.0, 0.0), -1, 0)
    thin = [np.abs(v) < 7 for v in (x, y, z)]
    bars = [(v > -7) & (v < length) for v, length in zip((x, y, z), (26, 19, -99), strict=True)]
    mask = (bars[0] & thin[1] & thin[2]) | (thin[0] & bars[1] & thin[2]) | (thin[0] & thin[1] & (z < 7) & (z > -22))
    return Region.from_mask("corner", mask, grid, prompt="bars", score=0.5, color=(1, 0, 0), prototype=np.ones(2))


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_a_region_lies_where_simpleitk_resamples_it(kind: str) -> None:
    grid = centred_grid((30, 34, 25), (2.5, 2.1, 3.0), np.reshape(HOSTILE_GRIDS[kind].direction, (3, 3)))
    region = a_corner(grid)
    image = sitk.GetImageFromArray(region.mask_kji().astype(np.float32))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    to = OTHER
    expected_image = sitk.Resample(
        image, to.size_xyz, sitk.Transform(), sitk.sitkLinear, to.origin_lps_mm, to.spacing_mm, to.direction
    )
    expected = sitk.GetArrayFromImage(expected_image) >= 0.5
    placed = resample_region(region, OTHER)
    assert np.sum(placed.mask_kji() != expected) <= 0.002 * expected.sum()
    assert (placed.name, placed.prompt, placed.score, placed.color) == ("corner", "bars", 0.5, (1, 0, 0))
    assert placed.prototype is region.prototype or np.array_equal(placed.prototype, region.prototype)


def test_on_its_own_grid_it_stays_and_elsewhere_there_is_none() -> None:
    region = a_corner(OTHER)
    assert resample_region(region, OTHER) is region
    assert resample_region(region, centred_grid(centre_lps_mm=(900.0, 0.0, 0.0))) is None
