"""How much of a mismatch a rigid map leaves: below the noise of the voxels there is nothing left to deform.

Two drawings of one shape on different voxels never agree exactly. A deformable fit removes that mismatch too, and moves
the inside of the regions by a voxel or more for it, where the rigid map was right to a tenth of one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import RegionPair

NOISE_VOXELS = 0.25
"""Mean thickness of the mismatch, in voxels of the coarser volume, that drawing on voxels leaves by itself.

Nine organs under a known shift, on equal and on different voxels, have 0.09 to 0.25; a blob bent by 1.5 mm has 0.255
(its inside lands 1.2 mm off by the rigid map, 0.6 mm by the deformation); the organs of the demo, deformed, have 0.46
to 2.4. Only the rigid map is judged: an affine one follows a bend."""
PAD = 3
"""Voxels around the fixed region in which a mismatch is counted: more than that is no noise."""
STAIRCASE = 1.5
"""By how much the faces of voxels exceed the surface that they approximate, on average over all directions."""


def rigid_is_enough(pairs: Sequence[RegionPair], rigid_lps: Floats) -> bool:
    """Whether the rigid map leaves no more than the noise of the voxels in every pair."""
    return all(residual_voxels(pair, rigid_lps) < NOISE_VOXELS for pair in pairs)


def residual_voxels(pair: RegionPair, fixed_to_moving_lps: Floats) -> float:
    """Mean thickness of what two regions do not share under a linear map, in voxels of the coarser volume.

    Args:
        pair: the regions.
        fixed_to_moving_lps: 4 x 4.
    """
    from scipy.ndimage import map_coordinates

    fixed, moving = pair.fixed, pair.moving
    mask = np.pad(fixed.box_kji, PAD)
    around = fixed.grid.crop(np.asarray(fixed.start_kji[::-1]) - PAD, mask.shape[::-1])
    at = moving.box_grid.lps_to_index(apply_affine(fixed_to_moving_lps, around.voxel_centres_lps_mm()))
    occupancy = map_coordinates(
        np.pad(moving.box_kji, 1).astype(np.float32), np.moveaxis(at + 1, -1, 0)[::-1], order=1, mode="constant"
    )
    mismatch = np.count_nonzero((occupancy >= 0.5) != mask) * np.prod(fixed.grid.spacing_mm)
    side = max(float(np.prod(grid.spacing_mm)) ** (1 / 3) for grid in (fixed.grid, moving.grid))
    return float(mismatch / _area_mm2(mask, fixed.grid.spacing_mm) / side)


def _area_mm2(mask: np.ndarray, spacing_mm: Sequence[float]) -> float:
    """The surface of a mask (K, J, I) that is empty on its faces."""
    i, j, k = spacing_mm
    faces = (i * j, i * k, j * k)
    return sum(np.count_nonzero(np.diff(mask, axis=axis)) * face for axis, face in enumerate(faces)) / STAIRCASE
