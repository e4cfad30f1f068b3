"""Threads of torch that wait for each other sleep: those that spin are many times slower on a busy machine."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest

from Tell2RegLib.support.threads import CHOICES, POLICY, wait_passively
from Testing.Python.small import ROOT


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv(POLICY, "")  # so that it is gone again after the test
    monkeypatch.delenv(POLICY)
    return monkeypatch


def test_the_worker_asks_for_it_before_it_serves(unset: pytest.MonkeyPatch) -> None:
    policies = []
    unset.setattr("Tell2RegLib.worker.serve.serve", lambda: policies.append(os.environ.get(POLICY)))
    runpy.run_module("Tell2RegLib.worker", run_name="__main__")
    assert policies == ["PASSIVE"]


def test_the_command_asks_for_it_before_it_runs(unset: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.cli import main

    policies = []
    unset.setattr(main, "app", lambda: policies.append(os.environ.get(POLICY)))
    main.main()
    assert policies == ["PASSIVE"]


IMPORTED = "import sys, Tell2RegLib, os; assert 'torch' not in sys.modules; print(os.environ.get('OMP_WAIT_POLICY'))"


@pytest.mark.parametrize(
    ("chosen", "policy"),
    [
        ({}, "PASSIVE"),
        ({POLICY: "ACTIVE"}, "ACTIVE"),
        ({"GOMP_SPINCOUNT": "9"}, "None"),
        ({"KMP_BLOCKTIME": "9"}, "None"),
    ],
)
def test_importing_the_library_is_enough_and_overrides_no_choice(chosen: dict[str, str], policy: str) -> None:
    """Before torch is loaded, which reads the policy once."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    run = subprocess.run(
        [sys.executable, "-c", IMPORTED], env={**environment, **chosen}, cwd=ROOT, capture_output=True, text=True
    )
    assert (run.stdout.strip(), run.stderr) == (policy, "")


def test_what_the_environment_says_stays(unset: pytest.MonkeyPatch) -> None:
    unset.setenv(POLICY, "ACTIVE")
    wait_passively()
    assert os.environ[POLICY] == "ACTIVE"
