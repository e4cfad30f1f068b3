"""What a scenario reaches through the module's widget."""

from __future__ import annotations

from typing import Any


class EnteredWidget:
    """The module's widget, entered: the named widgets of its panel, its parameter node and the pairs."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget

    @property
    def ui(self):
        """The named widgets."""
        return self.widget.ui

    @property
    def parameters(self):
        """The parameter node."""
        return self.widget.logic.parameters

    @property
    def rows(self):
        """The pairs."""
        return self.widget.logic.rows
