"""The module `qt`: all of QtCore, QtGui, QtWidgets and QtNetwork under one name, as PythonQt offers them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from Testing.standin import ui_files
from Testing.standin.pythonqt import LIBRARIES

NOT_IN_PYTHONQT = {"Signal", "Slot", "Property", "ClassInfo", "QEnum", "QFlag"}
"""Names of PySide6 alone."""


class QtModule(ModuleType):
    """Looks a name up in the libraries of Qt."""

    QUiLoader = ui_files.QUiLoader

    def __getattr__(self, name: str) -> Any:
        if name not in NOT_IN_PYTHONQT and not name.startswith("_"):
            for library in LIBRARIES:
                if hasattr(library, name):
                    return getattr(library, name)
        raise AttributeError(f"The stand-in for Slicer knows no qt.{name}")


qt = QtModule("qt", "Stand-in for PythonQt.")
