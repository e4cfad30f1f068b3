"""Regions as smooth occupancy images: volume, place and ramp."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.fitting.softmask import soft_mask
from Tell2RegLib.space.region import Region
from Testing.Python.fitting.drawn_pairs import FIXED_GRID, HOSTILE, a_ball, bean, drawn


@pytest.mark.parametrize("pooling", [(1, 1, 1), (2, 3, 1), (4, 4, 2)])
def test_soft_masks_keep_volume_and_place(pooling: tuple[int, int, int]) -> None:
    region = drawn(bean, HOSTILE["oblique, anisotropic"])
    mask = soft_mask(region, pooling, 0.0)
    assert mask.image_kji.sum() * mask.grid.voxel_volume_mm3 == pytest.approx(1000 * region.volume_ml, rel=1e-5)
    weights = mask.image_kji.reshape(-1)
    centre = weights @ mask.grid.voxel_centres_lps_mm().reshape(-1, 3) / weights.sum()
    np.testing.assert_allclose(centre, region.centroid_lps_mm(), atol=0.1)


def test_ramps_fall_from_one_inside_to_zero_outside_in_millimetres() -> None:
    region = drawn(a_ball((0, 0, 0), 12), HOSTILE["oblique, anisotropic"])
    mask = soft_mask(region, (1, 1, 1), 6.0)
    radius = np.linalg.norm(mask.grid.voxel_centres_lps_mm(), axis=-1)
    expected = np.clip(0.5 - (radius - 12) / 12, 0, 1)
    assert np.abs(mask.image_kji - expected).max() < 0.25  # half a slice of 3 mm
    faces = [mask.image_kji[0], mask.image_kji[-1], mask.image_kji[:, 0], mask.image_kji[..., -1]]
    assert max(face.max() for face in faces) == 0


def test_a_region_thinner_than_the_lattice_keeps_a_ramp() -> None:
    mask = np.zeros(FIXED_GRID.shape_kji, bool)
    mask[12, 10:30, 20] = True
    assert soft_mask(Region.from_mask("needle", mask, FIXED_GRID), (4, 4, 4), 8.0).image_kji.max() > 0.4
