"""The worker's loop: lines in, one run at a time, events out; ends with its host."""

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
from Tell2RegLib.support.version import __version__
from Tell2RegLib.worker import protocol
from Tell2RegLib.worker.events import LogLines, ProgressTeller, Voice
from Tell2RegLib.worker.protocol import Ask

if TYPE_CHECKING:
    from Tell2RegLib.worker.tasks import Kept, Task

OUT_OF_MEMORY = (
    "The memory ran out{where}. Choose smaller models, a larger slice spacing or slice step, or the device cpu, or "
    "close other programs, and run again."
)


def serve(tasks: Mapping[str, Task] | None = None) -> None:
    """Serve until stdin ends; then this process ends at once, whatever it does.

    Args:
        tasks: what can be asked for; `tasks.TASKS` when None.
    """
    lines, voice = _pipes()
    log = logging.getLogger()
    log.addHandler(LogLines(voice))
    log.setLevel(logging.WARNING)
    logging.getLogger("Tell2RegLib").setLevel(logging.INFO)
    logging.captureWarnings(True)
    Server(lines, voice, tasks).run()


def _pipes() -> tuple[IO[bytes], Voice]:
    """Stdin and stdout for us alone: whatever a library prints goes to stderr, and none reads our lines."""
    lines, voice = os.fdopen(os.dup(0), "rb"), Voice(os.fdopen(os.dup(1), "wb"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return lines, voice


@dataclass(frozen=True)
class Failure:
    """Why a run failed: see "error" in docs/worker-protocol.md."""

    kind: str
    message: str
    detail: str = ""


class Server:
    """Runs tasks on the main thread, while another one listens.

    Args:
        lines: from the host.
        voice: to the host.
        tasks: what can be asked for; `tasks.TASKS` when None.
        end: ends the process.
    """

    def __init__(
        self,
        lines: IO[bytes],
        voice: Voice,
        tasks: Mapping[str, Task] | None = None,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._lines = lines
        self._voice = voice
        self._tasks = tasks
        self._end = end
        self._asked: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open: dict[str, Ask] = {}
        self._stopped: set[str] = set()
        self._kept: Kept | None = None

    def run(self) -> None:
        """Serve; does not return."""
        threading.Thread(target=self._listen, name="lines", daemon=True).start()
        self._voice.say("ready", protocol=protocol.VERSION, version=__version__, pid=os.getpid())
        while True:
            ask = self._asked.get()
            self._answer(ask)
            with self._lock:
                self._open.pop(ask.id, None)
                self._stopped.discard(ask.id)

    # --- the listening thread ---

    def _listen(self) -> None:
        for text in self._lines:
            ask = protocol.asked(text)
            if ask is None:
                self._voice.log("warning", f"A line was not understood: {text[:200]!r}")
            elif ask.task == protocol.CANCEL:
                with self._lock:
                    self._stopped |= {ask.id} & self._open.keys() if ask.id else self._open.keys()
            else:
                with self._lock:
                    self._open[ask.id] = ask
                self._asked.put(ask)
        self._host_is_gone()

    def _host_is_gone(self) -> None:
        with self._lock:
            folders = [ask.folder for ask in self._open.values()]
        for folder in folders * 2:  # twice: the run may be writing there
            shutil.rmtree(folder, ignore_errors=True)
        self._end(0)

    # --- the main thread ---

    def _answer(self, ask: Ask) -> None:
        failure = self._attempt(ask)
        if failure is None:
            return
        if failure.kind == "OutOfMemory":  # out of the handler, so that what its traceback held is free by now
            self._forget()
        self._voice.say("error", id=ask.id, kind=failure.kind, message=failure.message, detail=failure.detail)

    def _attempt(self, ask: Ask) -> Failure | None:
        try:
            self._voice.say("result", id=ask.id, folder=self._result(ask))
        except Cancelled:
            self._voice.say("cancelled", id=ask.id)
        except BaseException as error:
            return _failure(error)
        return None

    def _result(self, ask: Ask) -> str:
        from Tell2RegLib.worker.exchange import read, write
        from Tell2RegLib.worker.requests import REQUEST_OF_TASK
        from Tell2RegLib.worker.tasks import TASKS, Kept, Run

        tasks = TASKS if self._tasks is None else self._tasks
        if ask.task not in tasks or ask.task not in REQUEST_OF_TASK:
            raise Tell2RegError(f"The worker knows no task '{ask.task}': host and worker are of different versions.")
        self._kept = self._kept or Kept()
        folder = Path(ask.folder)
        run = Run(ProgressTeller(self._voice, ask.id), lambda: ask.id in self._stopped, self._kept, folder)
        run.clock().check()
        reply = tasks[ask.task](read(REQUEST_OF_TASK[ask.task], folder, protocol.REQUEST), run)
        write(reply, folder, protocol.RESULT)
        return ask.folder

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.release()
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
        where = " on the GPU" if "CUDA" in str(error) else ""
        return Failure("OutOfMemory", OUT_OF_MEMORY.format(where=where), detail)
    return Failure("Crash", f"The worker failed ({type(error).__name__}: {error}). Run again.", detail)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules or not isinstance(error, RuntimeError):
        return False
    from Tell2RegLib.models.inference import is_out_of_memory

    return is_out_of_memory(error)
