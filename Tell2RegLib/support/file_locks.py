"""Locks on files that end with the process that holds them, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO


def locked(path: Path, *, required: bool = True) -> IO[bytes]:
    """Open a file with a lock that ends with the process, or when the file is closed.

    A forked child inherits the lock and keeps it.

    Raises:
        FileNotFoundError: the folder was deleted before the lock was held.
        BlockingIOError: another process holds it.
        OSError: if it is required: the file system has no locks.
    """
    stream = path.open("ab")
    try:
        _lock(stream)
        path.stat()
    except OSError as error:
        if required or isinstance(error, (FileNotFoundError, BlockingIOError)):
            stream.close()
            raise
    return stream


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, "another process holds it") from error

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
