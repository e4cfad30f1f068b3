"""Loading .ui files with the widgets of CTK and MRML in them, and their connections."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtUiTools

from Testing.standin import ctk_widgets, mrml_widgets
from Testing.standin.pythonqt import QtCore, QtWidgets, properties_of

CUSTOM = ctk_widgets.CLASSES | mrml_widgets.CLASSES
DYNAMIC = {"SlicerParameterName", "SlicerPackParameterName"}


class UnknownInUi(AssertionError):
    """A .ui file asks for what Slicer's loader would leave out with a line in the log."""


class QUiLoader(QtUiTools.QUiLoader):
    """Qt's own loader; what it would pass over in silence is an error here."""

    def load(self, device: Any, parent: Any = None) -> Any:
        """The widget of an open .ui file.

        Raises:
            UnknownInUi: a class, property, signal or slot is unknown.
        """
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        connections = root.find("connections")
        if connections is not None:
            root.remove(connections)
        _check(root)
        for klass in CUSTOM.values():
            self.registerCustomWidget(klass)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        for connection in connections if connections is not None else ():
            _connect(widget, *(connection.findtext(part) or "" for part in ("sender", "signal", "receiver", "slot")))
        for folded in (item for item in widget.findChildren("QWidget") if isinstance(item, ctk_widgets.Collapsing)):
            folded.fold_what_came_later()
        return widget


def _check(root: ElementTree.Element) -> None:
    names: list[str] = []
    for element in root.iter("widget"):
        kind, name = element.get("class", ""), element.get("name", "")
        klass = CUSTOM.get(kind) or getattr(QtWidgets, kind, None)
        if klass is None:
            raise UnknownInUi(f"The stand-in for Slicer knows no widget class {kind} ({name})")
        names.append(name)
        for item in element.findall("property"):
            known = item.get("name") in properties_of[klass]
            if not known and item.get("stdset") != "0" and item.get("name") not in DYNAMIC:
                raise UnknownInUi(f"{kind} '{name}' has no property {item.get('name')}")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UnknownInUi(f"Names given twice: {sorted(twice)}")


def _connect(root: Any, sender: str, signal: str, receiver: str, slot: str) -> None:
    ends = [root if name == root.objectName else root.findChild("QObject", name) for name in (sender, receiver)]
    if None in ends:
        raise UnknownInUi(f"No widget for the connection of {sender} with {receiver}")
    ends[0].connect(signal, ends[1], slot)
