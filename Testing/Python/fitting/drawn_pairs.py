"""Pairs of regions drawn on hostile grids, with a known map between them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.fitting.linear import linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.region_warping import warp_region

TURN = Rotation.from_euler("xyz", [12, -8, 15], degrees=True).as_matrix()
FIXED_GRID = Grid((44, 40, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0))
HOSTILE = {
    "straight": Grid((44, 40, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0)),
    "oblique, anisotropic": Grid((50, 44, 22), (1.3, 1.6, 3.0), tuple(TURN @ [-33, -33, -32]), tuple(TURN.ravel())),
    "flipped, left-handed": Grid((44, 40, 30), (1.5, 1.5, 2.0), (33.0, -30.0, 29.0), (-1, 0, 0, 0, 1, 0, 0, 0, -1)),
    "left-handed, permuted": Grid((40, 44, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0), (0, 1, 0, 1, 0, 0, 0, 0, 1)),
}
every_grid = pytest.mark.parametrize("grid", HOSTILE.values(), ids=HOSTILE.keys())


def bean(points: np.ndarray) -> np.ndarray:
    """An asymmetric blob, about 24 x 18 x 20 mm: no axis of it can be taken for another."""
    x, y, z = np.moveaxis(points - [2.0, -1.0, 0.5], -1, 0)
    y = y - 0.012 * x * x
    return (x / 12) ** 2 + (y / 9) ** 2 + (z / (10 + 0.2 * x)) ** 2 < 1


def a_ball(centre: tuple[float, float, float], radius: float):  # type: ignore[no-untyped-def]
    return lambda points: np.linalg.norm(points - np.array(centre), axis=-1) < radius


def drawn(shape, grid: Grid, name: str = "gland", to_shape=lambda points: points) -> Region:  # type: ignore[no-untyped-def]
    return Region.from_mask(name, shape(to_shape(grid.voxel_centres_lps_mm())), grid)


def a_pair(grid: Grid, moving_to_fixed=lambda points: points, shape=bean, name="gland") -> RegionPair:  # type: ignore[no-untyped-def]
    return RegionPair(drawn(shape, FIXED_GRID, name), drawn(shape, grid, name, moving_to_fixed))


def rigid_and_affine(pairs: list[RegionPair]) -> tuple[np.ndarray, np.ndarray]:
    maps = linear_maps(pairs, LinearPrior.from_settings(FitSettings()))
    return maps.rigid, maps.affine


def overlap(pair: RegionPair, transform) -> float:  # type: ignore[no-untyped-def]
    carried = warp_region(pair.moving, transform)
    return 0.0 if carried is None else dice(pair.fixed, carried)


KNOWN = np.eye(4)
KNOWN[:3, :3] = Rotation.from_euler("z", 9, degrees=True).as_matrix()
KNOWN[:3, 3] = [5.0, -4.0, 3.0]


def bent(points: np.ndarray) -> np.ndarray:
    return points + np.stack([0 * points[..., 0], 1.5 * np.sin(points[..., 0] / 4), 0 * points[..., 0]], axis=-1)


SHIFT = np.array([1.3, -0.6, 0.9])
"""No whole number of voxels along any axis."""
