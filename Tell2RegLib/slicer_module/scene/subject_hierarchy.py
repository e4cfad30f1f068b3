"""The folder of the subject hierarchy in which results stand, next to the volume that they belong to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

NEXT_TO = "Tell2Reg.NextTo"
"""Item attribute of a folder of results: the ID of the node beside which it was made. IDs change in a merge of scenes:
it counts only while the folder is empty."""
RESULT_OF = "Tell2Reg.ResultOf"
"""Node reference of a result to the node beside which its folder was made; it survives a merge of scenes."""

SET_ASIDE = "Tell2Reg.SetAside"
"""Attribute of the nodes of an earlier result: the name of the folder in which they are kept."""


@dataclass(frozen=True)
class Folder:
    """An item of a scene's subject hierarchy.

    Args:
        scene: whose hierarchy.
        item: the folder.
        beside: the node that its content belongs to.
    """

    scene: Any
    item: int
    beside: Any


def results_folder(scene: Any, next_to_node: Any, name: str) -> Folder:
    """The folder of this name beside a node, made where there is none yet; found again wherever it was moved."""
    hierarchy = _hierarchy(scene)
    beside = _parent_of(hierarchy, next_to_node)
    for item in _items_below(hierarchy, hierarchy.GetSceneItemID()):
        if _belongs(hierarchy, item, next_to_node, name):
            return Folder(scene, item, next_to_node)
    item = hierarchy.CreateFolderItem(beside, name)
    hierarchy.SetItemAttribute(item, NEXT_TO, next_to_node.GetID())
    return Folder(scene, item, next_to_node)


def put_into(folder: Folder, node: Any) -> int:
    """Move a node's item into a folder and return the item."""
    hierarchy = _hierarchy(folder.scene)
    node.SetNodeReferenceID(RESULT_OF, folder.beside.GetID())
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        return hierarchy.CreateItem(folder.item, node)
    if hierarchy.GetItemParent(item) != folder.item:
        hierarchy.SetItemParent(item, folder.item)
    return item


def set_aside(node: Any, name: str) -> str:
    """Give the folder of results that holds a node another name and take nothing into it any more; the name it has now.

    Every node in it gets the attribute `SET_ASIDE`; regions and carried copies are hidden.

    Args:
        node: one of the results.
        name: of the folder; numbered when another folder has it.
    """
    hierarchy = _hierarchy(node.GetScene())
    folder = _parent_of(hierarchy, node)
    if not hierarchy.GetItemAttribute(folder, NEXT_TO):
        return ""
    items = _items_below(hierarchy, hierarchy.GetSceneItemID())
    used_names = {hierarchy.GetItemName(item) for item in items}
    names = (name if number == 1 else f"{name} ({number})" for number in itertools.count(1))
    unique = next(candidate for candidate in names if candidate not in used_names)
    hierarchy.SetItemName(folder, unique)
    hierarchy.RemoveItemAttribute(folder, NEXT_TO)
    for item in _items_below(hierarchy, folder):
        content = hierarchy.GetItemDataNode(item)
        if content is not None:
            content.SetAttribute(SET_ASIDE, unique)
            _hide(content)
    return unique


def _hide(node: Any) -> None:
    kinds = ("vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLModelNode")
    if any(node.IsA(kind) for kind in kinds) and node.GetDisplayNode() is not None:
        node.GetDisplayNode().SetVisibility(False)


def _hierarchy(scene: Any) -> Any:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def _parent_of(hierarchy: Any, node: Any) -> int:
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        return hierarchy.GetSceneItemID()
    return hierarchy.GetItemParent(item)


def _items_below(hierarchy: Any, parent: int) -> list[int]:
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(parent, items, True)
    return [items.GetId(number) for number in range(items.GetNumberOfIds())]


def _belongs(hierarchy: Any, item: int, node: Any, name: str) -> bool:
    """Whether an item is the folder: by what its content refers to; an empty one, by the node's ID or by its place."""
    made_beside = hierarchy.GetItemAttribute(item, NEXT_TO)
    if not made_beside or hierarchy.GetItemDataNode(item) is not None:
        return False
    owners = _owners(hierarchy, item)
    if owners or made_beside == node.GetID():
        return not owners or node.GetID() in owners
    is_orphan = node.GetScene().GetNodeByID(made_beside) is None
    same_place = hierarchy.GetItemParent(item) == _parent_of(hierarchy, node)
    return is_orphan and same_place and hierarchy.GetItemName(item) == name


def _owners(hierarchy: Any, folder: int) -> set[str]:
    """The IDs of the nodes that the folder's content belongs to."""
    nodes = [hierarchy.GetItemDataNode(item) for item in _items_below(hierarchy, folder)]
    return {node.GetNodeReferenceID(RESULT_OF) for node in nodes if node is not None} - {None}
