r"""Runs the scenarios of this folder inside a real Slicer, then ends it: exit code 0 when all went well, otherwise 1.

    Slicer --no-splash --testing --additional-module-paths REPOSITORY/Tell2Reg \
        --python-script REPOSITORY/Testing/Slicer/run_all.py [NAME ...]

Every other file here is a scenario, named by its stem: a function `run()` that raises where something is wrong. Errors
that Slicer only prints (in `setup()`, in slots, in observers) are caught too and fail the scenario. Run it under
`timeout`: a Slicer that hangs does not end by itself.
"""

import importlib.util
import sys
import time
import traceback
from pathlib import Path

import qt
import slicer

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]


def main(names):
    """Run the scenarios of these names, or all; ends Slicer."""
    scenarios = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path.stem != Path(__file__).stem}
    unknown = sorted(set(names) - set(scenarios))
    failures = [f"there is no scenario '{name}'" for name in unknown]
    for name in names or scenarios:
        if name in scenarios:
            failures += [f"{name}: {failure}" for failure in run_one(name, scenarios[name])]
    for failure in failures:
        say(f"FAILED {failure}")
    say(f"{len(names or scenarios)} scenarios, {len(failures)} failures")
    slicer.util.exit(1 if failures else 0)


def run_one(name, path):
    """What went wrong in a scenario, as texts; every error that Slicer prints while it runs is one."""
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
    say(f"{name}: {'failed' if failures else 'passed'} after {time.perf_counter() - started:.1f} s")
    return failures


def say(line):
    """A line that is seen at once, also when Slicer crashes after it."""
    print(f"[Tell2Reg] {line}", flush=True)


if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
qt.QTimer.singleShot(0, lambda: main(sys.argv[1:]))
