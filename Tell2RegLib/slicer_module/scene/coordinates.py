"""Where scene and library meet in space: RAS <-> LPS, VTK matrices <-> numpy, and where a node's parents put it.

The scene is RAS mm, the library LPS mm (docs/coordinates.md); they differ in the signs of x and y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Floats, Grid

SIGNS = np.array([-1.0, -1.0, 1.0])
"""Turns points and vectors (..., 3) from RAS to LPS, and back."""
FLIP = np.diag([*SIGNS, 1.0])
"""Turns 4 x 4 matrices on either side."""


def array_from_matrix(matrix: Any) -> Floats:
    """A vtkMatrix4x4 as (4, 4), as it is."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_from_array(array_4x4: ArrayLike) -> Any:
    """(4, 4) as a vtkMatrix4x4, as it is."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array_4x4, dtype=np.float64).ravel().tolist())
    return matrix


def lps_map_from_ras(matrix: Any) -> Floats:
    """A vtkMatrix4x4 that maps RAS points to RAS points, as (4, 4) from LPS to LPS."""
    return FLIP @ array_from_matrix(matrix) @ FLIP


def ras_map_from_lps(matrix_lps: ArrayLike) -> Any:
    """The other way: (4, 4) from LPS to LPS as a vtkMatrix4x4 from RAS to RAS."""
    return matrix_from_array(FLIP @ np.asarray(matrix_lps, dtype=np.float64) @ FLIP)


def ijk_to_ras(grid: Grid) -> Any:
    """A grid's voxel indices to RAS, as a vtkMatrix4x4."""
    return matrix_from_array(FLIP @ grid.index_to_lps_matrix)


def grid_from_ijk_to_ras(matrix: Any, extent: tuple[int, ...]) -> Grid:
    """The grid of an image of six extents (first and last voxel per axis) under a vtkMatrix4x4 from indices to RAS.

    Raises:
        GeometryError: axes that do not span space, or no voxel.
    """
    index_to_lps = FLIP @ array_from_matrix(matrix)
    first, last = np.array(extent[::2]), np.array(extent[1::2])
    spacing = np.linalg.norm(index_to_lps[:3, :3], axis=0)
    direction = index_to_lps[:3, :3] / np.where(spacing > 0, spacing, 1)
    origin = index_to_lps[:3, :3] @ first + index_to_lps[:3, 3]
    return Grid(tuple(last - first + 1), tuple(spacing), tuple(origin), tuple(direction.ravel()))  # type: ignore[arg-type]


def parents_of(node: Any) -> Floats:
    """(4, 4) that takes a node's own LPS coordinates to the world, through all transforms above it.

    Raises:
        InputError: one of them is not linear.
    """
    parent = node.GetParentTransformNode()
    return np.eye(4) if parent is None else world_of(parent, node.GetName())


def world_of(transform_node: Any, owner: str) -> Floats:
    """(4, 4), LPS, of a transform node and all above it; `owner` is whom a message is about.

    Raises:
        InputError: one of them is not linear.
    """
    if not transform_node.IsTransformToWorldLinear():
        raise InputError(
            f"'{owner}' lies under '{transform_node.GetName()}', which is not linear all the way up: take it out of "
            "that transform (in the Data module or in Transforms)."
        )
    matrix = vtk.vtkMatrix4x4()
    transform_node.GetMatrixTransformToWorld(matrix)
    return lps_map_from_ras(matrix)


# --- points ---


def points_from_vtk(points: Any) -> Floats:
    """vtkPoints in RAS as (P, 3) LPS; copied."""
    if points is None or points.GetNumberOfPoints() == 0:
        return np.empty((0, 3))
    return vtk_to_numpy(points.GetData()).astype(np.float64) * SIGNS


def points_to_vtk(points_lps_mm: ArrayLike, data_type: int = vtk.VTK_DOUBLE) -> Any:
    """(P, 3) LPS as vtkPoints in RAS; copied."""
    points = vtk.vtkPoints()
    points.SetDataType(data_type)
    dtype = np.float64 if data_type == vtk.VTK_DOUBLE else np.float32
    ras = np.ascontiguousarray(np.asarray(points_lps_mm, dtype=np.float64) * SIGNS, dtype)
    points.SetData(numpy_to_vtk(ras, deep=True))
    return points
