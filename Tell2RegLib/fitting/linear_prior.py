"""The prior of a linear map: between two scans, rotation, scale and shear along the patient's axes are small.

A linear part is described by nine parameters, the entries of its matrix logarithm: rotation (the antisymmetric part)
and logarithms of scale and shear (the symmetric part), along left, posterior and superior (log-Euclidean coordinates,
Arsigny et al., WBIR 2006). Swapping the two volumes changes the signs of the parameters only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Floats

ROTATION, SCALE, SHEAR = slice(0, 3), slice(3, 6), slice(6, 9)
"""Where the parameters are: a rotation vector (radians) about x, y, z; log scales along x, y, z; shears of the planes
yz, zx, xy. All in LPS."""
TAIL = 4.0
"""Degrees of freedom of the tail: a rotation of twice the spread is penalised half as strongly as by a normal
distribution. A patient may lie on the side, and regions that show it must win."""


@dataclass(frozen=True, eq=False)
class LinearPrior:
    """A normal distribution of the nine parameters, with a heavier tail for rotations.

    Args:
        mean: (9,).
        covariance: (9, 9), positive definite.
    """

    mean: Floats
    covariance: Floats

    @classmethod
    def from_settings(cls, settings: FitSettings, initial_lps: Floats | None = None) -> LinearPrior:
        """The prior with the spreads of the settings, about an initial map (4 x 4) or about the identity.

        Raises:
            InputError: an initial map that mirrors, is singular or rotates by 180 degrees.
        """
        covariance = np.zeros((9, 9))
        covariance[ROTATION, ROTATION] = np.eye(3) * np.deg2rad(settings.rotation_spread_deg) ** 2
        isotropic = np.ones((3, 3)) / 3
        anisotropic = settings.anisotropy_spread**2 * (np.eye(3) - isotropic) * 1.5
        covariance[SCALE, SCALE] = 3 * settings.scale_spread**2 * isotropic + anisotropic
        covariance[SHEAR, SHEAR] = np.eye(3) * settings.shear_spread**2
        mean = np.zeros(9) if initial_lps is None else linear_parameters(initial_lps[:3, :3])
        return cls(mean, covariance)

    @property
    def rotation(self) -> Floats:
        """(3, 3), the expected rotation from fixed to moving space."""
        parameters = np.zeros(9)
        parameters[ROTATION] = self.mean[ROTATION]
        return linear_part(parameters)

    def precision(self, parameters: Floats) -> Floats:
        """(9, 9), the weight of a deviation from the mean at these parameters, lower for rotations in the tail."""
        precision = np.linalg.inv(self.covariance)
        rotation = (parameters - self.mean)[ROTATION]
        weight = 1.0 / (1.0 + rotation @ precision[ROTATION, ROTATION] @ rotation / TAIL)
        factor = np.ones(9)
        factor[ROTATION] = np.sqrt(weight)
        weighted: Floats = (precision * np.outer(factor, factor)).astype(np.float64)
        return weighted


def linear_part(parameters: Floats) -> Floats:
    """The linear part (3 x 3) of nine parameters."""
    from scipy.linalg import expm

    linear: Floats = expm(_logarithm(parameters))
    return linear


def derivative(parameters: Floats) -> Floats:
    """(9, 9), derivative of the entries of the linear part, row by row, with respect to each parameter."""
    from scipy.linalg import expm_frechet

    logarithm = _logarithm(parameters)
    columns = [expm_frechet(logarithm, _logarithm(unit), compute_expm=False).reshape(-1) for unit in np.eye(9)]
    return np.stack(columns, axis=1)


def linear_parameters(linear: Floats) -> Floats:
    """The nine parameters (9,) of a linear part (3 x 3).

    Raises:
        InputError: a linear part without a real logarithm: it mirrors, is singular or rotates by 180 degrees.
    """
    from scipy.linalg import logm

    if np.linalg.det(linear) > 0:
        logarithm = logm(linear)
        if np.abs(np.imag(logarithm)).max() < 1e-6:
            real = np.real(logarithm)
            skew, symmetric = (real - real.T) / 2, (real + real.T) / 2
            rotation = [skew[2, 1], skew[0, 2], skew[1, 0]]
            return np.array([*rotation, *np.diag(symmetric), symmetric[1, 2], symmetric[2, 0], symmetric[0, 1]])
    raise InputError(
        "The initial transform mirrors, is singular or rotates by 180 degrees. Give one that rotates by less."
    )


def _logarithm(parameters: Floats) -> Floats:
    x, y, z = parameters[ROTATION]
    yz, zx, xy = parameters[SHEAR]
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return skew + np.diag(parameters[SCALE]) + np.array([[0, xy, zx], [xy, 0, yz], [zx, yz, 0]])
