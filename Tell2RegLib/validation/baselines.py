"""What a registration has to beat: maps that need nothing but the position and the size of the regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.errors import NothingFound
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair

UNREGISTERED, CENTRE, CENTRE_AND_SCALE = "unregistered", "centre", "centre + scale"


def baselines(pairs: Sequence[RegionPair]) -> dict[str, Floats]:
    """The three baselines, 4 x 4 from fixed to moving space, LPS mm.

    "centre" moves the regions' centre, "centre + scale" also matches their standard deviation along each of the
    patient's axes (LPS, whatever the axes of the voxels). Of several pairs every region counts the same, however large:
    the centre is the mean of the centroids, the variance that of the regions' equally weighted mixture.

    Raises:
        NothingFound: no pair.
    """
    if not pairs:
        raise NothingFound("There are no pairs of regions to compute a centre from.")
    fixed_centre, fixed_spread = _centre_and_spread([pair.fixed for pair in pairs])
    moving_centre, moving_spread = _centre_and_spread([pair.moving for pair in pairs])
    usable = (fixed_spread > 0) & (moving_spread > 0)  # a region of a single slice has no extent across it
    scale = np.divide(moving_spread, fixed_spread, out=np.ones(3), where=usable)
    return {
        UNREGISTERED: np.eye(4),
        CENTRE: _scaled_about(fixed_centre, moving_centre, np.ones(3)),
        CENTRE_AND_SCALE: _scaled_about(fixed_centre, moving_centre, scale),
    }


def _centre_and_spread(regions: Sequence[Region]) -> tuple[Floats, Floats]:
    """Mean and standard deviation (3,) of the regions' voxel centres, LPS mm, each region with the same weight."""
    means = np.array([region.centroid_lps_mm() for region in regions])
    centre = means.mean(axis=0)
    variances = [np.mean((region.points_lps_mm() - centre) ** 2, axis=0) for region in regions]
    return centre, np.sqrt(np.mean(variances, axis=0))


def _scaled_about(fixed_centre: Floats, moving_centre: Floats, scale: Floats) -> Floats:
    matrix = np.diag([*scale, 1.0])
    matrix[:3, 3] = moving_centre - scale * fixed_centre
    return matrix
