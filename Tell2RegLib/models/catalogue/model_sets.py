"""Resolves the name of a set to verified files that can be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.installed import Store, readable
from Tell2RegLib.support.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The files of a set.

    Args:
        name: of the set.
        detector, vocabulary, segmenter: where they are.
        detector_architecture, segmenter_architecture: which networks they fit ("swin-t", ..., "demo").
        sha256: model name -> hash, in the order detector, vocabulary, segmenter; for the provenance of a result.
        unverified: names of the models whose hash the catalogue does not know.
    """

    name: str
    detector: Path
    vocabulary: Path
    segmenter: Path
    detector_architecture: str
    segmenter_architecture: str
    sha256: Mapping[str, str]
    unverified: tuple[str, ...] = ()


def model_files(name: str, *, store: Store | None = None, progress: Progress | None = None) -> ModelFiles:
    """The files of a set. Files changed since their last hash are hashed again; nothing is downloaded.

    Args:
        name: "demo", "fast", "paper" or "medical".
        store: where they are; the user's, unless told otherwise.
        progress: see `Progress`.

    Raises:
        ModelError: there is no such set, or one of its models is missing or damaged.
    """
    store = store or Store()
    model_set = store.catalog.set(name)
    members = store.catalog.members(name)
    _check_presence(store, name, members)
    records = {model.name: store.verify(model, progress) for model in members}
    detector, vocabulary, segmenter = members
    return ModelFiles(
        name=model_set.name,
        detector=store.path(detector),
        vocabulary=store.path(vocabulary),
        segmenter=store.path(segmenter),
        detector_architecture=detector.architecture or "",
        segmenter_architecture=segmenter.architecture or "",
        sha256={name: record.sha256 for name, record in records.items()},
        unverified=tuple(model.name for model in members if store.status(model) == "unverified"),
    )


def _check_presence(store: Store, name: str, members: tuple[Model, ...]) -> None:
    missing = [model for model in members if store.status(model) == "missing"]
    if not missing:
        return
    if any(model.kind == "shipped" for model in missing):
        raise ModelError(f"The models '{name}' are missing from this installation of Tell2Reg. Install it again.")
    size = readable(sum(model.about_bytes for model in missing))
    raise ModelError(f"The models '{name}' are not installed: run `tell2reg models install {name}` ({size}).")
