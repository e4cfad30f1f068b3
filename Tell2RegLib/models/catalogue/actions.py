"""Actions on models and sets by name: install, verify, remove, clear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.download import install as install_model
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.installed import Record, Store

ModelProgress = Callable[[str, str, int, int], None]
"""Called with (model, activity, bytes done, total bytes or 0 if unknown); raises `Cancelled` to stop."""


def install(store: Store, names: Sequence[str], tell: ModelProgress) -> dict[str, Record]:
    """Download models or sets, as far as they are not there yet, and check them; records by model.

    Raises:
        ModelError, OutputError, Cancelled: see `download.install`.
    """
    return {
        model.name: install_model(store, model, progress=partial(tell, model.name)) for model in _chosen(store, names)
    }


def verify(store: Store, names: Sequence[str], tell: ModelProgress) -> tuple[dict[str, Record | None], list[str]]:
    """Hash models again, all that are installed if none is named; records by model, none where
    something is wrong, and what is.

    Raises:
        ModelError: an unknown name.
        Cancelled: from `tell`.
    """
    done: dict[str, Record | None] = {}
    problems = []
    for model in _chosen(store, names) if names else _installed(store):
        try:
            done[model.name] = store.verify(model, partial(tell, model.name), force=True)
        except ModelError as error:
            done[model.name] = None
            problems.append(str(error))
    return done, problems


def remove(store: Store, name: str) -> tuple[list[Model], int]:
    """Delete a model, or of a set those that no other installed set needs; which, and the bytes that are free now.

    Raises:
        ModelError: nothing of it can be removed.
        OutputError: a file cannot be deleted.
    """
    models = _to_remove(store, name)
    return models, sum(store.remove(model) for model in models)


def clear(store: Store) -> tuple[list[Model], int]:
    """Delete everything that can be downloaded again, parts of downloads too; which, and the bytes that are free now.

    Raises:
        ModelError: another process works on one of them.
        OutputError: a file cannot be deleted.
    """
    models = [model for model in store.catalog.models if model.kind != "shipped" and store.files(model)]
    return models, sum(store.remove(model) for model in models)


def _chosen(store: Store, names: Sequence[str]) -> list[Model]:
    return list({model.name: model for name in names for model in store.catalog.members(name)}.values())


def _installed(store: Store) -> list[Model]:
    return [model for model in store.catalog.models if store.status(model) != "missing"]


def _to_remove(store: Store, name: str) -> list[Model]:
    """The models that a name stands for; of a set, those that are there and that no other installed set needs."""
    members = [model for model in store.catalog.members(name) if store.files(model)]
    if name not in {model_set.name for model_set in store.catalog.sets}:
        return list(store.catalog.members(name))
    other_sets = [model_set for model_set in store.catalog.sets if model_set.name != name]
    complete_sets = [
        model_set
        for model_set in other_sets
        if all(store.status(store.catalog.model(m)) != "missing" for m in model_set.members)
    ]
    needed_models = {member for model_set in complete_sets for member in model_set.members}
    removable = [model for model in members if model.name not in needed_models and model.kind != "shipped"]
    if not removable:
        raise ModelError(f"Nothing of the set '{name}' can be removed: it is not installed, or other sets need it.")
    return removable
