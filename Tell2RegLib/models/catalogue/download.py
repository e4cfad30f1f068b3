"""Downloads models on request: a file is complete, verified and moved into place, or not installed at all.

A download that was cut off, cancelled or killed goes on from where it was. Nothing is taken for a model before its
hash is that of the catalogue.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from Tell2RegLib.errors import ModelError, OutputError
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.file_contents import check_content
from Tell2RegLib.models.catalogue.http_transfer import Interrupted, PartialFile, Refused, transfer
from Tell2RegLib.models.catalogue.installed import (
    BLOCK,
    Record,
    Store,
    check_space,
    fits,
    hash_file,
    part_files,
)
from Tell2RegLib.support.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits of retries and timeouts.

    Args:
        tries: attempts in a row that bring nothing, before an address is given up.
        timeout_s: how long a server may be silent.
        first_pause_s: before the second attempt; each further pause is twice as long, a minute at most.
        sleep: waits.
    """

    tries: int = 5
    timeout_s: float = 30.0
    first_pause_s: float = 1.0
    sleep: Callable[[float], None] = time.sleep

    def pauses(self, failures: int) -> Iterator[float]:
        """The pause after a number of failures, in short steps so that it can be cancelled."""
        remaining_s = min(60.0, self.first_pause_s * 2 ** (failures - 1))
        while remaining_s > 0:
            yield min(0.25, remaining_s)
            remaining_s -= 0.25


def install(
    store: Store, model: Model, *, progress: Progress | None = None, patience: Patience | None = None
) -> Record:
    """Make sure that a model is installed and verified, downloading it if needed.

    Another process that installs the same model is waited for.

    Raises:
        ModelError: it cannot be had, or there is no space for it.
        OutputError: the folder cannot be written.
        Cancelled: from `progress`; what has come so far is kept.
    """
    report = progress or _silent
    if model.kind == "shipped":
        return store.verify(model, report)
    present = _present(store, model, report)
    if present is not None:  # found without the lock, which a shared folder may not let us make
        return present
    with store.locked(model, lambda: report("wait", 0, 0)):
        return _present(store, model, report) or _download(store, model, report, patience or Patience())


def _present(store: Store, model: Model, report: Progress) -> Record | None:
    """The record of a file that is there and good; a damaged one is replaced once its successor is whole."""
    if store.status(model) in ("verified", "unverified", "installed"):
        with suppress(ModelError):
            return store.verify(model, report)
    return None


def _silent(stage: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""


def _download(store: Store, model: Model, report: Progress, patience: Patience) -> Record:
    path = store.path(model)
    part = _partial_file(path, model, report, patience)
    failures = []
    for url in model.urls:
        try:
            for _ in range(2):  # a part from an earlier day may be what is wrong
                resumed = part.size > 0
                _persist(url, part, patience)
                record = _checked(model, part, report)
                if record is not None:
                    return _move_into_place(store, path, part, record)
                if not resumed:
                    break
            raise Refused("sends another file than the catalogue describes; it was deleted")
        except (Interrupted, Refused) as error:
            failures.append(f"{urlsplit(url).hostname} {error}")
    raise ModelError(
        f"The model '{model.name}' cannot be downloaded: {'; '.join(failures)}. Try again later, or get the file "
        f"elsewhere and run `tell2reg models import FILE`."
    )


def _partial_file(path: Path, model: Model, report: Progress, patience: Patience) -> PartialFile:
    data, notes = part_files(path)
    return PartialFile(
        data=data,
        notes=notes,
        bytes=model.bytes,
        about_bytes=model.about_bytes,
        timeout_s=patience.timeout_s,
        progress=lambda done, total: report("download", done, total),
        space=lambda size: check_space(path.parent, size, model.title),
    )


def _persist(url: str, part: PartialFile, patience: Patience) -> None:
    """Ask an address until the file is there; attempts that bring something do not count as failures."""
    failures = 0
    while True:
        size_before = part.size
        try:
            return transfer(url, part)
        except Interrupted:
            failures = 1 if part.size - size_before >= BLOCK else failures + 1
            if failures >= patience.tries:
                raise
        for pause in patience.pauses(failures):
            patience.sleep(pause)
            part.progress(part.size, part.bytes or 0)


def _checked(model: Model, part: PartialFile, report: Progress) -> Record | None:
    """The hashes of what has come; none, and nothing left of it, where it is not the model."""
    record = hash_file(part.data, report)
    if not fits(model, record):
        part.discard()
        return None
    if model.sha256 is None:
        try:
            check_content(model, part.data)
        except ModelError:
            part.discard()
            raise
    return record


def _move_into_place(store: Store, path: Path, part: PartialFile, record: Record) -> Record:
    """Move a complete and verified file into place."""
    try:
        with part.data.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part.data, path)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    part.discard()
    store.keep(path, record)
    return record
