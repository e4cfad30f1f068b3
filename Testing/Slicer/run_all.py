"""Runs scenarios of this folder inside a real Slicer, reports how each ended, then ends Slicer.

Started by launch.py, which judges the report; by hand also without one:

    Slicer --additional-module-paths FOLDER/Tell2Reg --python-script FOLDER/Testing/Slicer/run_all.py [NAME ...]

A scenario is a file of this folder with a function `run()` that raises where something is wrong. Errors that Slicer
only prints (in `setup()`, in slots, in observers) are caught too and fail the scenario.
"""

import importlib.util
import os
import sys
import time
import traceback
from pathlib import Path

import qt
import slicer

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from Testing.Slicer import outcomes  # noqa: E402  the path comes first


def main(names):
    """Run the scenarios of these names, or all; ends Slicer."""
    known = outcomes.scenario_files()
    ended = [run_one(name, known[name]) if name in known else unknown(name) for name in names or known]
    report = os.environ.get(outcomes.REPORT_VARIABLE)
    for outcome in ended:
        for failure in outcome.failures:
            say(f"FAILED {outcome.scenario}: {failure}")
        if report:
            outcomes.append(report, outcome)
    say(f"{len(ended)} scenarios, {sum(not outcome.passed for outcome in ended)} failed")
    slicer.util.exit(0 if ended and all(outcome.passed for outcome in ended) else 1)


def unknown(name):
    """The outcome of a scenario that does not exist."""
    return outcomes.Outcome(name, (f"There is no scenario '{name}'.",))


def run_one(name, path):
    """How a scenario ended; every error that Slicer prints while it runs is a failure."""
    failures = []
    hook_before = sys.excepthook
    sys.excepthook = lambda kind, error, where: failures.append("".join(traceback.format_exception(kind, error, where)))
    started = time.perf_counter()
    say(f"{name}: begins")
    try:
        slicer.mrmlScene.Clear(0)
        spec = importlib.util.spec_from_file_location(f"Tell2RegScenario_{name}", path)
        scenario = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(scenario)
        scenario.run()
        slicer.app.processEvents()
    except BaseException:  # also SystemExit: Slicer must end by our exit code
        failures.append(traceback.format_exc())
    finally:
        sys.excepthook = hook_before
    seconds = time.perf_counter() - started
    say(f"{name}: {'failed' if failures else 'passed'} after {seconds:.1f} s")
    return outcomes.Outcome(name, tuple(failures), seconds)


def say(line):
    """A line that is seen at once, also when Slicer crashes after it."""
    print(f"[Tell2Reg] {line}", flush=True)


if slicer.app.testingEnabled():
    main(sys.argv[1:])  # Slicer ends when this script does: a timer would never fire
else:
    qt.QTimer.singleShot(0, lambda: main(sys.argv[1:]))
