"""Mouse and keyboard on the stand-in: Qt's test library, which puts events where the window system does."""

from __future__ import annotations

from typing import Any

from PySide6.QtTest import QTest

from Testing.standin.pythonqt import QtCore, QtGui, QtWidgets

NAMES = {"minus": "-", "period": ".", "comma": ",", "parenleft": "(", "parenright": ")"}
"""Names of X for keys that Qt names by their character."""
TEXTS = {"space": " ", "Return": "\r"}
"""What keys with longer names type."""
NO_MODIFIER = QtCore.Qt.NoModifier
WIDTH, HEIGHT = 560, 700
"""Of the panel's dock, in pixels, within the screen of Qt's offscreen platform, which is 800 by 800."""


class QTestDevice:
    """Clicks, keys and answers for Testing/Slicer/events.py.

    Args:
        answers: those of the stand-in: what is asked is answered from there, and no dialog waits.
    """

    def __init__(self, answers: Any) -> None:
        self._answers = answers

    def click(self, window: Any, position: Any, count: int = 1, right: bool = False) -> None:
        handle = _handle(window)
        button = QtCore.Qt.RightButton if right else QtCore.Qt.LeftButton
        click = QTest.mouseDClick if count == 2 else QTest.mouseClick
        click(handle, button, NO_MODIFIER, handle.mapFromGlobal(position))
        _process()

    def wheel(self, window: Any, position: Any, turns: int) -> None:
        handle = _handle(window)
        QTest.wheelEvent(handle, handle.mapFromGlobal(position), QtCore.QPoint(0, 120 * turns))
        _process()

    def key(self, window: Any, name: str) -> None:
        *modifiers, key = name.split("+")
        pressed = QtCore.Qt.ControlModifier if "ctrl" in modifiers else NO_MODIFIER
        key = NAMES.get(key, key)
        code = QtCore.Qt.Key(int(QtGui.QKeySequence(key)[0].key()))
        text = "" if modifiers else TEXTS.get(key, key if len(key) == 1 else "")
        QTest.sendKeyEvent(QTest.Click, _handle(window), code, text, pressed)
        _process()

    def answers(self, text: str) -> None:
        self._answers.expect(text)


def dock(panel: Any, width: int = WIDTH, height: int = HEIGHT) -> Any:
    """Show the main window with the panel of the module that is entered, as wide as this.

    Returns:
        The window; it must be kept, and holds the panel.
    """
    window = panel.window()
    assert window.inherits("QMainWindow"), "The module is not entered."
    window.resize(width, height)
    window.show()
    QTest.qWaitForWindowActive(window.windowHandle())
    _process()
    return window


def _handle(window: Any) -> Any:
    window = QtWidgets.QApplication.activePopupWidget() or window
    window.activateWindow()
    return window.windowHandle()


def _process() -> None:
    for _ in range(3):
        QtWidgets.QApplication.processEvents()
