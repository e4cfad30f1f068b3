"""The standard streams of the command: what cannot be printed never changes how a run ended."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import typer

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def prepare_streams() -> None:
    """Make the standard streams safe to use, before any file is opened.

    A stream that the caller closed is replaced by the null device; otherwise the next file would get its number, and
    whatever a library prints would be written into that file. Characters that a stream cannot encode are escaped.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def printing(*, written: bool = False) -> Iterator[None]:
    """Context in which a command prints its output.

    Args:
        written: the output also lies in files: if it cannot be printed, the exit code stays 0; otherwise it is 1.
    """
    try:
        yield
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and not sys.stdout.closed:
            raise
        _discard("stdout")
        if not isinstance(error, BrokenPipeError):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            print_sentence(f"The output cannot be printed: {reason}." + (" The files were written." if written else ""))
        if not written:
            raise typer.Exit(1) from error


def printable(text: str) -> str:
    r"""A text without control characters, with which a name in a file could write over the terminal.

    >>> printable("prostate\x1b[2J")
    'prostate�[2J'
    """
    return CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", text)


def print_sentence(sentence: str) -> None:
    """Print a sentence on stderr; nothing happens if nobody can read it."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(printable(sentence) + "\n")
        sys.stderr.flush()


def flush_streams() -> None:
    """Flush the streams at the end, so that a failure does not change the exit code."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            _discard(name)


def _discard(name: str) -> None:
    """Send what a stream still holds, and all that follows, to the null device."""
    with suppress(OSError, ValueError, AttributeError):
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, getattr(sys, name).fileno())
        os.close(null_device)
