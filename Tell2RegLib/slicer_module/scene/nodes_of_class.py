"""The nodes of a class in a scene."""

from __future__ import annotations

from typing import Any


def nodesOfClass(scene: Any, name: str) -> list[Any]:
    """The nodes of a class, such as "vtkMRMLDisplayNode", and of its subclasses, in the order of the scene.

    `slicer.util.getNodesByClass` ignores its argument `scene`.
    """
    collection = scene.GetNodesByClass(name)
    collection.UnRegister(scene)  # the caller owns it: without this it would keep its nodes alive
    return [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]
