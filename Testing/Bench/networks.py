"""Detection and embedding: our way of running the networks against the packages' own predictors, in one run.

    python -m Testing.Bench.networks                         every network; hours on a CPU, minutes on a GPU
    python -m Testing.Bench.networks --only sam-vit-b-512    one network (may be repeated)
    python -m Testing.Bench.networks --quick                 the demo's networks, in a minute
    python -m Testing.Bench.networks --slices 3              more slices on a CPU
    python -m Testing.Bench.networks --write                 as `make bench` does: the table in docs/benchmarks.md; on a
                                                             CPU the two smallest networks only, twelve minutes

On a GPU 192 slices are timed (48 of the package's, which is slower), on a CPU one; the time of 192 is computed from
that, and the table says of how many. What is printed is Markdown; --json keeps the rows, and adds to a file that is
there already.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from Testing.Bench.measure import Row
from Testing.Bench.networks_measure import CASES
from Testing.Bench.table import Machine, rewrite, seconds_text

ROOT = Path(__file__).resolve().parents[2]
PAIR = 192
"""Slices of a pair of volumes of 96 each."""

PACKAGE_ON_GPU = 48
LONGEST_S = 3600
QUICK = ("dino-demo", "sam-demo")
ON_A_CPU = ("sam-vit-b-512", "dino-swin-t")
"""What `make bench` measures without a GPU."""
WHO = {"ours": "**Tell2Reg**", "later": "**Tell2Reg**, a later word", "package": "its package"}
DOCUMENT = ROOT / "docs" / "benchmarks.md"
HEAD = (
    "| Network | Prompts | Run by | Format | Seconds per slice | 192 slices, s | Slices timed | Times as fast "
    "| Peak memory MB | TFLOP per slice | Share of a large product's speed |\n"
    "|---|--:|---|---|--:|--:|--:|--:|--:|--:|--:|"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every measurement was made."""
    options = _options(arguments)
    device = options.device or _best_device()
    names = options.only or _names(device, options)
    started = time.perf_counter()
    rows = _earlier_rows(options.json)
    failed = False
    for run in plan(names, device, options.slices, options.prompts):
        row = _run(*run)
        failed |= "failed" in row
        rows = [old for old in rows if identity(old) != identity(row)] + [row]
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    said = Machine.this_machine(time.perf_counter() - started).sentence().replace("make bench", "networks")
    gpus = sorted({str(row["device"]) for row in rows if "seconds" in row} - {"cpu"})
    said = said.replace("no GPU", " and ".join(gpus) or "no GPU")
    print(f"{table(rows)}\n\n{said}")
    if options.write:
        rewrite(DOCUMENT, {"networks": f"{table(rows)}\n\n{said}"})
    return int(failed)


def _names(device: str, options: argparse.Namespace) -> Sequence[str]:
    if options.quick:
        return QUICK
    small = options.write and not device.startswith("cuda")
    return ON_A_CPU if small else [name for name in CASES if name not in QUICK]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the networks, run by us and by their packages.")
    parser.add_argument("--only", action="append", choices=list(CASES), help="this network only (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="the demo's networks only")
    parser.add_argument("--device", help="cpu, cuda or cuda:1; otherwise the best there is")
    parser.add_argument("--slices", type=int, help="slices to time; otherwise 1 on a CPU, 192 on a GPU")
    parser.add_argument("--prompts", type=int, action="append", help="number of prompts (may be repeated); 1 and 6")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="keep the rows in this file")
    return parser.parse_args(arguments)


Run = tuple[str, str, str, int, int]


def plan(names: Sequence[str], device: str, slices: int | None, prompts: Sequence[int] | None) -> list[Run]:
    """What to measure: (case, who, device, slices, prompts)."""
    gpu = device.startswith("cuda")
    runs: list[Run] = []
    for name in names:
        for count in (prompts or (1, 6)) if CASES[name].detects else (1,):
            for who in ("ours", "later", "package") if CASES[name].detects and count == 1 else ("ours", "package"):
                many = slices or (1 if not gpu else PACKAGE_ON_GPU if who == "package" else PAIR)
                runs.append((name, who, device, many, count))
    return runs


def identity(row: Row) -> tuple[object, ...]:
    """What makes two rows measurements of the same."""
    return tuple(row.get(key) for key in ("case", "who", "device", "prompts"))


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, ours above the package's."""
    lines = [HEAD]
    order = {name: number for number, name in enumerate(CASES)}
    for row in sorted(
        rows, key=lambda row: (order[str(row["case"])], row.get("prompts", 0), [*WHO].index(str(row["who"])))
    ):
        lines.append(_line(row, rows))
    return "\n".join(lines)


def _line(row: Row, rows: Sequence[Row]) -> str:
    title = CASES[str(row["case"])].title
    who = WHO[str(row["who"])] + (", 1024" if row["who"] == "package" and "512" in title else "")
    if "failed" in row:
        return f"| {title} | {row.get('prompts') or ''} | {who} | {row['failed']} | | | | | | | |"
    each = _number(row, "seconds") / _number(row, "slices")
    expected = identity({**row, "who": "package"})
    rival = next((row for row in rows if identity(row) == expected and "seconds" in row), None)
    faster = ""
    if rival is not None and row["who"] != "package":
        faster = f"{_number(rival, 'seconds') / _number(rival, 'slices') / each:.3g}"
    cells = [title, str(row["prompts"] or ""), who, str(row["format"]), f"{each:.3g}", seconds_text(each * PAIR)]
    cells += [str(row["slices"]), faster, f"{row['memory_mb']:.0f}", f"{row['teraflop_each']:.3g}"]
    return "| " + " | ".join([*cells, f"{100 * _number(row, 'share_of_peak'):.0f} %"]) + " |"


def _number(row: Row, key: str) -> float:
    return float(row[key])  # type: ignore[arg-type]


def _earlier_rows(file: Path | None) -> list[Row]:
    if file is None or not file.is_file():
        return []
    return list(json.loads(file.read_text(encoding="utf-8")))


def _best_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _run(case: str, who: str, device: str, slices: int, prompts: int) -> Row:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "Testing.Bench.networks_measure", case, who, device, str(slices), str(prompts)]
    about: Row = {"case": case, "who": who, "device": device, "prompts": prompts if CASES[case].detects else 0}
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S, check=True, env=environment
        )
    except subprocess.TimeoutExpired:
        return about | {"failed": f"stopped after {LONGEST_S} s"}
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        print(f"{case}, {who}: failed: {last}", file=sys.stderr, flush=True)
        return about | {"failed": f"failed: {last[:120]}"}
    row: Row = json.loads(done.stdout.splitlines()[-1])
    print(f"{case}, {who}: {_number(row, 'seconds'):.2f} s for {slices} slices", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    raise SystemExit(main())
