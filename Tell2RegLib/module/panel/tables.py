"""Tables of the panel: filled cell by cell, with numbers that sort and read well."""

from __future__ import annotations

from collections.abc import Sequence

import qt


def prepare(table, headers: Sequence[str], stretched: int = 0) -> None:
    """Columns, whole rows selected, nothing editable."""
    table.setColumnCount(len(headers))
    table.setHorizontalHeaderLabels(list(headers))
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.verticalHeader().setVisible(False)
    table.setAlternatingRowColors(True)
    header = table.horizontalHeader()
    for column in range(len(headers)):
        mode = qt.QHeaderView.Stretch if column == stretched else qt.QHeaderView.ResizeToContents
        header.setSectionResizeMode(column, mode)


def cell(table, row: int, column: int, text: str, tip: str = ""):
    """Put a text into a cell; returns its item."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(tip or text)
    table.setItem(row, column, item)
    return item


def number(value: float | None, digits: int = 2) -> str:
    """A number for a cell; a dash where it is unknown."""
    return "–" if value is None else f"{value:.{digits}f}"


def color(item, rgb: Sequence[float]) -> None:
    """Paint a cell."""
    item.setBackground(qt.QBrush(qt.QColor(*(int(round(255 * part)) for part in rgb))))


def selectedRows(table) -> list[int]:
    """The rows that are selected, from top to bottom; the current one when none is."""
    rows = {index.row() for index in table.selectionModel().selectedRows()}
    current = table.currentRow()
    return sorted(rows) or ([current] if current >= 0 else [])
