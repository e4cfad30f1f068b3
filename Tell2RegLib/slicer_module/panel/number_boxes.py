"""Number boxes that apply a typed value when it is complete.

A ctkSliderWidget rounds the value to the place of its slider after every key and writes it back: after "0.7" the box
holds "0.70" and takes no further digit. So the boxes tell of a value only when Enter is pressed or they are left.
"""

from __future__ import annotations

from typing import Any


class NumberBoxes:
    """The spin boxes of the panel, those of its sliders too.

    Args:
        ui: the named widgets of Tell2Reg.ui.
    """

    def __init__(self, ui: Any) -> None:
        self._boxes = [box for widget in vars(ui).values() for box in _boxesOf(widget)]
        for box in self._boxes:
            box.keyboardTracking = False

    def take(self) -> None:
        """Take what is typed and not yet left: on some systems a click on a button leaves the focus where it is."""
        for box in self._boxes:
            box.interpretText()


def _boxesOf(widget: Any) -> list:
    if widget.inherits("QAbstractSpinBox"):
        return [widget]
    return list(widget.findChildren("QDoubleSpinBox")) if widget.inherits("ctkSliderWidget") else []
