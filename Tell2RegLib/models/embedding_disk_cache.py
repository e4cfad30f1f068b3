"""Cache of embeddings on disk, keyed by the content of the slices and the model.

One safetensors file each, in a folder that never grows beyond its limit: what was used longest ago goes first. The
store only saves time: a file that is damaged, or cannot be written, is as if it were not there. Files are written and
deleted only in a folder that was empty when the store first used it, and therefore has its marker.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.protocol import Embeddings, SliceStack
from Tell2RegLib.support.complete_file import replaced_file
from Tell2RegLib.support.hashing import array_key
from Tell2RegLib.support.marked_folders import MARKER, mark, marker_of
from Tell2RegLib.support.work_folders import sweep

DEFAULT_LIMIT_BYTES = 4 << 30
SUFFIX = ".embeddings"
NAME = re.compile(rf"[0-9a-f]{{40}}{re.escape(SUFFIX)}")
PURPOSE = "cached embeddings"

log = logging.getLogger(__name__)


def slices_key(slices: SliceStack) -> str:
    """SHA-256 of slices' shape and pixels."""
    return array_key(repr(slices.shape), slices)


class _NoRoom(Exception):
    """The embeddings do not fit into the limit."""


class EmbeddingStore:
    """A folder of embeddings.

    Args:
        folder: made and marked when the first embeddings are put into it; one with other files is not used.
        limit_bytes: the files together stay within this; embeddings that are larger are not kept.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes

    def get(self, slices: SliceStack, model: str) -> Embeddings | None:
        """The embeddings of these slices by this model (`Segmenter.name`); None if not cached."""
        from safetensors import SafetensorError, safe_open

        path = self._path(slices, model)
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata()
                features = file.get_tensor("features")
            embeddings = _restored(features, metadata, path.stem)
            _check(embeddings, slices)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("Kept embeddings '%s' cannot be used (%s) and are computed again.", path.name, error)
            if self._is_marked():
                with suppress(OSError):
                    path.unlink()
            return None
        with suppress(OSError):  # the folder may be another's, to read only
            os.utime(path)
        return embeddings

    def put(self, slices: SliceStack, model: str, embeddings: Embeddings) -> None:
        """Store embeddings, atomically."""
        if embeddings.features.nbytes > self.limit_bytes:
            return
        path = self._path(slices, model)
        try:
            self._prepare_folder()
            with replaced_file(path) as new:
                _write(str(new), embeddings, path.stem)
                if not self._make_room(new.stat().st_size, path):
                    raise _NoRoom
        except _NoRoom:
            pass
        except OSError as error:
            log.warning("Embeddings cannot be kept in '%s': %s.", self.folder, error.strerror or error)

    def clear(self) -> None:
        """Delete every kept file."""
        for path, _, _ in self._files():
            with suppress(OSError):
                path.unlink()

    def _path(self, slices: SliceStack, model: str) -> Path:
        name = hashlib.sha256(f"{slices_key(slices)} {model}".encode()).hexdigest()
        return self.folder / f"{name[:40]}{SUFFIX}"

    def _is_marked(self) -> bool:
        return marker_of(self.folder.resolve(), PURPOSE) is not None

    def _prepare_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # features show what the slices show
        if self._is_marked():
            sweep(self.folder)
        elif any(self.folder.iterdir()):
            raise OSError(errno.ENOTEMPTY, "it holds other files; choose a new folder")
        else:
            mark(self.folder, PURPOSE)

    def _files(self) -> list[tuple[Path, int, float]]:
        files = []
        paths = [path for path in self.folder.iterdir() if NAME.fullmatch(path.name)] if self._is_marked() else []
        for path in paths:
            with suppress(OSError):  # another process may delete it meanwhile
                about = path.stat()
                files.append((path, about.st_size, about.st_mtime))
        return sorted(files, key=lambda file: file[2])

    def _make_room(self, needed: int, replaced: Path) -> bool:
        """Make room for a file of this size by deleting others; whether it fits."""
        files = [file for file in self._files() if file[0] != replaced]
        used = (self.folder / MARKER).stat().st_size + sum(size for _, size, _ in files)
        if needed > self.limit_bytes:
            return False
        for path, size, _ in files:
            if used + needed <= self.limit_bytes:
                break
            with suppress(OSError):
                path.unlink()
                used -= size
        return used + needed <= self.limit_bytes


def _write(path: str, embeddings: Embeddings, key: str) -> None:
    from safetensors.numpy import save_file

    about = json.dumps(
        {
            "covered_hw": list(embeddings.covered_hw),
            "slice_hw": list(embeddings.slice_hw),
            "model": embeddings.model,
        }
    )
    features = np.ascontiguousarray(embeddings.features)
    save_file({"features": features}, path, metadata={"embeddings": about, "sha256": _hash(features, about, key)})


def _restored(features: NDArray, metadata: dict[str, str], key: str) -> Embeddings:
    """The embeddings in a file, if they are intact and belong to the key."""
    text = metadata["embeddings"]
    if metadata["sha256"] != _hash(features, text, key):
        raise ValueError("its content is not what was written")
    about = json.loads(text)
    return Embeddings(features, _pair(about["covered_hw"]), _whole(about["slice_hw"]), about["model"])


def _hash(features: NDArray, about: str, key: str) -> str:
    return array_key(repr((key, about, features.shape, features.dtype.str)), features)


def _check(embeddings: Embeddings, slices: SliceStack) -> None:
    """Reject embeddings that cannot belong to these slices."""
    features = embeddings.features
    if features.ndim != 4 or features.dtype.kind != "f" or not np.isfinite(features).all():
        raise ValueError("its features are no four-dimensional array of finite numbers")
    if (len(features), *embeddings.slice_hw) != slices.shape:
        raise ValueError(f"it is of {len(features)} slices of {embeddings.slice_hw} pixels, not of {slices.shape}")


def _pair(values: list[float]) -> tuple[float, float]:
    rows, columns = values
    return float(rows), float(columns)


def _whole(values: list[int]) -> tuple[int, int]:
    rows, columns = values
    return int(rows), int(columns)
