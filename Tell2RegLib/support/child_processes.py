"""How this program starts another Python with its library: which program, and which variables."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

LIBRARY_PARENT = Path(__file__).resolve().parents[2]
"""The folder that holds Tell2RegLib."""


def python_program() -> str:
    """The Python of this process; of an application with Python inside, such as Slicer, its launcher for scripts."""
    if Path(sys.executable or "").stem.lower().startswith("python"):
        return sys.executable
    return shutil.which("PythonSlicer") or sys.executable or "PythonSlicer"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a child: the same, with the library in front, unbuffered, in UTF-8.

    The current folder is not searched for modules: it may be anywhere.
    """
    paths = [str(LIBRARY_PARENT), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONSAFEPATH": "1",
    }
