"""Replaces a file as a whole: it is written aside and takes its name when it is complete, with any data file it needs.

A failure, a full disk or a kill leaves an earlier file as it was. MetaImage and NRRD headers (.mhd, .nhdr) have their
values in a second file: it gets an unused name, so that header and values of the earlier image stay together until the
new header, which names the new values, replaces the old one.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from Tell2RegLib.errors import OutputError
from Tell2RegLib.support.regular_files import is_utf8, shown
from Tell2RegLib.support.text_headers import read_text_header
from Tell2RegLib.support.work_folders import NEW, work_folder

HEADER_ENDINGS = (".mhd", ".nhdr")
"""Formats with their values in a second file."""
DATA_ENDINGS = (".raw", ".raw.gz", ".raw.bz2", ".zraw")
DATA_FILE_KEYS = ("ElementDataFile", "data file", "datafile")
"""Header fields that name that file, of MetaImage and of NRRD."""


@contextmanager
def complete_file(path: str | Path, reserve_bytes: int = 0) -> Iterator[Path]:
    """Context in which a file is written under another name; at the end it replaces `path`.

    Args:
        path: the file to write. A link stays a link; the file that it leads to is replaced.
        reserve_bytes: free space to require beforehand, for writers that miss a full disk or crash on it.

    Yields:
        The path that the body of the `with` statement must write.

    Raises:
        OutputError: the folder is missing, there is too little space, the file may not be replaced, or the body raised
            RuntimeError or OSError.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"'{path}' cannot be written: the folder '{path.parent}' does not exist.")
    try:
        with replaced_file(path, reserve_bytes) as new:
            yield new
    except (RuntimeError, OSError) as error:
        raise OutputError(
            f"'{path}' cannot be written. Check the file extension, the free space and the folder's permissions."
        ) from error


@contextmanager
def replaced_file(path: Path, reserve_bytes: int = 0) -> Iterator[Path]:
    """As `complete_file`, for callers with a message of their own.

    Raises:
        OSError: as above, and whatever the body raised.
    """
    target = Path(os.path.realpath(path))
    if not is_utf8(target):
        raise OutputError(f"'{shown(target)}' cannot be written: a name in it is not UTF-8. Choose another.")
    _check_replaceable(target)
    with work_folder(target) as work:
        if reserve_bytes:
            _reserve(work, reserve_bytes)
        new = work / NEW / f"{_unused_stem(target)}{target.suffix}"
        yield new
        _put_in_place(new, target)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all, with its line ends as they are.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as new:
        new.write_text(text, encoding="utf-8", newline="")


def check_not_input(path: Path, inputs: Iterable[Path], input_text: str = "the input itself") -> None:
    """Refuse an output that is an input, the data file of an input, or a file in an input folder.

    Args:
        path: the output.
        inputs: files and folders.
        input_text: what they are, for the message.

    Raises:
        OutputError: it is.
    """
    if not path.exists():
        return
    outputs = [path, *data_files(path)]
    for source in inputs:
        files = [file for file in (source, *data_files(source)) if file.exists()]
        is_inside = source.is_dir() and source.resolve() in Path(os.path.realpath(path)).parents
        if is_inside or any(output.samefile(file) for output in outputs for file in files):
            raise OutputError(f"'{path}' is {input_text}; choose another name for the result.")


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse an output that exists, unless it may be overwritten.

    Raises:
        OutputError: it exists.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"'{path}' exists already; choose another name or add --overwrite.")


def data_files(header: Path) -> list[Path]:
    """The files beside a MetaImage or NRRD header that it names as its values; none for other files."""
    if header.suffix.lower() not in HEADER_ENDINGS or not header.is_file():
        return []
    fields = read_text_header(header).fields
    names = [fields[key] for key in DATA_FILE_KEYS if key in fields]
    return [header.parent / name for name in names if os.path.isfile(header.parent / name)]


def analyze_values(header: Path) -> list[Path]:
    """The files beside an Analyze or NIfTI header (.hdr) that hold its values; none for other files."""
    if header.suffix.lower() != ".hdr":
        return []
    return [file for ending in (".img", ".img.gz") if (file := header.with_suffix(ending)).is_file()]


# --- into its place ---


def _check_replaceable(target: Path) -> None:
    if target.is_symlink():  # one that leads back to itself
        raise OSError(errno.ELOOP, "it is a link that leads back to itself", str(target))
    if not target.exists():
        return
    if not target.is_file():
        raise OSError(errno.EISDIR, "it is no file", str(target))
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "it may not be changed", str(target))


def _unused_stem(target: Path) -> str:
    """The stem for a new file: of a header, one without a data file of that name."""
    if target.suffix.lower() not in HEADER_ENDINGS:
        return target.stem
    for number in count(1):
        stem = target.stem if number == 1 else f"{target.stem}-{number}"
        if not any(os.path.lexists(target.with_name(stem + ending)) for ending in DATA_ENDINGS):
            break
    return stem


def _put_in_place(new: Path, target: Path) -> None:
    replaced = target.exists()
    if replaced:
        shutil.copymode(target, new)
        _sync(new)
    old_data = _unshared(data_files(target), target)
    placed: list[Path] = []
    try:
        for data in sorted(set(new.parent.iterdir()) - {new}):
            position = target.with_name(data.name)
            if os.path.lexists(position):
                raise FileExistsError(errno.EEXIST, "it exists already", str(position))
            if replaced:
                _sync(data)
            os.rename(data, position)
            placed.append(position)
        os.replace(new, target)
    except BaseException:
        for position in placed:
            with suppress(OSError):
                position.unlink()
        raise
    for data in old_data:
        with suppress(OSError):
            data.unlink()


def _unshared(data: Iterable[Path], header: Path) -> list[Path]:
    """Data files in the folder of a header that have a name of this program's and no other header."""
    data = [file for file in data if file.parent == header.parent and file.name.endswith(DATA_ENDINGS)]
    if not data:
        return []
    headers = [file for file in header.parent.iterdir() if file.suffix.lower() in HEADER_ENDINGS and file != header]
    shared = {os.path.realpath(file) for other in headers for file in data_files(other)}
    return [file for file in data if file.name.startswith(header.stem) and os.path.realpath(file) not in shared]


def _sync(path: Path) -> None:
    """Make sure that a file is on the disk before it replaces another one."""
    with path.open("rb+") as stream, suppress(OSError):
        os.fsync(stream.fileno())


def _reserve(folder: Path, size_bytes: int) -> None:
    """Raise OSError unless the folder's disk can take this number of bytes."""
    probe = folder / "space"
    try:
        with probe.open("wb") as stream:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, size_bytes)
            else:
                for _ in range(0, size_bytes, 1 << 20):
                    stream.write(bytes(1 << 20))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # file systems without support
            raise
    finally:
        probe.unlink(missing_ok=True)
