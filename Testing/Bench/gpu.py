"""One prepared script for a machine with an NVIDIA GPU: is everything right there, how fast is it, what limits it.

    python -m Testing.Bench.gpu --json gpu.json          everything; some minutes
    python -m Testing.Bench.gpu --only fields            one section (may be repeated)
    python -m Testing.Bench.gpu --dry-run                the same steps with small networks on the CPU, in seconds

Runs from arrays: without SimpleITK and without network. A section that lacks a package, or fails, is recorded with its
reason and the next one runs; the file is written after each section. Correctness comes first: CUDA against the CPU in
fp32. Exit code 1: a check does not hold or a section failed.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from Testing.Bench.gpu_measure import Checks, copy_speeds, is_cuda
from Testing.Bench.gpu_plan import Plan, dry_plan, full_plan
from Testing.Bench.measure import Row

Section = Callable[[Plan, Checks], Row]
PACKAGES = ("torch", "torchvision", "numpy", "scipy", "transformers", "groundingdino-py", "segment-anything")
DIGITS = 5
"""Significant digits in the file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when every check holds and no section failed."""
    options = _options(arguments)
    plan = dry_plan() if options.dry_run else full_plan(options.device)
    unknown = set(options.only or ()) - set(sections(plan))
    if unknown:
        raise SystemExit(f"No section {', '.join(sorted(unknown))}: choose of {', '.join(sections(plan))}.")
    checks = Checks()
    result: Row = {"sections": {}, "checks": checks.rows}
    started = time.perf_counter()
    for name, section in sections(plan).items():
        if options.only and name not in options.only:
            continue
        if time.perf_counter() - started > options.seconds:
            result["sections"][name] = {"skipped": f"after {options.seconds:g} s"}  # type: ignore[index]
            continue
        row = run_section(section, plan, checks)
        result["sections"][name] = row  # type: ignore[index]
        print(f"{name}: {row.get('failed', 'done')} ({row['section_seconds']:.1f} s)", file=sys.stderr, flush=True)
        result["seconds"] = time.perf_counter() - started
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf-8")
    for check in checks.failed:
        print(f"FAILED: {check}")
    failed = [name for name, row in result["sections"].items() if "failed" in row]  # type: ignore[attr-defined]
    held = len(checks.rows) - len(checks.failed)
    print(f"{held} of {len(checks.rows)} checks hold; failed sections: {', '.join(failed) or 'none'}")
    return int(bool(checks.failed or failed))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check and time Tell2Reg on an NVIDIA GPU.")
    parser.add_argument("--dry-run", action="store_true", help="small networks on the CPU, in seconds")
    parser.add_argument("--device", default="cuda", help="a torch device, such as cuda:1")
    parser.add_argument("--only", action="append", help="this section only (may be repeated)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no section after so many seconds")
    parser.add_argument("--json", type=Path, help="where to write the result")
    return parser.parse_args(arguments)


def sections(plan: Plan) -> dict[str, Section]:
    """Every section by name, correctness first; each imports what it needs."""
    named: dict[str, Section] = {"machine": machine, "fields": _fields, "demo networks": _demo, "words": _words}
    for name in plan.networks:
        named[name] = lambda plan, checks, name=name: _network(name, plan, checks)  # type: ignore[misc]
    named["profile of a fit"] = _profile_of_a_fit
    return named


def run_section(section: Section, plan: Plan, checks: Checks) -> Row:
    """What a section gives, with its seconds and the warnings it raised; a failure as text."""
    started, used = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            row = section(plan, checks)
        except Exception as error:
            traceback.print_exc()
            row = {"failed": f"{type(error).__name__}: {error}"[:500]}
    warning_texts = sorted({f"{item.category.__name__}: {str(item.message)[:200]}" for item in heard})
    seconds = {"section_seconds": time.perf_counter() - started, "section_cpu_seconds": time.process_time() - used}
    return row | seconds | {"warnings": warning_texts}


# --- sections ---


def machine(plan: Plan, checks: Checks) -> Row:
    """The card, the versions, and what the hardware reaches in plain products and copies."""
    from Testing.Bench.networks_measure import teraflops

    row: Row = {"python": platform.python_version(), "cpus": torch.get_num_threads(), "versions": {}}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            row["versions"][name] = version(name)  # type: ignore[index]
    row["without_simpleitk"] = "SimpleITK" not in sys.modules
    if is_cuda(plan.device):
        about = torch.cuda.get_device_properties(plan.device)
        row |= {"card": about.name, "memory_gb": about.total_memory / 1e9, "cuda": torch.version.cuda}
        with suppress(OSError, subprocess.SubprocessError):
            query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
            row["driver"] = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    formats = ("fp32", "bf16") if is_cuda(plan.device) else ("fp32",)
    row["teraflops"] = {name: teraflops(plan.device, name, plan.matrix) for name in formats}
    row["gigabytes_per_second"] = copy_speeds(plan.device)
    return row


def _fields(plan: Plan, checks: Checks) -> Row:
    from Testing.Bench.gpu_fields import fields

    return fields(plan, checks)


def _demo(plan: Plan, checks: Checks) -> Row:
    from Testing.Bench.gpu_demo import demo_networks

    return demo_networks(plan, checks)


def _words(plan: Plan, checks: Checks) -> Row:
    from Testing.Bench.gpu_demo import words

    return words(plan, checks)


def _network(name: str, plan: Plan, checks: Checks) -> Row:
    from Testing.Bench.gpu_stages import network

    return network(name, plan, checks)


def _profile_of_a_fit(plan: Plan, checks: Checks) -> Row:
    from Testing.Bench.gpu_fields import profile_of_a_fit

    return profile_of_a_fit(plan)


def rounded(value: object) -> object:
    """The same with floats of few digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
