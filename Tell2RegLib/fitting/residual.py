"""Measures the mismatch that a linear map leaves, to compare it with voxelisation noise.

The same shape drawn on two different grids never agrees exactly. A deformable fit would remove that mismatch too and
move the interior of the regions by a voxel or more, where the rigid map was accurate to a tenth of a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import RegionPair

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
    from scipy.ndimage import map_coordinates

    fixed, moving = pair.fixed, pair.moving
    mask = np.pad(fixed.box_kji, PAD)
    padded_grid = fixed.grid.crop(np.asarray(fixed.start_kji[::-1]) - PAD, mask.shape[::-1])
    moving_index = moving.box_grid.lps_to_index(apply_affine(fixed_to_moving_lps, padded_grid.voxel_centres_lps_mm()))
    occupancy = map_coordinates(
        np.pad(moving.box_kji, 1).astype(np.float32),
        np.moveaxis(moving_index + 1, -1, 0)[::-1],
        order=1,
        mode="constant",
    )
    mismatch = np.count_nonzero((occupancy >= 0.5) != mask) * np.prod(fixed.grid.spacing_mm)
    voxel_side = max(float(np.prod(grid.spacing_mm)) ** (1 / 3) for grid in (fixed.grid, moving.grid))
    return float(mismatch / _area_mm2(mask, fixed.grid.spacing_mm) / voxel_side)


def _area_mm2(mask: np.ndarray, spacing_mm: Sequence[float]) -> float:
    """Estimated surface area of a mask (K, J, I) that does not touch the border of its array."""
    i, j, k = spacing_mm
    faces = (i * j, i * k, j * k)
    return sum(np.count_nonzero(np.diff(mask, axis=axis)) * face for axis, face in enumerate(faces)) / STAIRCASE
