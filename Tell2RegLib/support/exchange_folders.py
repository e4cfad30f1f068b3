"""Lets two folders change places in one step, where the system can."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

RENAME_EXCHANGE = 2
"""Flag of Linux's renameat2 and, as RENAME_SWAP, of macOS's renamex_np."""
AT_FDCWD = -100
NOT_SUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def exchange_folders(first: Path, second: Path) -> bool:
    """Let two folders change places; at no time is one of the names missing.

    Returns:
        False, with nothing done, where the system or the file system has no such operation.

    Raises:
        OSError: any other failure.
    """
    names = os.fsencode(first), os.fsencode(second)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            code = library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
        elif sys.platform == "darwin":
            code = library.renamex_np(names[0], names[1], RENAME_EXCHANGE)
        else:
            return False
    except (AttributeError, OSError, TypeError):  # an older C library; no C library under that name
        return False
    if code == 0:
        return True
    number = ctypes.get_errno()
    if number in NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(second))
