"""Fits on the device against the same fits on the CPU: fields, quality, repeatability, time."""

from __future__ import annotations

from typing import Any

import numpy as np

from Tell2RegLib.fitting import FitResult, deformable, fit, unfold
from Tell2RegLib.fitting import fit as _fit_function
from Testing.Bench.cases import CASES, Case
from Testing.Bench.gpu_measure import Checks, Laps, profile, timed
from Testing.Bench.gpu_plan import Plan
from Testing.Bench.measure import Row, quality
from Testing.Bench.outcome import Outcome

DICE_LOSS = 0.005
"""How far the mean Dice on the device may fall below that on the CPU."""

MEAN_DIFFERENCE_MM = 0.1
"""Of the two fields. Adam divides by the gradient's size, so rounding grows where the gradient is nearly zero."""

PROFILED_STEPS = 8
"""Of the optimiser per level: enough for the shares of the operations."""


def fields(plan: Plan, checks: Checks) -> Row:
    """Every case of the plan, and the other kinds of transform on the first of them."""
    rows: Row = {}
    for number, name in enumerate(plan.fits):
        case = CASES[name]()
        for kind in ("svf", *(plan.kinds if number == 0 else ())):
            rows[f"{name} {kind}"] = _compared(case, kind, plan, checks)
    return rows


def _compared(case: Case, kind: str, plan: Plan, checks: Checks) -> Row:
    results: dict[str, FitResult] = {}

    def run(device: str, key: str) -> None:
        results[key] = fit(case.pairs, plan.settings(device, kind=kind))

    name = f"{case.name} {kind}"
    row: Row = {"cpu": timed(lambda: run("cpu", "cpu"), "cpu")}
    first = timed(lambda: run(plan.device, "first"), plan.device)
    row["device"] = timed(lambda: run(plan.device, "again"), plan.device)
    row["device"]["seconds_first"] = first["seconds"]  # type: ignore[index]
    row["parts"] = _parts(case, kind, plan)
    row["steps"] = {key: [len(losses) for losses in results[key].losses] for key in ("cpu", "first")}
    for key, into in (("cpu", "cpu"), ("again", "device")):
        row[into] |= quality(case, _outcome(results[key]))  # type: ignore[operator]
    gap = np.linalg.norm(_vectors(results["cpu"]) - _vectors(results["again"]), axis=-1)
    row["difference_mm"] = {"mean": float(gap.mean()), "max": float(gap.max())}
    row["same_bytes_twice"] = _bytes(results["first"]) == _bytes(results["again"])
    cpu, device = row["cpu"], row["device"]
    loss = cpu["mean_dice"] - device["mean_dice"]  # type: ignore[index]
    checks.at_most(f"{name}: Dice lost on the device", loss, DICE_LOSS)
    checks.at_most(f"{name}: folding on the device, %", device["folding_percent"], 0.0)  # type: ignore[index]
    checks.at_most(f"{name}: mean difference of the fields, mm", float(gap.mean()), MEAN_DIFFERENCE_MM)
    checks.true(f"{name}: the same bytes twice", bool(row["same_bytes_twice"]))
    return row


def _parts(case: Case, kind: str, plan: Plan) -> dict[str, float]:
    """Seconds of the parts of one fit."""
    import sys

    module = sys.modules[_fit_function.__module__]  # the package's `fit` is the function
    laps = Laps(plan.device)
    positions = [
        (module, "linear_maps"),
        (deformable, "fit_deformation"),
        (unfold, "remove_folding"),
        (module, "_invert"),
    ]
    with laps.of(*positions):
        fit(case.pairs, plan.settings(plan.device, kind=kind))
    return laps.seconds


def profile_of_a_fit(plan: Plan) -> Row:
    """What a few steps of the last case consist of."""
    from dataclasses import replace

    case = CASES[plan.fits[-1]]()
    settings = replace(plan.settings(plan.device), max_steps=min(PROFILED_STEPS, plan.max_steps))
    row = profile(lambda: fit(case.pairs, settings), plan.device)
    return {"case": case.name, "max_steps": settings.max_steps} | row


def _outcome(result: FitResult) -> Outcome:
    return Outcome(result.transform.fixed_to_moving, result.transform.moving_to_fixed)


def _vectors(result: FitResult) -> Any:
    return result.transform.fixed_to_moving.vectors_kji


def _bytes(result: FitResult) -> bytes:
    return _vectors(result).tobytes() + result.transform.moving_to_fixed.vectors_kji.tobytes()
