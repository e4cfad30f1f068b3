"""`make bench`: every tool on every case, one process each, and the tables of docs/benchmarks.md.

    python -m Testing.Bench.run             all of it, half an hour on two idle cores; rewrites docs/benchmarks.md
    python -m Testing.Bench.run --quick     tiny cases in two minutes, to see that all works; writes nothing to docs
    python -m Testing.Bench.run --only demons --only ours

A tool that is not installed gets a line that says so. A tool that fails or runs out of time does, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from Testing.Bench.cases import CASES, REGION_COUNTS, SIZES_M
from Testing.Bench.measure import Row, load_case, metrics_before, save_case
from Testing.Bench.table import Machine, comparison, growth, rewrite, settings
from Testing.Bench.tools import TOOLS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
LONGEST_S = 600
"""A tool that needs longer for one case is stopped and reported as such."""

ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
"""As the command `tell2reg` sets it; the same for every tool."""

COMPARED = ("gland", "organs", "small-gland")
GROWTH_VOXELS = tuple(f"voxels-{millions}" for millions in SIZES_M)
GROWTH_REGIONS = tuple(f"regions-{count}" for count in REGION_COUNTS)


@dataclass(frozen=True)
class Plan:
    """Which tools run on which cases."""

    tools: tuple[str, ...]
    compared: tuple[str, ...]
    voxels: tuple[str, ...]
    regions: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when every tool that is installed did its work."""
    options = _options(arguments)
    tools = tuple(options.only or TOOLS)
    if options.quick:
        plan = Plan(tools, ("tiny-organs",), (), ())
    else:
        plan = Plan(tools, COMPARED, GROWTH_VOXELS, GROWTH_REGIONS)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = _run_all(plan, Path(folder))
    machine = Machine.this_machine(time.perf_counter() - started)
    parts = {
        "comparison": "\n\n".join(comparison(results[name], TOOLS) for name in plan.compared),
        "voxels": growth([results[name] for name in plan.voxels], "Voxels (million)"),
        "regions": growth([results[name] for name in plan.regions], "Regions"),
        "settings": settings(TOOLS),
        "machine": machine.sentence(),
    }
    print("\n\n".join(text for text in parts.values() if text))
    if not options.quick and not options.only:
        rewrite(DOCUMENT, parts)
    return 1 if any("failed" in row for case in results.values() for row in case["tools"].values()) else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare this fit with other tools on the built-in cases.")
    parser.add_argument("--quick", action="store_true", help="a tiny case only; docs stay as they are")
    parser.add_argument("--only", action="append", choices=list(TOOLS), help="this tool only (may be repeated)")
    return parser.parse_args(arguments)


def _run_all(plan: Plan, folder: Path) -> dict[str, Row]:
    """Results by case: its title, how it looks before any fit, and one row per tool."""
    results: dict[str, Row] = {}
    for name in (*plan.compared, *plan.voxels, *plan.regions):
        tools = plan.tools if name in plan.compared else ("ours",)
        file = folder / f"{name}.npz"
        save_case(CASES[name](), file)
        case = load_case(file)
        rows = {tool: _run_one(tool, file) for tool in tools}
        about: Row = {"title": case.title, "voxels": case.voxels, "regions": len(case.pairs)}
        results[name] = about | {"before": metrics_before(case), "tools": rows}
    return results


def _run_one(tool: str, case_file: Path) -> Row:
    """One tool on one case in a process of its own."""
    if not TOOLS[tool].installed:
        _say(f"{case_file.stem}: {tool}: not installed")
        return {"absent": f"not installed (`pip install {TOOLS[tool].pip}`)"}
    command = [sys.executable, "-m", "Testing.Bench.measure", tool, str(case_file)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S, check=True, env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired:
        return {"absent": f"stopped after {LONGEST_S} s"}
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        _say(f"{case_file.stem}: {tool}: failed: {last}")
        return {"absent": f"failed: {last[:120]}", "failed": True}
    row: Row = json.loads(done.stdout.splitlines()[-1])
    _say(f"{case_file.stem}: {tool}: {row['seconds']:.1f} s, Dice {row.get('mean_dice', float('nan')):.3f}")
    return row


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    raise SystemExit(main())
