"""What the views show of the moving volume: a copy of it under the chosen transform, in the chosen way."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.grid import Floats, apply_affine
from Tell2RegLib.module.inputs import whyNotUse
from Tell2RegLib.module.mrml_volumes import linear_lps_of, view_copy
from Tell2RegLib.module.plan import MOVING_TO_FIXED, mapOf
from Tell2RegLib.module.scene_results import putIntoResults
from Tell2RegLib.module.views import FIXED_VIEW, MOVING_VIEW, Views, checkerboardNode
from Tell2RegLib.transform import Transform, affine_transform


def show(parameters, views: Views, opacity: float) -> None:
    """Put the moving copy and its regions under the chosen transform, and fill the views.

    Args:
        opacity: of the moving volume in the faded view.
    """
    moving, fixed = shownMoving(parameters), parameters.fixedVolume
    node = transformNodeOf(parameters)
    for one in (moving, parameters.movingRegions):
        if one is not None:
            one.SetAndObserveTransformNodeID(None if node is None else node.GetID())
    side = parameters.view == "side"
    views.showOnly(parameters.fixedRegions, FIXED_VIEW if side else "")
    views.showOnly(parameters.movingRegions, MOVING_VIEW if side else "")
    if side:
        views.sideBySide(fixed, moving)
    elif parameters.view == "checkerboard":
        name = f"{fixed.GetName()} and {parameters.movingVolume.GetName()} (checkerboard)"
        scene, before = fixed.GetScene(), parameters.checkerboard
        transform = transformOf(parameters)
        parameters.checkerboard = checkerboardNode(scene, fixed, parameters.movingVolume, transform, name, before)
        putIntoResults(parameters, parameters.checkerboard)
        views.overlay(parameters.checkerboard, None, 0.0)
    else:
        views.overlay(fixed, moving, opacity if parameters.view == "fade" else 1.0)


def show3D(parameters, views: Views) -> None:
    """Show the surfaces of both sides' regions in the 3D view, the moving ones under the transform that is shown."""
    for node in (parameters.fixedRegions, parameters.movingRegions):
        node.CreateClosedSurfaceRepresentation()
        views.showOnly(node, "")
    views.inSpace()


def hide3D(parameters) -> None:
    """Take the surfaces away again."""
    for node in (parameters.fixedRegions, parameters.movingRegions):
        if node is not None:
            node.RemoveClosedSurfaceRepresentation()


def letGo(parameters, views: Views) -> None:
    """The person leaves: the regions are shown in every view again, his own layout comes back."""
    for node in (parameters.fixedRegions, parameters.movingRegions):
        views.showOnly(node, "")
    if parameters.movingRegions is not None:
        parameters.movingRegions.SetAndObserveTransformNodeID(None)
    views.restore()


def shownMoving(parameters):
    """The copy of the moving volume that the views show, so that the volume itself is never put under a transform."""
    copy = view_copy(parameters.movingVolume.GetScene(), parameters.movingVolume, parameters.movingShown)
    parameters.movingShown = copy
    return copy


def transformNodeOf(parameters):
    """The node of the transform that is shown; None when the moving volume is shown as it lies."""
    if whyNotUse(parameters):
        return None
    return {
        "rigid": parameters.rigidTransform,
        "affine": parameters.affineTransform,
        "deformable": parameters.deformableTransform,
    }.get(parameters.shown)


def transformOf(parameters) -> Transform | None:
    """The transform that is shown, fixed to moving; None when the moving volume is shown as it lies."""
    node = transformNodeOf(parameters)
    if node is None:
        return None
    there = mapOf(parameters, MOVING_TO_FIXED)
    if parameters.shown == "deformable":
        return there.transform
    matrix = there.rigid_lps if parameters.shown == "rigid" else there.affine_lps
    grids = (there.transform.fixed_to_moving.grid, there.transform.moving_to_fixed.grid)
    return affine_transform(parameters.shown, matrix, *grids)


def whereShown(parameters, movingLps: Floats | None) -> Floats | None:
    """Where a place of the moving volume, as it lies, is shown now, (3,) LPS mm."""
    node = transformNodeOf(parameters)
    if movingLps is None or node is None:
        return movingLps
    if parameters.shown == "deformable":
        return mapOf(parameters, MOVING_TO_FIXED).points(np.atleast_2d(movingLps))[0]
    return apply_affine(linear_lps_of(node), movingLps)


def overlayJacobian(parameters, views: Views, shown: bool) -> None:
    """Lay the map of volume change over the fixed volume, or take it away."""
    node = parameters.jacobianMap
    if shown:
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileColdToHotRainbow.txt")
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 2.0)
        views.overlay(parameters.fixedVolume, node, 0.4)
    else:
        show(parameters, views, 0.5)
