"""Progress and messages as JSON lines on stderr (`--events`), in the worker's form (docs/worker-protocol.md)."""

from __future__ import annotations

import io
import sys
from typing import IO, cast

from Tell2RegLib.worker.events import EventOutput, ProgressEvents

RUN = "tell2reg"
"""ID of the one run of a command."""


class _Stderr(io.RawIOBase):
    """Python's stderr for bytes, whichever stream that is at the moment."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        sys.stderr.write(data.decode("ascii"))
        return len(data)

    def flush(self) -> None:
        sys.stderr.flush()


def stderr_events() -> EventOutput:
    """An output for events on stderr."""
    return EventOutput(cast("IO[bytes]", _Stderr()))


class EventProgress:
    """Progress as events, with the interface of the bars."""

    def __init__(self) -> None:
        self._progress = ProgressEvents(stderr_events(), RUN)

    def __enter__(self) -> EventProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._progress(stage, done, total)
