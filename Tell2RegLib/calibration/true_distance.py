"""Signed distance from the outline of a true region, near the outline."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region

REACH_MM = 5.0
"""Distances are clipped to it: beyond, how far a point lies from an outline says little."""


class TrueDistance:
    """Depth inside a region (positive) or distance from it (negative), mm, at most `REACH_MM` either way."""

    def __init__(self, region: Region) -> None:
        from scipy.ndimage import distance_transform_edt

        spacing = np.asarray(region.grid.spacing_mm[::-1])
        self._margin = np.ceil(REACH_MM / spacing).astype(int) + 1
        mask = np.pad(region.box_kji, [(int(width), int(width)) for width in self._margin])
        inner = distance_transform_edt(mask, sampling=spacing)
        outer = distance_transform_edt(~mask, sampling=spacing)
        half_voxel = spacing.min() / 2
        distance = np.where(mask, inner - half_voxel, half_voxel - outer)
        self._distance_mm = np.clip(distance, -REACH_MM, REACH_MM).astype(np.float32)
        self._grid = region.box_grid

    def at(self, points_lps_mm: Floats) -> Floats:
        """(P,), at points (P, 3); `-REACH_MM` far away."""
        from scipy.ndimage import map_coordinates

        kji = self._grid.lps_to_index(points_lps_mm)[:, ::-1] + self._margin
        distance: Floats = map_coordinates(
            self._distance_mm, kji.T, np.float64, order=1, mode="constant", cval=-REACH_MM
        )
        return distance
