"""A process that reads foreign files for this one, with limits of time and memory: a damaged file cannot end this one.

One process serves all files of a run; it starts with the first of them and ends with this process. `serve` is its side.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from Tell2RegLib.errors import InputError, ResourceError, Tell2RegError, error_of
from Tell2RegLib.support.child_processes import child_environment, python_program
from Tell2RegLib.support.system_memory import free_memory

SECONDS, BYTES_PER_SECOND = 60.0, 2e6
"""A file may take that long, plus a second for so many of its bytes."""
MEMORY_BYTES, MEMORY_PER_BYTE = 4 << 30, 20
"""A file may take that much memory, plus so many bytes for each of its own."""
LEAST_MEMORY_BYTES = 2 << 30
"""The libraries alone need some of it."""
REPLY_BYTES = 1 << 20
"""Maximum length of the first line of a reply."""
END_S = 1.0
SPARE_S = 5
"""The process ends by itself that much later, should nobody end it."""


@dataclass(frozen=True)
class Reply:
    """What a job returned.

    Args:
        values: plain values.
        data: bytes.
    """

    values: Mapping[str, Any]
    data: bytes = b""


Job = Callable[..., Reply]
"""Reads the file at a path, with options; runs in the other process."""


@dataclass(frozen=True)
class Limits:
    """What reading one file may take.

    Args:
        seconds: of time.
        memory_bytes: of address space.
    """

    seconds: float
    memory_bytes: int

    @staticmethod
    def of(size_bytes: int) -> Limits:
        """For a file of this size."""
        memory_bytes = MEMORY_BYTES + MEMORY_PER_BYTE * size_bytes
        available = free_memory()
        if available is not None:
            memory_bytes = max(LEAST_MEMORY_BYTES, min(memory_bytes, available))
        return Limits(SECONDS + size_bytes / BYTES_PER_SECOND, memory_bytes)


# --- this side ---


class ReaderProcess:
    """The other process, from this side; it is started when it is needed, and again after a crash.

    Args:
        module: the module that serves.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()
        atexit.register(self.end)

    def read(self, job: str, path: Path, limits: Limits, **options: Any) -> Reply:
        """Have a job read a file.

        Raises:
            InputError: the file crashed the process, or took too long or too much memory.
            Tell2RegError: what the job raised.
            ResourceError: the process cannot be started.
        """
        request = {
            "job": job,
            "path": str(path),
            "folder": os.getcwd(),  # that of the other process may be an earlier one
            "options": options,
            "memory_bytes": limits.memory_bytes,
        }
        with self._lock:
            process = self._started(job)
            late = threading.Event()
            timer = threading.Timer(limits.seconds, _kill, (process, late))
            timer.start()
            try:
                reply = _exchange(process, {**request, "seconds": math.ceil(limits.seconds)})
            except BaseException:
                self.end()
                raise
            finally:
                timer.cancel()
            if reply is None:
                self.end()
                raise InputError(_reason(path, limits if late.is_set() else None))
        if "error" in reply.values:
            raise error_of(reply.values["error"], reply.values["message"])
        return reply

    def prepare(self, job: str) -> None:
        """Start the process, without waiting for it: it loads the libraries of the job meanwhile.

        Raises:
            ResourceError: the process cannot be started.
        """
        with self._lock:
            self._started(job)

    def end(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                _open(pipe).close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)

    def _started(self, job: str) -> subprocess.Popen[bytes]:
        if os.getpid() != self._owner:  # forked: the process belongs to another one
            self._process, self._owner = None, os.getpid()
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            try:
                self._process = _start(self._module, job)
            except OSError as error:
                raise ResourceError(
                    f"The process that reads files cannot be started: {error.strerror or error}. Check "
                    f"'{sys.executable}'."
                ) from error
        return self._process


def _kill(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _start(module: str, job: str) -> subprocess.Popen[bytes]:
    alone: dict[str, Any] = {"start_new_session": True}  # Ctrl-C is for this process
    if sys.platform == "win32":
        alone = {"creationflags": subprocess.CREATE_NO_WINDOW}
    return subprocess.Popen(
        [python_program(), "-m", module, job],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(os.environ),
        **alone,
    )


def _exchange(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> Reply | None:
    """The reply to a request; None if the process ended instead."""
    try:
        stdin, stdout = _open(process.stdin), _open(process.stdout)
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        values = json.loads(stdout.readline(REPLY_BYTES) or b"null")
        if not isinstance(values, dict):
            return None
        data = stdout.read(values.pop("bytes"))
    except (OSError, ValueError, KeyError):
        return None
    return Reply(values, data) if process.poll() is None else None


def _reason(path: Path, limits: Limits | None) -> str:
    if limits is None:
        reason = "the library for this format crashed on it, so it is damaged or unusual"
    else:
        reason = f"it had not ended after {limits.seconds:.0f} seconds, so it is damaged or too large"
    return f"'{path}' cannot be read: {reason}. Copy or download it again, or save it in another format."


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    """The pipe; there is one, since Popen was called with PIPE."""
    assert pipe is not None
    return pipe


# --- the other side ---


def serve(jobs: Mapping[str, str], libraries: Mapping[str, Sequence[str]]) -> None:
    """Read files until stdin ends.

    Args:
        jobs: "module:function" by name; a module is imported when its first job comes.
        libraries: what to import at once if the first job has that name, which is the first argument of the process.
    """
    lines, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null_device = os.open(os.devnull, os.O_RDWR)
    os.dup2(null_device, 0)
    os.dup2(2, 1)  # what libraries print is no reply
    os.close(null_device)
    _limit("RLIMIT_CORE", 0)
    for name in libraries.get(sys.argv[1], ()):
        with suppress(ImportError):  # the job tells it
            import_module(name)
    for line in lines:
        reply = _reply(jobs, json.loads(line))
        replies.write(json.dumps({**reply.values, "bytes": len(reply.data)}).encode() + b"\n" + reply.data)
        replies.flush()


def _reply(jobs: Mapping[str, str], request: Mapping[str, Any]) -> Reply:
    path, memory_bytes = Path(request["path"]), request["memory_bytes"]
    try:
        os.chdir(request["folder"])
        module, _, name = jobs[request["job"]].partition(":")
        job: Job = getattr(import_module(module), name)
        _limit("RLIMIT_AS", memory_bytes)
        _limit("RLIMIT_CPU", _seconds_used() + request["seconds"] + SPARE_S)
        return job(path, **request["options"])
    except MemoryError:
        return _failure(
            InputError(
                f"'{path}' cannot be read: it needs more than the {memory_bytes / 2**30:.1f} GB of memory that a file "
                "of its size may take. Check that it is intact, or save a smaller part of it."
            )
        )
    except Tell2RegError as error:
        return _failure(error)
    except ImportError as error:
        return _failure(InputError(f"'{path}' needs a package that cannot be loaded: {error}."))
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return _failure(InputError(f"'{path}' cannot be read: {text.rstrip('.')}. Copy or download it again."))


def _failure(error: Tell2RegError) -> Reply:
    return Reply({"error": type(error).__name__, "message": str(error)})


def _seconds_used() -> int:
    used = os.times()
    return math.ceil(used.user + used.system)


def _limit(name: str, value: int) -> None:
    """Set a limit of this process where the system has it."""
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        resource.setrlimit(number, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
