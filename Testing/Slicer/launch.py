"""Runs scenarios in a real Slicer, each in a Slicer of its own, and believes none that does not say that it passed.

    python -m Testing.Slicer.launch --slicer PATH [--timeout SECONDS] [SCENARIO ...]

Needs nothing but Python; on a machine without a screen start it under xvfb-run. The exit code is 0 when every scenario
wrote that it passed and its Slicer then ended by itself with 0. What ended early, crashed, hung or printed a traceback
has failed, whatever its exit code: Slicer ends with 0 also when it ran nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from Testing.Slicer import outcomes

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ("--no-splash", "--disable-settings", "--ignore-slicerrc")
"""Not --testing: with it, Slicer ends as soon as the script's last line is read, before any timer fires."""
ARGUMENTS_OF = {"headless": ("--no-main-window",)}
"""What single scenarios need besides."""
LONGEST_S = 1200.0
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Ended:
    """How a Slicer ended.

    Args:
        code: its exit code; None when it had to be stopped.
        lines: what it printed.
    """

    code: int | None
    lines: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios that are named, or all; 0 when all passed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.Slicer.launch", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--slicer", required=True, help="the Slicer to start")
    parser.add_argument(
        "--timeout", type=float, default=LONGEST_S, help="seconds for one scenario (default %(default)s)"
    )
    parser.add_argument("scenario", nargs="*", help="all when none is named")
    asked = parser.parse_args(arguments)
    known = outcomes.scenario_files()
    unknown = sorted(set(asked.scenario) - set(known))
    if unknown:
        parser.error(f"There is no scenario '{unknown[0]}'; there are: {', '.join(known)}.")
    failed = 0
    for name in asked.scenario or known:
        problem = run_one(asked.slicer, name, asked.timeout)
        failed += bool(problem)
        print(f"[Tell2Reg] FAILED {name}: {problem}" if problem else f"[Tell2Reg] PASSED {name}", flush=True)
    return 1 if failed else 0


def run_one(slicer: str, name: str, timeout_s: float) -> str:
    """Run one scenario in a Slicer of its own; why it failed, in one sentence, empty when it passed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "outcomes.jsonl"
        command = [slicer, *ARGUMENTS, *ARGUMENTS_OF.get(name, ())]
        command += ["--additional-module-paths", str(ROOT / "Tell2Reg")]
        command += ["--python-script", str(ROOT / "Testing" / "Slicer" / "run_all.py"), name]
        try:
            ended = _ended(command, {**os.environ, outcomes.REPORT_VARIABLE: str(report)}, timeout_s)
        except OSError as error:
            return f"'{slicer}' could not be started: {error.strerror}."
        return why_failed(name, outcomes.read(report).get(name), ended, timeout_s)


def why_failed(name: str, outcome: outcomes.Outcome | None, ended: Ended, timeout_s: float) -> str:
    """The judgement on a scenario, in one sentence; empty when it passed."""
    if outcome is None and ended.code is None:
        return f"no end within {timeout_s:g} s; it was stopped."
    if outcome is None:
        return f"Slicer {_exit_text(ended.code)} and the scenario never reported its end."
    if not outcome.passed:
        return outcome.failures[0].strip().splitlines()[-1]
    if ended.code is None:
        return f"the scenario passed, but Slicer did not end within {timeout_s:g} s and was stopped."
    if ended.code != 0:
        return f"the scenario passed, but then Slicer {_exit_text(ended.code)}."
    if any(TRACEBACK in line for line in _during(name, ended.lines)):
        return "a traceback was printed while it ran, see above."
    return ""


def _exit_text(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"
    return f"ended with {code}"


def _during(name: str, lines: Sequence[str]) -> Sequence[str]:
    """The lines between the beginning of a scenario and its end."""
    marks = [number for number, line in enumerate(lines) if line.startswith(f"[Tell2Reg] {name}: ")]
    return lines[marks[0] : marks[-1]] if marks else lines


def _ended(command: Sequence[str], environment: dict[str, str], timeout_s: float) -> Ended:
    """Start a Slicer, pass on what it prints, wait for its end."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    lines: list[str] = []

    def pass_on() -> None:
        assert process.stdout is not None
        with process.stdout as printed:
            for line in printed:
                lines.append(line.rstrip("\n"))
                print(line, end="", flush=True)

    reader = threading.Thread(target=pass_on, daemon=True)
    reader.start()
    try:
        code: int | None = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _stop(process)
    reader.join(5.0)
    return Ended(code, tuple(lines))


def _stop(process: subprocess.Popen) -> None:
    """End what is left of a Slicer and of what it started."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
