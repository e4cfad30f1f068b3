"""Smooth maps between hostile grids, and asymmetric points: what the tests of transforms, files and `apply` share."""

from __future__ import annotations

from functools import cache

import numpy as np

from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.inversion import invert_field
from Tell2RegLib.space.jacobian import one_sided_jacobians
from Tell2RegLib.space.transform import Transform, affine_transform
from Testing.Python.conftest import HOSTILE_GRIDS, rotation

KINDS = tuple(HOSTILE_GRIDS)
EVERY_PAIR = [(fixed, moving) for fixed in KINDS for moving in KINDS]
SIX_PAIRS = list(zip(KINDS, KINDS[2:] + KINDS[:2], strict=True))
"""Every kind of direction once as fixed and once as moving grid, and never the same on both sides."""

CENTRE_LPS_MM = np.array([40.0, -25.0, 60.0])

AFFINE = np.eye(4)
AFFINE[:3, :3] = rotation((1, -2, 0.5), 14) @ np.array([[1.08, 0.05, 0.0], [0.0, 0.94, 0.03], [0.02, 0.0, 1.03]])
AFFINE[:3, 3] = (7.0, -21.0, 12.0)

LANDMARKS = CENTRE_LPS_MM + np.array([[7.5, 1.0, -3.0], [-2.0, 6.5, 1.0], [1.5, -4.0, 7.0], [-6.0, -2.5, -5.5]])
"""In fixed space, no two alike under any turn or mirror, at least 10 mm inside both grids."""


def _grid(
    kind: str, size_xyz: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre: np.ndarray
) -> Grid:
    direction = HOSTILE_GRIDS[kind].direction
    half = (np.asarray(size_xyz) - 1) / 2
    return Grid(
        size_xyz,
        spacing_mm,
        tuple(centre - Grid(size_xyz, spacing_mm, (0, 0, 0), direction).index_to_lps(half)),
        direction,
    )


def fixed_grid(kind: str) -> Grid:
    """About 37 mm on every side."""
    return _grid(kind, (25, 19, 16), (1.5, 2.0, 2.5), CENTRE_LPS_MM)


def moving_grid(kind: str) -> Grid:
    """About 40 mm on every side, around where the centre of the fixed grid goes."""
    return _grid(kind, (21, 32, 18), (2.0, 1.25, 2.25), apply_affine(AFFINE, CENTRE_LPS_MM))


def wave(points_lps_mm: np.ndarray, amplitude_mm: float = 1.0) -> np.ndarray:
    """A smooth displacement, another one along every axis."""
    x, y, z = np.moveaxis(np.asarray(points_lps_mm) * (2 * np.pi / 50), -1, 0)
    return amplitude_mm * np.stack([np.sin(y + 0.5) + 0.6, np.cos(z - 0.3 + x), np.sin(x + 1.1) - 0.4], axis=-1)


def wavy_field(grid: Grid, affine: np.ndarray = AFFINE, amplitude_mm: float = 1.0) -> DisplacementField:
    """The affine map and then the wave, on a grid."""
    points = grid.voxel_centres_lps_mm()
    images = apply_affine(affine, points) + wave(points, amplitude_mm)
    return DisplacementField((images - points).astype(np.float32), grid)


def identity_field(grid: Grid) -> DisplacementField:
    """No displacement anywhere."""
    return DisplacementField(np.zeros((*grid.shape_kji, 3), np.float32), grid)


def strict_min_jacobian(vectors_kji: np.ndarray, grid: Grid) -> float:
    """Smallest det J over all forward and backward differences: positive means no fold under any difference scheme."""
    return min(float(determinant.min()) for _, determinant in one_sided_jacobians(vectors_kji, grid))


@cache
def a_wavy_transform(fixed: str, moving: str) -> Transform:
    """A deformable map with everything in it: turn, scale, shear, shift and a wave."""
    forward = wavy_field(fixed_grid(fixed))
    return Transform("svf", forward, invert_field(forward, moving_grid(moving), AFFINE, tolerance_mm=1e-4), AFFINE)


@cache
def an_affine_transform(fixed: str, moving: str) -> Transform:
    """Turn, scale, shear and shift."""
    return affine_transform("affine", AFFINE, fixed_grid(fixed), moving_grid(moving))


def blob(grid: Grid, at_lps_mm: np.ndarray, sigma_mm: float = 2.2) -> np.ndarray:
    """A bright ball with soft edges, (K, J, I) float32."""
    distance = np.linalg.norm(grid.voxel_centres_lps_mm() - at_lps_mm, axis=-1)
    return (1000 * np.exp(-0.5 * (distance / sigma_mm) ** 2)).astype(np.float32)


def centre_of_mass(array_kji: np.ndarray, grid: Grid) -> np.ndarray:
    """LPS mm."""
    weights = array_kji.astype(np.float64).ravel()
    return weights @ grid.voxel_centres_lps_mm().reshape(-1, 3) / weights.sum()
