"""The worker process and its pipes: started in a separate process group, read without blocking, killed as a group."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from Tell2RegLib.support.child_processes import child_environment
from Tell2RegLib.worker.protocol import line

LAST_LINES = 40
"""Number of lines of stderr kept to explain why a process ended."""
MARK = "TELL2REG_WORKER"
"""Variable that the processes of one worker inherit."""
MAX_WAITING_LINES = 20_000
"""Lines that wait for the host; a worker that sends more has to wait."""
MAX_LINE_BYTES = 1 << 20
WAIT_S = 0.1
END_S = 2.0
"""A killed process is gone after that."""


class WorkerProcess:
    """A running worker.

    Args:
        command: program and arguments.
        environment: variables; those of this process when None. The library is put in front of PYTHONPATH.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._mark = uuid.uuid4().hex
        alone: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            alone = {"creationflags": subprocess.CREATE_NO_WINDOW}
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**child_environment(os.environ if environment is None else environment), MARK: self._mark},
            **alone,
        )
        self._stdin, self._stdout, self._stderr = (
            _open(pipe) for pipe in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self.events: queue.Queue[bytes] = queue.Queue(MAX_WAITING_LINES)
        self.stderr: queue.Queue[str] = queue.Queue(MAX_WAITING_LINES)
        self._is_killed = threading.Event()
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.worker_pid: int | None = None
        """As the worker itself says: another one than `pid` where a launcher stands between."""
        self._readers = (
            threading.Thread(target=self._read_events, args=(self._stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(self._stderr,), daemon=True),
        )
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def send(self, message: dict[str, str]) -> None:
        """Send a line; ignored if the process has ended, which `exit_code` reports."""
        with suppress(OSError, ValueError):
            self._stdin.write(line(message))
            self._stdin.flush()

    def kill(self) -> None:
        """Kill the process and its children, and wait until its remaining output is read."""
        if sys.platform == "win32":
            for pid in {self.pid, self.worker_pid} - {None}:
                command = ["taskkill", "/PID", str(pid), "/T", "/F"]
                subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            for pid in _processes_with(self._mark):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        self._is_killed.set()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        for reader in self._readers:
            reader.join(END_S)
        if any(reader.is_alive() for reader in self._readers):
            return  # closing a pipe would wait for its reader
        for pipe in (self._stdin, self._stdout, self._stderr):
            with suppress(OSError):
                pipe.close()

    def _read_events(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while text := stream.readline(MAX_LINE_BYTES):
                self._put(self.events, text)

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while text := stream.readline(MAX_LINE_BYTES):
                line = text.decode("utf-8", "replace").rstrip()
                if line:
                    self.last_lines.append(line)
                    self._put(self.stderr, line)

    def _put(self, lines: queue.Queue, line: Any) -> None:
        """Add a line; a worker that sends faster than the host reads has to wait, a killed one loses the rest."""
        while not self._is_killed.is_set():
            with suppress(queue.Full):
                lines.put(line, timeout=WAIT_S)
                return
        with suppress(queue.Full):
            lines.put_nowait(line)


def _processes_with(mark: str) -> list[int]:
    """Processes that inherited the mark of a worker, those in sessions of their own too; only Linux tells them."""
    entry, pids = f"{MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # of others, or gone
            if entry in (path / "environ").read_bytes().split(b"\0"):
                pids.append(int(path.name))
    return pids


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    """The pipe; there is one, since Popen was called with PIPE."""
    assert pipe is not None
    return pipe
