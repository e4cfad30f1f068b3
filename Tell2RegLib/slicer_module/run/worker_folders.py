"""Private folders for requests and replies; folders of a host that died are removed by the next one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from Tell2RegLib.support.file_locks import locked
from Tell2RegLib.support.marked_folders import mark, marker_of
from Tell2RegLib.worker.protocol import RUN_FOLDER

PREFIX = "tell2reg-worker-"
LOCK = ".lock"
FOLDERS = "folders of runs"
"""Purpose in the marker of a host's folder."""


class RunFolders:
    """One folder per run, below one per host that carries its process id; nobody else may read them.

    What hosts left that are dead is removed when the first folder is made.
    """

    def __init__(self) -> None:
        self._base: Path | None = None
        self._lock: IO[bytes] | None = None
        self._release: Callable[[], object] | None = None

    def make(self) -> Path:
        """A new folder.

        Raises:
            OSError: it cannot be made.
        """
        if self._base is None or not self._base.is_dir():
            sweep()
            self._base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
            self._lock = locked(self._base / LOCK, required=False)
            mark(self._base, FOLDERS)
            self._release = weakref.finalize(self, _remove_of_process, self._base, os.getpid(), self._lock)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._base))
        mark(folder, RUN_FOLDER)
        return folder

    def remove(self, folder: Path) -> None:
        """Remove a run's folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._release is not None:
            self._release()


def _remove_of_process(base: Path, pid: int, lock: IO[bytes]) -> None:
    """Remove a host's folders and free their lock; a forked child leaves those of its parent alone."""
    if os.getpid() == pid:
        lock.close()
        shutil.rmtree(base, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of this user's hosts that have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
        with suppress(OSError, OverflowError):
            if owner and _is_mine(folder) and marker_of(folder, FOLDERS) and not is_running(int(owner[1])):
                locked(folder / LOCK).close()  # held by a host in another container, which has process ids of its own
                shutil.rmtree(folder, ignore_errors=True)


def _is_mine(folder: Path) -> bool:
    about = folder.lstat()
    return not hasattr(os, "getuid") or about.st_uid == os.getuid()


def is_running(pid: int) -> bool:
    """Whether a process with this ID exists."""
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "win32":

    def _is_running_on_windows(pid: int) -> bool:
        import ctypes

        query_limited_information, still_active = 0x1000, 259
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(query_limited_information, False, pid)
        if not handle:
            return False
        code = ctypes.c_ulong()
        known = kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        kernel.CloseHandle(handle)
        return not known or code.value == still_active
