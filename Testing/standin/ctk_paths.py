"""Widgets of CTK with a path: a line to type or choose it, a button that asks for a folder."""

from __future__ import annotations

from typing import Any

from Testing.standin.answers import answers
from Testing.standin.pythonqt import QtCore, QtWidgets, cpp_property, stored, teach


class _PathRow(QtWidgets.QWidget):
    """A line with a path and a button that asks for one."""

    def _build(self) -> None:
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._line, self._browse = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._browse.text = "..."
        row.addWidget(self._line)
        row.addWidget(self._browse)

    def _text(self) -> str:
        return self._line.text


@teach
class ctkPathLineEdit(_PathRow):
    """A path that can be typed or chosen."""

    Dirs, Files, Drives, NoDot, NoDotDot, Hidden, Readable, Writable, Executable = (
        *(0x001, 0x002, 0x004, 0x2000, 0x4000),
        *(0x100, 0x010, 0x020, 0x040),
    )
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    filters, setFilters = stored(int, "filters", 0)
    label, setLabel = stored(str, "label", "")
    settingKey, setSettingKey = stored(str, "settingKey", "")
    showBrowseButton, setShowBrowseButton = stored(bool, "showBrowseButton", True)
    showHistoryButton, setShowHistoryButton = stored(bool, "showHistoryButton", True)
    nameFilters, setNameFilters = stored(list, "nameFilters", [])

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._build()
        self._line.textChanged.connect(self._changed)
        self._browse.clicked.connect(self.browse)

    def _changed(self, text: str) -> None:
        self.currentPathChanged.emit(text)

    def browse(self) -> None:
        chosen = answers.next(f"path '{self.objectName}'")
        if chosen:
            self.setCurrentPath(str(chosen))

    def addCurrentPathToHistory(self) -> None:
        """Nothing is kept here."""

    def setCurrentPath(self, path: str) -> None:
        self._line.setText(path)

    currentPath = cpp_property(str, _PathRow._text, setCurrentPath)


@teach
class ctkDirectoryButton(_PathRow):
    """A button that shows and asks for a folder."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)
    caption, setCaption = stored(str, "caption", "")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*[value for value in arguments if not isinstance(value, str)])
        self._build()
        self._line.readOnly = True
        self._line.textChanged.connect(self._changed)
        self._browse.clicked.connect(self.browse)

    def _changed(self, text: str) -> None:
        self.directoryChanged.emit(text)

    def browse(self) -> str:
        chosen = str(answers.next(f"folder '{self.objectName}'"))
        if chosen:
            self.setDirectory(chosen)
            self.directorySelected.emit(chosen)
        return chosen

    def setDirectory(self, path: str) -> None:
        self._line.setText(path)

    directory = cpp_property(str, _PathRow._text, setDirectory)
