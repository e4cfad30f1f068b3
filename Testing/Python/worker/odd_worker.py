"""A worker whose one task misbehaves as it is told to: the real process and protocol, without networks.

    python -m Testing.Python.worker.odd_worker

The name in a ModelsRequest says what it does.
"""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
import time
import warnings

from Tell2RegLib.errors import Cancelled, GeometryError
from Tell2RegLib.worker.requests import ModelsReply, ModelsRequest
from Tell2RegLib.worker.serve import serve
from Tell2RegLib.worker.tasks import Run

FOREVER_S = 600.0


def behave(request: ModelsRequest, run: Run) -> ModelsReply:
    """Do what the name says, then answer with the process id."""
    BEHAVIOURS[request.name](run)
    return ModelsReply((), (), None, message=str(os.getpid()))


def waits(run: Run) -> None:
    """Until it is cancelled."""
    run.progress("wait", 0, 1)
    while not run.cancelled():
        time.sleep(0.01)
    raise Cancelled


def is_deaf(run: Run) -> None:
    """Hears no cancel."""
    run.progress("deaf", 0, 1)
    time.sleep(FOREVER_S)


def is_deaf_with_a_child(run: Run) -> None:
    """Hears no cancel, and has a child whose number it tells."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"])
    run.progress("child", child.pid, child.pid + 1)
    time.sleep(FOREVER_S)


def is_deaf_with_a_child_in_a_session_of_its_own(run: Run) -> None:
    """As a library starts a server."""
    command = [sys.executable, "-c", f"import time; time.sleep({FOREVER_S})"]
    child = subprocess.Popen(command, start_new_session=True)
    run.progress("child", child.pid, child.pid + 1)
    time.sleep(FOREVER_S)


def floods(run: Run) -> None:
    """Sends lines faster than a host can read, for ever."""
    run.progress("flood", 0, 1)
    stream = os.fdopen(os.dup(REAL_STDOUT), "wb")
    while True:
        stream.write(b'{"event": "log", "message": "x"}\n' * 1000)


def answers_through_a_pipe(run: Run) -> None:
    """A reply that would block whoever opens it."""
    assert run.folder is not None
    os.mkfifo(run.folder / "result.json")
    stream = os.fdopen(os.dup(REAL_STDOUT), "wb", buffering=0)
    stream.write(b'{"event": "result", "id": "1", "folder": ""}\n')
    time.sleep(FOREVER_S)


def babbles(run: Run) -> None:
    """Prints, as libraries do, in every way."""
    print("printed by Python")
    os.write(1, b"written by C\n")
    print("\xe4\u2603 said on stderr", file=sys.stderr)
    warnings.warn("warned by a library", stacklevel=1)
    logging.getLogger("Tell2RegLib.example").info("logged by the library")
    logging.getLogger("other").info("of no interest")
    assert sys.stdin.read() == ""


def runs_out_of_memory(run: Run) -> None:
    """As numpy does."""
    raise MemoryError("Unable to allocate 9.0 EiB")


def runs_out_of_gpu_memory(run: Run) -> None:
    """As torch does."""
    import torch

    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")


def divides_by_zero(run: Run) -> None:
    """A fault of the program."""
    print(1 / 0)


def geometry(run: Run) -> None:
    """A problem of the user's."""
    raise GeometryError("The grids do not meet.")


def lacks_a_package(run: Run) -> None:
    """Not installed yet."""
    import no_such_package  # noqa: F401


def dies(run: Run) -> None:
    """As a segmentation fault does."""
    print("last words", file=sys.stderr, flush=True)
    ctypes.string_at(0)


def exits(run: Run) -> None:
    """From another thread."""
    threading.Thread(target=lambda: os._exit(3)).start()
    time.sleep(FOREVER_S)


def garbage(run: Run) -> None:
    """Lines that are none of the protocol, on the real stdout."""
    stream = os.fdopen(os.dup(REAL_STDOUT), "wb", buffering=0)
    stream.write(b"\xff\xfe\n{}\n[]\n" + b'{"event": "progress", "id": "999", "stage": "x"}\n{"event":\n')
    run.progress("after", 0, 1)


def nothing(run: Run) -> None:
    """Answers at once."""


BEHAVIOURS = {
    function.__name__.replace("_", " "): function
    for function in (
        *(waits, is_deaf, is_deaf_with_a_child, is_deaf_with_a_child_in_a_session_of_its_own, floods),
        *(answers_through_a_pipe, babbles, runs_out_of_memory, runs_out_of_gpu_memory),
        *(divides_by_zero, geometry, lacks_a_package, dies, exits, garbage, nothing),
    )
}
REAL_STDOUT = -1

if __name__ == "__main__":
    REAL_STDOUT = os.dup(1)
    serve({"models": behave})
