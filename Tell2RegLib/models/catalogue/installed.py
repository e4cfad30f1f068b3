"""Installed models: status, verification by hash, removal.

A file of gigabytes is hashed once: beside it lies a small record of its size, its time of change and its hashes, and
while those two are the same the record holds. What no longer fits its record is hashed again before it is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from Tell2RegLib.errors import ModelError, OutputError
from Tell2RegLib.models.catalogue.entries import Catalog, Model, load_catalog
from Tell2RegLib.models.catalogue.models_folder import models_folder, write_json
from Tell2RegLib.support.progress import Progress
from Tell2RegLib.support.resources import resource_path

if TYPE_CHECKING:
    import filelock

log = logging.getLogger(__name__)

BLOCK = 1 << 20

COPY = ".import"
"""Suffix of an incomplete copy."""

SPARE = 16 << 20
"""Number of bytes to leave free on a disk."""

Status = Literal["missing", "damaged", "installed", "verified", "unverified"]
"""installed: there, and not hashed since it changed; unverified: imported by hand although no known hash fits."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The stored record of a file.

    Args:
        bytes, mtime_ns: its size and time of change when it was hashed.
        sha256, md5: its hashes.
        by_hand: the user took it although its hash is not that of the catalogue.
    """

    bytes: int
    mtime_ns: int
    sha256: str
    md5: str
    by_hand: bool = False


@dataclass(frozen=True)
class Store:
    """A folder of models.

    Args:
        folder: where they are; need not exist.
        catalog: which there are.
    """

    folder: Path = field(default_factory=models_folder)
    catalog: Catalog = field(default_factory=load_catalog)

    def path(self, model: Model) -> Path:
        """The path of a model's file, whether or not it exists."""
        return resource_path(model.file) if model.kind == "shipped" else self.folder / model.file

    def status(self, model: Model) -> Status:
        """The status of a model, determined without hashing."""
        path = self.path(model)
        if not path.is_file():
            return "missing"
        record = self._record(path)
        if record is None:
            wrong = model.bytes is not None and path.stat().st_size != model.bytes
            return "damaged" if wrong else "installed"
        return judge(model, record)

    def size(self, model: Model) -> int:
        """Bytes of a model: of its file where there is one, else as far as known."""
        path = self.path(model)
        return path.stat().st_size if path.is_file() else model.about_bytes

    def files(self, model: Model) -> list[Path]:
        """The existing files of a model: file, record, remains of a download or an import."""
        path = self.path(model)
        return [file for file in (path, _record_file(path), *part_files(path), *stale_copies(path)) if file.is_file()]

    def verify(self, model: Model, progress: Progress | None = None, *, force: bool = False) -> Record:
        """The record of a model's file, hashed if there is no valid stored record.

        Args:
            model: whose.
            progress: see `Progress`.
            force: hash it even if it is remembered.

        Raises:
            ModelError: missing, or not what it should be.
        """
        path = self.path(model)
        if not path.is_file():
            missing = "missing from this installation" if model.kind == "shipped" else "not installed"
            raise ModelError(f"The model '{model.name}' is {missing}. {_mend(model)}")
        known_record = self._record(path)
        record = (
            known_record if known_record is not None and not force else self._hash(model, path, known_record, progress)
        )
        if judge(model, record) == "damaged":
            raise ModelError(f"The model '{model.name}' is damaged: {why_not(model, record, path)} {_mend(model)}")
        return record

    def keep(self, path: Path, record: Record) -> None:
        """Store a record next to its file; if the folder is read-only, the file is hashed every time."""
        try:
            write_json(_record_file(path), asdict(record))
        except OSError as error:
            log.info("'%s' is hashed each time, its record cannot be kept: %s", path, error)

    def remove(self, model: Model) -> int:
        """Delete a model's file, its record and what was left of a download; the bytes that are free now.

        Raises:
            ModelError: it comes with Tell2Reg, or is not there.
            OutputError: it cannot be deleted.
        """
        if model.kind == "shipped":
            raise ModelError(f"'{model.name}' is a part of Tell2Reg and cannot be removed.")
        with self.locked(model):
            files = self.files(model)
            if not files:
                raise ModelError(f"The model '{model.name}' is not installed, so there is nothing to remove.")
            size = sum(file.stat().st_size for file in files)
            try:
                for file in files:
                    file.unlink()
            except OSError as error:
                raise OutputError(f"'{file}' cannot be deleted: {error.strerror or error}.") from error
        return size

    @contextmanager
    def locked(self, model: Model, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Lock a model's files against other processes and threads.

        The system itself ends the lock of a process that has ended, so a lock is never stale.

        Args:
            model: whose files.
            waiting: called several times a second while another one holds them; without it, that is an error.

        Raises:
            ModelError: another one holds them.
            OutputError: the folder cannot be written.
        """
        import filelock

        path = self.path(model)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
            self._acquire(lock, model, waiting)
        except OSError as error:
            raise OutputError(f"'{path.parent}' cannot be written: {error.strerror or error}.") from error
        try:
            yield
        finally:
            lock.release()

    def _acquire(self, lock: filelock.BaseFileLock, model: Model, waiting: Callable[[], None] | None) -> None:
        import filelock

        while True:
            try:
                lock.acquire(timeout=0.2 if waiting else 0, poll_interval=0.05)
                return
            except filelock.Timeout as error:
                if waiting is None:
                    raise ModelError(f"Another process works on the model '{model.name}'; wait for it.") from error
                waiting()

    def _hash(self, model: Model, path: Path, known_record: Record | None, progress: Progress | None) -> Record:
        """Hash a file and lay the record beside it; the very bytes that the user took by hand stay so."""
        record = hash_file(path, progress)
        if known_record is not None and known_record.sha256 == record.sha256:
            record = replace(record, by_hand=known_record.by_hand)
        if model.kind != "shipped":
            self.keep(path, record)
        return record

    def _record(self, path: Path) -> Record | None:
        """The stored record of a file, if it still matches."""
        if not path.is_relative_to(self.folder):
            return hash_file(path)  # shipped: small
        with suppress(OSError, ValueError, TypeError):
            record = Record(**json.loads(_record_file(path).read_text(encoding="utf-8")))
            file_stat = path.stat()
            if (record.bytes, record.mtime_ns) == (file_stat.st_size, file_stat.st_mtime_ns):
                return record
        return None


def hash_file(path: Path, progress: Progress | None = None) -> Record:
    """Size, time of change and hashes of a file.

    Raises:
        ModelError: it cannot be read, or changes meanwhile.
    """
    sha256, md5, done = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        stat_before = path.stat()
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                sha256.update(block)
                md5.update(block)
                done += len(block)
                if progress:
                    progress("verify", done, stat_before.st_size)
        stat_after = path.stat()
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if (done, stat_after.st_mtime_ns) != (stat_before.st_size, stat_before.st_mtime_ns):
        raise ModelError(f"'{path}' changes while it is read. Wait until it is whole.")
    return Record(bytes=done, mtime_ns=stat_after.st_mtime_ns, sha256=sha256.hexdigest(), md5=md5.hexdigest())


def judge(model: Model, record: Record) -> Status:
    """The status of a file by its hashes; without a SHA-256 in the catalogue, by MD5 and size."""
    if fits(model, record):
        return "verified"
    if record.by_hand:
        return "unverified"
    return "installed" if model.kind == "shipped" and not model.sha256 else "damaged"


def fits(model: Model, record: Record) -> bool:
    """Whether a file matches the catalogue."""
    if model.bytes not in (None, record.bytes):
        return False
    if model.sha256:
        return record.sha256 == model.sha256
    return model.md5 is not None and record.md5 == model.md5


def why_not(model: Model, record: Record, path: Path) -> str:
    """One sentence on how a file differs from the catalogue."""
    if model.bytes is not None and record.bytes != model.bytes:
        return f"'{path}' has {record.bytes:,} bytes and should have {model.bytes:,}."
    if model.sha256:
        return f"the SHA-256 of '{path}' is {record.sha256[:12]}..., and should be {model.sha256[:12]}...."
    return f"the MD5 of '{path}' is {record.md5}, and should be {model.md5}."


def check_space(folder: Path, size: int, content: str) -> None:
    """Check that a number of bytes fits on the disk.

    Raises:
        ModelError: they do not.
    """
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise ModelError(
            f"'{content}' needs {readable(size)}, but the disk of '{folder}' has {readable(free)} free. Free some "
            "space, "
            "or keep models elsewhere: `tell2reg models where --set DIR`."
        )


def readable(size: int) -> str:
    """A size in the largest fitting unit.

    >>> readable(2564550879), readable(231508), readable(12)
    ('2.6 GB', '232 kB', '12 bytes')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= 0.9995 * factor:
            return f"{size / factor:.1f} {unit}" if unit == "GB" else f"{size / factor:.0f} {unit}"
    return f"{size} bytes"


def part_files(path: Path) -> tuple[Path, Path]:
    """The temporary files of a download: the bytes so far, and their origin."""
    return path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json")


def stale_copies(path: Path) -> list[Path]:
    """What was left of imports whose process was killed; of running ones too, unless the lock is held."""
    return list(path.parent.glob(f".{path.name}.*{COPY}"))


def _record_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _mend(model: Model) -> str:
    if model.kind == "shipped":
        return "Install Tell2Reg again."
    return f"Run `tell2reg models install {model.name}`."
