"""Replaces a folder as a whole: the new one is written aside and changes places with the old one when it is complete.

An earlier folder is deleted only if it is as it was before the run. Where the system can, the two change places in one
step; elsewhere a run that is killed in between leaves the earlier folder in its work folder, from which the next call
puts it back.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from Tell2RegLib.errors import OutputError
from Tell2RegLib.support.exchange_folders import exchange_folders
from Tell2RegLib.support.work_folders import NEW, OLD, Contents, contents_of, sweep, work_folder

OWNER_ONLY = 0o700
"""Permissions of a new folder, which may hold images of a patient."""


@contextmanager
def complete_folder(folder: Path, old: Contents) -> Iterator[Path]:
    """Context with an empty folder that takes the place of `folder` at the end, and is deleted on failure.

    A new folder is readable by its owner only; one that replaces another has the permissions of that.

    Args:
        folder: the folder to be written, with its links resolved; its parent must exist.
        old: its contents before the run (`contents_before`), which may be deleted.

    Raises:
        OutputError: the folder cannot be written; or it changed during the run, was left as it is, and the new one lies
            beside it.
    """
    with ExitStack() as stack:
        with _os_errors(folder):
            work = stack.enter_context(work_folder(folder, old))
            new = work / NEW
            new.chmod(stat.S_IMODE(folder.stat().st_mode) if old else OWNER_ONLY)
        yield new
        with _os_errors(folder):
            if old:
                _take_places(work, folder, old)
            else:
                _take_free_place(work, folder)


@contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written: {error.strerror or error}.") from error


def contents_before(folder: Path) -> Contents:
    """The contents of a folder before a run, after one that a killed run took away was put back; none if missing."""
    if folder.parent.is_dir():
        sweep(folder.parent, folder)
    return contents_of(folder) if folder.is_dir() else {}


def _take_free_place(work: Path, folder: Path) -> None:
    try:
        if os.name == "nt" and folder.is_dir():
            folder.rmdir()
        os.rename(work / NEW, folder)  # replaces an empty folder and nothing else
    except OSError as error:
        if not os.path.lexists(folder):
            raise
        raise _kept_beside(work / NEW, folder) from error


def _take_places(work: Path, folder: Path, old: Contents) -> None:
    new = work / NEW
    if not folder.is_dir() or contents_of(folder) != old:
        raise _kept_beside(new, folder)
    if exchange_folders(new, folder):
        if contents_of(new) != old:
            exchange_folders(new, folder)
            raise _kept_beside(new, folder)
        return
    earlier = work / OLD
    os.rename(folder, earlier)
    if contents_of(earlier) != old:
        os.rename(earlier, folder)
        raise _kept_beside(new, folder)
    os.rename(new, folder)


def _kept_beside(new: Path, folder: Path) -> OutputError:
    """Move a complete folder to a free name beside the one that it cannot replace."""
    for number in itertools.count(2):
        beside = folder.with_name(f"{folder.name}-{number}")
        try:
            if not os.path.lexists(beside):
                os.rename(new, beside)
                break
        except OSError:
            if not os.path.lexists(beside):
                raise
    return OutputError(f"'{folder}' changed during the run and was left as it is; the new result is in '{beside}'.")
