"""Models listed, installed, verified, imported and removed for a host without a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.entries import Model, load_catalog
from Tell2RegLib.models.catalogue.status_rows import model_rows, rows_without_store, set_rows
from Tell2RegLib.support.progress import ProgressTracker
from Tell2RegLib.worker.requests import ModelsReply, ModelsRequest

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.installed import Store


def act_on_models(request: ModelsRequest, clock: ProgressTracker) -> ModelsReply:
    """Do what is asked, and tell how things stand.

    Args:
        request: what to do.
        clock: told of the stages "download NAME", "verify NAME", "copy NAME", "wait NAME", in bytes.

    Raises:
        ModelError: it cannot be done.
        OutputError: a folder cannot be written.
        Cancelled: the clock said so; what was downloaded is kept, and the next install goes on from there.
    """
    if request.action == "list":
        try:
            return _state("")
        except ModuleNotFoundError as error:
            return _without_packages(error.name or "?")
    if request.action == "where":
        return _state(_where(request))
    from Tell2RegLib.models.catalogue.installed import Store

    message = _done(request, Store(), clock)
    return _state(message)


def _done(request: ModelsRequest, store: Store, clock: ProgressTracker) -> str:
    from Tell2RegLib.models.catalogue import actions
    from Tell2RegLib.models.catalogue.import_files import import_file
    from Tell2RegLib.models.catalogue.installed import readable

    def tell(name: str, what: str, done: int, total: int) -> None:
        clock.tell(f"{what} {name}", done, total)

    if request.action == "install":
        done = actions.install(store, [request.name], tell)
        return f"Installed and checked: {', '.join(done)}."
    if request.action == "verify":
        found, problems = actions.verify(store, [request.name] if request.name else (), tell)
        if problems:
            raise ModelError(" ".join(problems))
        return f"As they should be: {', '.join(found)}." if found else "No model is installed."
    if request.action == "import":
        assert request.path is not None
        path = request.path
        imported = import_file(
            store,
            path,
            name=request.name or None,
            unverified=request.unverified,
            progress=lambda what, done, total: tell(path.name, what, done, total),
        )
        return f"'{path.name}' was imported as {imported.model.name}."
    removed, freed = actions.clear(store) if request.action == "clear" else actions.remove(store, request.name)
    return (
        f"Removed {_names(removed)}: {readable(freed)} are free again." if removed else "There was nothing to remove."
    )


def _names(models: Sequence[Model]) -> str:
    return ", ".join(model.name for model in models)


def _where(request: ModelsRequest) -> str:
    from Tell2RegLib.models.catalogue.models_folder import VARIABLE, choose, where

    if request.path is not None:
        choose(request.path)
    folder, why = where()
    ignored = f" Your choice holds once {VARIABLE} is not set." if request.path is not None and VARIABLE in why else ""
    return f"Models are kept in '{folder}', chosen by {why}.{ignored}"


def _state(message: str) -> ModelsReply:
    from Tell2RegLib.models.catalogue.installed import Store

    store = Store()
    rows = model_rows(store)
    return ModelsReply(rows, set_rows(store.catalog, rows), store.folder, message, store.catalog.notice)


def _without_packages(package: str) -> ModelsReply:
    catalog = load_catalog()
    rows = rows_without_store(catalog)
    message = f"What is installed is known once the package '{package}' is."
    return ModelsReply(rows, set_rows(catalog, rows), None, message, catalog.notice)
