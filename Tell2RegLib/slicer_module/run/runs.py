"""Runs requests in the worker, one at a time, for panel and scripts: progress, outcome, cancel, wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from Tell2RegLib.errors import Cancelled, InputError, Tell2RegError, error_of
from Tell2RegLib.slicer_module.run.signal import Signal

NOTHING_CHANGED = "Cancelled; the scene is unchanged."
POLL_MS = 50
"""Interval of polling the worker; short enough for a smooth progress bar."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run.

    Args:
        run: what it was, "find" for example.
        status: "done", "failed" or "cancelled".
        kind: of the error: the name of one of errors.py, "OutOfMemory", "WorkerDied" or "Crash".
        message: for the user; empty when all went well.
        detail: for those who want to know more, a traceback for example.
    """

    run: str
    status: str
    kind: str = ""
    message: str = ""
    detail: str = ""

    def raiseIfNotDone(self) -> None:
        """For scripts, which expect an exception.

        Raises:
            Tell2RegError: the run failed or was cancelled.
        """
        if self.status == "cancelled":
            raise Cancelled(NOTHING_CHANGED)
        if self.status == "failed":
            raise error_of(self.kind, self.message)


class Runs:
    """Starts requests in the worker and emits their progress and outcome.

    Signals: `started(run)`, `progressed(run, stage, done, total, secondsLeft)`, `logged(text)`, `ended(Outcome)`,
    `closed()`.

    Args:
        client: a WorkerClient.
        timer: a QTimer of its own, or None where a script polls.
        pump: lets the application handle its events while a script waits.
    """

    def __init__(self, client: Any, timer: Any = None, pump: Callable[[], None] | None = None) -> None:
        self.client = client
        self.started, self.progressed, self.logged, self.ended = Signal(), Signal(), Signal(), Signal()
        self.closed = Signal()
        self.current = ""
        self.outcome: Outcome | None = None
        self._pump = pump
        self._timer = timer
        self._lookingUp = self._isClosed = False
        self._next: Callable[[], None] | None = None
        if timer is not None:
            timer.setInterval(POLL_MS)
            timer.connect("timeout()", self.poll)

    @property
    def busy(self) -> bool:
        """Whether a run started by the user is under way."""
        return bool(self.current)

    def start(self, run: str, request: Any, onDone: Callable[[Any], None], wait: bool = False) -> None:
        """Start a request; one that looks something up in the background is let end first.

        Args:
            run: what it is called.
            request: one of worker/requests.py.
            onDone: called with the reply.
            wait: return when the run is over, and raise if it failed.

        Raises:
            InputError: another run is under way.
            Tell2RegError: with `wait`, what went wrong.
        """
        if self.busy:
            raise InputError("A run is in progress: wait for it, or cancel it first.")
        self.current, self.outcome = run, None
        self.started.emit(run)
        if self._lookingUp:
            self._next = lambda: self._submit(run, request, onDone)
        else:
            self._submit(run, request, onDone)
        if wait:
            self.wait()

    def lookUp(self, request: Any, onDone: Callable[[Any], None]) -> None:
        """Run a request in the background, unless a run is under way; errors are ignored."""
        if self.busy or self._lookingUp:
            return
        self._lookingUp = True
        try:
            self.client.submit(
                request,
                on_progress=lambda *news: None,
                on_log=self.logged.emit,
                on_done=lambda reply: self._lookedUp(lambda: onDone(reply)),
                on_error=lambda kind, message, detail: self._lookedUp(lambda: self.logged.emit(message)),
                on_cancelled=lambda: self._lookedUp(lambda: None),
            )
        except Tell2RegError as error:
            message = str(error)
            self._lookedUp(lambda: self.logged.emit(message))
        else:
            self._watch()

    def _lookedUp(self, notify: Callable[[], None]) -> None:
        self._lookingUp = False
        notify()
        following, self._next = self._next, None
        if following is not None and self.busy:
            following()
        elif not self.busy and self._timer is not None:
            self._timer.stop()

    def _submit(self, run: str, request: Any, onDone: Callable[[Any], None]) -> None:
        try:
            self.client.submit(
                request,
                on_progress=lambda *news: self.progressed.emit(run, *news),
                on_log=self.logged.emit,
                on_done=lambda reply: self._received(onDone, reply),
                on_error=lambda kind, message, detail: self._end("failed", kind, message, detail),
                on_cancelled=lambda: self._end("cancelled", message=NOTHING_CHANGED),
            )
        except Exception as error:  # whatever it is, the run is over
            self._end("failed", type(error).__name__, str(error))
        if self.busy:
            self._watch()

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.start()

    def wait(self) -> Outcome | None:
        """Wait for the end of the run.

        Raises:
            Tell2RegError: it failed or was cancelled.
        """
        while self.busy:
            self.client.wait(0.05)
            if self._pump is not None:
                self._pump()
        if self.outcome is not None:
            self.outcome.raiseIfNotDone()
        return self.outcome

    def poll(self) -> None:
        """Process the worker's events; called by the timer."""
        self.client.poll()

    def cancel(self) -> None:
        """Cancel the run; `ended` follows within two seconds."""
        if self._next is not None:
            self._next = None
            self._end("cancelled", message=NOTHING_CHANGED)
        elif self.busy:
            self.client.cancel()

    def renew(self, client: Any) -> None:
        """Replace the client: the old worker ends, and a new one sees newly installed packages."""
        self._stop()
        self.client = client

    def close(self) -> None:
        """End the run and the worker for good; a second time does nothing."""
        if self._isClosed:
            return
        self._isClosed = True
        self._stop()
        self._timer = None
        self.closed.emit()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._next = None
        if self.busy:
            self._end("cancelled", message=NOTHING_CHANGED)
        self._lookingUp = False
        self.client.close()

    def _received(self, onDone: Callable[[Any], None], reply: Any) -> None:
        try:
            onDone(reply)
        except Tell2RegError as error:
            self._end("failed", type(error).__name__, str(error))
        except Exception as error:
            logging.exception("Tell2Reg: the result of a run could not be shown")
            self._end("failed", "Crash", f"The result could not be added to the scene: {error}")
        else:
            self._end("done")

    def _end(self, status: str, kind: str = "", message: str = "", detail: str = "") -> None:
        if self._timer is not None and not self._lookingUp:
            self._timer.stop()
        run, self.current = self.current, ""
        self.outcome = Outcome(run, status, kind, message, detail)
        self.ended.emit(self.outcome)
