"""Where Slicer shows a module: a scroll area as wide as the dock, whose module gets its minimum height and no more.

A widget whose height depends on its width (a wrapped label) counts with its minimum height, too: what it needs beyond
that it takes from its neighbours, as seen in a real Slicer.
"""

from __future__ import annotations

from typing import Any

from Testing.standin.pythonqt import QtCore, QtWidgets, teach


@teach
class ModuleContents(QtWidgets.QWidget):
    """What scrolls: the module, laid out anew whenever something in it asks for another size."""

    def event(self, event: Any) -> bool:
        done = bool(super().event(event))
        if event.type() == QtCore.QEvent.LayoutRequest:
            self._fit()
        return done

    def _fit(self) -> None:
        room, least = self.parentWidget().size, self.layout().totalMinimumSize()
        self.resize(max(room.width(), least.width()), max(room.height(), least.height()))


@teach
class qSlicerModulePanel(QtWidgets.QWidget):
    """The dock of the modules, without its help."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        around = QtWidgets.QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        self._area, self._contents = QtWidgets.QScrollArea(), ModuleContents()
        self._area.setObjectName("ScrollArea")
        self._area.setFrameShape(QtWidgets.QFrame.NoFrame)
        self._area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self._area.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOn)
        column = QtWidgets.QVBoxLayout(self._contents)
        column.setContentsMargins(0, 0, 0, 0)
        self._area.setWidget(self._contents)
        around.addWidget(self._area)

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self.layout().activate()
        self._contents._fit()

    def minimumSizeHint(self) -> Any:
        bar = self._area.verticalScrollBar().sizeHint
        return QtCore.QSize(self._contents.layout().totalMinimumSize().width() + bar.width(), 100)

    def addModule(self, widget: Any) -> None:
        """Show the panel of a module."""
        widget.layout().setContentsMargins(0, 0, 0, 0)
        self._contents.layout().addWidget(widget, 1)
        widget.setSizePolicy(QtWidgets.QSizePolicy.Minimum, widget.sizePolicy.verticalPolicy())
        widget.show()
        self.updateGeometry()

    def removeModule(self, widget: Any) -> None:
        """Hide the panel of a module; it is kept, without a parent."""
        self._contents.layout().removeWidget(widget)
        widget.hide()
        widget.setParent(None)
