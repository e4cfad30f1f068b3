"""Tables of the panel: filled cell by cell, with numbers that sort and read well."""

from __future__ import annotations

from collections.abc import Sequence

import qt

ROW_MARGIN = 8
"""What a row is higher than its text, in pixels, about."""
GREY = (140, 140, 140)
"""Text that can be read on a light and on a dark ground, and looks switched off on both."""
INK, PAPER = (20, 20, 20), (245, 245, 245)
"""Text on a light and on a dark cell."""


def prepare(table, headers: Sequence[str], stretched: Sequence[int] = (0,)) -> None:
    """Columns, whole rows selected, nothing editable; the `stretched` columns share what is left of the width."""
    table.setColumnCount(len(headers))
    table.setHorizontalHeaderLabels(list(headers))
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.verticalHeader().setVisible(False)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    table.setWordWrap(False)
    table.setAlternatingRowColors(True)
    header = table.horizontalHeader()
    for column in range(len(headers)):
        mode = qt.QHeaderView.Stretch if column in stretched else qt.QHeaderView.ResizeToContents
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


def figure(table, row: int, column: int, value: float | None, digits: int = 2) -> None:
    """Put a number into a cell, on the right, so that the points of a column stand below each other."""
    cell(table, row, column, number(value, digits)).setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def fitHeight(table, least: int = 3, most: int = 12) -> None:
    """Make a table as high as its rows, from `least` to `most` of them; beyond that it scrolls."""
    one = table.fontMetrics().height() + ROW_MARGIN
    height = min(max(table.verticalHeader().length(), least * one), most * one)
    table.setFixedHeight(height + table.horizontalHeader().sizeHint.height() + 2 * table.frameWidth)


def color(item, rgb: Sequence[float]) -> None:
    """Paint a cell, and write on it so that it can be read in a light and in a dark theme."""
    item.setBackground(qt.QBrush(_color(rgb)))
    red, green, blue = rgb
    isLight = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
    item.setForeground(qt.QBrush(qt.QColor(*(INK if isLight else PAPER))))


def grey(table, row: int, tip: str = "") -> None:
    """Show a row as one that counts no longer, and say why in its tooltips."""
    for column in range(table.columnCount):
        item = table.item(row, column)
        item.setForeground(qt.QBrush(qt.QColor(*GREY)))
        if tip:
            item.setToolTip(tip)


def swatch(item, rgb: Sequence[float]) -> None:
    """A square of a colour before the text of a cell, to be seen in selected rows too."""
    item.setData(qt.Qt.DecorationRole, _color(rgb))


def _color(rgb: Sequence[float]):
    return qt.QColor(*(int(round(255 * part)) for part in rgb))


def selectedRows(table) -> list[int]:
    """The rows that are selected, from top to bottom; the current one when none is."""
    rows = {item.row() for item in table.selectedItems()}
    current = table.currentRow()
    return sorted(rows) or ([current] if current >= 0 else [])
