"""Converts coordinates between scene and library: VTK matrices and points in RAS mm, arrays in LPS mm.

What the two frames differ in is in `space/ras.py` (docs/coordinates.md); files of the scene only use these functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from Tell2RegLib.errors import InputError
from Tell2RegLib.space import ras
from Tell2RegLib.space.grid import Floats, Grid


def array_from_matrix(matrix: Any) -> Floats:
    """A vtkMatrix4x4 as (4, 4), as it is."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_from_array(array_4x4: ArrayLike) -> Any:
    """(4, 4) as a vtkMatrix4x4, as it is."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array_4x4, dtype=np.float64).ravel().tolist())
    return matrix


def map_from_matrix(matrix: Any) -> Floats:
    """A vtkMatrix4x4 that maps points of the scene, as (4, 4) from LPS to LPS."""
    return ras.lps_map_from_ras(array_from_matrix(matrix))


def matrix_from_map(matrix_lps: ArrayLike) -> Any:
    """The other way: (4, 4) from LPS to LPS as a vtkMatrix4x4 that maps points of the scene."""
    return matrix_from_array(ras.ras_map_from_lps(matrix_lps))


def frame_from_matrix(matrix: Any) -> Floats:
    """A vtkMatrix4x4 from other coordinates to the scene, of a slice view for example, as (4, 4) from these to LPS."""
    return ras.lps_frame_from_ras(array_from_matrix(matrix))


def matrix_from_frame(matrix_to_lps: ArrayLike) -> Any:
    """The other way: (4, 4) from other coordinates to LPS as a vtkMatrix4x4 to the scene."""
    return matrix_from_array(ras.ras_frame_from_lps(matrix_to_lps))


def matrix_from_grid(grid: Grid) -> Any:
    """A grid's voxel indices to the scene, as a vtkMatrix4x4."""
    return matrix_from_frame(grid.index_to_lps_matrix)


def grid_from_matrix(matrix: Any, extent: tuple[int, ...]) -> Grid:
    """The grid of an image with six extents (first and last voxel per axis) and a vtkMatrix4x4 from its indices.

    Raises:
        GeometryError: axes that do not span space, or no voxel.
    """
    index_to_lps = frame_from_matrix(matrix)
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
            f"'{owner}' is under '{transform_node.GetName()}', and that transform or one of its parents is not "
            "linear: take it out of the transform (in the Data or Transforms module)."
        )
    matrix = vtk.vtkMatrix4x4()
    transform_node.GetMatrixTransformToWorld(matrix)
    return map_from_matrix(matrix)


# --- points ---


def from_scene(xyz: ArrayLike) -> Floats:
    """Points or vectors (..., 3) of the scene, as LPS."""
    return ras.lps_from_ras(xyz)


def to_scene(xyz_lps: ArrayLike) -> Floats:
    """Points or vectors (..., 3) in LPS, as the scene has them."""
    return ras.ras_from_lps(xyz_lps)


def points_from_vtk(points: Any) -> Floats:
    """vtkPoints of the scene as (P, 3) LPS; copied."""
    if points is None or points.GetNumberOfPoints() == 0:
        return np.empty((0, 3))
    return from_scene(vtk_to_numpy(points.GetData()))


def points_to_vtk(points_lps_mm: ArrayLike, data_type: int = vtk.VTK_DOUBLE) -> Any:
    """(P, 3) LPS as vtkPoints of the scene; copied."""
    points = vtk.vtkPoints()
    points.SetDataType(data_type)
    dtype = np.float64 if data_type == vtk.VTK_DOUBLE else np.float32
    values = np.ascontiguousarray(to_scene(points_lps_mm), dtype)
    points.SetData(numpy_to_vtk(values, deep=True))
    return points
