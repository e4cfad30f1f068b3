"""A text box bound to a parameter without Slicer's connector, which rewrites the whole text after every key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt


class TextBox:
    """Forwards typed text; updates the box only if the text differs, and never while the user is typing.

    Args:
        box: a QTextEdit.
        typed: called with the text of the box when a person has changed it.
    """

    def __init__(self, box: Any, typed: Callable[[str], None]) -> None:
        self._box, self._hear = box, typed
        self._writing = False
        box.connect("textChanged()", self._typed)

    def follow(self, text: str) -> None:
        """Show a text, unless the user is typing."""
        if not self._box.hasFocus():
            self.replace(text)

    def replace(self, text: str) -> None:
        """Show a text on the user's request; can be undone."""
        text = text.replace("\r\n", "\n")
        if text != self._box.plainText:
            self._write(lambda: self._replaceAll(text))

    def reset(self, text: str) -> None:
        """Show the text of another scene, and clear the undo history."""
        text = text.replace("\r\n", "\n")
        if text != self._box.plainText:
            self._write(lambda: self._box.setPlainText(text))

    def _replaceAll(self, text: str) -> None:
        cursor = self._box.textCursor()
        cursor.select(qt.QTextCursor.Document)
        cursor.insertText(text)

    def _write(self, change: Callable[[], None]) -> None:
        self._writing = True
        try:
            change()
        finally:
            self._writing = False

    def _typed(self) -> None:
        if not self._writing:
            self._hear(self._box.plainText)
