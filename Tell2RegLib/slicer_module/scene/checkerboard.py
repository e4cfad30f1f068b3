"""The fixed volume with holes in the pattern of a checkerboard: laid over the moving one, both are seen in turn.

Slicer itself brings the moving volume to the view, so nothing is resampled here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from Tell2RegLib.slicer_module.scene.volumes import image_from_array, voxels_of

SQUARES = 6
"""Squares along the longest edge of the volume."""
HOLE_DEPTH = 20.0
"""How far the value of a hole lies below all others, in ranges of values: the edges of the squares stay sharp."""


def checkerboardNode(fixed: Any, name: str, node: Any = None) -> Any:
    """A volume node with the voxels of every other square of the fixed volume; the others are transparent.

    Args:
        fixed: vtkMRMLScalarVolumeNode; window and level are taken from its display.
        name: of the node.
        node: a node to fill again; a new one when None. It is hidden in lists and not saved with the scene.
    """
    scene = fixed.GetScene()
    if node is None:
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetHideFromEditors(True)  # before it is added: lists of nodes do not look again
        node.SetSaveWithScene(False)
        scene.AddNode(node)
        display = scene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
        display.SetSaveWithScene(False)
        node.SetAndObserveDisplayNodeID(display.GetID())
    values = voxels_of(fixed.GetImageData())
    low, high = (float(value) for value in fixed.GetImageData().GetPointData().GetScalars().GetFiniteRange(0))
    hole = low - HOLE_DEPTH * max(high - low, 1e-6)
    board = np.where(squares_kji(values.shape, fixed.GetSpacing()), hole, values).astype(np.float32)
    node.SetName(name)
    node.CopyOrientation(fixed)
    node.SetAndObserveTransformNodeID(fixed.GetTransformNodeID())
    node.SetAndObserveImageData(image_from_array(board))
    _displayAs(fixed.GetDisplayNode(), node.GetDisplayNode(), low, high)
    return node


def squares_kji(shape_kji: tuple[int, int, int], spacing_ijk_mm: tuple[float, float, float]) -> np.ndarray:
    """Bool (K, J, I): cubes of equal size in mm, in turn along every axis, so that each plane is a checkerboard."""
    spacing = np.array(spacing_ijk_mm)[::-1]
    edge = (np.array(shape_kji) * spacing).max() / SQUARES
    k, j, i = (np.arange(size) * step // edge for size, step in zip(shape_kji, spacing, strict=True))
    return (k[:, None, None] + j[None, :, None] + i[None, None, :]) % 2 == 1


def _displayAs(source: Any, display: Any, low: float, high: float) -> None:
    """Window, level and colours of another display; what lies below the lowest value is transparent."""
    modified = display.StartModify()
    if source is None:
        display.SetDefaultColorMap()
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(low, high)
    else:
        display.SetAndObserveColorNodeID(source.GetColorNodeID())
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(source.GetWindowLevelMin(), source.GetWindowLevelMax())
    display.SetThreshold(low - 0.01 * max(high - low, 1e-6), high)
    display.SetApplyThreshold(True)
    display.EndModify(modified)
