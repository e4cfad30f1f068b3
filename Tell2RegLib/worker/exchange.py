"""Passes values between processes: a JSON document and .npy files in a private folder, read back exactly.

Only the types listed here are read, and nothing in a folder is executed: dataclasses are created from their fields,
with their validation.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.recommendation import Recommendation
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.status_rows import ModelRow, SetRow
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.region_sources.source_result import PromptCount
from Tell2RegLib.results.result import PairAgreement, PairMetrics, PromptResult
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker import requests

T = TypeVar("T")

_PARTS = (
    *(Grid, Volume, Region, RegionPair, DisplacementField, Transform, PointList),
    *(PairAgreement, PairMetrics, FieldQuality, PromptCount, PromptResult, Model, ModelRow, SetRow),
    *(requests.Device, requests.Missing, FindOptions, FitSettings, TrustSettings, Recommendation),
)
_TYPES: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (*_PARTS, *requests.REQUESTS, *(request.reply for request in requests.REQUESTS))  # type: ignore[attr-defined]
}
"""The types that can be written and read, by name."""

TAG = "is"
"""JSON key of an object's type."""


def write(value: Any, folder: Path, name: str) -> None:
    """Write a value as `name`.json and the arrays in it as `name`-0.npy, ...; the document is written last and
    atomically.

    Raises:
        OutputError: the folder cannot be written.
        TypeError: a value of another type.
    """
    writer = _Writer(folder, name)
    path = folder / f"{name}.json"
    try:
        document = writer.plain(value)
        aside = folder / f"{name}.part"
        aside.write_text(json.dumps(document), encoding="utf-8")
        os.replace(aside, path)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}. Free some space there.") from error


def read(kind: type[T], folder: Path, name: str) -> T:
    """Read a value back.

    Raises:
        InputError: the value is missing, damaged, or of another type.
    """
    path = folder / f"{name}.json"
    try:
        value = _Reader(folder, name).value(json.loads(_regular(path).read_text(encoding="utf-8")))
    except InputError:
        raise
    except Exception as error:  # whatever a damaged or forged document leads to
        raise InputError(f"'{path}' cannot be read ({type(error).__name__}: {error}): run again.") from error
    if not isinstance(value, kind):
        raise InputError(f"'{path}' holds a {type(value).__name__}, not a {kind.__name__}: run again.")
    return value


class _Writer:
    """Encodes values as JSON, and writes arrays to files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._arrays = 0

    def plain(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | str | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {TAG: "float", "value": str(value)}
        if isinstance(value, np.ndarray):
            return {TAG: "array", "file": self._save(value)}
        if isinstance(value, Path):
            return {TAG: "path", "value": str(value)}
        if isinstance(value, tuple):
            return {TAG: "tuple", "items": [self.plain(item) for item in value]}
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, Mapping):
            return {TAG: "dict", "items": [[self.plain(key), self.plain(item)] for key, item in value.items()]}
        return self._of_fields(value)

    def _of_fields(self, value: Any) -> Any:
        kind = type(value).__name__
        if not is_dataclass(value) or _TYPES.get(kind) is not type(value):
            raise TypeError(f"a {kind} cannot be handed to another process")
        return {TAG: kind, "fields": {field.name: self.plain(getattr(value, field.name)) for field in fields(value)}}

    def _save(self, array: NDArray) -> str:
        if array.dtype.hasobject:
            raise TypeError("an array of objects cannot be handed to another process")
        file = f"{self._name}-{self._arrays}.npy"
        self._arrays += 1
        np.save(self._folder / file, array, allow_pickle=False)
        return file


class _Reader:
    """Decodes values from JSON, and reads arrays from files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def value(self, encoded: Any) -> Any:
        if isinstance(encoded, list):
            return [self.value(item) for item in encoded]
        if not isinstance(encoded, dict):
            return encoded
        tag = encoded[TAG]
        if tag == "float":
            return float(encoded["value"])
        if tag == "array":
            return self._load(encoded["file"])
        if tag == "path":
            return Path(encoded["value"])
        if tag == "tuple":
            return tuple(self.value(item) for item in encoded["items"])
        if tag == "dict":
            return {self.value(key): self.value(item) for key, item in encoded["items"]}
        if tag not in _TYPES:
            raise ValueError(f"the type {tag!r} is not known")
        return _TYPES[tag](**{name: self.value(item) for name, item in encoded["fields"].items()})

    def _load(self, file: str) -> NDArray:
        if file != Path(file).name or not file.startswith(f"{self._name}-"):
            raise ValueError(f"{file!r} is no file of this document")
        with _regular(self._folder / file).open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{file!r} is no array")
        return array


def _regular(path: Path) -> Path:
    """The path, if nothing but a file lies there; a pipe would block the reader."""
    if path.exists() and not path.is_file():
        raise ValueError(f"'{path.name}' is no file")
    return path
