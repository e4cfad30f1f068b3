"""Checks a path before any library opens it: only regular files with a name in UTF-8 are read.

A pipe or a device would block or never end, and SimpleITK ends the process at a name that is not UTF-8.
"""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from Tell2RegLib.errors import InputError


def check_regular_file(path: Path, missing: str = "There is no file '{path}'. Check the path.") -> None:
    """Refuse everything except a regular file, or a link to one.

    Args:
        path: the file to be read.
        missing: the sentence for a file that does not exist.

    Raises:
        InputError: missing, a folder, a pipe, a device, a link that leads back to itself, or a name that is not UTF-8.
    """
    check_readable_name(path)
    mode = _mode(path, missing)
    if stat.S_ISDIR(mode):
        raise InputError(f"'{path}' is a folder, but a file is needed. Name a file.")
    if not stat.S_ISREG(mode):
        raise InputError(f"'{path}' is {_kind(mode)}, but a file is needed. Copy its content to a file and name that.")


def check_file_or_folder(path: Path) -> None:
    """Refuse everything except a regular file, a folder, or a link to one of them.

    Raises:
        InputError: see `check_regular_file`.
    """
    check_readable_name(path)
    if not path.is_dir():
        check_regular_file(path)


def check_readable_name(path: Path) -> None:
    """Refuse a path that the libraries for files cannot open.

    Raises:
        InputError: bytes that are not UTF-8, or a NUL.
    """
    if "\0" in str(path):
        raise InputError(f"The name {str(path)!r} contains a NUL character, so no file can have it. Check the path.")
    if not is_utf8(path):
        raise InputError(
            f"'{shown(path)}' cannot be opened: its name, or that of a folder in it, is not UTF-8. Rename it."
        )


def is_utf8(path: Path) -> bool:
    """Whether the name of a file can be written in UTF-8."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(path: Path) -> str:
    r"""The path as text that can be printed.

    >>> shown(Path("scan\udcff.nii"))
    'scan\\xff.nii'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _mode(path: Path, missing: str) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise InputError(missing.format(path=path)) from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, in Python 3.11 and 3.12 on Windows
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise InputError(f"'{path}' is a link that leads back to itself. Name the file itself.") from error
        if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG):
            raise InputError(missing.format(path=path)) from error
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from error


def _kind(mode: int) -> str:
    kinds = {stat.S_ISFIFO: "a pipe", stat.S_ISCHR: "a device", stat.S_ISBLK: "a device", stat.S_ISSOCK: "a socket"}
    return next((kind for is_kind, kind in kinds.items() if is_kind(mode)), "no file")
