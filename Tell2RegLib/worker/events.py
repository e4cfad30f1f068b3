"""The worker's output: events as lines, progress with an estimate of the remaining time, the library's log."""

from __future__ import annotations

import logging
import threading
import time
from typing import IO, Any

from Tell2RegLib.worker.protocol import line

EVERY_S = 0.05
"""Minimum interval between progress events; intermediate ones are omitted."""
KNOWN_AFTER_S = 1.0
"""Minimum run time of a stage before its remaining time is estimated."""


class EventOutput:
    """Writes events as complete lines, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def say(self, event: str, **fields: Any) -> None:
        """Send an event; ignored if the host no longer reads."""
        with self._lock:
            try:
                self._stream.write(line({"event": event, **fields}))
                self._stream.flush()
            except (OSError, ValueError):
                pass

    def log(self, level: str, message: str) -> None:
        """Send a line of the log."""
        self.say("log", level=level, message=message)


class LogLines(logging.Handler):
    """The library's log, and other libraries' warnings, as events."""

    def __init__(self, output: EventOutput) -> None:
        super().__init__(logging.INFO)
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.log(record.levelname.lower(), self.format(record))


class ProgressEvents:
    """Sends the progress of one run as events, at limited rate and with the remaining seconds.

    Args:
        output: the output for events.
        run: ID of the run.
    """

    def __init__(self, output: EventOutput, run: str) -> None:
        self._output = output
        self._run = run
        self._stage = ""
        self._start = 0.0
        self._first = 0
        self._last_sent_s = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._start, self._first, self._last_sent_s = stage, now, done, 0.0
        if now - self._last_sent_s < EVERY_S and done < total:
            return
        self._last_sent_s = now
        remaining_s = seconds_left(done - self._first, total - done, now - self._start)
        self._output.say("progress", id=self._run, stage=stage, done=done, total=total, seconds_left=remaining_s)


def seconds_left(done: int, remaining: int, elapsed_s: float) -> float | None:
    """Remaining seconds at the speed so far; None where that is not known yet.

    >>> seconds_left(done=2, remaining=6, elapsed_s=3.0)
    9.0
    """
    if done <= 0 or elapsed_s < KNOWN_AFTER_S:
        return None
    return round(elapsed_s / done * max(remaining, 0), 1)
