"""The messages of the panel: one line at the step concerned, with three levels."""

from __future__ import annotations

from typing import Any

import qt

from Tell2RegLib.slicer_module.panel.content_heights import fitLabel

INFO, WARNING, ERROR = "info", "warning", "error"
IMAGES, MODELS, REGIONS, TRANSFORM, PLAN, REPORT = STEPS = (
    *("images", "models", "regions", "transform", "plan", "report"),
)
"""Where a message can stand, from top to bottom; "" is the top of the panel."""
STEP_ORDER = (REGIONS, TRANSFORM, PLAN, REPORT)
"""Steps in their order; each uses the results of the earlier ones."""
STYLES = {
    INFO: "color: #14532d; background-color: #dff3e4; border-left: 4px solid #1e8449; padding: 4px;",
    WARNING: "color: #5c3d00; background-color: #fff0c7; border-left: 4px solid #b9770e; padding: 4px;",
    ERROR: "color: #7b1a10; background-color: #fde3e0; border-left: 4px solid #c0392b; padding: 4px;",
}
"""Text and background are both set: readable in a light and in a dark theme."""


class Messages:
    """The message lines of the panel.

    Args:
        ui: the named widgets of Tell2Reg.ui.
    """

    def __init__(self, ui: Any) -> None:
        self._labels = {"": ui.messageLabel, **{step: getattr(ui, f"{step}Message") for step in STEPS}}
        self._folds = {
            **{IMAGES: ui.imagesStep, MODELS: ui.regionsStep, REGIONS: ui.regionsStep},
            **{TRANSFORM: ui.transformStep, PLAN: ui.planStep, REPORT: ui.planStep},
        }
        self._levels: dict[str, str] = {}
        self._latest = ""
        self._scroll = qt.QTimer()
        self._scroll.setSingleShot(True)
        self._scroll.connect("timeout()", self._scrollToLatest)

    def show(self, text: str, level: str = INFO, step: str = "") -> None:
        """Show a line, or with an empty text none, without scrolling to it: for what changes many times a second."""
        label = self._labels[step]
        label.text = text
        label.styleSheet = STYLES[level]
        label.setVisible(bool(text))
        fitLabel(label)
        self._levels[step] = level
        self._latest = step

    def say(self, text: str, level: str = INFO, step: str = "") -> None:
        """Show a line, unfold its step, and scroll to it once the panel is laid out anew."""
        if text and step in self._folds:
            self._folds[step].collapsed = False
        self.show(text, level, step)
        if text:
            self._scroll.start(0)

    @property
    def latest(self) -> str:
        """The latest message; empty if it was cleared."""
        return self._labels[self._latest].text

    def at(self, step: str) -> str:
        """The message at a step."""
        return self._labels[step].text

    def clearAll(self) -> None:
        """Clear all messages."""
        self.clear(*self._labels)

    def clear(self, *steps: str) -> None:
        """Clear the messages at these steps."""
        for step in steps:
            self._labels[step].text = ""
            self._labels[step].setVisible(False)

    def started(self, step: str) -> None:
        """Clear the messages of a step that starts again, and of the later steps."""
        later = STEP_ORDER[STEP_ORDER.index(step) :] if step in STEP_ORDER else (step,)
        self.clear("", *later)

    def succeeded(self, step: str) -> None:
        """Clear the error of a step that succeeded."""
        self._clearErrors(*(STEPS[: STEPS.index(step)] if step in STEP_ORDER else ()))

    def decided(self) -> None:
        """Clear messages that decisions on pairs may have resolved."""
        self._clearErrors(TRANSFORM, REPORT)

    def close(self) -> None:
        """Close with the panel."""
        self._scroll.stop()

    def _clearErrors(self, *steps: str) -> None:
        self.clear(*(step for step in steps if self._levels.get(step) == ERROR))

    def _scrollToLatest(self) -> None:
        label = self._labels[self._latest]
        area = label.parent()
        while area is not None and not area.inherits("QScrollArea"):
            area = area.parent()
        if area is not None and label.visible:
            area.ensureWidgetVisible(label)
