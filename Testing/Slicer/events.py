"""A person at the mouse and the keyboard: every click and every character goes through the window system.

`Person` says what a person does to widgets, `Device` how that reaches the application. Inside Slicer it is the X
server, by xdotool; on the stand-in it is Qt's test library, at the top of the queue (qtest_device.py of the tests).
A widget that is covered by another, disabled or outside what is seen cannot be clicked: that is an error here.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any, Protocol

import qt
import slicer

SETTLED_S = 0.06
"""How long the application works after each event of the X server."""
MOST_WAIT_S = 600.0
FOLDING = ("ctkCollapsibleButton", "ctkCollapsibleGroupBox")
HEADER_PX = 9
"""From the top of what folds to the middle of its header."""
MARGIN_PX = 30
"""What is seen above and below a widget that was scrolled to."""
CHECK_MARK_PX = 11
"""From the left of a row to the middle of its check mark."""


class Device(Protocol):
    """What mouse, keyboard and dialogs do."""

    def click(self, window: Any, place: Any, count: int = 1, right: bool = False) -> None:
        """Click at a global place; `window` holds what is clicked."""

    def wheel(self, window: Any, place: Any, turns: int) -> None:
        """Turn the wheel at a global place, up where `turns` is positive."""

    def key(self, window: Any, name: str) -> None:
        """Press a key by its name in X: "a", "Return", "ctrl+a", "space"."""

    def answers(self, text: str) -> None:
        """The next dialog that asks is answered by the button of this text, a file dialog by this path."""


class Person:
    """What a person does to the widgets of Slicer.

    Args:
        device: how it gets there.
    """

    def __init__(self, device: Device) -> None:
        self.device = device

    # --- mouse ---

    def click(self, widget: Any, place: Any = None, count: int = 1) -> None:
        """Bring a widget into view and click it, in its middle or at a place of its own coordinates."""
        self.find(widget)
        assert widget.enabled, f"'{widget.objectName}' cannot be clicked: {widget.toolTip}"
        if place is None:
            onMark = widget.inherits("QCheckBox")
            place = qt.QPoint(CHECK_MARK_PX, widget.height // 2) if onMark else widget.rect.center()
        self._clickAt(widget, place, count)

    def find(self, widget: Any) -> None:
        """Unfold and scroll until a widget is seen."""
        for above in reversed(ancestors(widget)):
            if any(above.inherits(kind) for kind in FOLDING) and above.collapsed:
                self._unfold(above)
        self.scrollTo(widget)
        assert widget.visible, f"'{widget.objectName}' is not shown."

    def _unfold(self, box: Any) -> None:
        self.scrollTo(box)
        self._clickAt(box, qt.QPoint(box.width // 2 if box.inherits("QAbstractButton") else 20, HEADER_PX))
        process(20)  # what is below moves
        assert not box.collapsed, f"A click on its header did not unfold '{box.objectName}'."

    def scrollTo(self, widget: Any) -> None:
        """Scroll the panel to a widget."""
        for above in ancestors(widget):
            if above.inherits("QScrollArea"):
                for height in (widget.height, 0):  # not ensureWidgetVisible: of a table it shows the current row only
                    above.ensureVisible(0, widget.mapTo(above.widget(), qt.QPoint(0, height)).y(), 0, MARGIN_PX)
        process()

    def _clickAt(self, widget: Any, place: Any, count: int = 1) -> None:
        where = widget.mapToGlobal(place)
        hit = qt.QApplication.widgetAt(where)
        is_inside = hit is not None and (hit == widget or widget.isAncestorOf(hit))
        assert is_inside, (
            f"'{widget.objectName}' is covered by '{None if hit is None else hit.objectName or hit.className()}'."
        )
        self.device.click(widget.window(), where, count)

    def clickCell(self, table: Any, line: int, column: int, count: int = 1) -> None:
        """Click a cell of a table."""
        self.find(table)
        table.scrollToItem(table.item(line, column))
        process()
        self._clickAt(table.viewport(), table.visualItemRect(table.item(line, column)).center(), count)

    def clickCheckMark(self, widget: Any, item: Any) -> None:
        """Click the check mark of a list's item."""
        self.find(widget)
        widget.scrollToItem(item)
        process()
        rect = widget.visualItemRect(item)
        self._clickAt(widget.viewport(), qt.QPoint(rect.left() + CHECK_MARK_PX, rect.center().y()))

    def choose(self, combo: Any, text: str) -> None:
        """Open a combo box, or the one of a node selector, and click the entry of this text."""
        box = combo if combo.inherits("QComboBox") else combo.findChildren("QComboBox")[0]
        self.click(box)
        line = box.findText(text)
        assert line >= 0, f"'{combo.objectName}' does not offer '{text}'."
        view = box.view()
        until(lambda: view.visible, 10.0, f"the list of '{combo.objectName}' to open")
        index = box.model().index(line, 0, box.rootModelIndex())
        view.scrollTo(index)
        process()
        self._clickAt(view.viewport(), view.visualRect(index).center())
        until(lambda: not view.visible, 10.0, f"the list of '{combo.objectName}' to close")

    # --- keyboard ---

    def press(self, *names: str) -> None:
        """Press keys, one after the other, where the focus is."""
        for name in names:
            self.device.key(focusWindow(), name)

    def type(self, text: str) -> None:
        """Type a text, character by character, where the focus is."""
        for character in text:
            self.press(KEYS.get(character, character))

    def typeInto(self, widget: Any, text: str) -> None:
        """Click into a box, take out what is there, type."""
        self.click(widget)
        self.press("ctrl+a", "Delete")
        self.type(text)

    def typeNumber(self, widget: Any, text: str) -> None:
        """Type a number into a spin box, or into that of a slider, and leave it by Tab."""
        box = widget if widget.inherits("QAbstractSpinBox") else widget.findChildren("QAbstractSpinBox")[0]
        self.find(box)  # what is folded has no height yet
        self.click(box, qt.QPoint(12, box.height // 2))
        self.press("ctrl+a")
        self.type(text)
        self.press("Tab")


KEYS = {"\n": "Return", " ": "space", ".": "period", ",": "comma", "-": "minus", "(": "parenleft", ")": "parenright"}
"""Characters whose keys have names."""


class XDevice:
    """The X server, by xdotool: events come as those of a real mouse do."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._watch = qt.QTimer()
        self._watch.setInterval(200)
        self._watch.connect("timeout()", self._answer)

    def click(self, _window: Any, place: Any, count: int = 1, right: bool = False) -> None:
        self._do("mousemove", place.x(), place.y())
        self._do("click", "--repeat", count, "--delay", 40, 3 if right else 1)

    def wheel(self, _window: Any, place: Any, turns: int) -> None:
        self._do("mousemove", place.x(), place.y())
        self._do("click", "--repeat", abs(turns), "--delay", 40, 4 if turns > 0 else 5)

    def key(self, window: Any, name: str) -> None:
        if window is not None and not window.isActiveWindow:
            self._do("windowfocus", int(window.winId()))
        self._do("key", name)

    def answers(self, text: str) -> None:
        self._waiting.append(text)
        self._watch.start()

    def _do(self, *arguments: Any, settle: bool = True) -> None:
        subprocess.run(["xdotool", *map(str, arguments)], check=True, capture_output=True, timeout=20)
        end = time.monotonic() + (SETTLED_S if settle else 0.0)
        while time.monotonic() < end:
            slicer.app.processEvents()
            time.sleep(0.005)

    def _answer(self) -> None:
        """Within the dialog's own loop: send the events, the loop takes them."""
        dialog = qt.QApplication.activeModalWidget()
        if dialog is None or not self._waiting:
            return
        answer = self._waiting.pop(0)
        if not self._waiting:
            self._watch.stop()
        if dialog.inherits("QFileDialog"):
            edit = dialog.findChildren("QLineEdit")[0]
            edit.setFocus()
            self._do("windowfocus", int(dialog.winId()), settle=False)
            self._do("key", "ctrl+a", settle=False)
            self._do("type", "--delay", 30, answer, settle=False)
            self._do("key", "Return", settle=False)
            return
        buttons = {button.text.replace("&", ""): button for button in dialog.findChildren("QAbstractButton")}
        assert answer in buttons, f"The dialog '{dialog.windowTitle}' has no '{answer}': {sorted(buttons)}."
        place = buttons[answer].mapToGlobal(buttons[answer].rect.center())
        self._do("mousemove", place.x(), place.y(), settle=False)
        self._do("click", 1, settle=False)


# --- the application ---


def openModule() -> Any:
    """Open the module in a window as large as the screen; its widget."""
    slicer.util.mainWindow().showMaximized()
    slicer.util.selectModule("Tell2Reg")
    process(20)
    return slicer.util.getModuleWidget("Tell2Reg")


def ancestors(widget: Any) -> list[Any]:
    """What a widget is in, from the inside out."""
    widgets = []
    above = widget.parentWidget()
    while above is not None:
        widgets.append(above)
        above = above.parentWidget()
    return widgets


def focusWindow() -> Any:
    """The window that has the keyboard's focus: a popup, a dialog, or that of the focused widget."""
    focused = qt.QApplication.activePopupWidget() or qt.QApplication.focusWidget()
    return None if focused is None else focused.window()


def process(times: int = 5) -> None:
    """Let the application do what is due."""
    for _ in range(times):
        slicer.app.processEvents()


def until(true: Callable[[], Any], seconds: float = MOST_WAIT_S, what: str = "it") -> None:
    """Let the application work until this is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"Waited {seconds:g} s for {what}."
        slicer.app.processEvents()
        time.sleep(0.005)  # the worker needs the processor more
    slicer.app.processEvents()
