"""Private folders for requests and replies; folders of a host that died are removed by the next one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from Tell2RegLib.support.marked_folders import mark, marker_of
from Tell2RegLib.worker.protocol import RUN_FOLDER

PREFIX = "tell2reg-worker-"
FOLDERS = "folders of runs"
"""Purpose in the marker of a host's folder."""


class RunFolders:
    """One folder per run, below one per host that carries its process id; nobody else may read them.

    What hosts left that are dead is removed when the first folder is made.
    """

    def __init__(self) -> None:
        self._base: Path | None = None

    def make(self) -> Path:
        """A new folder.

        Raises:
            OSError: it cannot be made.
        """
        if self._base is None or not self._base.is_dir():
            sweep()
            self._base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
            mark(self._base, FOLDERS)
            weakref.finalize(self, shutil.rmtree, str(self._base), True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._base))
        mark(folder, RUN_FOLDER)
        return folder

    def remove(self, folder: Path) -> None:
        """Remove a run's folder."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._base is not None:
            shutil.rmtree(self._base, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of this user's hosts that have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
        with suppress(OSError, OverflowError):
            if owner and _is_mine(folder) and marker_of(folder, FOLDERS) and not is_running(int(owner[1])):
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
