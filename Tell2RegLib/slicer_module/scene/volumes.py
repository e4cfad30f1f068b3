"""Converts volumes between scene and library: validity, geometry in the world, and copies for display.

A user's node is never changed: linear transforms above it are folded into the grid, and views show a copy that shares
its voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from Tell2RegLib.errors import InputError, Tell2RegError
from Tell2RegLib.slicer_module.scene.coordinates import grid_from_matrix, matrix_from_grid, parents_of, world_of
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.volume import Volume, from_simpleitk, to_simpleitk

COPY_OF = "Tell2Reg.CopyOf"
"""Node reference of a view copy to the user's node."""


# --- what can be used ---


def why_unusable(node: Any) -> str:
    """Why a volume node cannot be registered, in one sentence; "" when it can be."""
    if node is None:
        return "Choose a volume."
    name = node.GetName()
    if not node.IsA("vtkMRMLScalarVolumeNode"):
        return f"'{name}' is not a volume. Choose a scalar volume."
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        return f"'{name}' is a label map. Choose the image that it was drawn on."
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        return f"'{name}' contains no voxels yet. Load it or choose another volume."
    return _why_not_a_picture(image, name) or _why_nowhere(node)


def _why_not_a_picture(image: Any, name: str) -> str:
    size = " x ".join(map(str, image.GetDimensions()))
    if min(image.GetDimensions()) < 2:
        return f"'{name}' is a single slice ({size}). Choose a 3-D volume."
    if image.GetNumberOfScalarComponents() != 1:
        return (
            f"'{name}' has {image.GetNumberOfScalarComponents()} values per voxel (colour or vectors). Extract one "
            "component and choose it."
        )
    low, high = image.GetPointData().GetScalars().GetFiniteRange(0)
    if low > high:
        return f"'{name}' contains no finite value: every voxel is NaN or infinite. Choose another volume."
    if low == high:
        return f"'{name}' is constant: every voxel is {low:g}. Choose a volume with visible contrast."
    return ""


def _why_nowhere(node: Any) -> str:
    try:
        grid_of_node(node)
    except Tell2RegError as error:
        return str(error)
    return ""


# --- scene -> library ---


def grid_of_node(node: Any, more_lps: ArrayLike | None = None) -> Grid:
    """The grid of a volume node in world space.

    Args:
        node: vtkMRMLVolumeNode with image data.
        more_lps: 4 x 4, a linear map of the world that is applied on top.

    Raises:
        InputError: a transform above the node that is not linear.
        GeometryError: one that shears the voxels, or axes that do not span space.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    grid = grid_from_matrix(matrix, node.GetImageData().GetExtent())
    world = parents_of(node) if more_lps is None else np.asarray(more_lps, dtype=np.float64) @ parents_of(node)
    if np.array_equal(world, np.eye(4)):
        return grid
    try:
        return grid.moved_by(world)
    except Tell2RegError as error:
        raise type(error)(f"'{node.GetName()}' cannot be used under its transform: {error}") from error


def volume_from_node(node: Any, more_lps: ArrayLike | None = None) -> Volume:
    """A volume node in world space, LPS; its voxels are copied, NaN become the smallest finite value.

    Args:
        node: vtkMRMLScalarVolumeNode.
        more_lps: 4 x 4, a linear map of the world that is applied on top (an initial transform).

    Raises:
        InputError, GeometryError: whatever `why_unusable` says.
    """
    reason = why_unusable(node)
    if reason:
        raise InputError(reason)
    image = to_simpleitk(voxels_of(node.GetImageData()), grid_of_node(node, more_lps))
    return from_simpleitk(image, node.GetName())


def voxels_of(image: Any) -> Any:
    """A view (K, J, I) of the scalars of a vtkImageData; copy it before the image may change."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def linear_lps_of(transform_node: Any) -> Floats:
    """(4, 4), LPS, of a transform node up to the world: what it would do to a volume put under it.

    Raises:
        InputError: it, or a transform above it, is not linear.
    """
    if not transform_node.IsTransformToWorldLinear():
        raise InputError(
            f"'{transform_node.GetName()}' or one of its parents is not linear, so it cannot be the initial transform. "
            "Choose a linear one."
        )
    return world_of(transform_node, transform_node.GetName())


def volumes_overlap(first: Any, second: Any) -> bool:
    """Whether the boxes of two volume nodes along the world's axes meet.

    Raises:
        InputError, GeometryError: as `grid_of_node`.
    """
    return grids_overlap(grid_of_node(first), grid_of_node(second))


def grids_overlap(first: Grid, second: Grid) -> bool:
    """Whether the boxes of two grids along x, y, z meet, whole voxels counted."""
    low, high = zip(*(_box(grid) for grid in (first, second)), strict=True)
    return bool(np.all(np.maximum(*low) <= np.minimum(*high)))


def _box(grid: Grid) -> tuple[Floats, Floats]:
    last = np.asarray(grid.size_xyz) - 0.5
    corners = grid.index_to_lps([[i, j, k] for i in (-0.5, last[0]) for j in (-0.5, last[1]) for k in (-0.5, last[2])])
    return corners.min(axis=0), corners.max(axis=0)


# --- library -> scene ---


def volume_to_node(scene: Any, volume: Volume, name: str, node: Any = None) -> Any:
    """A volume as a vtkMRMLScalarVolumeNode without parent transform; the voxels are copied.

    Args:
        scene: where to add it.
        volume: what to show.
        name: the node's name.
        node: a node of that class to fill instead of adding one.
    """
    image = image_from_array(volume.array_kji)
    node = node or scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetName(name)
    node.SetAndObserveTransformNodeID(None)
    node.SetIJKToRASMatrix(matrix_from_grid(volume.grid))
    node.SetAndObserveImageData(image)
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def image_from_array(array_kji: np.ndarray) -> Any:
    """A vtkImageData of unit spacing out of (K, J, I) scalars or (K, J, I, C) vectors; copied."""
    values = np.ascontiguousarray(_of_a_type_vtk_knows(array_kji))
    components = values.shape[3] if values.ndim == 4 else 1
    flat = values.reshape(-1, components) if components > 1 else values.ravel()
    image = vtk.vtkImageData()
    image.SetDimensions(values.shape[2::-1])
    scalars = numpy_to_vtk(flat, deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def _of_a_type_vtk_knows(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


# --- copies to look at ---


def view_copy(scene: Any, node: Any, copy: Any = None) -> Any:
    """A volume node for the views that shares the voxels of the user's node and stands where that is in the world.

    It has a display of its own, with the user's window and level at first, is hidden from lists of nodes, and is not
    saved with the scene.

    Args:
        scene: where to add it.
        node: the user's volume node.
        copy: an earlier copy to bring up to date instead: place, voxels and name; its display stays.

    Raises:
        InputError, GeometryError: as `grid_of_node`.
    """
    matrix = matrix_from_grid(grid_of_node(node))
    if copy is None:
        copy = slicer.vtkMRMLScalarVolumeNode()
        copy.SetName(node.GetName())
        copy.SetHideFromEditors(True)  # before it is added: lists of nodes do not look again
        copy.SetSaveWithScene(False)
        scene.AddNode(copy)
        copy.SetNodeReferenceID(COPY_OF, node.GetID())
        _copy_display(scene, node, copy)
    with slicer.util.NodeModify(copy):
        copy.SetName(node.GetName())
        copy.SetIJKToRASMatrix(matrix)
        if copy.GetImageData() is not node.GetImageData():
            copy.SetAndObserveImageData(node.GetImageData())
    return copy


def _copy_display(scene: Any, node: Any, copy: Any) -> None:
    display = scene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
    display.SetSaveWithScene(False)
    source = node.GetDisplayNode()
    if source is None:
        display.SetDefaultColorMap()
    else:
        display.CopyContent(source)
        display.SetAndObserveColorNodeID(source.GetColorNodeID())
    copy.SetAndObserveDisplayNodeID(display.GetID())
