"""RAS meets LPS, here and nowhere else: the two differ in the signs of x and y (docs/coordinates.md).

Arrays in, arrays out; `slicer_module/scene/coordinates.py` uses it for VTK's matrices and points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Floats

_SIGNS = np.array([-1.0, -1.0, 1.0])
_FLIP = np.diag([*_SIGNS, 1.0])
RAS_AXES_LPS = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
"""The axes of RAS in LPS, as the columns of a 3 x 3 matrix, row by row."""


def lps_from_ras(xyz: ArrayLike) -> Floats:
    """Points or vectors (..., 3) in RAS, as LPS.

    >>> lps_from_ras([1.0, 2.0, 3.0]).tolist()
    [-1.0, -2.0, 3.0]
    """
    return np.asarray(xyz, dtype=np.float64) * _SIGNS


def ras_from_lps(xyz: ArrayLike) -> Floats:
    """Points or vectors (..., 3) in LPS, as RAS."""
    return np.asarray(xyz, dtype=np.float64) * _SIGNS


def lps_frame_from_ras(matrix_4x4: ArrayLike) -> Floats:
    """(4, 4) from other coordinates to RAS, of voxels or a slice view for example, as a matrix from these to LPS."""
    return _FLIP @ np.asarray(matrix_4x4, dtype=np.float64)


def ras_frame_from_lps(matrix_4x4: ArrayLike) -> Floats:
    """(4, 4) from other coordinates to LPS, as a matrix from these to RAS."""
    return _FLIP @ np.asarray(matrix_4x4, dtype=np.float64)


def lps_map_from_ras(matrix_4x4: ArrayLike) -> Floats:
    """(4, 4) that maps RAS points to RAS points, as one from LPS to LPS."""
    return _FLIP @ np.asarray(matrix_4x4, dtype=np.float64) @ _FLIP


def ras_map_from_lps(matrix_4x4: ArrayLike) -> Floats:
    """(4, 4) that maps LPS points to LPS points, as one from RAS to RAS."""
    return _FLIP @ np.asarray(matrix_4x4, dtype=np.float64) @ _FLIP


def lps_from(system: str, xyz: ArrayLike) -> Floats:
    """Points or vectors (..., 3) of a coordinate system that a file names, "LPS" or "RAS", as LPS.

    Raises:
        InputError: another system.
    """
    _check(system)
    return lps_from_ras(xyz) if system == "RAS" else np.asarray(xyz, dtype=np.float64)


def lps_in(system: str, xyz: ArrayLike) -> Floats:
    """Points or vectors (..., 3) in LPS, in a coordinate system that a file names, "LPS" or "RAS".

    Raises:
        InputError: another system.
    """
    _check(system)
    return ras_from_lps(xyz) if system == "RAS" else np.asarray(xyz, dtype=np.float64)


def _check(system: str) -> None:
    if system not in ("LPS", "RAS"):
        raise InputError(f"The coordinate system {system!r} is unknown; LPS or RAS is needed.")
