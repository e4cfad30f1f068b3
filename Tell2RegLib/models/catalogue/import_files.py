"""Imports model files on computers without internet access: recognised by hash, else by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from Tell2RegLib.errors import ModelError, OutputError
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.file_contents import check_content, describe_content, identify_content
from Tell2RegLib.models.catalogue.installed import (
    BLOCK,
    COPY,
    Record,
    Store,
    check_space,
    fits,
    hash_file,
    stale_copies,
)
from Tell2RegLib.support.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The result of an import.

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
    requested_model = store.catalog.model(name) if name else None
    record = hash_file(file, progress)
    known_model = _by_hash(store, record)
    if known_model is not None:
        if requested_model is not None and requested_model != known_model:
            raise ModelError(f"'{file}' is the model '{known_model.name}', not '{requested_model.name}'.")
        if known_model.sha256 is None:
            check_content(known_model, file)
        return _copied(store, known_model, file, record, progress)
    model = _by_content(store, file, record, requested_model, unverified)
    return _copied(store, model, file, replace(record, by_hand=True), progress)


def _by_hash(store: Store, record: Record) -> Model | None:
    matches = [model for model in store.catalog.models if model.kind == "download" and fits(model, record)]
    return matches[0] if matches else None


def _by_content(store: Store, file: Path, record: Record, requested_model: Model | None, unverified: bool) -> Model:
    """The model for which a file with an unknown hash is accepted, if the user requests it."""
    content = identify_content(file)
    candidates = [m for m in store.catalog.models if m.kind == "download" and (m.role, m.architecture) == content]
    if requested_model is not None and requested_model.kind == "shipped":
        raise ModelError(f"'{requested_model.name}' is a part of Tell2Reg and cannot be replaced.")
    if requested_model is not None and requested_model not in candidates:
        raise ModelError(f"'{file}' holds {describe_content(content)}, so it cannot be '{requested_model.name}'.")
    if not candidates:
        raise ModelError(f"'{file}' holds {describe_content(content)}, so it cannot be used.")
    if requested_model is not None and unverified:
        return requested_model
    names = " or ".join(f"'{model.name}'" for model in candidates)
    raise ModelError(
        f"'{file}' is refused: it holds {describe_content(content)} as {names} does, but its SHA-256 {record.sha256} "
        "is not known. "
        f"If you trust where it comes from, add `--as {(requested_model or candidates[0]).name} --unverified`."
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
    """Copy to a temporary name, verify the bytes, and move into place."""
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
