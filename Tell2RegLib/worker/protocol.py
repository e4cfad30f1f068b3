"""What goes over the worker's pipes: one JSON object a line (docs/worker-protocol.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VERSION = 1
"""Of the protocol; grows when a line changes its meaning."""
REQUEST = "request"
"""Name of the request in its folder."""
RESULT = "result"
"""Name of the answer there."""
CANCEL = "cancel"
"""The task that stops another one."""
EVENTS = ("ready", "progress", "log", "result", "error", "cancelled")


def line(message: dict[str, Any]) -> bytes:
    """A message as it is sent.

    >>> line({"event": "log", "message": "a\\nb"})
    b'{"event": "log", "message": "a\\\\nb"}\\n'
    """
    return json.dumps(message).encode("ascii") + b"\n"


@dataclass(frozen=True)
class Ask:
    """A line to the worker.

    Args:
        task: one of the worker's tasks, or "cancel".
        id: of the run.
        folder: where the request lies and where the result goes; none for "cancel".
    """

    task: str
    id: str
    folder: str = ""


def asked(text: bytes) -> Ask | None:
    """What a line asks; None where it is no such line."""
    found = _object(text)
    if found is None:
        return None
    values = [found.get(key, "") for key in ("task", "id", "folder")]
    if not all(isinstance(value, str) for value in values) or not values[0]:
        return None
    if values[0] != CANCEL and not all(values):
        return None
    return Ask(*values)


def event(text: bytes) -> dict[str, Any] | None:
    """The event of a line; None where it is none."""
    found = _object(text)
    return found if found is not None and found.get("event") in EVENTS else None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
