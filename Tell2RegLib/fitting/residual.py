"""Measures the mismatch that a linear map leaves, to compare it with voxelisation noise.

The same shape drawn on two different grids never agrees exactly. A deformable fit would remove that mismatch too and
move the interior of the regions by a voxel or more, where the rigid map was accurate to a tenth of a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.region_resampling import occupancy_at

NOISE_VOXELS = 0.25
"""Mean thickness of the mismatch due to voxelisation alone, in voxels of the coarser volume.

Measured: nine organs under a known shift, on equal and on different grids, 0.09 to 0.25; a blob bent by 1.5 mm, 0.255
(error inside it 1.2 mm under the rigid map, 0.6 mm under the deformation); the deformed organs of the demo, 0.46 to
2.4."""
PAD = 3
"""Margin around the fixed region, in voxels, within which mismatch is counted; larger mismatch is not noise."""
STAIRCASE = 1.5
"""Ratio of the area of voxel faces to that of the surface they approximate, averaged over all directions."""


def residual_voxels(pair: RegionPair, fixed_to_moving_lps: Floats) -> float:
    """Mean thickness of the mismatch of two regions under a linear map, in voxels of the coarser volume.

    Args:
        pair: the regions.
        fixed_to_moving_lps: 4 x 4.
    """
    fixed = pair.fixed
    mask = np.pad(fixed.box_kji, PAD)
    padded_grid = fixed.grid.crop(np.asarray(fixed.start_kji[::-1]) - PAD, mask.shape[::-1])
    occupancy = occupancy_at(pair.moving, apply_affine(fixed_to_moving_lps, padded_grid.voxel_centres_lps_mm()))
    mismatch = np.count_nonzero((occupancy >= 0.5) != mask) * np.prod(fixed.grid.spacing_mm)
    voxel_side = max(float(np.prod(grid.spacing_mm)) ** (1 / 3) for grid in (fixed.grid, pair.moving.grid))
    return float(mismatch / _area_mm2(mask, fixed.grid.spacing_mm) / voxel_side)


def _area_mm2(mask: np.ndarray, spacing_mm: Sequence[float]) -> float:
    """Estimated surface area of a mask (K, J, I) that does not touch the border of its array."""
    i, j, k = spacing_mm
    faces = (i * j, i * k, j * k)
    return sum(np.count_nonzero(np.diff(mask, axis=axis)) * face for axis, face in enumerate(faces)) / STAIRCASE
