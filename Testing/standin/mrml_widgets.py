"""Slicer's widgets that know the scene: qMRMLWidget, qMRMLNodeComboBox, qMRMLCheckableNodeComboBox."""

from __future__ import annotations

import weakref
from typing import Any

import slicer
import vtk

from Testing.standin.observing import forget, observe
from Testing.standin.pythonqt import QtCore, QtWidgets, Shiboken, cpp_property, stored, teach


@teach
class qMRMLWidget(QtWidgets.QWidget):
    """A widget that hands its scene on."""

    mrmlSceneChanged = QtCore.Signal(object)
    SIGNATURES = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged(PyObject)"}

    def mrmlScene(self) -> Any:
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self.mrmlScene():
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class _SceneWatcher:
    """Calls a method of a widget when the scene changes, as long as the widget is there."""

    EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent")

    def __init__(self, widget: Any) -> None:
        self._widget = weakref.ref(widget)
        self._scene: Any = None
        self._of_scene: list[Any] = []
        self._of_nodes: list[Any] = []

    def watch(self, scene: Any) -> None:
        while self._of_scene:
            forget(self._of_scene.pop())
        self._scene = scene
        events = [getattr(slicer.vtkMRMLScene, event) for event in self.EVENTS] if scene is not None else []
        self._of_scene = [observe(scene, event, self._changed) for event in events]

    def watch_nodes(self, nodes: list[Any]) -> None:
        if nodes == [node for node, _tag in self._of_nodes]:
            return
        while self._of_nodes:
            forget(self._of_nodes.pop())
        self._of_nodes = [observe(node, vtk.vtkCommand.ModifiedEvent, self._changed) for node in nodes]

    def _changed(self, _caller: Any = None, _event: Any = None) -> None:
        widget = self._widget()
        if widget is not None and Shiboken.isValid(widget) and not (self._scene and self._scene.IsBatchProcessing()):
            widget._refresh()


@teach
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """A choice among the nodes of the scene. Without a scene it is disabled."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    SIGNATURES = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged(PyObject)",
        "currentNodeChanged(bool)": "currentNodeChanged(PyObject)",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser(PyObject)",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded(PyObject)",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated(PyObject)",
    }
    addEnabled, setAddEnabled = stored(bool, "addEnabled", True)
    removeEnabled, setRemoveEnabled = stored(bool, "removeEnabled", True)
    editEnabled, setEditEnabled = stored(bool, "editEnabled", False)
    renameEnabled, setRenameEnabled = stored(bool, "renameEnabled", False)
    selectNodeUponCreation, setSelectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    interactionNodeSingletonTag, setInteractionNodeSingletonTag = stored(str, "interactionNodeSingletonTag", "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        row.addWidget(self._box)
        self._scene: Any = None
        self._requested: str | None = None
        self._nodes: list[Any] = []
        self._current: Any = None
        self._types: list[str] = []
        self._hidden_types: list[str] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._none, self._show_hidden, self._children_too = False, False, True
        self._none_text, self._base = "None", ""
        self._watcher = _SceneWatcher(self)
        self._box.activated.connect(self._activated)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self.setEnabled(False)

    # --- scene ---

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self._watcher.watch(scene)
        self.setEnabled(scene is not None)
        self._refresh()
        if scene is not None and self._requested:
            self.setCurrentNodeID(self._requested)
            self._requested = None

    def _of_type(self, node: Any) -> bool:
        exactly = node.GetClassName() in self._types
        return exactly or (self._children_too and any(node.IsA(kind) for kind in self._types))

    def _eligible(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._show_hidden:
            return False
        if any(node.IsA(kind) for kind in self._hidden_types):
            return False
        requested = [(name, value) for kind, name, value in self._attributes if node.IsA(kind)]
        return all(
            node.GetAttribute(name) is not None and (value in (None, "") or node.GetAttribute(name) == str(value))
            for name, value in requested
        )

    def _refresh(self) -> None:
        scene, before = self._scene, self._nodes
        everything = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())] if scene is not None else []
        possible = [node for node in everything if self._of_type(node)]
        self._watcher.watch_nodes(possible)
        self._nodes = [node for node in possible if self._eligible(node)]
        row = before.index(self._current) if self._current in before else 0
        offered = [*([None] if self._none else []), *self._nodes]
        wanted = self._current
        if wanted not in offered:
            lost = wanted is not None
            wanted = (
                offered[min(row + int(self._none), len(offered) - 1)] if lost and offered else next(iter(offered), None)
            )
        self._show(wanted)
        self._choose(wanted)

    def _show(self, current: Any) -> None:
        offered = [*([None] if self._none else []), *self._nodes]
        self._box.blockSignals(True)
        self._box.clear()
        for node in offered:
            self._box.addItem(self._none_text if node is None else node.GetName())
        self._box.setCurrentIndex(offered.index(current) if current in offered else -1)
        kind = self.nodeTypeLabel(self._types[0]) if self._types else "node"
        self._box.setPlaceholderText(f"Select a {kind}")
        self._box.blockSignals(False)

    def _activated(self, row: int) -> None:
        offered = [*([None] if self._none else []), *self._nodes]
        self._choose(offered[row])
        self.nodeActivated.emit(offered[row])

    def _choose(self, node: Any) -> None:
        if node is not self._current:
            self._current = node
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    # --- nodes ---

    def currentNode(self) -> Any:
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def _current_id(self) -> str:
        return self._current.GetID() if self._current is not None else ""

    def setCurrentNodeID(self, name: str) -> None:
        if self._scene is None:
            self._requested = name
            return
        node = next((item for item in self._nodes if item.GetID() == name), None)
        if node is None and name:
            return
        self._show(node)
        self._choose(node)

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self._nodes[index])

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index]

    def addNode(self, kind: str | None = None) -> Any:
        """What 'Create new' does."""
        kind = kind or self._types[0]
        node = self._scene.AddNewNodeByClass(
            kind, self._scene.GenerateUniqueName(self._base or self.nodeTypeLabel(kind))
        )
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self._current)

    def nodeTypeLabel(self, kind: str) -> str:
        return str(getattr(slicer, kind)().GetNodeTagName()) if hasattr(slicer, kind) else kind

    def addAttribute(self, kind: str, name: str, value: Any = None) -> None:
        self._attributes.append((kind, name, value))
        self._refresh()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._attributes = [item for item in self._attributes if item[:2] != (kind, name)]
        self._refresh()

    # --- properties ---

    def _get_types(self) -> list[str]:
        return tuple(self._types)  # type: ignore[return-value]

    def setNodeTypes(self, kinds: Any) -> None:
        self._types = list(kinds)
        self._refresh()

    def _get_hidden_types(self) -> list[str]:
        return tuple(self._hidden_types)  # type: ignore[return-value]

    def setHideChildNodeTypes(self, kinds: Any) -> None:
        self._hidden_types = list(kinds)
        self._refresh()

    def _get_none(self) -> bool:
        return self._none

    def setNoneEnabled(self, enabled: bool) -> None:
        self._none = bool(enabled)
        self._refresh()

    def _get_show_hidden(self) -> bool:
        return self._show_hidden

    def setShowHidden(self, show: bool) -> None:
        self._show_hidden = bool(show)
        self._refresh()

    def _get_children(self) -> bool:
        return self._children_too

    def setShowChildNodeTypes(self, show: bool) -> None:
        self._children_too = bool(show)
        self._refresh()

    def _get_none_text(self) -> str:
        return self._none_text

    def setNoneDisplay(self, text: str) -> None:
        self._none_text = text
        self._refresh()

    def _get_base(self) -> str:
        return self._base

    def setBaseName(self, name: str, _kind: str = "") -> None:
        self._base = name

    currentNodeID = cpp_property(str, _current_id, setCurrentNodeID)
    nodeTypes = cpp_property("QStringList", _get_types, setNodeTypes)
    hideChildNodeTypes = cpp_property("QStringList", _get_hidden_types, setHideChildNodeTypes)
    noneEnabled = cpp_property(bool, _get_none, setNoneEnabled)
    showHidden = cpp_property(bool, _get_show_hidden, setShowHidden)
    showChildNodeTypes = cpp_property(bool, _get_children, setShowChildNodeTypes)
    noneDisplay = cpp_property(str, _get_none_text, setNoneDisplay)
    baseName = cpp_property(str, _get_base, setBaseName)


@teach
class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Any number of nodes."""

    checkedNodesChanged = QtCore.Signal()

    def _checked(self) -> list[str]:
        return self.__dict__.setdefault("_checked_ids", [])

    def checkedNodes(self) -> tuple[Any, ...]:
        return tuple(node for node in self._nodes if node.GetID() in self._checked())

    def uncheckedNodes(self) -> tuple[Any, ...]:
        return tuple(node for node in self._nodes if node.GetID() not in self._checked())

    def checkState(self, node: Any) -> int:
        return int(QtCore.Qt.Checked if node.GetID() in self._checked() else QtCore.Qt.Unchecked)

    def setCheckState(self, node: Any, state: int) -> None:
        others = [name for name in self._checked() if name != node.GetID()]
        self.__dict__["_checked_ids"] = others + ([node.GetID()] if int(state) == int(QtCore.Qt.Checked) else [])
        self.checkedNodesChanged.emit()

    def check(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.Checked)

    def uncheck(self, node: Any) -> None:
        self.setCheckState(node, QtCore.Qt.Unchecked)


CLASSES = {klass.__name__: klass for klass in (qMRMLWidget, qMRMLNodeComboBox, qMRMLCheckableNodeComboBox)}
