"""Displacement fields: one vector per voxel, in LPS mm.

A field lives on a grid and maps points x of that grid's space to x + u(x), in mm, LPS. Between voxel centres u is
trilinear, as in ITK's DisplacementFieldTransform and VTK's grid transform (docs/coordinates.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space.grid import Floats, Grid


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Displacements in mm, LPS, at the voxel centres of a grid.

    Args:
        vectors_kji: float32, (K, J, I, 3), components (x, y, z); kept read-only, not copied.
        grid: the grid of the voxels.

    Raises:
        GeometryError: the shape is not that of the grid, or a vector is not finite.
    """

    vectors_kji: NDArray[np.float32]
    grid: Grid

    def __post_init__(self) -> None:
        if self.vectors_kji.shape != (*self.grid.shape_kji, 3):
            raise GeometryError(
                f"A displacement field of shape {self.vectors_kji.shape} does not fit its grid {self.grid.shape_kji}."
            )
        with np.errstate(invalid="ignore", over="ignore"):
            view = self.vectors_kji.astype(np.float32, copy=False).view()
            finite = np.isfinite(view.sum(dtype=np.float64))
        if not finite:
            raise GeometryError("The displacement field holds NaN or infinite vectors.")
        view.setflags(write=False)
        object.__setattr__(self, "vectors_kji", view)

    def at(self, points_lps_mm: ArrayLike) -> Floats:
        """Displacements (..., 3) at points (..., 3), trilinear; beyond the grid, those at its nearest point."""
        from scipy.ndimage import map_coordinates

        points = np.asarray(points_lps_mm, dtype=np.float64)
        index = np.clip(self.grid.lps_to_index(points), 0, np.asarray(self.grid.size_xyz) - 1)
        kji = index.reshape(-1, 3).T[::-1]
        vectors = [
            map_coordinates(self.vectors_kji[..., c], kji, np.float64, order=1, mode="nearest") for c in range(3)
        ]
        return np.stack(vectors, axis=-1).reshape(points.shape)


def affine_displacements(matrix_4x4: ArrayLike, grid: Grid) -> NDArray[np.float32]:
    """Displacements (K, J, I, 3), LPS mm, of an affine map (4 x 4, LPS) at the voxel centres of a grid.

    Summed from one term per axis, without an array of positions.
    """
    matrix = np.asarray(matrix_4x4, dtype=np.float64)
    index_to_shift = (matrix - np.eye(4)) @ grid.index_to_lps_matrix
    k, j, i = (np.arange(n, dtype=np.float64) for n in grid.shape_kji)
    columns = index_to_shift[:3, :3].T
    vectors = np.empty((*grid.shape_kji, 3), np.float32)
    plane = j[:, None, None] * columns[1] + i[None, :, None] * columns[0]
    for number, depth in enumerate(k):
        vectors[number] = plane + (depth * columns[2] + index_to_shift[:3, 3])
    return vectors
