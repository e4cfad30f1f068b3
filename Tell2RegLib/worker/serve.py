"""The worker's main loop: reads requests, runs one at a time, writes events; ends with its host."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from Tell2RegLib.errors import Cancelled, Tell2RegError
from Tell2RegLib.support.marked_folders import marker_of
from Tell2RegLib.support.version import __version__
from Tell2RegLib.worker import protocol
from Tell2RegLib.worker.events import EventOutput, LogLines, ProgressEvents
from Tell2RegLib.worker.protocol import WorkerRequest

if TYPE_CHECKING:
    from Tell2RegLib.worker.tasks import Task, WorkerCaches

OUT_OF_MEMORY = (
    "Out of memory{where}. Choose smaller models, a larger slice spacing or slice step, or the device cpu, or "
    "close other programs, and run again."
)


def serve(tasks: Mapping[str, Task] | None = None) -> None:
    """Serve until stdin ends; then the process ends immediately, even during a run.

    Args:
        tasks: what can be asked for; `tasks.TASKS` when None.
    """
    lines, output = _pipes()
    log = logging.getLogger()
    log.addHandler(LogLines(output))
    log.setLevel(logging.WARNING)
    logging.getLogger("Tell2RegLib").setLevel(logging.INFO)
    logging.captureWarnings(True)
    Server(lines, output, tasks).run()


def _pipes() -> tuple[IO[bytes], EventOutput]:
    """Reserve stdin and stdout for the protocol: output of libraries goes to stderr, and none can read requests."""
    lines, output = os.fdopen(os.dup(0), "rb"), EventOutput(os.fdopen(os.dup(1), "wb"))
    null_device = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null_device, 0)
    os.close(null_device)
    os.dup2(2, 1)
    return lines, output


@dataclass(frozen=True)
class Failure:
    """The reason for a failed run; see "error" in docs/worker-protocol.md."""

    kind: str
    message: str
    detail: str = ""


class Server:
    """Runs tasks on the main thread while another thread reads requests.

    Args:
        lines: request lines from the host.
        output: events to the host.
        tasks: what can be asked for; `tasks.TASKS` when None.
        end: function that ends the process.
    """

    def __init__(
        self,
        lines: IO[bytes],
        output: EventOutput,
        tasks: Mapping[str, Task] | None = None,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._lines = lines
        self._output = output
        self._tasks = tasks
        self._end = end
        self._requests: queue.SimpleQueue[WorkerRequest] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: dict[str, WorkerRequest] = {}
        self._stopped: set[str] = set()
        self._caches: WorkerCaches | None = None

    def run(self) -> None:
        """Serve; does not return."""
        threading.Thread(target=self._listen, name="lines", daemon=True).start()
        self._output.say("ready", protocol=protocol.VERSION, version=__version__, pid=os.getpid())
        while True:
            request = self._requests.get()
            self._handle(request)
            with self._lock:
                self._open.pop(request.id, None)
                self._stopped.discard(request.id)

    # --- the listening thread ---

    def _listen(self) -> None:
        for text in self._lines:
            request = protocol.parse_request(text)
            if request is None:
                self._output.log("warning", f"A line was not understood: {text[:200]!r}")
            elif request.task == protocol.CANCEL:
                with self._lock:
                    self._stopped |= {request.id} & self._open.keys() if request.id else self._open.keys()
            else:
                with self._lock:
                    self._open[request.id] = request
                self._requests.put(request)
        self._end_with_host()

    def _end_with_host(self) -> None:
        with self._lock:
            folders = [request.folder for request in self._open.values()]
        for folder in folders * 2:  # twice: the run may be writing there
            if marker_of(Path(folder), protocol.RUN_FOLDER) is not None:
                shutil.rmtree(folder, ignore_errors=True)
        self._end(0)

    # --- the main thread ---

    def _handle(self, request: WorkerRequest) -> None:
        failure = self._attempt(request)
        if failure is None:
            return
        if failure.kind == "OutOfMemory":  # out of the handler, so that what its traceback held is free by now
            self._forget()
        self._output.say("error", id=request.id, kind=failure.kind, message=failure.message, detail=failure.detail)

    def _attempt(self, request: WorkerRequest) -> Failure | None:
        try:
            self._output.say("result", id=request.id, folder=self._result(request))
        except Cancelled:
            self._output.say("cancelled", id=request.id)
        except BaseException as error:
            return _failure(error)
        return None

    def _result(self, request: WorkerRequest) -> str:
        from Tell2RegLib.worker.exchange import read, write
        from Tell2RegLib.worker.requests import REQUEST_OF_TASK
        from Tell2RegLib.worker.tasks import TASKS, Run, WorkerCaches

        tasks = TASKS if self._tasks is None else self._tasks
        if request.task not in tasks or request.task not in REQUEST_OF_TASK:
            raise Tell2RegError(f"The worker has no task '{request.task}': host and worker have different versions.")
        self._caches = self._caches or WorkerCaches()
        folder = Path(request.folder)
        run = Run(ProgressEvents(self._output, request.id), lambda: request.id in self._stopped, self._caches, folder)
        run.tracker().check()
        reply = tasks[request.task](read(REQUEST_OF_TASK[request.task], folder, protocol.REQUEST), run)
        write(reply, folder, protocol.RESULT)
        return request.folder

    def _forget(self) -> None:
        if self._caches is not None:
            self._caches.release()
        if "torch" in sys.modules:
            from Tell2RegLib.models.inference import free_unused

            free_unused()


def _failure(error: BaseException) -> Failure:
    if isinstance(error, Tell2RegError):
        return Failure(type(error).__name__, str(error))
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("Tell2RegLib"):
        return Failure("MissingPackage", f"The package '{error.name}' is missing: install it, and run again.")
    detail = traceback.format_exc()
    if _is_out_of_memory(error):
        location = " on the GPU" if "CUDA" in str(error) else ""
        return Failure("OutOfMemory", OUT_OF_MEMORY.format(where=location), detail)
    return Failure("Crash", f"The worker failed ({type(error).__name__}: {error}). Run again.", detail)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules or not isinstance(error, RuntimeError):
        return False
    from Tell2RegLib.models.inference import is_out_of_memory

    return is_out_of_memory(error)
