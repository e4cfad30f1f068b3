"""Warps regions from moving to fixed space."""

from __future__ import annotations

from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import sample_region, sampled_points
from Tell2RegLib.space.transform import Transform


def warp_region(region: Region, transform: Transform) -> Region | None:
    """Warp a moving region to the fixed grid; None when it falls outside that grid.

    Occupancy is interpolated linearly at the position of each fixed voxel in the moving volume and thresholded at 0.5.
    """
    target_points = transform.inverse.apply_to_points(sampled_points(region))
    forward = transform.fixed_to_moving
    return sample_region(region, forward.grid, target_points, forward.vectors_kji)
