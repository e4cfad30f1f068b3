"""`make validation`: registers phantoms with known truth and writes the tables and plots of docs/validation.md.

    python -m Testing.Validation.run --write                            200 pairs, into docs/validation.md
    python -m Testing.Validation.run --count 26 --seed 90000            26 others, printed and written to out/validation
    python -m Testing.Validation.run --count 0 --leave-organs-out 20    each organ left out in turn, on 20 pairs

The cases run in one process per CPU, with one thread each; the numbers do not depend on how many there are.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from Tell2RegLib.cases.contents import CaseContents
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.validation.folder import write_validation
from Tell2RegLib.validation.plots import can_plot, write_plots
from Tell2RegLib.validation.scores import CaseScores
from Tell2RegLib.validation.summary import summarise
from Tell2RegLib.workflows.validate import scored
from Testing.Bench.table import Machine, rewrite
from Testing.Validation.phantoms import KINDS, cases_without_an_organ, make_case
from Testing.Validation.tables import kinds_text, organs_text, phantoms_text

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, PICTURES = ROOT / "docs" / "validation.md", ROOT / "docs" / "pictures"
FIRST_SEED = 70_000
"""Far from the seeds of the demo, the tests, the benchmarks and the training of the demo's networks."""


@dataclass(frozen=True)
class Task:
    """One phantom to register.

    Args:
        seed: of the pair.
        kind: of the case; empty to leave out each organ in turn.
        fit: values of `FitSettings`.
    """

    seed: int
    kind: str = ""
    fit: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.seed} {self.kind}".strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every case has scores."""
    options = _options(arguments)
    kinds = options.kind or list(KINDS)
    fit = _settings(options.set)
    FitSettings(**fit)
    phantoms = [Task(options.seed + n, kinds[n % len(kinds)], fit) for n in range(options.count)]
    organs = [Task(options.seed + n, "", fit) for n in range(options.leave_organs_out)]
    started = time.perf_counter()
    scores = _run([*phantoms, *organs], options.jobs)
    about = _about(options, time.perf_counter() - started)
    parts = {}
    if phantoms:
        cases = [case for task in phantoms for case in scores[task.name]]
        summary = summarise(cases)
        parts["phantoms"] = phantoms_text(summary, cases, about)
        options.out.mkdir(parents=True, exist_ok=True)
        write_validation(options.out, cases, summary, {"about": about})
        if options.write and can_plot():
            PICTURES.mkdir(exist_ok=True)
            write_plots(summary, PICTURES, prefix="validation-")
    if organs:
        parts["organs"] = organs_text([case for task in organs for case in scores[task.name]], about)
    print("\n\n".join(parts.values()))
    if options.write:
        rewrite(DOCUMENT, {"kinds": kinds_text(), **parts}, "validation")
    return 1 if any(case.failed for cases in scores.values() for case in cases) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Register phantoms with known truth and score the results.")
    parser.add_argument("--count", type=int, default=200, help="number of pairs (default: 200)")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help=f"seed of the first pair (default: {FIRST_SEED})")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="this kind only (may be repeated)")
    parser.add_argument("--leave-organs-out", type=int, default=0, metavar="PAIRS", help="leave out each organ in turn")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the fit")
    parser.add_argument("--jobs", type=int, default=_cpu_count(), help="processes (default: one per CPU)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "validation", help="folder of rows and values")
    parser.add_argument("--write", action="store_true", help="write the tables and plots into docs/validation.md")
    return parser.parse_args(arguments)


def _settings(words: Sequence[str]) -> dict[str, Any]:
    from Tell2RegLib.support.settings import value_from_text

    pairs = (word.partition("=") for word in words)
    return {name: value_from_text(FitSettings, name, value) for name, _, value in pairs}


def _cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _about(options: argparse.Namespace, seconds: float) -> str:
    words = [f"--count {options.count}", f"--seed {options.seed}"]
    words += [f"--kind {shlex.quote(kind)}" for kind in options.kind or ()]
    words += [f"--leave-organs-out {options.leave_organs_out}"] if options.leave_organs_out else []
    words += [f"--set {setting}" for setting in options.set]
    return Machine.this_machine(seconds).sentence(" ".join(["python -m Testing.Validation.run", *words]))


# --- processes ---


def _run(tasks: Sequence[Task], jobs: int) -> dict[str, list[CaseScores]]:
    """The scores of every task by its name; the progress goes to stderr."""
    os.environ["OMP_NUM_THREADS"] = "1"
    results: dict[Any, list[CaseScores]] = {}
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        try:
            futures = {pool.submit(run_task, task): task for task in tasks}
            for number, future in enumerate(as_completed(futures), 1):
                results[futures[future].name] = future.result()
                print(f"{number} of {len(tasks)}: {futures[future].name}", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def run_task(task: Task) -> list[CaseScores]:
    """Make the phantom of a task and score it; one row, or one per organ that is left out."""
    patients = (f"phantom {task.seed}",)
    if task.kind:
        about = CaseScores(task.name, patients, {"kind": task.kind})
        return [scored(about, lambda: make_case(task.seed, task.kind), task.fit)]
    return [
        scored(CaseScores(f"{task.seed} {organ}", patients, {"organ": organ}), _given(contents), task.fit)
        for organ, contents in cases_without_an_organ(task.seed).items()
    ]


def _given(contents: CaseContents) -> Any:
    return lambda: contents


if __name__ == "__main__":
    raise SystemExit(main())
