"""Displays the volumes in the chosen mode, the moving volume under the chosen transform, and the regions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from Tell2RegLib.slicer_module.logic.input_checks import initialMatrix, whyNotUse
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode
from Tell2RegLib.slicer_module.logic.plan import MOVING_TO_FIXED, mapOf
from Tell2RegLib.slicer_module.scene import region_display
from Tell2RegLib.slicer_module.scene.checkerboard import checkerboardNode
from Tell2RegLib.slicer_module.scene.pair_decisions import PairRow, Rows
from Tell2RegLib.slicer_module.scene.result_nodes import remove
from Tell2RegLib.slicer_module.scene.result_volumes import whyNotFor
from Tell2RegLib.slicer_module.scene.slice_view import corners_of
from Tell2RegLib.slicer_module.scene.slice_views import FIXED_VIEW, MOVING_VIEW, Correspondence, Views
from Tell2RegLib.slicer_module.scene.volumes import COPY_OF, linear_lps_of, view_copy
from Tell2RegLib.space.grid import Floats, apply_affine

JACOBIAN, IN_SPACE = "jacobian", "space"
"""Display modes, in addition to parameters.VIEWS, that are not stored in the scene."""


def show(parameters: Tell2RegParameterNode, views: Views, displayMode: str, opacity: float) -> None:
    """Put the moving copy and its regions under the chosen transform, fill the views and draw the regions.

    Args:
        displayMode: one of parameters.VIEWS, JACOBIAN or IN_SPACE.
        opacity: of the moving volume in the faded view.
    """
    moving, fixed = displayedMoving(parameters), parameters.fixedVolume
    node = transformNodeOf(parameters)
    for movingNode in (moving, parameters.movingRegions):
        if movingNode is not None:
            movingNode.SetAndObserveTransformNodeID(None if node is None else node.GetID())
    if displayMode == "side":
        views.sideBySide(fixed, moving, correspondenceOf(parameters))
    elif displayMode == "checkerboard":
        name = f"{fixed.GetName()} (checkerboard)"
        parameters.checkerboard = checkerboardNode(fixed, name, parameters.checkerboard)
        views.overlay(fixed, moving, parameters.checkerboard, 1.0)
    elif displayMode == JACOBIAN:
        views.overlay(fixed, fixed, _jacobian(parameters), 0.4)
    elif displayMode == IN_SPACE:
        _makeSurfaces(parameters)
        views.inSpace(fixed)
    else:
        views.overlay(fixed, fixed, moving, opacity if displayMode == "fade" else 1.0)
    _drawRegions(parameters, views, displayMode)


def _drawRegions(parameters: Tell2RegParameterNode, views: Views, displayMode: str) -> None:
    """Each side's regions where its volume is shown; regions of other volumes nowhere."""
    inFixed, inMoving = (views.idsOf([name]) for name in (FIXED_VIEW, MOVING_VIEW))
    if displayMode == IN_SPACE:
        fixedIDs, movingIDs = (*views.idsOf(views.sliceNames), *views.spaceIds), views.spaceIds
    else:
        fixedIDs, movingIDs = inFixed, inMoving if displayMode == "side" else inFixed
    drawRegions(parameters, fixedIDs, None if displayMode == JACOBIAN else movingIDs)


def drawRegions(
    parameters: Tell2RegParameterNode, fixedIDs: Sequence[str] | None, movingIDs: Sequence[str] | None
) -> None:
    """Draw the regions of each side in these views; None for nowhere, as for regions of other volumes."""
    for side, ids in (("fixed", fixedIDs), ("moving", movingIDs)):
        region_display.drawIn(getattr(parameters, f"{side}Regions"), None if _areForeign(parameters, side) else ids)


def hideForeignRegions(parameters: Tell2RegParameterNode) -> None:
    """Draw regions of volumes that are not chosen nowhere; the others stay as they are drawn."""
    for side in ("fixed", "moving"):
        if _areForeign(parameters, side):
            region_display.drawIn(getattr(parameters, f"{side}Regions"), None)


def _areForeign(parameters: Tell2RegParameterNode, side: str) -> bool:
    regions, volume = getattr(parameters, f"{side}Regions"), getattr(parameters, f"{side}Volume")
    if regions is None:
        return False
    return volume is None or volume.GetImageData() is None or bool(whyNotFor(regions, "regions", "", **{side: volume}))


def paintRegions(parameters: Tell2RegParameterNode, rows: Rows, selected: Collection[int] = ()) -> None:
    """Draw accepted, rejected, unpaired and selected regions in their respective styles."""
    region_display.paint(parameters.fixedRegions, rows, "fixed", selected)
    region_display.paint(parameters.movingRegions, rows, "moving", selected)


def revealRegions(parameters: Tell2RegParameterNode, row: PairRow | None = None) -> None:
    """Show the segments of a pair, or of all regions, even if they are hidden."""
    for node, side in ((parameters.fixedRegions, "fixed"), (parameters.movingRegions, "moving")):
        region_display.reveal(node, None if row is None else (getattr(row, side),))


def _makeSurfaces(parameters: Tell2RegParameterNode) -> None:
    for node in (parameters.fixedRegions, parameters.movingRegions):
        if node is not None:
            node.CreateClosedSurfaceRepresentation()


def hide3D(parameters: Tell2RegParameterNode) -> None:
    """Hide the surfaces."""
    for node in (parameters.fixedRegions, parameters.movingRegions):
        if node is not None:
            node.RemoveClosedSurfaceRepresentation()


def release(parameters: Tell2RegParameterNode, views: Views, displayMode: str) -> None:
    """When the user leaves the module, restore the previous views if they showed a volume; else keep the images.

    Other modules get the moving regions where they lie: the regions leave the transform that was shown, and are drawn
    only over their volume as it lies, never in a view with the regions of the other patient.

    Args:
        displayMode: how the volumes were shown, as for `show`.
    """
    restored = views.leave()
    if parameters.movingRegions is not None:
        parameters.movingRegions.SetAndObserveTransformNodeID(None)
    if not views.sliceNames:
        return
    if restored:
        inFixed, inMoving = (views.namesWith(volume) for volume in (parameters.fixedVolume, parameters.movingVolume))
        fixedIDs, movingIDs = views.idsOf(inFixed), views.idsOf(name for name in inMoving if name not in inFixed)
    else:
        fixedIDs = (
            (*views.idsOf(views.sliceNames), *views.spaceIds) if displayMode == IN_SPACE else views.idsOf([FIXED_VIEW])
        )
        copy = parameters.movingShown
        asItLies = displayMode == "side" and copy is not None and copy.GetParentTransformNode() is None
        movingIDs = views.idsOf([MOVING_VIEW]) if asItLies else ()
    drawRegions(parameters, fixedIDs or None, movingIDs or None)


def showForEditing(parameters: Tell2RegParameterNode, side: str) -> None:
    """For the Segment Editor: the regions of one side in every view, where they lie, those of the other nowhere."""
    if parameters.movingRegions is not None:
        parameters.movingRegions.SetAndObserveTransformNodeID(None)
    drawRegions(parameters, () if side == "fixed" else None, () if side == "moving" else None)


def displayedMoving(parameters: Tell2RegParameterNode) -> Any:
    """The copy of the moving volume that the views show, so that the volume itself is never put under a transform."""
    volume, copy = parameters.movingVolume, parameters.movingShown
    if copy is not None and not hasCopy(parameters):
        remove(copy)  # its window and level are those of another volume
        copy = None
    copy = view_copy(volume.GetScene(), volume, copy)
    parameters.movingShown = copy
    return copy


def hasCopy(parameters: Tell2RegParameterNode) -> bool:
    """Whether the copy of the moving volume that the views show is in the scene."""
    copy, volume = parameters.movingShown, parameters.movingVolume
    return copy is not None and volume is not None and copy.GetNodeReferenceID(COPY_OF) == volume.GetID()


def correspondenceOf(parameters: Tell2RegParameterNode) -> Correspondence:
    """Which position of the moving volume, as it is shown, belongs to one of the fixed volume."""
    if transformNodeOf(parameters) is not None:
        return Correspondence(np.eye(4), registered=True)
    matrix: Floats = np.eye(4)
    initial = initialMatrix(parameters)
    if initial is not None:
        matrix = np.linalg.inv(initial).astype(float)
    else:
        fixed, moving = (corners_of(volume) for volume in (parameters.fixedVolume, parameters.movingVolume))
        if not (_holdsTheMiddleOf(fixed, moving) and _holdsTheMiddleOf(moving, fixed)):
            matrix[:3, 3] = moving.mean(axis=0) - fixed.mean(axis=0)
    return Correspondence(matrix, moving=parameters.movingVolume.GetID())


def _holdsTheMiddleOf(corners: Floats, otherCorners: Floats) -> bool:
    middle = otherCorners.mean(axis=0)
    return bool(np.all(corners.min(axis=0) <= middle) and np.all(middle <= corners.max(axis=0)))


def transformNodeOf(parameters: Tell2RegParameterNode) -> Any:
    """The node of the displayed transform; None when the moving volume is shown unregistered."""
    if whyNotUse(parameters):
        return None
    return {
        "rigid": parameters.rigidTransform,
        "affine": parameters.affineTransform,
        "deformable": parameters.deformableTransform,
    }.get(parameters.shown)


def displayedPosition(parameters: Tell2RegParameterNode, movingLps: Floats | None) -> Floats | None:
    """The displayed position, (3,) LPS mm, of a position of the unregistered moving volume."""
    node = transformNodeOf(parameters)
    if movingLps is None or node is None:
        return movingLps
    if parameters.shown == "deformable":
        return mapOf(parameters, MOVING_TO_FIXED).points(np.atleast_2d(movingLps))[0]
    return apply_affine(linear_lps_of(node), movingLps)


def _jacobian(parameters: Tell2RegParameterNode) -> Any:
    """The Jacobian map, coloured from 0 to 2."""
    node = parameters.jacobianMap
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    modified = display.StartModify()
    display.SetAutoWindowLevel(False)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileColdToHotRainbow.txt")
    display.SetWindowLevelMinMax(0.0, 2.0)
    display.EndModify(modified)
    return node
