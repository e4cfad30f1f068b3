"""How far the whole run is, told from how far its stages are; and how a run ends that was stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from Tell2RegLib.cli import main, terminal
from Tell2RegLib.cli.terminal import Bars, errors_as_exit_codes
from Tell2RegLib.support.stages import stage_share
from Testing.Python.small import ROOT

STAGES = ("read", "models", "detect", "embed", "fit")


def total() -> float:
    return sum(stage_share(stage) for stage in STAGES)


def test_the_whole_run_moves_on_with_every_stage_and_ends_when_the_last_one_ends() -> None:
    bars, recorded = Bars(STAGES), []
    for stage in STAGES:
        for done in range(5):
            bars(stage, done, 4)
            recorded.append(bars.whole_done)
    assert recorded == sorted(recorded)
    assert recorded[-1] == pytest.approx(total())


def test_a_stage_that_is_passed_by_counts_as_done() -> None:
    bars = Bars(STAGES)
    bars("read", 1, 1)
    bars("fit", 0, 1)  # nothing had to be looked for
    assert bars.whole_done == pytest.approx(total() - stage_share("fit"))
    bars("fit", 1, 1)
    assert bars.whole_done == pytest.approx(total())


def test_a_stage_that_nobody_announced_changes_nothing() -> None:
    bars = Bars(STAGES)
    bars("read", 1, 2)
    before = bars.whole_done
    bars("write", 1, 2)
    assert bars.whole_done == before


def test_nothing_is_done_before_the_first_stage() -> None:
    assert Bars(STAGES).whole_done == 0


# --- out of memory ---


@pytest.mark.parametrize("text", ["DefaultCPUAllocator: can't allocate memory", "Failed to allocate memory for image."])
def test_a_library_without_memory_is_told_as_such(text: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(typer.Exit) as ended, errors_as_exit_codes(debug=False):
        raise RuntimeError(text)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err.startswith("There is not enough memory. Close other programs")


# --- stopped ---


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupt_while_itk_is_loaded_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(terminal, "_silence_itk", interrupted)
    with pytest.raises(typer.Exit) as end, errors_as_exit_codes(debug=False):
        pass
    assert end.value.exit_code == 130
    assert capsys.readouterr().err == "Cancelled; nothing was written.\n"


def test_an_interrupt_before_the_command_has_begun_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(main, "app", interrupted)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "Cancelled; nothing was written.\n"


THROUGH_EXEC = """
import typer
from Tell2RegLib.cli.terminal import errors_as_exit_codes
try:
    with errors_as_exit_codes(debug=False):
        exec("raise KeyboardInterrupt")
except typer.Exit as end:
    raise SystemExit(end.exit_code)
"""


def test_an_interrupt_that_comes_through_exec_ends_with_130_too(tmp_path: Path) -> None:
    """Run as a module, CPython would end with the signal itself, although the interrupt was caught."""
    (tmp_path / "stopped_here.py").write_text(THROUGH_EXEC)
    run = subprocess.run(
        [sys.executable, "-m", "stopped_here"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (130, "Cancelled; nothing was written.\n")
