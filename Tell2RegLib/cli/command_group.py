"""The group of all commands: with `--json`, wrong usage is reported as a JSON document too."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from Tell2RegLib.cli.terminal import output, print_json, report_cancelled


class CommandGroup(TyperGroup):
    """Starts the output of a command line, and reports wrong usage and Ctrl-C before a command has begun."""

    def main(self, args: Sequence[str] | None = None, *given: Any, **extra: Any) -> Any:
        with output.of(sys.argv[1:] if args is None else args):
            return super().main(args, *given, **extra)

    def make_context(self, *given: Any, **extra: Any) -> Any:
        with _ends_reported():
            return super().make_context(*given, **extra)

    def invoke(self, ctx: Any) -> Any:
        with _ends_reported():
            return super().invoke(ctx)


@contextmanager
def _ends_reported() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(report_cancelled()) from None
    except Exception as error:  # of click, or of the copy of it inside typer
        if hasattr(error, "format_message") and output.as_json and not output.is_printed:
            print_json({"status": "error", "kind": type(error).__name__, "message": error.format_message()})
        raise
