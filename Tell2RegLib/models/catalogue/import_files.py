"""Models brought by hand, for places without internet: recognised by hash, else by content, and copied whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from Tell2RegLib.errors import ModelError, OutputError
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.file_contents import check_content, look_into, told
from Tell2RegLib.models.catalogue.installed import (
    BLOCK,
    COPY,
    Progress,
    Record,
    Store,
    check_space,
    fits,
    hash_file,
    stale_copies,
)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import did.

    Args:
        model: what the file was recognised as.
        path: where its copy is.
        record: its size and hashes.
    """

    model: Model
    path: Path
    record: Record


def import_file(
    store: Store, file: Path, *, name: str | None = None, unverified: bool = False, progress: Progress | None = None
) -> Imported:
    """Copy a model's file into the store.

    Args:
        store: where to.
        file: what was brought; its name does not matter.
        name: which model it must be.
        unverified: take it as `name` although its hash is unknown, if it holds the right network.
        progress: see `Progress`.

    Raises:
        ModelError: not a model, another one, or one that no known hash fits.
        OutputError: the copy cannot be written.
        Cancelled: from `progress`; nothing is left of the copy.
    """
    if not file.is_file():
        raise ModelError(f"There is no file '{file}'. Check the path.")
    asked = store.catalog.model(name) if name else None
    record = hash_file(file, progress)
    known = _by_hash(store, record)
    if known is not None:
        if asked is not None and asked != known:
            raise ModelError(f"'{file}' is the model '{known.name}', not '{asked.name}'.")
        if known.sha256 is None:
            check_content(known, file)
        return _copied(store, known, file, record, progress)
    model = _by_content(store, file, record, asked, unverified)
    return _copied(store, model, file, replace(record, by_hand=True), progress)


def _by_hash(store: Store, record: Record) -> Model | None:
    found = [model for model in store.catalog.models if model.kind == "download" and fits(model, record)]
    return found[0] if found else None


def _by_content(store: Store, file: Path, record: Record, asked: Model | None, unverified: bool) -> Model:
    """The model that a file of unknown hash is to be taken for, if the user insists."""
    found = look_into(file)
    alike = [m for m in store.catalog.models if m.kind == "download" and (m.role, m.architecture) == found]
    if asked is not None and asked.kind == "shipped":
        raise ModelError(f"'{asked.name}' is a part of Tell2Reg and cannot be replaced.")
    if asked is not None and asked not in alike:
        raise ModelError(f"'{file}' holds {told(found)}, so it cannot be '{asked.name}'.")
    if not alike:
        raise ModelError(f"'{file}' holds {told(found)}, so it cannot be used.")
    if asked is not None and unverified:
        return asked
    names = " or ".join(f"'{model.name}'" for model in alike)
    raise ModelError(
        f"'{file}' is refused: it holds {told(found)} as {names} does, but its SHA-256 {record.sha256} is not known. "
        f"If you trust where it comes from, add `--as {(asked or alike[0]).name} --unverified`."
    )


def _copied(store: Store, model: Model, file: Path, record: Record, progress: Progress | None) -> Imported:
    path = store.path(model)
    with store.locked(model):
        for stale in stale_copies(path):
            stale.unlink(missing_ok=True)
        if not (path.exists() and path.samefile(file)):
            check_space(path.parent, record.bytes, model.title)
            _copy(file, path, record, progress)
        store.keep(path, replace(record, mtime_ns=path.stat().st_mtime_ns))
    return Imported(model=model, path=path, record=record)


def _copy(file: Path, path: Path, record: Record, progress: Progress | None) -> None:
    """Copy to a temporary name, see that the very same bytes have arrived, and move into place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=COPY)
    aside = Path(name)
    try:
        digest, done = hashlib.sha256(), 0
        with file.open("rb") as source, os.fdopen(handle, "wb") as target:
            while block := source.read(BLOCK):
                target.write(block)
                digest.update(block)
                done += len(block)
                if progress:
                    progress("copy", done, record.bytes)
            target.flush()
            os.fsync(target.fileno())
        if digest.hexdigest() != record.sha256:
            raise ModelError(f"'{file}' changes while it is read. Wait until it is whole.")
        aside.chmod(0o644)
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            aside.unlink()
