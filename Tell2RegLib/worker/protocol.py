"""The messages on the worker's pipes: one JSON object per line (docs/worker-protocol.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

VERSION = 1
"""Version of the protocol; incremented when the meaning of a line changes."""
REQUEST = "request"
"""Name of the request document in the run's folder."""
RESULT = "result"
"""Name of the reply document in the run's folder."""
RUN_FOLDER = "worker run"
"""Purpose in the marker of a run's folder; the worker deletes only a folder with this marker."""
CANCEL = "cancel"
"""The task that cancels another one."""
EVENTS = ("ready", "progress", "log", "result", "error", "cancelled")


def line(message: dict[str, Any]) -> bytes:
    """A message as one line of bytes.

    >>> line({"event": "log", "message": "a\\nb"})
    b'{"event": "log", "message": "a\\\\nb"}\\n'
    """
    return json.dumps(message).encode("ascii") + b"\n"


@dataclass(frozen=True)
class WorkerRequest:
    """One request line to the worker.

    Args:
        task: one of the worker's tasks, or "cancel".
        id: ID of the run.
        folder: folder of the request and of the reply; empty for "cancel".
    """

    task: str
    id: str
    folder: str = ""


def parse_request(text: bytes) -> WorkerRequest | None:
    """The request in a line; None if the line is not a request."""
    message = _object(text)
    if message is None:
        return None
    values = [message.get(key, "") for key in ("task", "id", "folder")]
    if not all(isinstance(value, str) for value in values) or not values[0]:
        return None
    if values[0] != CANCEL and not all(values):
        return None
    return WorkerRequest(*values)


def event(text: bytes) -> dict[str, Any] | None:
    """The event in a line; None if the line is not an event."""
    message = _object(text)
    if message is None or message.get("event") not in EVENTS:
        return None
    return message if message["event"] != "progress" or _is_progress(message) else None


def _is_progress(message: dict[str, Any]) -> bool:
    numbers = [message.get("done", 0), message.get("total", 0), message.get("seconds_left") or 0]
    return isinstance(message.get("stage"), str) and all(type(number) in (int, float) for number in numbers)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
