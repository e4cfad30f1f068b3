"""The status of models and sets as frozen values, for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.models.catalogue.entries import Catalog, Model
from Tell2RegLib.support.resources import resource_path

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.installed import Store


@dataclass(frozen=True)
class ModelRow:
    """One model.

    Args:
        model: as in the catalogue.
        status: "missing", "damaged", "installed", "verified", "unverified", or "unknown" where nobody could look.
        bytes: of its file where there is one, else as far as known.
        path: where its file is, or would be; None where unknown.
    """

    model: Model
    status: str
    bytes: int
    path: Path | None

    @property
    def name(self) -> str:
        """Name for display."""
        return self.model.name

    @property
    def purpose(self) -> str:
        """What it is for."""
        return self.model.purpose

    @property
    def licence(self) -> str:
        """Licence of the model."""
        return self.model.licence

    @property
    def memory_gb(self) -> float:
        """Roughly what running it takes."""
        return self.model.memory_gb

    @property
    def installed(self) -> bool:
        """Whether it can be used."""
        return self.status in ("installed", "verified", "unverified")


@dataclass(frozen=True)
class SetRow:
    """Models that are used together.

    Args:
        name: what a run asks for.
        purpose: what the set is for.
        models: its rows: detector, vocabulary, segmenter.
    """

    name: str
    purpose: str
    models: tuple[ModelRow, ...]

    @property
    def status(self) -> str:
        """The worst of its models'."""
        return worst([row.status for row in self.models])

    @property
    def installed(self) -> bool:
        """Whether it can be used."""
        return all(row.installed for row in self.models)

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(row.bytes for row in self.models)

    @property
    def missing_bytes(self) -> int:
        """Number of bytes still to download."""
        return sum(row.bytes for row in self.models if not row.installed)

    @property
    def memory_gb(self) -> float:
        """Roughly what running it takes: detector and segmenter are loaded together."""
        return sum(row.memory_gb for row in self.models)

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences of its models, each once."""
        return tuple(dict.fromkeys(row.licence for row in self.models))


SET_STATUSES = ("missing", "damaged", "unknown", "unverified", "installed")
"""The statuses of a set, the worst first."""


def worst(statuses: Sequence[str]) -> str:
    """The worst of several statuses.

    >>> worst(["verified", "missing", "damaged"]), worst(["verified", "installed"])
    ('missing', 'installed')
    """
    *bad, good = SET_STATUSES
    return next((status for status in bad if status in statuses), good)


def model_rows(store: Store) -> tuple[ModelRow, ...]:
    """Every model, without hashing any."""
    return tuple(
        ModelRow(model, store.status(model), store.size(model), store.path(model)) for model in store.catalog.models
    )


def rows_without_store(catalog: Catalog) -> tuple[ModelRow, ...]:
    """Every model, as far as known without the packages that a store needs."""
    return tuple(
        ModelRow(model, "installed", model.about_bytes, resource_path(model.file))
        if model.kind == "shipped"
        else ModelRow(model, "unknown", model.about_bytes, None)
        for model in catalog.models
    )


def set_rows(catalog: Catalog, rows: Sequence[ModelRow]) -> tuple[SetRow, ...]:
    """Every set, of these rows."""
    by_name = {row.name: row for row in rows}
    return tuple(
        SetRow(model_set.name, model_set.purpose, tuple(by_name[name] for name in model_set.members))
        for model_set in catalog.sets
    )
