"""Lists, installs, verifies, imports and removes models for a host without a terminal."""

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


def act_on_models(request: ModelsRequest, tracker: ProgressTracker) -> ModelsReply:
    """Perform an action on models, and return their status.

    Args:
        request: the action.
        tracker: reports the stages "download NAME", "verify NAME", "copy NAME", "wait NAME", in bytes.

    Raises:
        ModelError: the action cannot be performed.
        OutputError: a folder cannot be written.
        Cancelled: the run was cancelled; what was downloaded is kept, and the next install goes on from there.
    """
    if request.action == "list":
        try:
            return _state("")
        except ModuleNotFoundError as error:
            return _without_packages(error.name or "?")
    if request.action == "where":
        return _state(_where(request))
    from Tell2RegLib.models.catalogue.installed import Store

    message = _done(request, Store(), tracker)
    return _state(message)


def _done(request: ModelsRequest, store: Store, tracker: ProgressTracker) -> str:
    from Tell2RegLib.models.catalogue import actions
    from Tell2RegLib.models.catalogue.import_files import import_file
    from Tell2RegLib.models.catalogue.installed import readable

    def report(name: str, activity: str, done: int, total: int) -> None:
        tracker.report(f"{activity} {name}", done, total)

    if request.action == "install":
        done = actions.install(store, [request.name], report)
        return f"Installed and verified: {', '.join(done)}."
    if request.action == "verify":
        records, problems = actions.verify(store, [request.name] if request.name else (), report)
        if problems:
            raise ModelError(" ".join(problems))
        return f"Verified: {', '.join(records)}." if records else "No model is installed."
    if request.action == "import":
        assert request.path is not None
        path = request.path
        imported = import_file(
            store,
            path,
            name=request.name or None,
            unverified=request.unverified,
            progress=lambda activity, done, total: report(path.name, activity, done, total),
        )
        return f"'{path.name}' was imported as {imported.model.name}."
    removed, freed = actions.clear(store) if request.action == "clear" else actions.remove(store, request.name)
    return f"Removed {_names(removed)}: {readable(freed)} freed." if removed else "There was nothing to remove."


def _names(models: Sequence[Model]) -> str:
    return ", ".join(model.name for model in models)


def _where(request: ModelsRequest) -> str:
    from Tell2RegLib.models.catalogue.models_folder import VARIABLE, choose, where

    if request.path is not None:
        choose(request.path)
    folder, chosen_by = where()
    ignored = (
        f" Your choice applies once {VARIABLE} is unset." if request.path is not None and VARIABLE in chosen_by else ""
    )
    return f"Models are stored in '{folder}', chosen by {chosen_by}.{ignored}"


def _state(message: str) -> ModelsReply:
    from Tell2RegLib.models.catalogue.installed import Store

    store = Store()
    rows = model_rows(store)
    return ModelsReply(rows, set_rows(store.catalog, rows), store.folder, message, store.catalog.notice)


def _without_packages(package: str) -> ModelsReply:
    catalog = load_catalog()
    rows = rows_without_store(catalog)
    message = f"Install the package '{package}' first; it is needed to list the models."
    return ModelsReply(rows, set_rows(catalog, rows), None, message, catalog.notice)
