"""Embeddings kept on disk between runs, by the content of the slices and the model that made them.

One safetensors file each, in a folder that never grows beyond its limit: what was used longest ago goes first. The
store only saves time: a file that is damaged, or cannot be written, is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from Tell2RegLib.hashing import array_key
from Tell2RegLib.models.protocol import Embeddings, Slices

DEFAULT_LIMIT_BYTES = 4 << 30
SUFFIX = ".embeddings"

log = logging.getLogger(__name__)


def slices_key(slices: Slices) -> str:
    """SHA-256 of slices' shape and pixels."""
    return array_key(repr(slices.shape), slices)


class EmbeddingStore:
    """A folder of embeddings.

    Args:
        folder: made when the first embeddings are put into it.
        limit_bytes: the files together stay below this; embeddings larger than that are not kept.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes

    def get(self, slices: Slices, model: str) -> Embeddings | None:
        """The embeddings of these slices by this model (`Segmenter.name`); None when they are not here."""
        from safetensors import SafetensorError, safe_open

        path = self._path(slices, model)
        try:
            with safe_open(path, framework="np") as file:
                about = json.loads(file.metadata()["embeddings"])
                features = file.get_tensor("features")
            os.utime(path)
            return Embeddings(features, _pair(about["covered_hw"]), _whole(about["slice_hw"]), about["model"])
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("Kept embeddings '%s' cannot be read (%s) and are computed again.", path.name, error)
            with suppress(OSError):
                path.unlink()
            return None

    def put(self, slices: Slices, model: str, embeddings: Embeddings) -> None:
        """Keep embeddings; written aside and moved into place."""
        from safetensors.numpy import save_file

        if embeddings.features.nbytes > self.limit_bytes:
            return
        about = {
            "covered_hw": list(embeddings.covered_hw),
            "slice_hw": list(embeddings.slice_hw),
            "model": embeddings.model,
        }
        path = self._path(slices, model)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(embeddings.features.nbytes)
            handle, aside = tempfile.mkstemp(prefix=".part-", dir=self.folder)
            os.close(handle)
            try:
                tensors = {"features": np.ascontiguousarray(embeddings.features)}
                save_file(tensors, aside, metadata={"embeddings": json.dumps(about)})
                os.replace(aside, path)
            finally:
                with suppress(OSError):
                    os.unlink(aside)
        except OSError as error:
            log.warning("Embeddings cannot be kept in '%s': %s.", self.folder, error.strerror or error)

    def clear(self) -> None:
        """Delete every kept file."""
        for path, _, _ in self._files():
            with suppress(OSError):
                path.unlink()

    def size_bytes(self) -> int:
        """Of all kept files."""
        return sum(size for _, size, _ in self._files())

    def _path(self, slices: Slices, model: str) -> Path:
        name = hashlib.sha256(f"{slices_key(slices)} {model}".encode()).hexdigest()
        return self.folder / f"{name[:40]}{SUFFIX}"

    def _files(self) -> list[tuple[Path, int, float]]:
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):  # another process may delete it meanwhile
                about = path.stat()
                found.append((path, about.st_size, about.st_mtime))
        return sorted(found, key=lambda file: file[2])

    def _make_room(self, needed: int) -> None:
        files = self._files()
        used = sum(size for _, size, _ in files)
        for path, size, _ in files:
            if used + needed <= self.limit_bytes:
                break
            with suppress(OSError):
                path.unlink()
            used -= size


def _pair(values: list[float]) -> tuple[float, float]:
    rows, columns = values
    return float(rows), float(columns)


def _whole(values: list[int]) -> tuple[int, int]:
    rows, columns = values
    return int(rows), int(columns)
