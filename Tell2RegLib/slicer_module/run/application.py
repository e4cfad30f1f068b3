"""Services of the running application: Python for the worker, a timer, events, shutdown."""

from __future__ import annotations

import shutil
import sys

import qt
import slicer

from Tell2RegLib.slicer_module.run.runs import Runs
from Tell2RegLib.slicer_module.run.worker_client import WorkerClient


def makeRuns() -> Runs:
    """Runs in a worker of Slicer's own Python, polled while the application is idle, ended with it."""
    timer = qt.QTimer()
    runs = Runs(makeClient(), timer=timer, pump=slicer.app.processEvents)

    def release() -> None:
        slicer.app.disconnect("aboutToQuit()", runs.close)
        timer.deleteLater()

    slicer.app.connect("aboutToQuit()", runs.close)
    runs.closed.connect(release)
    return runs


def makeClient() -> WorkerClient:
    """A client with a separate worker, which starts at the first request."""
    return WorkerClient(workerCommand())


def workerCommand() -> list[str]:
    """The command of the worker: PythonSlicer sets the paths of Slicer's libraries for its Python."""
    python = shutil.which("PythonSlicer") or sys.executable or "PythonSlicer"
    return [python, "-m", "Tell2RegLib.worker"]
