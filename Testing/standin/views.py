"""slicer.app.layoutManager(): layouts and slice views on real nodes and logics; nothing is rendered."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from Testing.standin.observing import observe
from Testing.standin.pythonqt import QtCore, QtGui, QtWidgets, cpp_property, teach


@teach
class qMRMLSliceView(QtWidgets.QWidget):
    """Where the slice would be seen."""

    def scheduleRender(self) -> None:
        """Nothing is rendered here."""

    def forceRender(self) -> None:
        """Nothing is rendered here."""

    def paintEvent(self, _event: Any) -> None:
        QtGui.QPainter(self).fillRect(self.rect, QtGui.QColor("black"))


@teach
class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """The bar above a slice view."""

    def setSliceLink(self, linked: bool) -> None:
        """Link all views, as the button does."""
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            node.SetLinkedControl(int(linked))

    def fitSliceToBackground(self) -> None:
        self.parent().fitSliceToBackground()

    def mrmlSliceNode(self) -> Any:
        return self.parent().mrmlSliceNode()


@teach
class qMRMLSliceWidget(QtWidgets.QWidget):
    """One slice view."""

    def _begin(self, node: Any, application: Any) -> None:
        self._view, self._bar = qMRMLSliceView(self), qMRMLSliceControllerWidget(self)
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application)
        self._logic.SetMRMLScene(node.GetScene())
        self._logic.SetSliceNode(node)
        self._logic.ResizeSliceNode(300, 300)

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def sliceController(self) -> Any:
        return self._bar

    def sliceView(self) -> Any:
        return self._view

    def setSliceOrientation(self, name: str) -> None:
        self.mrmlSliceNode().SetOrientation(name)

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()


@teach
class qMRMLThreeDView(QtWidgets.QWidget):
    """The 3D view."""

    def resetFocalPoint(self) -> None:
        """Nothing is rendered here."""

    def resetCamera(self) -> None:
        """Nothing is rendered here."""


@teach
class qMRMLThreeDWidget(QtWidgets.QWidget):
    """A 3D view with its bar."""

    def _begin(self, node: Any) -> None:
        self._node, self._view = node, qMRMLThreeDView(self)

    def threeDView(self) -> Any:
        return self._view

    def mrmlViewNode(self) -> Any:
        return self._node


@teach
class qMRMLLayoutManager(QtCore.QObject):
    """Which views there are; a view that a layout showed once stays, as in Slicer."""

    layoutChanged = QtCore.Signal(int)

    def _begin(self, scene: Any, application: Any) -> None:
        self._scene, self._application = scene, application
        self._slices: dict[str, Any] = {}
        self._volumes: dict[str, Any] = {}
        self._logics = vtk.vtkCollection()
        application.SetSliceLogics(self._logics)
        self._layout_logic = slicer.vtkMRMLLayoutLogic()
        self._layout_logic.SetMRMLScene(scene)
        self._node = self._layout_logic.GetLayoutNode()
        self._seen = -1
        observe(self._node, vtk.vtkCommand.ModifiedEvent, self._modified)
        self._node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._modified()

    def _shown(self) -> list[Any]:
        nodes = self._layout_logic.GetViewNodes()
        return [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]

    def _modified(self, _caller: Any = None, _event: Any = None) -> None:
        layout = self._node.GetViewArrangement()
        if layout == self._seen:
            return
        self._seen = layout
        for node in self._shown():
            name = node.GetLayoutName()
            if node.IsA("vtkMRMLSliceNode") and name not in self._slices:
                self._slices[name] = qMRMLSliceWidget()
                self._slices[name]._begin(node, self._application)
                self._logics.AddItem(self._slices[name].sliceLogic())
            elif node.IsA("vtkMRMLViewNode") and name not in self._volumes:
                self._volumes[name] = qMRMLThreeDWidget()
                self._volumes[name]._begin(node)
        self.layoutChanged.emit(layout)

    def _get_layout(self) -> int:
        return int(self._node.GetViewArrangement())

    def setLayout(self, layout: int) -> None:
        self._node.SetViewArrangement(int(layout))

    layout = cpp_property(int, _get_layout, setLayout)
    threeDViewCount = cpp_property(int, lambda self: len(self._volumes))

    def layoutLogic(self) -> Any:
        return self._layout_logic

    def mrmlScene(self) -> Any:
        return self._scene

    def sliceViewNames(self) -> tuple[str, ...]:
        """Names of all slice views that were shown so far."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> Any:
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> Any:
        held = self._volumes
        return held.get(which) if isinstance(which, str) else next(iter([*held.values()][which : which + 1]), None)

    def mrmlSliceLogics(self) -> Any:
        return self._logics

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.sliceLogic().FitSliceToBackground()
            widget.sliceLogic().SnapSliceOffsetToIJK()

    def resetThreeDViews(self) -> None:
        """Nothing is rendered here."""
