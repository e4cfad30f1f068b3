"""Helpers for the panel's tables: cells, numbers that sort correctly, sizes, colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from Tell2RegLib.slicer_module.panel.column_widths import shared_width

ROW_MARGIN = 8
"""Approximate margin of a row around its text, in pixels."""
GREY = (140, 140, 140)
"""Colour of text that looks disabled and is readable on a light and on a dark background."""
INK, PAPER = (20, 20, 20), (245, 245, 245)
"""Text on a light and on a dark cell."""
CELL_PADDING, HEADER_PADDING = 14, 16
"""Margin of a column around its text, in pixels, sufficient in all styles of Slicer."""
SWATCH = 22
"""Width of a colour square before the text, in pixels."""
STRETCHED, MIN_ROWS, MAX_ROWS = "tell2regStretched", "tell2regLeast", "tell2regMost"
"""Properties of a table: the columns that take what is left, the rows that it is high for at least and at most."""
SPARED = "tell2regSpared"
"""Property of a table: the columns that are shown only where there is room for all."""


def prepare(table: Any, headers: Sequence[str], stretched: Sequence[int] = (0,), spared: Sequence[int] = ()) -> None:
    """Columns, whole rows selected, nothing editable.

    Args:
        stretched: columns that share what is left of the width.
        spared: columns that are hidden where there is no room for all: their content stands elsewhere too.
    """
    table.setColumnCount(len(headers))
    table.setHorizontalHeaderLabels(list(headers))
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.verticalHeader().setVisible(False)
    table.setWordWrap(True)
    table.setAlternatingRowColors(True)
    table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)
    table.horizontalHeader().setDefaultAlignment(qt.Qt.AlignCenter | qt.Qt.TextWordWrap)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)
    table.setProperty(STRETCHED, ",".join(map(str, stretched)))
    table.setProperty(SPARED, ",".join(map(str, spared)))


def cell(table: Any, row: int, column: int, text: str, tip: str = "") -> Any:
    """Put a text into a cell; returns its item."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(tip or text)
    table.setItem(row, column, item)
    return item


def number(value: float | None, digits: int = 2) -> str:
    """A number for a cell; a dash where it is unknown."""
    return "–" if value is None else f"{value:.{digits}f}"


def figure(table: Any, row: int, column: int, value: float | None, digits: int = 2) -> None:
    """Put a number into a cell, on the right, so that the points of a column stand below each other."""
    cell(table, row, column, number(value, digits)).setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


def fitHeight(table: Any, minRows: int = 3, maxRows: int = 12) -> None:
    """Make a table as high as its rows, from `minRows` to `maxRows` of them; beyond that it scrolls."""
    table.setProperty(MIN_ROWS, minRows)
    table.setProperty(MAX_ROWS, maxRows)
    arrange(table)


def arrange(table: Any) -> None:
    """Columns as wide as their contents where there is room, rows as high as their wrapped words, no row cut off."""
    maxRows = table.property(MAX_ROWS)
    if maxRows is None:
        return  # nothing was put into it yet
    scrolls = table.rowCount > maxRows
    bar = table.verticalScrollBar().sizeHint.width() if scrolls else 0
    table.setVerticalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOn if scrolls else qt.Qt.ScrollBarAlwaysOff)
    fits = _widen(table, table.width - 2 * table.frameWidth - bar)
    table.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff if fits else qt.Qt.ScrollBarAlwaysOn)
    for line in range(table.rowCount):
        table.setRowHeight(line, _rowHeight(table, line))
    rows = sum(table.rowHeight(line) for line in range(min(table.rowCount, maxRows)))
    rowHeight = table.fontMetrics().height() + ROW_MARGIN
    header = _headerHeight(table)
    table.horizontalHeader().setFixedHeight(header)
    height = max(rows, table.property(MIN_ROWS) * rowHeight) + header + 2 * table.frameWidth
    table.setFixedHeight(height + (0 if fits else table.horizontalScrollBar().sizeHint.height()))


def _widen(table: Any, width: int) -> bool:
    """Give the columns this width; False when even the narrowest are wider together."""
    _spare(table, width)
    visibleColumns = [column for column in range(table.columnCount) if not table.isColumnHidden(column)]
    minWidths = [_columnWidth(table, column, str.split) for column in visibleColumns]
    full = [_columnWidth(table, column, str.splitlines) for column in visibleColumns]
    stretched = table.property(STRETCHED).split(",")
    widths = shared_width(width, minWidths, full, [str(column) in stretched for column in visibleColumns])
    for column, pixels in zip(visibleColumns, widths, strict=True):
        table.setColumnWidth(column, pixels)
    return sum(minWidths) <= width


def _spare(table: Any, width: int) -> None:
    """Show or hide the columns that can be spared."""
    spared = [int(column) for column in table.property(SPARED).split(",") if column]
    shownColumns = [
        column for column in range(table.columnCount) if not table.isColumnHidden(column) or column in spared
    ]
    hidden = bool(spared) and sum(_columnWidth(table, column, str.split) for column in shownColumns) > width
    for column in spared:
        if table.isColumnHidden(column) != hidden:
            table.setColumnHidden(column, hidden)


def _columnWidth(table: Any, column: int, parts: Callable[[str], list[str]]) -> int:
    """What the header and the cells of a column need, in pixels; `parts`: what of a text stays in one line."""
    title = table.horizontalHeaderItem(column).text()
    widest = HEADER_PADDING + max((_bold(table, part) for part in parts(title)), default=0)
    for line in range(table.rowCount):
        item = table.item(line, column)
        if item is not None:
            mark = SWATCH if item.data(qt.Qt.DecorationRole) is not None else 0
            text = max((_pixels(table.fontMetrics(), part) for part in parts(item.text())), default=0)
            widest = max(widest, CELL_PADDING + mark + text)
    return widest


def _rowHeight(table: Any, line: int) -> int:
    """What the words of a row need, wrapped to the widths of their columns."""
    texts = [(table.item(line, column), column) for column in range(table.columnCount)]
    return (
        max(
            _wrapped(table.fontMetrics(), table.columnWidth(column) - CELL_PADDING, "" if item is None else item.text())
            for item, column in texts
            if not table.isColumnHidden(column)
        )
        + ROW_MARGIN
    )


def _headerHeight(table: Any) -> int:
    """What the titles need, wrapped to the widths of their columns; some styles print them bold."""
    metrics = table.horizontalHeader().fontMetrics()
    return (
        max(
            _wrapped(metrics, (table.columnWidth(column) - HEADER_PADDING) * 10 // 11, title.text())
            for column, title in ((column, table.horizontalHeaderItem(column)) for column in range(table.columnCount))
            if not table.isColumnHidden(column)
        )
        + ROW_MARGIN
    )


def _wrapped(metrics: Any, width: int, text: str) -> int:
    """The height of a text that is wrapped to a width."""
    room = qt.QRect(0, 0, max(width, 1), 10_000)
    return max(metrics.height(), metrics.boundingRect(room, qt.Qt.AlignLeft | qt.Qt.TextWordWrap, text).height())


def _bold(table: Any, text: str) -> int:
    """Width of a title, which some styles print bold."""
    return _pixels(table.horizontalHeader().fontMetrics(), text) * 11 // 10


def _pixels(metrics: Any, text: str) -> int:
    return int(metrics.boundingRect(text).width())


def color(item: Any, rgb: Sequence[float]) -> None:
    """Colour a cell, with text that is readable in a light and in a dark theme."""
    item.setBackground(qt.QBrush(_color(rgb)))
    red, green, blue = rgb
    isLight = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
    item.setForeground(qt.QBrush(qt.QColor(*(INK if isLight else PAPER))))


def grey(table: Any, row: int, tip: str = "", first: int = 0) -> None:
    """Show a row as inactive from a column on, with the reason as its tooltip."""
    for column in range(first, table.columnCount):
        item = table.item(row, column)
        item.setForeground(qt.QBrush(qt.QColor(*GREY)))
        if tip:
            item.setToolTip(tip)


def swatch(item: Any, rgb: Sequence[float]) -> None:
    """A square of a colour before the text of a cell, to be seen in selected rows too."""
    item.setData(qt.Qt.DecorationRole, _color(rgb))


def _color(rgb: Sequence[float]) -> Any:
    return qt.QColor(*(int(round(255 * part)) for part in rgb))


def selectedRows(table: Any) -> list[int]:
    """The rows that are selected, from top to bottom; the current one when none is."""
    rows = {item.row() for item in table.selectedItems()}
    current = table.currentRow()
    return sorted(rows) or ([current] if current >= 0 else [])
