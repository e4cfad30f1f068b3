"""Propagates copies of a plan's surface models and volumes to the other volume's space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import vtk

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.scene.coordinates import points_from_vtk, points_to_vtk
from Tell2RegLib.slicer_module.scene.volumes import grid_of_node, volume_to_node, voxels_of
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume


def propagate_model(node: Any, map_points: Callable[[Floats], Floats], scene: Any, name: str) -> Any:
    """Propagate a copy of a surface model by a map of points; the node itself is not changed.

    Args:
        node: vtkMRMLModelNode, under any transforms.
        map_points: (P, 3), LPS mm, to where the points go.
        scene: where to add the copy.
        name: the copy's name.

    Raises:
        InputError: the model holds no surface.
    """
    surface = node.GetPolyData()
    if surface is None or surface.GetNumberOfPoints() == 0:
        raise InputError(f"'{node.GetName()}' contains no surface to propagate.")
    moved = map_points(points_from_vtk(_in_the_world(node, surface).GetPoints()))
    warped = vtk.vtkPolyData()
    warped.DeepCopy(surface)
    warped.SetPoints(points_to_vtk(moved, surface.GetPoints().GetDataType()))
    copy = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    copy.SetAndObservePolyData(_with_fresh_normals(warped))
    copy.CreateDefaultDisplayNodes()
    if node.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
    return copy


def _in_the_world(node: Any, surface: Any) -> Any:
    parent = node.GetParentTransformNode()
    if parent is None:
        return surface
    to_world = vtk.vtkGeneralTransform()
    parent.GetTransformToWorld(to_world)
    placer = vtk.vtkTransformPolyDataFilter()
    placer.SetInputData(surface)
    placer.SetTransform(to_world)
    placer.Update()
    return placer.GetOutput()


def _with_fresh_normals(surface: Any) -> Any:
    """Normals belong to the old shape; no point is added or moved for the new ones."""
    surface.GetPointData().SetNormals(None)
    surface.GetCellData().SetNormals(None)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def propagate_volume(node: Any, transform: Transform, scene: Any, name: str, *, grid: Grid | None = None) -> Any:
    """A copy of a volume, resampled into fixed space; the node itself is not changed.

    Label maps take the nearest voxel, all others are interpolated linearly.

    Args:
        node: vtkMRMLScalarVolumeNode (or label map) in moving space, under linear transforms or none.
        transform: fixed to moving.
        scene: where to add the copy.
        name: the copy's name.
        grid: where to put it; the transform's fixed grid when None.

    Raises:
        InputError: no voxels, several values per voxel, or a transform above it that is not linear.
        GeometryError: a transform above it that shears.
    """
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetNumberOfScalarComponents() != 1:
        raise InputError(f"'{node.GetName()}' cannot be propagated: a volume needs exactly one value per voxel.")
    source = Volume(np.array(voxels_of(image)), grid_of_node(node), node.GetName())
    labels = node.IsA("vtkMRMLLabelMapVolumeNode")
    moved = transform.resample(source, nearest=labels, grid=grid)
    copy = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode" if labels else "vtkMRMLScalarVolumeNode", name)
    volume_to_node(scene, moved, name, copy)
    if node.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
        copy.GetDisplayNode().SetAndObserveColorNodeID(node.GetDisplayNode().GetColorNodeID())
    return copy
