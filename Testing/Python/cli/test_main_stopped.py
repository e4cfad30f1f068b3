"""A run that is stopped: exit code 130, and whatever was there before stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from Tell2RegLib.support.stages import stage_label
from Testing.Python.cli.commands import posix
from Testing.Python.small import ROOT, Files, environment, options


def _as_in_a_terminal() -> None:
    """A shell starts background jobs with Ctrl-C ignored, nohup with SIGHUP, and children inherit that: not here."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def told_on_a_terminal(words: list[str], until: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the command with a terminal as its stderr; yields when its progress shows a word, then when it ended."""
    import pty
    import select

    actual, expected = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "Tell2RegLib.cli", *words],
        cwd=ROOT,
        env={**environment(), "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=expected,
        start_new_session=True,
        preexec_fn=_as_in_a_terminal,
    )
    os.close(expected)
    text, message, end = "", False, time.monotonic() + 120
    try:
        while time.monotonic() < end:
            try:
                block = os.read(actual, 65536) if select.select([actual], [], [], 1)[0] else b""
            except OSError:  # the other end is closed
                break
            text += block.decode(errors="replace")
            if not message and until in text:
                message = True
                yield process, text
        assert message, f"'{until}' never came: {text}"
        process.wait(timeout=60)
        yield process, text
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(actual)


@posix
@pytest.mark.parametrize(
    ("number", "stage"),
    [("SIGINT", "fit"), ("SIGTERM", "fit"), ("SIGHUP", "write")],
)
def test_a_stopped_run_ends_with_130_and_leaves_nothing(number: str, stage: str, files: Files, tmp_path: Path) -> None:
    quick = ["--transform", "rigid"] if stage == "write" else []
    words = ["register", *options(files.inputs), "--out", str(tmp_path / "deep" / "out"), *quick]
    running = told_on_a_terminal(words, stage_label(stage))
    process, _ = next(running)
    assert list((tmp_path / "deep").iterdir()), "it writes aside"
    process.send_signal(getattr(signal, number))
    _, text = next(running)
    assert process.returncode == 130
    assert "Cancelled; nothing was written." in text
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


@posix
def test_a_stopped_run_keeps_the_result_that_was_there(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files
) -> None:
    out = done[1]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    words = ["register", *options(files.inputs), "--out", str(out), "--overwrite"]
    running = told_on_a_terminal(words, stage_label("fit"))
    process, _ = next(running)
    process.send_signal(signal.SIGINT)
    next(running)
    assert process.returncode == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in out.parent.iterdir()] == ["out"]
