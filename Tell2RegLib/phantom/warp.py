"""Known smooth transforms: an affine one and local pushes, composed; exactly invertible, and evaluated at any point.

    fixed -> moving:   x_moving = affine(push_n(... push_1(x_fixed)))

A push moves a neighbourhood, p + (shift + stretch (p - centre)) * exp(-|p - centre|^2 / (2 reach^2)). Each is a
contraction away from the identity (its Lipschitz constant is bounded under 1, checked), so that it is smooth, has a
smooth inverse, and fixed-point iteration finds that inverse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom.shapes import Vector
from Tell2RegLib.space.grid import apply_affine

Floats = NDArray[np.float64]

STEEPEST = 0.7
"""Largest allowed Lipschitz constant of a push."""
_TOLERANCE_MM = 1e-7


@dataclass(frozen=True)
class Push:
    """One local displacement.

    Args:
        centre_lps_mm: where it is strongest.
        shift_mm: displacement at the centre.
        stretch: relative growth about the centre along x, y, z (0.1: 10 % wider there).
        reach_mm: standard deviation of its Gaussian fading.

    Raises:
        InputError: it would fold space, or comes near it.
    """

    centre_lps_mm: Vector
    shift_mm: Vector
    stretch: Vector
    reach_mm: float

    def __post_init__(self) -> None:
        if not self.reach_mm > 0 or not self.steepness <= STEEPEST:
            raise InputError(
                f"A push of {self.shift_mm} mm over {self.reach_mm} mm is too steep to be undone: its slope is "
                f"{self.steepness:.2f}, at most {STEEPEST} is allowed. Make it wider or weaker."
            )

    @property
    def steepness(self) -> float:
        """A bound on the Lipschitz constant of the displacement."""
        # With r in units of the reach: |gradient of exp(-r^2/2)| <= exp(-1/2), and the Jacobian of S r exp(-r^2/2) is
        # S (I - r r^T) exp(-r^2/2), at most |S| (1 + r^2) exp(-r^2/2) <= 2 exp(-1/2) |S|.
        shift = np.linalg.norm(self.shift_mm) / self.reach_mm
        return float(np.exp(-0.5) * (shift + 2 * np.max(np.abs(self.stretch))))

    def displacement(self, points_lps_mm: Floats) -> Floats:
        """Displacement (N, 3) of points (N, 3), mm."""
        offset = points_lps_mm - np.asarray(self.centre_lps_mm)
        fade = np.exp(np.einsum("ij,ij->i", offset, offset) * (-0.5 / self.reach_mm**2))
        return (np.asarray(self.shift_mm) + offset * np.asarray(self.stretch)) * fade[:, None]


@dataclass(frozen=True)
class KnownWarp:
    """A smooth invertible transform of space, LPS mm.

    Args:
        pushes: applied first, in this order.
        matrix: 4 x 4 affine, row by row, applied last.
    """

    pushes: tuple[Push, ...]
    matrix: tuple[float, ...]

    def __call__(self, points_lps_mm: ArrayLike) -> Floats:
        """Fixed points (..., 3) -> moving points (..., 3)."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        moved = points.reshape(-1, 3)
        for push in self.pushes:
            moved = moved + push.displacement(moved)
        return apply_affine(np.reshape(self.matrix, (4, 4)), moved).reshape(points.shape)

    def inverse(self, points_lps_mm: ArrayLike) -> Floats:
        """Moving points (..., 3) -> fixed points (..., 3), to about 1e-6 mm."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        moved = apply_affine(np.linalg.inv(np.reshape(self.matrix, (4, 4))), points.reshape(-1, 3))
        for push in reversed(self.pushes):
            moved = _undo(push, moved)
        return moved.reshape(points.shape)


def _undo(push: Push, target: Floats) -> Floats:
    """The points that a push moves to `target`: x = target - u(x), a contraction."""
    points = target
    for _ in range(200):
        following = target - push.displacement(points)
        if np.abs(following - points).max(initial=0.0) < _TOLERANCE_MM:
            return following
        points = following
    return points


def affine_about(centre_lps_mm: ArrayLike, linear: ArrayLike, shift_mm: ArrayLike) -> tuple[float, ...]:
    """The 4 x 4 matrix, row by row, of x -> linear (x - centre) + centre + shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(linear, dtype=np.float64)
    centre = np.asarray(centre_lps_mm, dtype=np.float64)
    matrix[:3, 3] = centre - matrix[:3, :3] @ centre + np.asarray(shift_mm, dtype=np.float64)
    return tuple(float(v) for v in matrix.ravel())
