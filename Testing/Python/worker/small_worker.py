"""The real tasks on a small synthetic pair, with simulated networks; a stage can be held until the run is cancelled.

    python -m Testing.Python.worker.small_worker

The file that the variable below names holds the name of the stage to stay in, as long as it is there.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from Tell2RegLib.region_sources import grounded_sam_networks
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.grounded_sam_networks import Networks
from Tell2RegLib.worker.serve import serve
from Tell2RegLib.worker.tasks import TASKS, Run, Task
from Testing.Python.by_words import Bench, a_bench

HOLD = "TELL2REG_TEST_HOLD"


def simulated(*, models: str = "demo", networks: Networks | None = None) -> GroundedSam:
    """In the place of `grounded_sam_by_options`."""
    source = the_bench().words().source
    assert isinstance(source, GroundedSam)
    if networks is not None and networks.loads == 0:
        networks.loads = 1
    return replace(source, weights={f"simulated-{models}": "0" * 64})


@cache
def the_bench() -> Bench:
    """Made when a run first needs it."""
    return a_bench()


def held(task: Task) -> Task:
    """The same task, staying in the stage that a test names."""

    def do(request: Any, run: Run) -> Any:
        def progress(stage: str, done: int, total: int) -> None:
            run.progress(stage, done, total)
            while stage == stage_to_hold() and not run.cancelled():
                time.sleep(0.005)

        return task(request, replace(run, progress=progress))

    return do


def stage_to_hold() -> str:
    """Empty when no stage is to be held."""
    path = Path(os.environ.get(HOLD, os.devnull))
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    grounded_sam_networks.grounded_sam_by_options = simulated
    serve({name: held(task) for name, task in TASKS.items()})
