"""The commands `tell2reg models`: list, install, verify, import and remove models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from Tell2RegLib.cli.events import EventProgress
from Tell2RegLib.cli.options import Debug, Events, Json
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import (
    errors_as_exit_codes,
    output,
    print_json,
    print_table,
    report_cancelled,
    stderr,
    stdout,
)
from Tell2RegLib.errors import Cancelled
from Tell2RegLib.support.stages import stage_label

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.entries import Model
    from Tell2RegLib.models.catalogue.installed import Record, Store
    from Tell2RegLib.models.catalogue.status_rows import ModelRow

app = typer.Typer(
    help="List, install, verify, import and remove the networks that detect regions. For research use only.",
    no_args_is_help=True,
)


@app.command("list")
def list_models(as_json: Json = False, debug: Debug = False) -> None:
    """List all models and sets with status, size and licence."""
    with errors_as_exit_codes(debug):
        from Tell2RegLib.models.catalogue.installed import Store

        store = Store()
        record = _listing(store)
    with printing():
        if as_json:
            print_json(record)
        else:
            _show_listing(record)
            _notice(store)


def _show_listing(record: Mapping[str, Any]) -> None:
    head = ["model", "status", "size", "memory", "licence"]
    rows = [[m["name"], m["status"], m["size"], f"{m['memory_gb']:g} GB", m["licence"]] for m in record["models"]]
    print_table("Models", head, rows)
    rows = [[s["name"], s["status"], s["size"], " + ".join(s["models"]), s["purpose"]] for s in record["sets"]]
    print_table("Sets", ["set", "status", "size", "models", "for"], rows)
    stdout.print(f"Folder: {record['folder']}", markup=False)


@app.command()
def install(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models or sets to install.")],
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Download missing models or sets and verify them."""
    with errors_as_exit_codes(debug), _partial_download_note(), _byte_progress() as report:
        from Tell2RegLib.models.catalogue import actions
        from Tell2RegLib.models.catalogue.installed import Store

        store = Store()
        done = actions.install(store, names, report)
    with printing(written=True):
        _show_files(store, done, as_json)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Models or sets; by default all that are installed.")
    ] = None,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Hash installed files again and compare them with the catalogue."""
    with errors_as_exit_codes(debug), _byte_progress() as report:
        from Tell2RegLib.errors import ModelError
        from Tell2RegLib.models.catalogue import actions
        from Tell2RegLib.models.catalogue.installed import Store

        store = Store()
        done, problems = actions.verify(store, names or (), report)
        with printing():
            if as_json:
                print_json({**_files(store, done), "status": "failed" if problems else "ok", "problems": problems})
            elif any(done.values()):
                _show_files(store, {name: record for name, record in done.items() if record}, as_json)
            elif not problems:
                stdout.print("No model is installed, so there is nothing to verify.")
        if problems:
            raise ModelError(" ".join(problems))


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Downloaded file.")],
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Model that the file must be.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Accept an unknown hash.")] = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Copy a downloaded file into the model folder, for computers without internet access."""
    with errors_as_exit_codes(debug), _byte_progress() as report:
        from Tell2RegLib.models.catalogue.import_files import import_file
        from Tell2RegLib.models.catalogue.installed import Store

        store = Store()
        imported = import_file(store, file, name=name, unverified=unverified, progress=partial(report, file.name))
    with printing(written=True):
        _show_files(store, {imported.model.name: imported.record}, as_json)


@app.command()
def remove(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Model or set; models that other installed sets need are kept.")
    ],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete a model, or those models of a set that no other installed set needs."""
    with errors_as_exit_codes(debug):
        from Tell2RegLib.models.catalogue import actions
        from Tell2RegLib.models.catalogue.installed import Store, readable

        models, freed = actions.remove(Store(), name)
    with printing(written=True):
        if as_json:
            print_json({"status": "ok", "removed": [model.name for model in models], "bytes": freed})
            return
        stdout.print(f"Removed {', '.join(model.name for model in models)}: {readable(freed)} freed.", markup=False)


@app.command("where")
def where_models(
    folder: Annotated[
        Path | None,
        typer.Option("--set", metavar="DIR", help="Use this folder from now on; existing files are not moved."),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Show or choose the model folder."""
    with errors_as_exit_codes(debug):
        from Tell2RegLib.models.catalogue.models_folder import VARIABLE, choose, where

        if folder is not None:
            choose(folder)
        current_folder, chosen_by = where()
    with printing():
        if as_json:
            print_json({"status": "ok", "folder": str(current_folder), "chosen_by": chosen_by})
            return
        stdout.print(str(current_folder), markup=False)
    stderr.print(f"Chosen by {chosen_by}.", markup=False)
    if folder is not None and VARIABLE in chosen_by:
        stderr.print(f"Your choice is stored and applies once {VARIABLE} is unset.", markup=False)


# --- what is shown ---


@contextmanager
def _byte_progress() -> Iterator[Callable[[str, str, int, int], None]]:
    """The progress of activities on files, called with (title, activity, done, total): bars, or with --events lines."""
    if output.as_events:
        events = EventProgress()
        yield lambda title, activity, done, total: events(f"{activity} {title}", done, total)
    else:
        with ByteBars() as bars:
            yield bars


class ByteBars:
    """One line per step with bytes, speed and time left, on stderr; nothing when stderr is no terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> ByteBars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, title: str, stage: str, done: int, total: int) -> None:
        key = (title, stage)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(f"{stage_label(stage)} {title}", total=total or None)
        self._progress.update(self._tasks[key], completed=done, total=total or None)


@contextmanager
def _partial_download_note() -> Iterator[None]:
    """Tells the user that a cancelled download can be resumed."""
    try:
        yield
    except (KeyboardInterrupt, Cancelled) as error:
        sentence = "Cancelled. The partial download is kept; run the same command to resume."
        raise typer.Exit(report_cancelled(sentence)) from error


def _listing(store: Store) -> dict[str, Any]:
    from Tell2RegLib.models.catalogue.status_rows import model_rows, set_rows

    rows = model_rows(store)
    sets = [
        {
            "name": model_set.name,
            "models": [row.name for row in model_set.models],
            "status": model_set.status,
            "size": _size(model_set.bytes),
            "purpose": model_set.purpose,
        }
        for model_set in set_rows(store.catalog, rows)
    ]
    notice = store.catalog.notice
    return {"models": [_entry(row) for row in rows], "sets": sets, "folder": str(store.folder), "notice": notice}


def _entry(row: ModelRow) -> dict[str, Any]:
    from dataclasses import asdict

    details = {"status": row.status, "size_bytes": row.bytes, "size": _size(row.bytes), "path": str(row.path)}
    return {**asdict(row.model), **details}


def _size(size: int) -> str:
    from Tell2RegLib.models.catalogue.installed import readable

    return readable(size)


def _files(store: Store, done: Mapping[str, Record | None]) -> dict[str, Any]:
    hashes = {name: record.sha256 if record else None for name, record in done.items()}
    entries = [{**_entry(row), "sha256_found": hashes[row.name]} for row in _rows(store, done)]
    return {"status": "ok", "models": entries, "notice": store.catalog.notice}


def _rows(store: Store, done: Mapping[str, Record | None]) -> list[ModelRow]:
    from Tell2RegLib.models.catalogue.status_rows import model_rows

    rows = {row.name: row for row in model_rows(store)}
    return [rows[name] for name in done]


def _show_files(store: Store, done: Mapping[str, Record], as_json: bool) -> None:
    if as_json:
        print_json(_files(store, done))
        return
    for row in _rows(store, done):
        record = done[row.name]
        stdout.print(
            f"{row.name}: {row.status}, {_size(record.bytes)}, {row.licence}, about {row.memory_gb:g} GB of memory, "
            f"SHA-256 {record.sha256[:12]}..., {row.path}",
            markup=False,
        )
        if row.model.sha256 is None or row.status == "unverified":
            stdout.print(f"  {_caution(row.model, row.status)}", markup=False)
    _notice(store)


def _caution(model: Model, status: str) -> str:
    if status == "unverified":
        return "Its hash is not in the catalogue; it was imported with --unverified."
    return model.hash_origin


def _notice(store: Store) -> None:
    stdout.print(store.catalog.notice, style="bold")
