"""Runs of the command in this process, and what a person reads of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app

QUICK = ("--resolution", "9")
DEFORMABLE = ("--transform", "svf")

posix = pytest.mark.skipif(os.name != "posix", reason="Needs a system with signals and file limits (not Windows).")


def in_process(*words: str | Path):
    """The same command without the seconds that a new process takes."""
    return CliRunner().invoke(app, [str(word) for word in words])


def one_sentence(stderr: str) -> str:
    """What the command said: one line of plain words."""
    assert "Traceback" not in stderr
    assert "Unexpected problem" not in stderr
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert re.fullmatch(r"['A-Z].*\.", lines[0]), lines[0]
    return lines[0]
