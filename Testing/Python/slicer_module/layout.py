"""What is wrong with how a panel is laid out: widgets over each other, cut off, rows out of sight, names cut short."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from Testing.standin.pythonqt import QtCore, QtWidgets

CONTAINERS = ("qMRMLWidget", "ctkCollapsibleButton", "ctkCollapsibleGroupBox", "ModuleContents")
"""Classes that lay out what is in them."""
MOST_ROWS = 12
"""A table with more rows scrolls."""


def problems(root: Any) -> list[str]:
    """Everything that is wrong below the root of a panel."""
    detected: list[str] = []
    for widget in [root, *root.findChildren("QWidget")]:
        if not widget.visible:
            continue
        if widget.className() in CONTAINERS:
            detected += _overlaps(widget) + _cut_off(widget)
        if widget.inherits("QTableWidget"):
            detected += _rows(widget) + _names(widget)
        if widget.inherits("QLabel") and widget.wordWrap and widget.height < widget.heightForWidth(widget.width):
            detected.append(f"{widget.objectName}: the text needs {widget.heightForWidth(widget.width)} pixels.")
    return detected


def _children(widget: Any) -> list[Any]:
    return [item for item in QtCore.QObject.children(widget) if item.isWidgetType() and item.visible]


def _overlaps(widget: Any) -> list[str]:
    return [
        f"{item.objectName} and {neighbour.objectName} lie over each other."
        for item, neighbour in combinations(_children(widget), 2)
        if item.geometry.intersects(neighbour.geometry)
    ]


def _cut_off(widget: Any) -> list[str]:
    return [
        f"{item.objectName} reaches out of {widget.objectName}: {item.geometry} in {widget.rect}."
        for item in _children(widget)
        if not widget.rect.contains(item.geometry)
    ]


def _rows(table: Any) -> list[str]:
    last = min(table.rowCount, MOST_ROWS) - 1
    bottom = table.rowViewportPosition(last) + table.rowHeight(last) if last >= 0 else 0
    room = table.viewport().height
    return [f"{table.objectName}: {last + 1} rows need {bottom} pixels, {room} are seen."] if bottom > room else []


def _names(table: Any) -> list[str]:
    """Names whose words do not fit into their column, or which need more lines than their row has."""
    titles = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount)]
    column = next(index for index, title in enumerate(titles) if title in ("Name", "Target", "Set"))
    detected = []
    for line in range(table.rowCount):
        option = QtWidgets.QStyleOptionViewItem()
        option.font, option.fontMetrics = table.font, table.fontMetrics()
        option.features |= QtWidgets.QStyleOptionViewItem.WrapText | QtWidgets.QStyleOptionViewItem.HasDisplay
        option.text = table.item(line, column).text()
        option.rect = QtCore.QRect(0, 0, table.columnWidth(column), table.rowHeight(line))
        index = table.model().index(line, column)
        needed = table.itemDelegate().sizeHint(option, index).height()
        margin = 2 * (table.style().pixelMetric(QtWidgets.QStyle.PM_FocusFrameHMargin) + 1)
        widest = max((table.fontMetrics().horizontalAdvance(word) for word in option.text.split()), default=0)
        if needed > table.rowHeight(line) or widest + margin > table.columnWidth(column):
            detected.append(f"{table.objectName}: '{option.text}' is cut.")
    return detected
