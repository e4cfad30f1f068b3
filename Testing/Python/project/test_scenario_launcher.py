"""The runner of scenarios believes none that does not say that it passed: judged on a fake Slicer, a script."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from Testing.Slicer import launch, outcomes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the fake Slicer is a script with a shebang line")

BEGINS = 'print("[Tell2Reg] smoke: begins", flush=True)\n'
PASSES = 'outcomes.append(os.environ[outcomes.REPORT_VARIABLE], outcomes.Outcome("smoke"))\n'
FAILS = PASSES.replace('"smoke"', '"smoke", ("Traceback:\\nValueError: no.",)')
ENDS = 'print("[Tell2Reg] smoke: passed after 1.0 s", flush=True)\n'
HANGS = "time.sleep(600)\n"


@pytest.fixture
def slicer_that(tmp_path: Path):
    """A fake Slicer that does this."""

    def make(does: str) -> Path:
        path = tmp_path / "Slicer"
        head = f"#!{sys.executable}\nimport os, signal, sys, time\nsys.path.insert(0, {str(launch.ROOT)!r})\n"
        path.write_text(f"{head}from Testing.Slicer import outcomes\n{does}", encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


def test_a_scenario_that_says_that_it_passed_has_passed(slicer_that, capfd) -> None:
    slicer = slicer_that(BEGINS + PASSES + ENDS)
    assert launch.main(["--slicer", str(slicer), "smoke"]) == 0
    assert "[Tell2Reg] PASSED smoke" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("", "ended with 0 and the scenario never reported its end"),
        (BEGINS, "ended with 0 and the scenario never reported its end"),
        (BEGINS + "sys.exit(3)", "ended with 3 and the scenario never reported its end"),
        (BEGINS + "os.kill(os.getpid(), signal.SIGSEGV)", "by signal 11"),
        (BEGINS + PASSES + "os.kill(os.getpid(), signal.SIGSEGV)", "passed, but then Slicer was ended by signal 11"),
        (BEGINS + PASSES + "sys.exit(1)", "passed, but then Slicer ended with 1"),
        (BEGINS + FAILS + "sys.exit(0)", "ValueError: no."),
        (BEGINS + 'print("Traceback (most recent call last):")\n' + PASSES + ENDS, "a traceback was printed"),
        (PASSES.replace('"smoke"', '"session"'), "never reported its end"),
    ],
    ids=["nothing", "quiet", "error", "crash", "crash-after", "error-after", "failure", "traceback", "another"],
)
def test_whatever_else_slicer_does_is_a_failure_told_in_one_sentence(slicer_that, does: str, why: str, capfd) -> None:
    assert launch.main(["--slicer", str(slicer_that(does)), "smoke"]) == 1
    message = [line for line in capfd.readouterr().out.splitlines() if line.startswith("[Tell2Reg] FAILED smoke: ")]
    assert len(message) == 1
    assert why in message[0]


def test_a_slicer_that_hangs_is_stopped_with_what_it_started(slicer_that, capfd, tmp_path: Path) -> None:
    child = f"import subprocess\nchild = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(600)'])\n"
    child += f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
    slicer = slicer_that(child + HANGS)
    assert launch.main(["--slicer", str(slicer), "--timeout", "4", "smoke"]) == 1
    assert "no end within 4 s" in capfd.readouterr().out
    pid, until = int((tmp_path / "child").read_text()), time.monotonic() + 20
    while _runs(pid):
        assert time.monotonic() < until, "The process that Slicer had started still runs."


def test_a_slicer_that_does_not_end_after_its_scenario_is_a_failure() -> None:
    stopped = launch.Ended(None, ())
    assert "passed, but Slicer did not end" in launch.why_failed("smoke", outcomes.Outcome("smoke"), stopped, 5.0)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def test_every_scenario_that_is_not_named_is_run(slicer_that, capfd) -> None:
    does = PASSES.replace('"smoke"', "sys.argv[-1]")
    assert launch.main(["--slicer", str(slicer_that(does))]) == 0
    message = capfd.readouterr().out
    assert all(f"PASSED {name}" in message for name in outcomes.scenario_files())


def test_a_slicer_that_does_not_exist_is_told(tmp_path: Path, capfd) -> None:
    assert launch.main(["--slicer", str(tmp_path / "nowhere"), "smoke"]) == 1
    assert "could not be started" in capfd.readouterr().out


def test_a_scenario_that_does_not_exist_is_told(capfd) -> None:
    with pytest.raises(SystemExit):
        launch.main(["--slicer", "Slicer", "smok"])
    assert "There is no scenario 'smok'; there are: " in capfd.readouterr().err


def test_slicer_is_not_started_for_tests_where_no_timer_fires(slicer_that, capfd) -> None:
    slicer = slicer_that('assert "--testing" not in sys.argv\n' + PASSES)
    assert launch.main(["--slicer", str(slicer), "smoke"]) == 0


def test_a_line_that_breaks_off_is_no_outcome(tmp_path: Path) -> None:
    report = tmp_path / "outcomes.jsonl"
    outcomes.append(report, outcomes.Outcome("smoke", ("no",), 1.5))
    with open(report, "a", encoding="utf-8") as file:
        file.write('{"scenario": "session", "fail')
    assert outcomes.read(report) == {"smoke": outcomes.Outcome("smoke", ("no",), 1.5)}
    assert outcomes.read(tmp_path / "none") == {}
