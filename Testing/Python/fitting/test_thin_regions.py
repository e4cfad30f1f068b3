"""Regions of one line or one voxel, which are thinner than the ramps of soft masks."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.fitting.linear import linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair

GRID = Grid((24, 20, 12), (1.0, 1.0, 3.0), (5.0, -6.0, 7.0))
SHIFT_IJK = (2, 1, 1)
THIN = {
    "a line": (slice(5, 6), slice(9, 10), slice(6, 12)),
    "a voxel": (slice(5, 6), slice(9, 10), slice(8, 9)),
}


def region_at(box_kji: tuple[slice, slice, slice], shift_ijk: tuple[int, ...] = (0, 0, 0)) -> Region:
    mask = np.zeros(GRID.shape_kji, bool)
    mask[tuple(slice(s.start + n, s.stop + n) for s, n in zip(box_kji, shift_ijk[::-1], strict=True))] = True
    return Region.from_mask("thin", mask, GRID)


@pytest.mark.parametrize("box_kji", THIN.values(), ids=THIN)
def test_a_thin_region_is_carried_to_its_place_without_nan(box_kji: tuple[slice, slice, slice]) -> None:
    pair = RegionPair(region_at(box_kji), region_at(box_kji, SHIFT_IJK))
    maps = linear_maps([pair], LinearPrior.from_settings(FitSettings()))
    centre, expected = pair.fixed.centroid_lps_mm(), pair.moving.centroid_lps_mm()
    for matrix in (maps.rigid, maps.affine):
        np.testing.assert_allclose(apply_affine(matrix, centre[None])[0], expected, atol=0.5)
