"""slicer.app.layoutManager(): layouts and slice views on real nodes and logics; nothing is rendered.

As in Slicer, a view of another layout gets its size a moment later, which keeps its height in mm and changes its width;
wheel, drags, the orientation menu and "fit to window" of one view go to the linked ones by absolute coordinates.
"""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from Testing.standin.observing import observe
from Testing.standin.pythonqt import QtCore, QtGui, QtWidgets, cpp_property, teach

ZOOM_IN, ZOOM_OUT = 0.8, 1.2
"""Of the field of view, by one turn of the wheel."""
SIZE = (600, 400)
"""Of the whole layout, in pixels."""


@teach
class qMRMLSliceView(QtWidgets.QWidget):
    """Where the slice would be seen; the gestures of Slicer's slice views."""

    def scheduleRender(self) -> None:
        """Nothing is rendered here."""

    def forceRender(self) -> None:
        """Nothing is rendered here."""

    def paintEvent(self, _event: Any) -> None:
        QtGui.QPainter(self).fillRect(self.rect, QtGui.QColor("black"))

    def wheelEvent(self, event: Any) -> None:
        """One slice up or down; with Ctrl pressed, zoom."""
        logic, turns = self.parentWidget().sliceLogic(), event.angleDelta().y() / 120
        node = logic.GetSliceNode()
        if event.modifiers() & QtCore.Qt.ControlModifier:
            logic.StartSliceNodeInteraction(node.FieldOfViewFlag)
            width, height, depth = node.GetFieldOfView()
            scale = ZOOM_IN if turns > 0 else ZOOM_OUT
            node.SetFieldOfView(width * scale, height * scale, depth)
            logic.EndSliceNodeInteraction()
            return
        bounds = [0.0] * 6
        logic.GetSliceBounds(bounds)
        offset = logic.GetSliceOffset() + turns * logic.GetLowestVolumeSliceSpacing()[2]
        if bounds[4] <= offset <= bounds[5]:
            logic.StartSliceNodeInteraction(node.SliceToRASFlag)
            logic.SetSliceOffset(offset)
            logic.EndSliceNodeInteraction()

    def mousePressEvent(self, event: Any) -> None:
        self._from = event.position()

    def mouseMoveEvent(self, event: Any) -> None:
        """With the middle button, or the left one and Shift, the picture goes along."""
        shifted = event.buttons() & QtCore.Qt.LeftButton and event.modifiers() & QtCore.Qt.ShiftModifier
        if not (shifted or event.buttons() & QtCore.Qt.MiddleButton):
            return
        logic = self.parentWidget().sliceLogic()
        node, moved = logic.GetSliceNode(), event.position() - self._from
        self._from = event.position()
        pan, view, pixels = node.GetXYZOrigin(), node.GetFieldOfView(), node.GetDimensions()
        logic.StartSliceNodeInteraction(node.XYZOriginFlag)
        node.SetSliceOrigin(pan[0] - moved.x() * view[0] / pixels[0], pan[1] + moved.y() * view[1] / pixels[1], 0.0)
        logic.EndSliceNodeInteraction()


@teach
class qMRMLSliceControllerWidget(QtWidgets.QWidget):
    """The bar above a slice view."""

    def setSliceLink(self, linked: bool) -> None:
        """Link all views, as the button does."""
        for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            node.SetLinkedControl(int(linked))

    def fitSliceToBackground(self) -> None:
        logic = self.parentWidget().sliceLogic()
        logic.StartSliceNodeInteraction(logic.GetSliceNode().ResetFieldOfViewFlag)
        logic.FitSliceToBackground()
        logic.EndSliceNodeInteraction()

    def setSliceOrientation(self, name: str) -> None:
        """What is chosen in the menu of orientations."""
        logic = self.parentWidget().sliceLogic()
        logic.StartSliceNodeInteraction(logic.GetSliceNode().OrientationFlag)
        logic.GetSliceNode().SetOrientation(name)
        logic.EndSliceNodeInteraction()

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
        self._resize(300, 300)

    def _resize(self, width: int, height: int) -> None:
        self.resize(width, height)
        self._view.resize(width, height)
        self._logic.ResizeSliceNode(width, height)

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
        self._bar.setSliceOrientation(name)

    def fitSliceToBackground(self) -> None:
        self._bar.fitSliceToBackground()


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
class qMRMLPlotView(QtWidgets.QWidget):
    """Where a plot would be seen: a real chart of VTK."""

    def chart(self) -> Any:
        return self.__dict__.setdefault("_chart", vtk.vtkChartXY())


@teach
class qMRMLPlotWidget(QtWidgets.QWidget):
    """A plot view with its bar."""

    def _begin(self, node: Any) -> None:
        self._node, self._view = node, qMRMLPlotView(self)

    def plotView(self) -> Any:
        return self._view

    def mrmlPlotViewNode(self) -> Any:
        return self._node


@teach
class qMRMLLayoutManager(QtCore.QObject):
    """Which views there are; a view that a layout showed once stays, as in Slicer."""

    layoutChanged = QtCore.Signal(int)

    def _begin(self, scene: Any, application: Any) -> None:
        self._scene, self._application = scene, application
        self._slices: dict[str, Any] = {}
        self._volumes: dict[str, Any] = {}
        self._plots: dict[str, Any] = {}
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
            elif node.IsA("vtkMRMLPlotViewNode") and name not in self._plots:
                self._plots[name] = qMRMLPlotWidget()
                self._plots[name]._begin(node)
        self.layoutChanged.emit(layout)
        QtCore.QTimer.singleShot(0, self._lay_out)

    def _lay_out(self) -> None:
        """The views of the layout share the window."""
        if self._node is None or self._scene is not slicer.mrmlScene:
            return
        shown = self._shown()
        columns, rows = {1: (1, 1), 2: (2, 1)}.get(len(shown), (2, 2))
        for node in shown:
            if node.IsA("vtkMRMLSliceNode"):
                self._slices[node.GetLayoutName()]._resize(SIZE[0] // columns, SIZE[1] // rows)

    def _get_layout(self) -> int:
        return int(self._node.GetViewArrangement())

    def setLayout(self, layout: int) -> None:
        self._node.SetViewArrangement(int(layout))

    layout = cpp_property(int, _get_layout, setLayout)
    threeDViewCount = cpp_property(int, lambda self: len(self._volumes))

    plotViewCount = cpp_property(int, lambda self: len(self._plots))

    def plotWidget(self, which: int) -> Any:
        return next(iter([*self._plots.values()][which : which + 1]), None)

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
