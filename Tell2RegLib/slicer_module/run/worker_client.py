"""The host's client of the worker: submits requests, calls listeners from `poll`; never blocks or crashes the host.

Pure Python: a timer in Slicer or a loop in a test calls `poll`. docs/worker-protocol.md says what is spoken.
"""

from __future__ import annotations

import itertools
import queue
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import InputError, Tell2RegError
from Tell2RegLib.slicer_module.run.worker_folders import RunFolders
from Tell2RegLib.slicer_module.run.worker_process import MAX_WAITING_LINES, WorkerProcess
from Tell2RegLib.worker import exchange, protocol

PATIENCE_S = 1.0
"""Time after which a worker that does not stop on request is killed, so that Cancel never takes longer."""
POLL_S = 0.01
"""Pause between two polls in `wait`."""
MAX_LINES = 2000
"""Maximum number of lines to handle in one poll."""
DIED = "WorkerDied"
"""Kind of the error when the process ended by itself or could not be started."""


@dataclass(frozen=True)
class Listeners:
    """Callbacks of a run; see `WorkerClient.submit`."""

    on_progress: Callable[[str, int, int, float | None], None]
    on_log: Callable[[str], None]
    on_done: Callable[[Any], None]
    on_error: Callable[[str, str, str], None]
    on_cancelled: Callable[[], None]


@dataclass
class _Run:
    """The run under way."""

    id: str
    reply: type
    folder: Path
    listeners: Listeners
    cancel_until: float | None = None
    """When a run that was asked to stop is ended by force; None while nobody asked."""


class WorkerClient:
    """Starts the worker on demand, and keeps it between runs.

    Args:
        command: program and arguments; this Python's own when None. In Slicer: the launcher PythonSlicer.
        environment: variables of the worker; those of this process when None.
        patience_s: a worker that was asked to stop is killed after that.

    All methods belong to one thread; callbacks come out of `poll` and `wait`, in that thread.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._command = tuple(command or (sys.executable, "-m", "Tell2RegLib.worker"))
        self._environment = environment
        self._patience_s = patience_s
        self._folders = RunFolders()
        self._process: WorkerProcess | None = None
        self._ready = False
        self._run: _Run | None = None
        self._failure: tuple[str, str] | None = None
        self._numbers = itertools.count(1)
        self._closed = False

    # --- state ---

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    @property
    def state(self) -> str:
        """One of "off", "starting", "idle", "running", "cancelling"."""
        if self._run is not None and self._run.cancel_until is not None:
            return "cancelling"
        if self._process is None:
            return "off" if self._run is None else "starting"
        if not self._ready:
            return "starting"
        return "idle" if self._run is None else "running"

    @property
    def pid(self) -> int | None:
        """Of the worker; None while there is none."""
        if self._process is None:
            return None
        return self._process.worker_pid or self._process.pid

    # --- what the host does ---

    def submit(
        self,
        request: Any,
        *,
        on_progress: Callable[[str, int, int, float | None], None] = lambda *news: None,
        on_log: Callable[[str], None] = lambda text: None,
        on_done: Callable[[Any], None] = lambda reply: None,
        on_error: Callable[[str, str, str], None] = lambda kind, message, detail: None,
        on_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        """Send a request to the worker, which is started if needed.

        Args:
            request: one of `worker.requests`.
            on_progress: called with (stage, done, total, seconds left or None).
            on_log: called with each line that the worker says.
            on_done: called with the reply.
            on_error: called with (kind, message, detail); the message is for the user.
            on_cancelled: called when the run ended because of `cancel`.

        One of the last three is called, once.

        Raises:
            InputError: a run is under way, or the client is closed.
            OutputError: the request cannot be written.
        """
        if self._closed:
            raise InputError("The worker client is closed; create a new one.")
        if self._run is not None:
            raise InputError("A run is in progress. Wait for it, or cancel it first.")
        folder = self._written(request)
        listeners = Listeners(on_progress, on_log, on_done, on_error, on_cancelled)
        self._run = _Run(str(next(self._numbers)), request.reply, folder, listeners)
        self._failure = None
        self._start()
        if self._process is not None:
            self._process.send({"id": self._run.id, "task": request.task, "folder": str(folder)})

    def cancel(self) -> None:
        """Ask the current run to stop; if it does not stop within `patience_s`, `poll` kills the process."""
        run = self._run
        if run is None or run.cancel_until is not None:
            return
        run.cancel_until = time.monotonic() + self._patience_s
        if self._process is not None:
            self._process.send({"task": protocol.CANCEL, "id": run.id})

    def poll(self) -> None:
        """Call the listeners for new events; waits only for the end of a killed process."""
        self._hear()
        if self._failure is not None and self._run is not None:
            failure, self._failure = self._failure, None
            self._end_run(lambda listeners: listeners.on_error(DIED, *failure))
        process = self._process
        if process is not None and process.exit_code is not None:
            self._died(process)
        run = self._run
        if run is not None and run.cancel_until is not None and time.monotonic() >= run.cancel_until:
            self._stop_process()
            self._end_run(lambda listeners: listeners.on_cancelled())

    def wait(self, timeout_s: float, pump: Callable[[], None] | None = None) -> bool:
        """Poll until no run is under way; whether that came within the time.

        Args:
            timeout_s: give up after that.
            pump: called between polls.
        """
        until = time.monotonic() + timeout_s
        while True:
            self.poll()
            if not self.busy:
                return True
            if time.monotonic() >= until:
                return False
            if pump is not None:
                pump()
            time.sleep(POLL_S)

    def close(self) -> None:
        """End the worker and remove its folders; no listener is called any more."""
        self._closed = True
        self._run = None
        self._stop_process()
        self._folders.close()

    # --- what becomes of it ---

    def _written(self, request: Any) -> Path:
        try:
            folder = self._folders.make()
        except OSError as error:
            raise InputError(
                f"No temporary folder can be created ({error.strerror or error}): free some space."
            ) from error
        try:
            exchange.write(request, folder, protocol.REQUEST)
        except BaseException:
            self._folders.remove(folder)
            raise
        return folder

    def _start(self) -> None:
        if self._process is not None and self._process.exit_code is None:
            return
        self._stop_process()
        try:
            self._process = WorkerProcess(self._command, self._environment)
        except OSError as error:
            program = self._command[0]
            self._failure = (f"The worker cannot be started: '{program}': {error.strerror or error}.", str(error))

    def _stop_process(self) -> None:
        process, self._process, self._ready = self._process, None, False
        if process is not None:
            process.kill()

    def _hear(self, maximum: int = MAX_LINES) -> None:
        process = self._process
        if process is None:
            return
        for text in _drained(process.stderr, maximum):
            self._log(text)
        for text in _drained(process.events, maximum):
            event = protocol.event(text)
            if event is None:
                self._log(f"Unknown message from the worker: {text[:200]!r}")
            else:
                self._handleEvent(process, event)
            if self._process is not process:  # a listener closed this client
                return

    def _handleEvent(self, process: WorkerProcess, event: dict[str, Any]) -> None:
        name, run = event["event"], self._run
        if name == "ready":
            self._is_ready(process, event)
        elif name == "log":
            self._log(str(event.get("message", "")))
        elif run is None or event.get("id") != run.id:
            return
        elif run.cancel_until is not None:
            if name != "progress":
                self._end_run(lambda listeners: listeners.on_cancelled())
        elif name == "progress":
            run.listeners.on_progress(
                event.get("stage", ""), event.get("done", 0), event.get("total", 0), event.get("seconds_left")
            )
        elif name == "result":
            self._end_with_reply(run)
        elif name == "error":
            failure = [str(event.get(key, "")) for key in ("kind", "message", "detail")]
            self._end_run(lambda listeners: listeners.on_error(*failure))
        elif name == "cancelled":
            self._end_run(lambda listeners: listeners.on_cancelled())

    def _is_ready(self, process: WorkerProcess, event: dict[str, Any]) -> None:
        if event.get("protocol") != protocol.VERSION:
            self._stop_process()
            self._failure = (
                f"The worker has a different version ({event.get('version')}). Install Tell2Reg again.",
                f"protocol {event.get('protocol')}, not {protocol.VERSION}",
            )
            return
        self._ready = True
        process.worker_pid = event.get("pid")

    def _end_with_reply(self, run: _Run) -> None:
        try:
            reply: Any = exchange.read(run.reply, run.folder, protocol.RESULT)
        except Tell2RegError as error:
            kind, message = type(error).__name__, str(error)
            self._end_run(lambda listeners: listeners.on_error(kind, message, ""))
            return
        self._end_run(lambda listeners: listeners.on_done(reply))

    def _end_run(self, notify: Callable[[Listeners], None]) -> None:
        """End the run, then call its listener, which may submit the next one."""
        run, self._run = self._run, None
        if run is not None:
            self._folders.remove(run.folder)
            notify(run.listeners)

    def _died(self, process: WorkerProcess) -> None:
        was_ready, code = self._ready, process.exit_code
        process.kill()  # what it started, and a worker whose launcher died
        self._hear(MAX_WAITING_LINES)
        if self._process is not process:
            return
        self._process, self._ready = None, False
        run = self._run
        if run is None:
            return
        if run.cancel_until is not None:
            self._end_run(lambda listeners: listeners.on_cancelled())
            return
        event = "stopped unexpectedly" if was_ready else "could not start"
        message = f"The worker {event} ({_exitText(code)}). Run again; your scene is unchanged."
        self._end_run(lambda listeners: listeners.on_error(DIED, message, "\n".join(process.last_lines)))

    def _log(self, text: str) -> None:
        if self._run is not None:
            self._run.listeners.on_log(text)


def _drained(source: queue.Queue[Any], maximum: int) -> Any:
    """What is in a queue, up to a number: a worker that never stops sending must not hold the host."""
    for _ in range(maximum):
        try:
            yield source.get_nowait()
        except queue.Empty:
            return


def _exitText(exit_code: int | None) -> str:
    """How a process ended.

    >>> _exitText(-9), _exitText(1)
    ('signal 9, SIGKILL: killed, perhaps because the memory ran out', 'exit code 1')
    """
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    number = -exit_code
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    why = {"SIGKILL": ": killed, perhaps because the memory ran out"}.get(name, "")
    return f"signal {number}, {name}{why}"
