"""The module `qt`: all of QtCore, QtGui, QtWidgets and QtNetwork under one name, as PythonQt offers them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from Testing.standin import ui_files
from Testing.standin.pythonqt import LIBRARIES

NOT_IMITATED = {"Signal", "Slot", "Property", "ClassInfo", "QEnum", "QFlag"}
"""Names that mean something else in PySide6 than in PythonQt, if there is such a thing at all."""


class QtModule(ModuleType):
    """Looks a name up in the libraries of Qt."""

    QUiLoader = ui_files.QUiLoader

    def __getattr__(self, name: str) -> Any:
        if name not in NOT_IMITATED and not name.startswith("_"):
            for library in LIBRARIES:
                if hasattr(library, name):
                    return getattr(library, name)
        raise AttributeError(f"The stand-in for Slicer knows no qt.{name}")


qt = QtModule("qt", "Stand-in for PythonQt.")
