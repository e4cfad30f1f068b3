"""Gives wrapped labels and tables the height of their contents.

Slicer gives a module's panel its minimum height, and a wrapped label's is that of one line: a panel that grows would
cover its own lower rows.
"""

from __future__ import annotations

from typing import Any

import qt

from Tell2RegLib.slicer_module.panel import tables

LETTERS = 8
"""A combo box is at least so wide: the name of a graphics card must not widen the panel."""


class Heights(qt.QObject):
    """Follows the widths of the labels that wrap and of the tables.

    Args:
        ui: the named widgets of Tell2Reg.ui.
    """

    def __init__(self, ui: Any) -> None:
        qt.QObject.__init__(self)
        widgets = vars(ui).values()
        self._labels = [widget for widget in widgets if widget.inherits("QLabel") and widget.wordWrap]
        self._tables = [widget for widget in widgets if widget.inherits("QTableWidget")]
        for widget in (*self._labels, *self._tables):
            widget.installEventFilter(self)
        for label in self._labels:
            label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)  # it wraps to any width
        for combo in (widget for widget in widgets if widget.inherits("QComboBox")):
            combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
            combo.minimumContentsLength = LETTERS
        for step in (widget for widget in widgets if widget.inherits("ctkCollapsibleButton")):
            step.setSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Preferred)  # CTK's never shrinks below its hint

    def close(self) -> None:
        """Stop following."""
        for widget in (*self._labels, *self._tables):
            widget.removeEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Called by Qt before a widget gets an event."""
        if event.type() in (qt.QEvent.Resize, qt.QEvent.Show):
            if watched.inherits("QTableWidget"):
                tables.arrange(watched)
            else:
                fitLabel(watched)
        return False

    def fit(self) -> None:
        """Update the heights after changes of texts."""
        for label in self._labels:
            fitLabel(label)


def fitLabel(label: Any) -> None:
    """Make a label exactly as high as its text at its width: a label that grows would push others over each other."""
    if label.visible and label.width > 0:
        label.setFixedHeight(max(label.heightForWidth(label.width), 0))  # -1 while it has no text
