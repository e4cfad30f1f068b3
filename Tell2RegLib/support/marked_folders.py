"""Marks folders that belong to Tell2Reg: only a folder with its marker is ever emptied or deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MARKER = ".tell2reg.json"
"""The file that marks a folder."""
PURPOSE = "tell2reg"
"""Key of the marker that says what the folder is for."""
NOTE = "Tell2Reg made this folder and deletes its own files in it."


def mark(folder: Path, purpose: str, **facts: Any) -> None:
    """Mark a folder as one of Tell2Reg's.

    Args:
        folder: an existing folder.
        purpose: what it is for; `marker_of` must be given the same.
        facts: anything else to remember, as JSON.

    Raises:
        OSError: the marker cannot be written.
    """
    (folder / MARKER).write_text(json.dumps({PURPOSE: purpose, "note": NOTE, **facts}) + "\n", encoding="utf-8")


def marker_of(folder: Path, purpose: str) -> dict[str, Any] | None:
    """The marker of a folder for this purpose; None for any other folder, and for a link to one."""
    try:
        if folder.is_symlink() or not (folder / MARKER).is_file():
            return None
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return marker if isinstance(marker, dict) and marker.get(PURPOSE) == purpose else None
