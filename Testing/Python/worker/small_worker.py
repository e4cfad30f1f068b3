"""The real tasks on a small synthetic pair, with simulated networks; a stage can be held until the run is cancelled.

    python -m Testing.Python.worker.small_worker

The file that the variable below names holds the name of the stage to stay in, as long as it is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from Tell2RegLib.pipeline import prompt_query as words_module
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.worker.serve import serve
from Tell2RegLib.worker.tasks import TASKS, Run, Task
from Testing.Python.by_words import Bench, a_bench

HOLD = "TELL2REG_TEST_HOLD"


def simulated(prompts: Sequence[str], models: str = "demo", **options: Any) -> PromptQuery:
    """In the place of `query_by_models`."""
    found = the_bench().words(*prompts)
    if options["networks"] is not None and options["networks"].loads == 0:
        options["networks"].loads = 1
    return replace(found, models={f"simulated-{models}": "0" * 64})


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
    words_module.query_by_models = simulated
    serve({name: held(task) for name, task in TASKS.items()})
