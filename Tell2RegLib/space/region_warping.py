"""Regions carried from moving to fixed space by a transform."""

from __future__ import annotations

from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import sample_region, some_points
from Tell2RegLib.space.transform import Transform


def warp_region(region: Region, transform: Transform) -> Region | None:
    """A region of the moving volume on the fixed grid; None when nothing of it lands there.

    Occupancy is interpolated linearly at each fixed voxel's place in the moving volume and cut at 0.5.
    """
    landed = transform.inverse.apply_to_points(some_points(region))
    forward = transform.fixed_to_moving
    return sample_region(region, forward.grid, landed, forward.vectors_kji)
