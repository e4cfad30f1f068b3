"""A small pair of files, and one run of `register` with it, for every test of the command."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from Testing.Python.cli.commands import DEFORMABLE, QUICK
from Testing.Python.small import Files, command, options, write_small_pair


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def done(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of `register --json` with a deformable transform, and its folder."""
    out = tmp_path_factory.mktemp("once") / "out"
    run = command(
        "register", *options(files.inputs), *options(files.points), "--out", out, *QUICK, *DEFORMABLE, "--json"
    )
    assert run.returncode == 0, run.stderr
    return run, out
