"""What the plugins of Slicer's subject hierarchy do: a node that is added gets an item, one that goes loses it."""

from __future__ import annotations

from typing import Any

import slicer

from Testing.standin.observing import observe

SHOWN = (
    *("vtkMRMLVolumeNode", "vtkMRMLModelNode", "vtkMRMLMarkupsNode", "vtkMRMLSegmentationNode", "vtkMRMLTransformNode"),
    *("vtkMRMLTableNode", "vtkMRMLTextNode", "vtkMRMLPlotChartNode", "vtkMRMLSequenceNode"),
)


def follow(scene: Any) -> None:
    """Give the scene its hierarchy, and keep it."""

    def added(_caller: Any, _event: str, node: Any) -> None:
        if isinstance(node, slicer.vtkMRMLNode) and not scene.IsBatchProcessing() and not scene.IsImporting():
            place(scene, node)

    def removed(_caller: Any, _event: str, node: Any) -> None:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if hierarchy is None or scene.IsBatchProcessing() or not isinstance(node, slicer.vtkMRMLNode):
            return
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def ended(_caller: Any, _event: str) -> None:
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(
            scene
        )  # an imported tree joins the one that is there
        for index in range(scene.GetNumberOfNodes()):
            place(scene, scene.GetNthNode(index))

    observe(scene, slicer.vtkMRMLScene.NodeAddedEvent, added, with_object=True)
    observe(scene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, removed, with_object=True)
    for event in (slicer.vtkMRMLScene.EndImportEvent, slicer.vtkMRMLScene.EndBatchProcessEvent):
        observe(scene, event, ended)
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def place(scene: Any, node: Any) -> None:
    """An item directly below the scene, unless the node has one or is hidden."""
    if node.GetHideFromEditors() or not any(node.IsA(kind) for kind in SHOWN):
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if not hierarchy.GetItemByDataNode(node):
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
