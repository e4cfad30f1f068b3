"""Markups between scene and library: control points, and copies carried by a map of points.

Fiducials, lines, curves and angles are carried by their control points, and so are planes through three or more points
and boxes around points. A plane given by a point and a normal, and a box given by centre and axes, are carried by their
frame: the ends of the axes are mapped, and what comes out is the nearest right-angled frame of the new size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk

from Tell2RegLib.slicer_module.scene.coordinates import array_from_matrix, from_scene, matrix_from_array, to_scene
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.point_files import PointList

PointMap = Callable[[Floats], Floats]
"""Maps points (P, 3), LPS mm."""

LEAST_HALF_MM = 1.0
"""Minimum length of the semi-axes of a frame when they are mapped."""


# --- points ---


def points_of(node: Any) -> PointList:
    """The placed control points of a markups node in the world, LPS; those that are not placed are left out."""
    placed = _placed(node)
    return PointList(tuple(node.GetNthControlPointLabel(n) for n in placed), _world_points(node, placed))


def fiducials_from_points(scene: Any, points: PointList, name: str) -> Any:
    """A point list as a vtkMRMLMarkupsFiducialNode without parent transform."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    was = node.StartModify()
    for label, position in zip(points.names, to_scene(points.points_lps_mm), strict=True):
        node.SetNthControlPointLabel(node.AddControlPoint(vtk.vtkVector3d(*position.tolist())), label)
    node.EndModify(was)
    return node


def _placed(node: Any) -> list[int]:
    defined = slicer.vtkMRMLMarkupsNode.PositionDefined
    return [n for n in range(node.GetNumberOfControlPoints()) if node.GetNthControlPointPositionStatus(n) == defined]


def _world_points(node: Any, numbers: list[int]) -> Floats:
    positions = [list(node.GetNthControlPointPositionWorld(n)) for n in numbers]
    return from_scene(np.reshape(positions, (-1, 3)))


# --- propagation ---


def propagate_markups(node: Any, map_points: PointMap, scene: Any, name: str, copy: Any = None) -> Any:
    """Propagate a copy of a markups node of any kind by a map; the node itself is not changed.

    Labels, colours, descriptions, locks, sizes of glyphs and the rest stay; the copy has no parent transform.

    Args:
        node: vtkMRMLMarkupsNode, under any transforms.
        map_points: where points go.
        scene: where to add the copy.
        name: the copy's name.
        copy: a node of that class to fill instead of adding one.
    """
    copy = copy or scene.AddNewNodeByClass(node.GetClassName(), name)
    copy.CopyContent(node)
    copy.SetName(name)
    _copy_display(node, copy)
    was = copy.StartModify()
    try:
        if _is_a_frame(node):
            _propagate_frame(node, map_points, copy)
        else:
            _propagate_control_points(node, map_points, copy)
    except BaseException:  # half a copy would look like a carried plan
        scene.RemoveNode(copy)
        raise
    copy.EndModify(was)
    # Slicer clears it whenever a point moves.
    copy.SetDescription(node.GetDescription())
    return copy


def _copy_display(node: Any, copy: Any) -> None:
    copy.CreateDefaultDisplayNodes()
    if node.GetDisplayNode() is not None and copy.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())


def _propagate_control_points(node: Any, map_points: PointMap, copy: Any) -> None:
    # Boxes around points lose theirs when Slicer copies them.
    for number in range(copy.GetNumberOfControlPoints(), node.GetNumberOfControlPoints()):
        copy.SetNthControlPointLabel(copy.AddControlPoint(vtk.vtkVector3d()), node.GetNthControlPointLabel(number))
    placed = _placed(node)
    if not placed:
        return
    moved = to_scene(map_points(_world_points(node, placed)))
    for number, position in zip(placed, moved.tolist(), strict=True):
        copy.SetNthControlPointPosition(number, *position)


# --- planes and boxes ---


def _is_a_frame(node: Any) -> bool:
    if node.IsA("vtkMRMLMarkupsPlaneNode"):
        return node.GetPlaneType() == slicer.vtkMRMLMarkupsPlaneNode.PlaneTypePointNormal and bool(_placed(node))
    if node.IsA("vtkMRMLMarkupsROINode"):
        return node.GetROIType() == slicer.vtkMRMLMarkupsROINode.ROITypeBox and bool(_placed(node))
    return False


def _propagate_frame(node: Any, map_points: PointMap, copy: Any) -> None:
    sizes = np.array(node.GetSize(), dtype=np.float64)
    half = np.maximum(np.append(sizes, [0.0] * (3 - len(sizes))) / 2, LEAST_HALF_MM)
    centre, axes = _mapped_axes(_in_the_world(node), _object_to_node(node), half, map_points)
    stretch = np.linalg.norm(axes, axis=0)
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = _nearest_rotation(axes / stretch), centre
    new_sizes = (sizes * stretch[: len(sizes)]).tolist()
    if node.IsA("vtkMRMLMarkupsROINode"):
        copy.SetAndObserveObjectToNodeMatrix(matrix_from_array(frame))
        copy.SetSize(*new_sizes)
    else:
        copy.SetCenter(*centre.tolist())
        copy.SetAxes(*(frame[:3, axis].tolist() for axis in range(3)))
        copy.SetSize(*new_sizes)


def _object_to_node(node: Any) -> Floats:
    """(4, 4) from the frame of a plane or box to the node's space; the two classes hand it over differently."""
    if node.IsA("vtkMRMLMarkupsROINode"):
        return array_from_matrix(node.GetObjectToNodeMatrix())
    matrix = vtk.vtkMatrix4x4()
    node.GetObjectToNodeMatrix(matrix)
    return array_from_matrix(matrix)


def _mapped_axes(
    in_the_world: PointMap, object_to_node: Floats, half_mm: Floats, map_points: PointMap
) -> tuple[Floats, Floats]:
    """Where the centre goes, and the mapped axes per mm as columns; everything as the scene has it."""
    directions = object_to_node[:3, :3] / np.linalg.norm(object_to_node[:3, :3], axis=0)
    arms = (directions * half_mm).T
    centre = object_to_node[:3, 3]
    ends = np.concatenate([[centre], centre + arms, centre - arms])
    moved = to_scene(map_points(from_scene(in_the_world(ends))))
    return moved[0], ((moved[1:4] - moved[4:7]) / (2 * half_mm[:, None])).T


def _in_the_world(node: Any) -> PointMap:
    """Points of the node's own space to the scene's world, through whatever stands above the node."""

    def in_the_world(points: Floats) -> Floats:
        placed = []
        for point in points.tolist():
            world = [0.0, 0.0, 0.0]
            node.TransformPointToWorld(point, world)
            placed.append(world)
        return np.array(placed)

    return in_the_world


def _nearest_rotation(axes: Floats) -> Floats:
    """The right-angled frame of the same handedness nearest to three directions (polar decomposition)."""
    u, _, vt = np.linalg.svd(axes)
    return u @ vt
