"""The worker's voice: events as lines, progress with an estimate, the library's log."""

from __future__ import annotations

import logging
import threading
import time
from typing import IO, Any

from Tell2RegLib.worker.protocol import line

EVERY_S = 0.05
"""Progress is told so often; what comes between is left out."""
KNOWN_AFTER_S = 1.0
"""A stage must have run so long before its end is estimated."""


class Voice:
    """Writes events, from any thread, a whole line at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def say(self, event: str, **more: Any) -> None:
        """Send an event; where nobody reads any more, nothing happens."""
        with self._lock:
            try:
                self._stream.write(line({"event": event, **more}))
                self._stream.flush()
            except (OSError, ValueError):
                pass

    def log(self, level: str, message: str) -> None:
        """Send a line of the log."""
        self.say("log", level=level, message=message)


class LogLines(logging.Handler):
    """The library's log, and other libraries' warnings, as events."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(logging.INFO)
        self._voice = voice

    def emit(self, record: logging.LogRecord) -> None:
        self._voice.log(record.levelname.lower(), self.format(record))


class ProgressTeller:
    """Tells of the stages of one run: not too often, and with the seconds that are left.

    Args:
        voice: who says it.
        run: the run's id.
    """

    def __init__(self, voice: Voice, run: str) -> None:
        self._voice = voice
        self._run = run
        self._stage = ""
        self._start = 0.0
        self._first = 0
        self._told = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._start, self._first, self._told = stage, now, done, 0.0
        if now - self._told < EVERY_S and done < total:
            return
        self._told = now
        left = seconds_left(done - self._first, total - done, now - self._start)
        self._voice.say("progress", id=self._run, stage=stage, done=done, total=total, seconds_left=left)


def seconds_left(done: int, left: int, elapsed_s: float) -> float | None:
    """At the speed so far; None where that is not known yet.

    >>> seconds_left(done=2, left=6, elapsed_s=3.0)
    9.0
    """
    if done <= 0 or elapsed_s < KNOWN_AFTER_S:
        return None
    return round(elapsed_s / done * max(left, 0), 1)
