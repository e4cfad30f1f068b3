"""The stages of a run: how long each took, how far it is, and whether the user wants to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from Tell2RegLib.errors import Cancelled

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


class ProgressTracker:
    """Times stages and passes progress and cancel on.

    Args:
        progress: told how far each stage is.
        cancelled: asked often; True stops the run.
    """

    def __init__(self, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> None:
        self._progress = progress
        self._cancelled = cancelled
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def check(self) -> None:
        """Stop here if the user wants to.

        Raises:
            Cancelled: he does.
        """
        if self._cancelled and self._cancelled():
            raise Cancelled

    def tell(self, stage: str, done: int, total: int) -> None:
        """How far a stage is; checks as well."""
        self.check()
        if self._progress:
            self._progress(stage, done, total)

    def part(self, stage: str, number: int, count: int) -> Callable[[int, int], None]:
        """Told (done, total) of one of several equal parts of a stage, tells of the whole stage."""
        return lambda done, total: self.tell(stage, number * total + done, count * total)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; entered twice, its seconds add up."""
        start = time.perf_counter()
        self.tell(name, 0, 1)
        yield
        self._seconds[name] = round(self._seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        self.tell(name, 1, 1)

    def timing(self) -> dict[str, float]:
        """Seconds per stage, and "total" since the start."""
        return {**self._seconds, "total": round(time.perf_counter() - self._start, 3)}
