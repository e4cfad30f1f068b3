"""Stages of a run: timing, progress and cancel, and the types of the callbacks for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from Tell2RegLib.errors import Cancelled

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
StepProgress = Callable[[int, int], None]
"""Called with (done, total) within one stage; may raise `Cancelled`."""
Check = Callable[[], None]
"""Called often during long work; raises `Cancelled` to stop it."""


class ProgressTracker:
    """Measures the time of stages, reports progress and checks for cancel.

    Args:
        progress: called with (stage, done, total).
        cancelled: called often; returns True to stop the run.
    """

    def __init__(self, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def check(self) -> None:
        """Raise `Cancelled` if the run is to stop.

        Raises:
            Cancelled: `cancelled` returned True.
        """
        if self._cancelled and self._cancelled():
            raise Cancelled

    def report(self, stage: str, done: int, total: int) -> None:
        """Report the progress of a stage, and check for cancel."""
        self.check()
        if self._progress:
            self._progress(stage, done, total)

    def part(self, stage: str, number: int, count: int) -> Callable[[int, int], None]:
        """A callback that converts (done, total) of one of `count` equal parts into the progress of the whole stage."""
        return lambda done, total: self.report(stage, number * total + done, count * total)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Context that measures the time of a stage; repeated use adds up."""
        start = time.perf_counter()
        self.report(name, 0, 1)
        yield
        self._seconds[name] = round(self._seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        self.report(name, 1, 1)

    def timing(self) -> dict[str, float]:
        """Seconds per stage, and "total" since the start."""
        return {**self._seconds, "total": round(time.perf_counter() - self._start, 3)}
