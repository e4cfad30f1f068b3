"""Place, size and shape of regions: what a comparison of two volumes needs of them, without their voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region


@dataclass(frozen=True, eq=False)
class RegionGeometry:
    """Place, size and shape of N regions.

    Args:
        centres: (N, 3), centroids, LPS mm.
        volumes_ml: (N,).
        covariances: (N, 3, 3), second central moments, LPS mm^2.
        voxels_mm: (N,), side of a cube with the volume of a voxel.
        cut: (N,), 0..1, how much of the region the border of its volume may have cut off: the area that lies on the
            border over the cross-section of a ball with the region's volume.
    """

    centres: Floats
    volumes_ml: Floats
    covariances: Floats
    voxels_mm: Floats
    cut: Floats

    @classmethod
    def of(cls, regions: Sequence[Region]) -> RegionGeometry:
        """Measure every region."""
        count = len(regions)
        centres, covariances = np.zeros((count, 3)), np.zeros((count, 3, 3))
        for n, region in enumerate(regions):
            points = region.points_lps_mm()
            centres[n] = points.mean(axis=0)
            offsets = points - centres[n]
            axes = np.reshape(region.grid.direction, (3, 3)) * region.grid.spacing_mm
            # A voxel has an extent of its own: without it, a region of one slice would have none across.
            covariances[n] = offsets.T @ offsets / len(points) + axes @ axes.T / 12
        return cls(
            centres,
            np.array([region.volume_ml for region in regions]),
            covariances,
            np.array([region.grid.voxel_volume_mm3 ** (1 / 3) for region in regions]),
            np.array([_cut(region) for region in regions]),
        )

    @property
    def radii_mm(self) -> Floats:
        """(N,), radii of balls with the regions' volumes."""
        radii: Floats = np.cbrt(3000 * self.volumes_ml / (4 * np.pi))
        return radii


def _cut(region: Region) -> float:
    area_mm2 = 0.0
    for axis, spacing_mm in enumerate(reversed(region.grid.spacing_mm)):
        face_mm2 = region.grid.voxel_volume_mm3 / spacing_mm
        box = np.moveaxis(region.box_kji, axis, 0)
        if region.start_kji[axis] == 0:
            area_mm2 += face_mm2 * np.count_nonzero(box[0])
        if region.start_kji[axis] + len(box) == region.grid.shape_kji[axis]:
            area_mm2 += face_mm2 * np.count_nonzero(box[-1])
    return float(min(1.0, area_mm2 / (np.pi * region.radius_mm**2)))
