"""Restricts a plan to the views of its volume while the panel is open, and its propagated copy to those of the other.

Nodes are confined to views by the view IDs of their displays; an attribute of the display keeps the earlier ones. Under
a transform a view copy stands in for the node, so that the node itself is never moved.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from slicer import vtkMRMLMarkupsNode, vtkMRMLModelNode, vtkMRMLSegmentationNode

from Tell2RegLib.evaluation.target_trust import VERDICTS, TargetTrust
from Tell2RegLib.slicer_module.logic.displayed_transform import IN_SPACE, transformNodeOf
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode
from Tell2RegLib.slicer_module.logic.plan import (
    CARRIED_BY,
    CARRIED_TO,
    MADE_FROM,
    MOVING_TO_FIXED,
    chosenNodes,
    copiesIn,
)
from Tell2RegLib.slicer_module.scene.markups import points_of, propagate_markups
from Tell2RegLib.slicer_module.scene.nodes_of_class import nodesOfClass
from Tell2RegLib.slicer_module.scene.result_nodes import putIntoResults, remove
from Tell2RegLib.slicer_module.scene.slice_views import FIXED_VIEW, MOVING_VIEW
from Tell2RegLib.slicer_module.scene.target_spheres import spheres_of
from Tell2RegLib.slicer_module.scene.view_ids import setViewIDs, viewIDsOf
from Tell2RegLib.slicer_module.scene.volumes import COPY_OF

DRAWN = (vtkMRMLMarkupsNode, vtkMRMLModelNode, vtkMRMLSegmentationNode)
"""Classes of nodes that views draw in their slices."""
VIEWS_BEFORE = "Tell2Reg.ViewsBefore"
"""Attribute of a restricted display node: its previous view IDs, as JSON."""
COPIED_AT = "Tell2Reg.CopiedAt"
"""Attribute of a view copy of a plan: the state of the node that it was made from."""
RADII = "Tell2Reg.Radii"
"""Attribute of the spheres around propagated targets: their verdict."""
NO_VIEW = "Tell2Reg.NoView"
"""A view ID without a view; a display with no other ID is shown nowhere."""


@dataclass(frozen=True, eq=False)
class _Sides:
    """The drawn nodes of a plan by the patient that they lie on; `elsewhere` are copies for other volumes."""

    fixed: Sequence[Any]
    moving: Sequence[Any]
    elsewhere: Sequence[Any]
    carried: frozenset[str]
    """IDs of moving nodes that have a partner on the fixed side: an original or a copy."""


def show(parameters: Tell2RegParameterNode, displayMode: str) -> None:
    """Restrict the plan and its copies to the views of their volumes; release nodes that no longer belong to a plan.

    Args:
        parameters: the parameter node.
        displayMode: how the volumes are shown: "side" has a view for each, IN_SPACE the fixed volume in all slice
            views, all others have one view for both.
    """
    scene, sides = parameters.parameterNode.GetScene(), _sidesOf(parameters)
    transform, oneView = transformNodeOf(parameters), displayMode != "side"
    inSpace = [node.GetID() for node in nodesOfClass(scene, "vtkMRMLViewNode")]
    fixedViews = [_sliceView(FIXED_VIEW), *inSpace]
    movingViews = [_sliceView(FIXED_VIEW if oneView else MOVING_VIEW), *inSpace]
    if displayMode == IN_SPACE:
        fixedViews, movingViews = (
            [node.GetID() for node in nodesOfClass(scene, "vtkMRMLSliceNode")] + inSpace,
            inSpace,
        )
    placed = {node.GetID(): fixedViews for node in sides.fixed} | {node.GetID(): [] for node in sides.elsewhere}
    for node in sides.moving:
        covered = oneView and node.GetID() in sides.carried
        placed[node.GetID()] = [] if transform else inSpace if covered else movingViews
    for name, views in placed.items():
        _confine(scene.GetNodeByID(name), views)
    _release(scene, but=set(placed))
    copied = {node.GetID() for node in sides.moving} if transform else set()
    for copy in _viewCopies(scene):
        if copy.GetNodeReferenceID(COPY_OF) not in copied:
            remove(copy)
    for node in sides.moving if transform else ():
        copy = _viewCopy(node)
        copy.SetAndObserveTransformNodeID(transform.GetID())
        _setViews(copy.GetDisplayNode(), inSpace if oneView else movingViews)


def release(parameters: Tell2RegParameterNode) -> None:
    """Restore the previous views of all nodes, and remove view copies."""
    scene = parameters.parameterNode.GetScene()
    if scene is None:
        return
    restore(scene)
    for copy in _viewCopies(scene):
        remove(copy)


def restore(scene: Any) -> None:
    """Give every display the views that it had, as it is to be saved; no node is added or removed."""
    _release(scene, but=set())


# --- radii ---


def showRadii(parameters: Tell2RegParameterNode, trusts: Sequence[TargetTrust], target: Any, carriedBy: str) -> None:
    """Spheres around the propagated targets that have a radius, in place of earlier ones.

    They belong to the propagated copies: they are shown in the same views, and cannot be propagated themselves.

    Args:
        parameters: the parameter node.
        trusts: the verdicts.
        target: the volume that the plan was carried to.
        carriedBy: the transform that carried it.
    """
    scene = parameters.parameterNode.GetScene()
    for node in copiesIn(scene):
        if node.GetAttribute(RADII):
            remove(node)
    for verdict in VERDICTS:
        node = spheres_of(scene, trusts, verdict, f"Radii of targets: {verdict}")
        if node is not None:
            node.SetAttribute(RADII, verdict)
            node.SetAttribute(CARRIED_BY, carriedBy)
            node.SetNodeReferenceID(CARRIED_TO, target.GetID())
            putIntoResults(parameters, node)


# --- which nodes ---


def _sidesOf(parameters: Tell2RegParameterNode) -> _Sides:
    fixed: dict[str, Any] = {}
    moving: dict[str, Any] = {}
    elsewhere: dict[str, Any] = {}
    carriedIDs: set[str] = set()
    drawnOnMoving = parameters.direction == MOVING_TO_FIXED
    for node in chosenNodes(parameters):
        (moving if drawnOnMoving else fixed)[node.GetID()] = node
    if parameters.trueTargets is not None:
        (fixed if drawnOnMoving else moving)[parameters.trueTargets.GetID()] = parameters.trueTargets
    volumes = [node and node.GetID() for node in (parameters.fixedVolume, parameters.movingVolume)]
    for copy in copiesIn(parameters.parameterNode.GetScene()):
        target, original = copy.GetNodeReferenceID(CARRIED_TO), copy.GetNodeReference(MADE_FROM)
        if target not in volumes or target is None:
            elsewhere[copy.GetID()] = copy
            continue
        originalSide, copySide = (fixed, moving) if target == volumes[0] else (moving, fixed)
        originalSide[copy.GetID()] = copy
        if original is not None:
            if original.GetID() not in originalSide:  # chosen for the other direction since
                copySide[original.GetID()] = original
            carriedIDs |= {copy.GetID(), original.GetID()}
    onFixed, onMoving, onOthers = (
        [node for node in side.values() if isinstance(node, DRAWN)] for side in (fixed, moving, elsewhere)
    )
    return _Sides(onFixed, onMoving, onOthers, frozenset(carriedIDs))


def _sliceView(name: str) -> str:
    return f"vtkMRMLSliceNode{name}"


# --- displays ---


def _displaysOf(node: Any) -> list:
    displays = [node.GetNthDisplayNode(index) for index in range(node.GetNumberOfDisplayNodes())]
    return [display for display in displays if display is not None]


def _confine(node: Any, views: Sequence[str]) -> None:
    """Restrict a node to these views, as far as it was shown there; to none when empty."""
    for display in _displaysOf(node):
        if display.GetAttribute(VIEWS_BEFORE) is None:
            display.SetAttribute(VIEWS_BEFORE, json.dumps(viewIDsOf(display)))
        before = _viewsBefore(display)
        _setViews(display, [view for view in views if not before or view in before])


def _setViews(display: Any, views: Sequence[str]) -> None:
    setViewIDs(display, views or (NO_VIEW,))


def _viewsBefore(display: Any) -> list[str]:
    try:
        views = json.loads(display.GetAttribute(VIEWS_BEFORE) or "[]")
    except ValueError:
        return []
    return [str(view) for view in views] if isinstance(views, list) else []


def _release(scene: Any, but: set[str]) -> None:
    """Give the displays of all nodes, except of those with these IDs, the views that they had."""
    keptDisplayIDs = {display.GetID() for name in but for display in _displaysOf(scene.GetNodeByID(name))}
    for display in nodesOfClass(scene, "vtkMRMLDisplayNode"):
        if display.GetAttribute(VIEWS_BEFORE) is None or display.GetID() in keptDisplayIDs:
            continue
        with slicer.util.NodeModify(display):
            setViewIDs(display, _viewsBefore(display))
            display.RemoveAttribute(VIEWS_BEFORE)


# --- view copies ---


def _viewCopies(scene: Any) -> list:
    return [node for node in nodesOfClass(scene, "vtkMRMLDisplayableNode") if node.GetAttribute(COPIED_AT)]


def _viewCopy(node: Any) -> Any:
    """A locked copy of a node for display, hidden from node lists and not saved, with the node's current content."""
    scene = node.GetScene()
    copy = next(
        (viewCopy for viewCopy in _viewCopies(scene) if viewCopy.GetNodeReferenceID(COPY_OF) == node.GetID()), None
    )
    if copy is None:
        copy = getattr(slicer, node.GetClassName())()
        copy.SetHideFromEditors(True)
        copy.SetSaveWithScene(False)
        copy.SetNodeReferenceID(COPY_OF, node.GetID())
        copy.SetAttribute(COPIED_AT, "never")
        scene.AddNode(copy)
        copy.CreateDefaultDisplayNodes()
        copy.GetDisplayNode().SetSaveWithScene(False)
    state = _stateOf(node)
    if copy.GetAttribute(COPIED_AT) != state:
        _fill(node, copy)
        copy.SetAttribute(COPIED_AT, state)
    return copy


def _stateOf(node: Any) -> str:
    parent, content = node.GetParentTransformNode(), ""
    if node.IsA("vtkMRMLMarkupsNode"):
        content = repr(points_of(node).points_lps_mm.tolist())
    return f"{node.GetMTime()} {parent and parent.GetID()} {parent and parent.GetTransformToWorldMTime()} {content}"


def _fill(node: Any, copy: Any) -> None:
    name = f"{node.GetName()} (view copy)"  # another one: scripts find nodes by their names
    copy.SetName(name)
    copy.SetAndObserveTransformNodeID(None)
    if node.IsA("vtkMRMLMarkupsNode"):
        propagate_markups(node, lambda points: points, node.GetScene(), name, copy)
        copy.SetLocked(True)
    else:
        fill = _fillModel if node.IsA("vtkMRMLModelNode") else _fillSegmentation
        fill(node, copy)
        if node.GetDisplayNode() is not None:
            copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
        if node.GetParentTransformNode() is not None:
            copy.SetAndObserveTransformNodeID(node.GetParentTransformNode().GetID())
            copy.HardenTransform()
    copy.GetDisplayNode().RemoveAttribute(VIEWS_BEFORE)


def _fillModel(node: Any, copy: Any) -> None:
    mesh = vtk.vtkPolyData() if node.GetPolyData() is not None else None
    if mesh is not None:
        mesh.ShallowCopy(node.GetPolyData())
    copy.SetAndObserveMesh(mesh)


def _fillSegmentation(node: Any, copy: Any) -> None:
    segmentation = slicer.vtkSegmentation()
    segmentation.DeepCopy(node.GetSegmentation())
    copy.SetAndObserveSegmentation(segmentation)
