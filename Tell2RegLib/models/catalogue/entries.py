"""The catalogue of models: Resources/Models.json as validated values.

`parse_catalog` is the only validator of that file; it says in one sentence what is wrong, and needs no package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.architectures import NAMES_BY_ROLE
from Tell2RegLib.support.resources import resource_path

SCHEMA_VERSION = 1
ROLES = ("detector", "vocabulary", "segmenter")
KINDS = ("download", "shipped")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Model:
    """One file of weights, or a vocabulary.

    Args:
        name: what the user calls it.
        title: what it is called in print.
        role: "detector", "vocabulary" or "segmenter".
        kind: "download", or "shipped" for what comes with Tell2Reg.
        file: its name in the folder of models; of shipped ones, in Resources.
        architecture: which network it fits, by its name in models/architectures.py; none for words.
        urls: where it can be had, best first.
        bytes: its exact size; none where unknown.
        about_bytes: its size as far as known, for telling.
        sha256, md5: its hashes, lower case; none where unknown.
        hash_origin: where size and hashes come from, and what is not known.
        licence, licence_origin: under which terms, and who says so.
        citation: what to cite.
        purpose: what it is for.
        memory_gb: roughly what loading and running it takes, one slice at a time, in 32 bits on a CPU: an estimate.
    """

    name: str
    title: str
    role: str
    kind: str
    file: str
    architecture: str | None
    urls: tuple[str, ...]
    bytes: int | None
    about_bytes: int
    sha256: str | None
    md5: str | None
    hash_origin: str
    licence: str
    licence_origin: str
    citation: str
    purpose: str
    memory_gb: float


@dataclass(frozen=True, kw_only=True)
class ModelSet:
    """Models that are used together, by their names."""

    name: str
    detector: str
    vocabulary: str
    segmenter: str
    purpose: str

    @property
    def members(self) -> tuple[str, str, str]:
        """The names of its three models."""
        return (self.detector, self.vocabulary, self.segmenter)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Every model and every set, in the order of the file."""

    models: tuple[Model, ...]
    sets: tuple[ModelSet, ...]
    notice: str

    def model(self, name: str) -> Model:
        """The model with a name.

        Raises:
            ModelError: there is none.
        """
        for model in self.models:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self.models)
        raise ModelError(f"There is no model '{name}'. Choose one of: {names}.")

    def set(self, name: str) -> ModelSet:
        """The set with a name.

        Raises:
            ModelError: there is none.
        """
        matches = [model_set for model_set in self.sets if model_set.name == name]
        if not matches:
            names = ", ".join(model_set.name for model_set in self.sets)
            raise ModelError(f"There is no set of models '{name}'. Choose one of: {names}.")
        return matches[0]

    def members(self, name: str) -> tuple[Model, ...]:
        """The models of a set, or the single model with that name.

        Raises:
            ModelError: there is neither.
        """
        for model_set in self.sets:
            if model_set.name == name:
                return tuple(self.model(member) for member in model_set.members)
        if name in {model.name for model in self.models}:
            return (self.model(name),)
        names = ", ".join([model_set.name for model_set in self.sets] + [model.name for model in self.models])
        raise ModelError(f"There is no model and no set '{name}'. Choose one of: {names}.")


@cache
def load_catalog(path: Path | None = None) -> Catalog:
    """Read a catalogue; that of Tell2Reg if no file is given.

    Raises:
        ModelError: the file is missing or says what cannot be.
    """
    path = path or resource_path("Models.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The catalogue of models '{path}' cannot be read: {error}.") from error
    try:
        return parse_catalog(content)
    except ValueError as error:
        raise ModelError(f"The catalogue of models '{path}' is wrong: {error}.") from error


def parse_catalog(content: Any) -> Catalog:
    """The catalogue of plain JSON values.

    Raises:
        ValueError: what is wrong, and where.
    """
    _keys(content, ("schema_version", "notice", "models", "sets"), "its top level")
    if content["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version is {content['schema_version']!r}, this version reads {SCHEMA_VERSION}")
    models = tuple(_model(entry) for entry in _list(content["models"], "models"))
    sets = tuple(_set(entry, models) for entry in _list(content["sets"], "sets"))
    for attribute, values in (
        ("name", [entry.name for entry in models] + [entry.name for entry in sets]),
        ("file", [entry.file.casefold() for entry in models]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"the {attribute} '{twice[0]}' occurs twice")
    return Catalog(models=models, sets=sets, notice=_text(content["notice"], "notice"))


def _model(entry: Any) -> Model:
    _keys(entry, [field.name for field in fields(Model)], "a model")
    context = f"model {entry['name']!r}"
    for key in ("name", "title", "file", "hash_origin", "licence", "licence_origin", "citation", "purpose"):
        _text(entry[key], f"{context}: {key}")
    _name(entry["name"])
    _among(entry["role"], ROLES, f"{context}: role")
    _among(entry["kind"], KINDS, f"{context}: kind")
    if (entry["architecture"] is None) != (entry["role"] == "vocabulary"):
        raise ValueError(f"{context}: architecture belongs to networks, and to nothing else")
    if entry["architecture"] is not None:
        _among(entry["architecture"], NAMES_BY_ROLE[entry["role"]], f"{context}: architecture")
    _check_file(entry, context)
    _check_sizes(entry, context)
    return Model(**{**entry, "urls": tuple(entry["urls"]), "memory_gb": float(entry["memory_gb"])})


def _check_file(entry: Mapping[str, Any], context: str) -> None:
    file, shipped = PurePosixPath(entry["file"]), entry["kind"] == "shipped"
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", entry["file"]) or ".." in file.parts:
        raise ValueError(f"{context}: file {entry['file']!r} is no plain file name")
    if len(file.parts) > 1 and not shipped:
        raise ValueError(f"{context}: file {entry['file']!r} names a folder")
    urls = _list(entry["urls"], f"{context}: urls")
    if bool(urls) == shipped:
        raise ValueError(f"{context}: models to download have urls, shipped ones have none")
    for url in urls:
        if not isinstance(url, str) or not is_allowed(url):
            raise ValueError(f"{context}: {url!r} is no https address")
    if not shipped and not entry["sha256"] and not entry["md5"]:
        raise ValueError(f"{context}: what is downloaded needs a hash")


def _check_sizes(entry: Mapping[str, Any], context: str) -> None:
    for key, digits in (("sha256", 64), ("md5", 32)):
        value = entry[key]
        if value is not None and not (isinstance(value, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", value)):
            raise ValueError(f"{context}: {key} is not {digits} hexadecimal digits in lower case")
    for key in ("bytes", "about_bytes", "memory_gb"):
        value, optional, is_integer = entry[key], key == "bytes", key != "memory_gb"
        fits = isinstance(value, int if is_integer else int | float) and not isinstance(value, bool) and value >= 0
        if not fits and not (optional and value is None):
            raise ValueError(f"{context}: {key} is {value!r}")


def _set(entry: Any, models: Sequence[Model]) -> ModelSet:
    _keys(entry, [field.name for field in fields(ModelSet)], "a set")
    _name(entry["name"])
    _text(entry["purpose"], f"set {entry['name']!r}: purpose")
    roles = {model.name: model.role for model in models}
    for role in ROLES:
        if roles.get(entry[role]) != role:
            raise ValueError(f"set {entry['name']!r}: there is no {role} {entry[role]!r}")
    return ModelSet(**entry)


def is_allowed(url: str) -> bool:
    """Whether downloads from an address are allowed: https, or this machine."""
    try:
        url_parts = urlsplit(url)
        host = url_parts.hostname
    except ValueError:
        return False
    return bool(host) and (url_parts.scheme == "https" or (url_parts.scheme == "http" and host in LOCAL_HOSTS))


# --- plain checks ---


def _keys(entry: Any, names: Sequence[str], context: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{context} is not an object")
    missing, unknown = sorted(set(names) - set(entry)), sorted(set(entry) - set(names))
    if missing or unknown:
        owner = f" {entry['name']!r}" if "name" in entry else ""
        raise ValueError(
            f"{context}{owner} lacks {missing}" if missing else f"{context}{owner} has unknown keys {unknown}"
        )


def _list(value: Any, context: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{context} is not a list")
    return value


def _text(value: Any, context: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{context} is not a text")
    return value


def _name(value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError(f"{value!r} is no name: small letters, digits and hyphens")


def _among(value: Any, choices: Sequence[str], context: str) -> None:
    if value not in choices:
        raise ValueError(f"{context} is {value!r}, not one of {', '.join(choices)}")
