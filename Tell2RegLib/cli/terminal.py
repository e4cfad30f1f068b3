"""Terminal output: progress on stderr, tables or JSON on stdout, one sentence for an error.

With `--json`, stdout is one JSON document however the command ends; with `--events`, stderr is one JSON object a line.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from Tell2RegLib.cli.events import RUN, EventProgress, stderr_events
from Tell2RegLib.cli.start import CANCELLED
from Tell2RegLib.cli.streams import print_sentence, printable
from Tell2RegLib.errors import Cancelled, Tell2RegError
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.support.stages import stage_label, stage_share
from Tell2RegLib.support.system_memory import is_allocation_failure
from Tell2RegLib.worker.events import LogLines

OUT_OF_MEMORY = (
    "There is not enough memory. Close other programs, crop the volumes to the anatomy of interest, or use fewer "
    "regions or a coarser --resolution."
)


@dataclass
class Output:
    """How the command that runs reports.

    Args:
        as_json: stdout is one JSON document (`--json`).
        as_events: stderr is one JSON object per line (`--events`).
        is_printed: the document has been printed.
    """

    as_json: bool = False
    as_events: bool = False
    is_printed: bool = False

    @contextmanager
    def of(self, words: Sequence[str]) -> Iterator[None]:
        """Context of a command line; its options are not parsed yet, and may be wrong."""
        earlier = self.as_json, self.as_events
        self.as_json, self.as_events, self.is_printed = "--json" in words, "--events" in words, False
        try:
            yield
        finally:
            self.as_json, self.as_events = earlier


class PlainConsole(Console):
    """A console without control characters in texts, and whose reader may go away: `printing` decides what follows."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(printable(item) if isinstance(item, str) else item for item in objects), **options)

    def on_broken_pipe(self) -> None:
        raise


output = Output()
stdout = PlainConsole(soft_wrap=True)
stderr = PlainConsole(stderr=True, soft_wrap=True)


@contextmanager
def errors_as_exit_codes(debug: bool) -> Iterator[None]:
    """Turn errors into one sentence and an exit code: 1 for a problem, 130 for cancel; a traceback only with
    --debug."""
    try:
        with _stopped_like_ctrl_c(), _libraries_silenced(not debug):
            _set_logging(debug)
            _silence_itk(not debug)
            yield
    except (KeyboardInterrupt, Cancelled) as error:
        raise typer.Exit(report_cancelled()) from error
    except Tell2RegError as error:
        _fail(str(error), error, debug)
    except MemoryError as error:
        _fail(OUT_OF_MEMORY, error, debug)
    except OSError as error:
        _fail(f"{error.strerror or error}" + (f": '{error.filename}'." if error.filename else "."), error, debug)
    except typer.Exit:
        raise
    except Exception as error:
        if is_allocation_failure(error):
            _fail(OUT_OF_MEMORY, error, debug)
        text = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        _fail(f"Unexpected problem ({reason}). Run again with --debug and report it.", error, debug)


def report_cancelled(sentence: str = CANCELLED) -> int:
    """Report that the run was cancelled; returns the exit code."""
    # An interrupt that comes through exec(), as while dataclasses are made, leaves a mark in CPython, which then ends
    # with the signal whatever the exit code. The next exec() takes it off.
    exec("")
    report_end("cancelled", "Cancelled", sentence)
    return 130


def report_end(status: str, kind: str, sentence: str) -> None:
    """Report an end without a result: a sentence on stderr, and with --json the only document on stdout."""
    if output.as_json and not output.is_printed:
        with suppress(OSError, ValueError):
            print_json({"status": status, "kind": kind, "message": sentence})
    if output.as_events:
        stderr_events().say(status, id=RUN, kind=kind, message=sentence)
    else:
        print_sentence(sentence)


class PlainLog(RichHandler):
    """Log messages without control characters."""

    def render_message(self, record: logging.LogRecord, message: str) -> Any:
        return super().render_message(record, printable(message))


def _set_logging(debug: bool) -> None:
    handler: logging.Handler = PlainLog(
        console=stderr, show_time=False, show_path=False, show_level=debug, markup=False
    )
    if output.as_events:
        handler = LogLines(stderr_events())
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(message)s", handlers=[handler], force=True
    )


def _silence_itk(quiet: bool) -> None:
    """Silence ITK's warnings; the relevant ones are reported as sentences."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(not quiet)


@contextmanager
def _libraries_silenced(quiet: bool) -> Iterator[None]:
    """Discard what C libraries write to stderr in addition to the error that they raise.

    Python's stderr is not affected.
    """
    if not quiet or not _is_stderr_of_the_process():
        yield
        return
    python = sys.stderr
    python.flush()
    saved_stderr = os.dup(2)
    sys.stderr = os.fdopen(saved_stderr, "w", buffering=1, encoding=python.encoding, errors=python.errors)
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, 2)
    os.close(null_device)
    try:
        yield
    finally:
        os.dup2(saved_stderr, 2)
        sys.stderr.close()
        sys.stderr = python


def _is_stderr_of_the_process() -> bool:
    try:
        return sys.stderr.fileno() == 2
    except (AttributeError, OSError, ValueError):  # replaced, as in tests, or none at all, as under pythonw
        return False


@contextmanager
def _stopped_like_ctrl_c() -> Iterator[None]:
    """Handle SIGTERM, and SIGHUP when the terminal closes, like Ctrl-C, so that files are cleaned up."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signals = []
    handled = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]  # nohup stays in force
    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)


def _fail(sentence: str, error: BaseException, debug: bool) -> None:
    if debug:
        if output.as_json and not output.is_printed:
            print_json({"status": "error", "kind": type(error).__name__, "message": sentence})
        raise error
    report_end("error", type(error).__name__, sentence)
    raise typer.Exit(1) from error


class Bars:
    """One line per stage with a bar and the time left, on stderr; nothing when stderr is no terminal.

    Args:
        stages: all stages, if known: the first line then shows the whole run with its remaining time.
    """

    def __init__(self, stages: Sequence[str] = ()) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<26}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._shares = {stage: stage_share(stage) for stage in stages}
        self._done = dict.fromkeys(stages, 0.0)
        self._whole_run = self._progress.add_task("The whole run", total=sum(self._shares.values())) if stages else None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage_label(stage), total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)
        if self._whole_run is not None and stage in self._done:
            self._done[stage] = self._shares[stage] * done / max(total, 1)
            self._progress.update(self._whole_run, completed=self.whole_done)

    @property
    def whole_done(self) -> float:
        """Progress of the whole run, in units of `stage_share`; skipped stages count as done."""
        begun = [number for number, stage in enumerate(self._done) if stage in self._tasks]
        last = begun[-1] if begun else 0
        passed = [self._shares[stage] for number, stage in enumerate(self._done) if number < last]
        return sum(passed) + (list(self._done.values())[last] if begun else 0.0)


def progress_of(stages: Sequence[str]) -> Bars | EventProgress:
    """The progress of a run with these stages: bars, or with --events lines."""
    return EventProgress() if output.as_events else Bars(stages)


def print_json(value: Any) -> None:
    """Machine-readable output: one JSON document on stdout."""
    output.is_printed = True
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout; numbers with two digits, a dash for None."""
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    stdout.print(table)


def print_notice() -> None:
    """Print the research-only notice; required with every displayed result."""
    stdout.print(NOTICE, style="bold")


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) else escape(printable(str(value)))
