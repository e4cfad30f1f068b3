"""Work folders: hidden, marked folders beside the output in which a run writes until the output is complete.

A run holds a lock on its work folder. A folder with a marker and without a lock was left by a run that was killed; the
next run that writes to the same directory settles it.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from Tell2RegLib.support.file_locks import locked
from Tell2RegLib.support.marked_folders import MARKER, mark, marker_of

PURPOSE = "work folder"
LOCK = ".lock"
NEW, OLD = "new", "old"
"""What a work folder holds: the output as it is written, and the earlier one while they change places."""
SKELETON = re.compile(r"\..+-[a-z0-9_]{8}")
"""Names of work folders, as tempfile makes them."""
NAME_LENGTH = 40
"""Characters of the output's name in that of its work folder, which must not become too long for a file name."""

Contents = dict[str, list[int]]
"""Identity, size and time of change of every file in a folder, by its path; of folders the identity alone."""

log = logging.getLogger(__name__)


@contextmanager
def work_folder(target: Path, old: Contents | None = None) -> Iterator[Path]:
    """Context with a work folder for an output; at its end the folder is settled, see `_settle`.

    Args:
        target: the file or folder to be written, with its links resolved; its parent must exist.
        old: contents of the folder that may be replaced.

    Yields:
        A folder on the disk of the target that holds an empty folder `NEW`.

    Raises:
        OSError: it cannot be made.
    """
    sweep(target.parent, target)
    folder, lock = _locked_folder(target)
    try:
        with lock:
            new = folder / NEW
            new.mkdir()
            facts = {"target": target.name, "new": new.stat().st_ino, "old": old or {}}
            try:
                mark(folder, PURPOSE, **facts)
                yield folder
            finally:
                _settle(folder, facts)
    finally:
        _remove(folder)


def _locked_folder(target: Path) -> tuple[Path, IO[bytes]]:
    """A new work folder and its lock; again if another process swept the folder before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        try:
            return folder, locked(folder / LOCK, required=False)
        except (FileNotFoundError, BlockingIOError):
            continue


def _prefix(target: Path) -> str:
    return f".{target.name[:NAME_LENGTH]}-"


def sweep(directory: Path, target: Path | None = None) -> None:
    """Settle the work folders that killed runs left in a directory: those of one output, or all."""
    for folder in directory.iterdir():
        if not folder.name.startswith("." if target is None else _prefix(target)):
            continue
        if marker_of(folder, PURPOSE) is None and not _is_skeleton(folder):
            continue
        with suppress(OSError), locked(folder / LOCK):
            facts = marker_of(folder, PURPOSE)  # another process may have settled it
            if facts is not None:
                _settle(folder, facts)
            elif _is_skeleton(folder):
                (folder / MARKER).unlink(missing_ok=True)
                _remove(folder)
        _remove(folder)


def _is_skeleton(folder: Path) -> bool:
    """Whether a run was killed as it made this folder: it has the name of a work folder, and nothing in it yet."""
    try:
        if not SKELETON.fullmatch(folder.name) or folder.is_symlink():
            return False
        names = {path.name for path in folder.iterdir()}
        return names <= {LOCK, MARKER, NEW} and not (NEW in names and any((folder / NEW).iterdir()))
    except OSError:
        return False


def _settle(folder: Path, facts: Mapping[str, Any]) -> None:
    """Put an earlier output that is missing in its place back there, and delete the rest of a work folder.

    An earlier output is deleted only if it was replaced and is as the run knew it; otherwise it stays, and is logged.
    """
    target = folder.with_name(str(facts["target"]))
    try:
        _settle_old(folder / OLD, target, facts)
        _settle_new(folder / NEW, target, facts)
        if any(path.is_dir() for path in folder.iterdir()):
            log.warning(
                "'%s' holds an earlier output that changed during a run. Move it, then delete that folder.", folder
            )
        else:
            (folder / MARKER).unlink(missing_ok=True)
    except OSError as error:
        log.warning("'%s' cannot be deleted: %s.", folder, error.strerror or error)


def _remove(folder: Path) -> None:
    """Delete a settled work folder; one that still holds anything stays."""
    if not (folder / MARKER).exists():
        with suppress(OSError):
            if (folder / NEW).is_dir():
                (folder / NEW).rmdir()
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def _settle_old(old: Path, target: Path, facts: Mapping[str, Any]) -> None:
    if not old.exists():
        return
    if os.path.lexists(target):
        _delete_replaced(old, target, facts)
    else:
        old.rename(target)


def _settle_new(new: Path, target: Path, facts: Mapping[str, Any]) -> None:
    if not new.exists():
        return
    if new.stat().st_ino == facts["new"]:
        shutil.rmtree(new, ignore_errors=True)
    else:  # the earlier output, after the two changed places
        _delete_replaced(new, target, facts)


def _delete_replaced(earlier: Path, target: Path, facts: Mapping[str, Any]) -> None:
    """Delete an earlier output if the new one is in its place and nothing in the earlier one appeared or changed."""
    if target.stat().st_ino == facts["new"] and contents_of(earlier).items() <= facts["old"].items():
        delete_known(earlier, facts["old"])


def contents_of(folder: Path) -> Contents:
    """What is in a folder and below it; links are not followed.

    Raises:
        OSError: it cannot be read.
    """
    contents: Contents = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
        details = [] if is_folder else [about.st_size, about.st_mtime_ns]
        contents[str(path.relative_to(folder))] = [about.st_ino, *details]
    return contents


def delete_known(folder: Path, known: Contents) -> None:
    """Delete the files of a folder that are as they were known, and the folders that are then empty."""
    actual = contents_of(folder)
    for name in sorted(actual, reverse=True):  # what is inside a folder comes before it
        path = folder / name
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif known.get(name) == actual[name]:
                path.unlink()
    with suppress(OSError):
        folder.rmdir()
