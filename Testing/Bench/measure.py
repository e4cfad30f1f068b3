"""One tool on one case, in a process of its own: seconds, peak memory and quality, as one JSON object on stdout.

    python -m Testing.Bench.measure TOOL CASE_FILE

A process of its own keeps one tool's memory and threads out of the next one's numbers, and a tool that dies takes
nothing with it. The clock runs from segmentations in memory to a displacement field on the fixed grid (and its inverse,
where the tool has one). Imports are done before it starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import numpy as np

from Tell2RegLib.evaluation import metrics
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome

Row = dict[str, object]


def save_case(case: Case, path: Path) -> None:
    """Write a case so that other processes need not draw it again."""
    arrays: dict[str, np.ndarray] = {}
    for number, pair in enumerate(case.pairs):
        for side in ("fixed", "moving"):
            region: Region = getattr(pair, side)
            arrays[f"{side}_{number}"] = region.box_kji
            arrays[f"{side}_{number}_start"] = np.array(region.start_kji)
    grids = {side: _grid_numbers(getattr(case, f"{side}_grid")) for side in ("fixed", "moving")}
    about = {"name": case.name, "title": case.title, "names": [p.name for p in case.pairs], "grids": grids}
    np.savez(path, about=json.dumps(about), **arrays)


def load_case(path: Path) -> Case:
    """What `save_case` wrote."""
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        grids = {side: Grid(*numbers) for side, numbers in about["grids"].items()}
        pairs = [
            RegionPair(*(_region(arrays, side, number, name, grids[side]) for side in ("fixed", "moving")))
            for number, name in enumerate(about["names"])
        ]
    return Case(about["name"], about["title"], tuple(pairs))


def _region(arrays, side: str, number: int, name: str, grid: Grid) -> Region:  # type: ignore[no-untyped-def]
    start = tuple(int(n) for n in arrays[f"{side}_{number}_start"])
    return Region(name, arrays[f"{side}_{number}"], start, grid)  # type: ignore[arg-type]


def _grid_numbers(grid: Grid) -> tuple:
    return grid.size_xyz, grid.spacing_mm, grid.origin_lps_mm, grid.direction


# --- the measurement ---


def measure(tool: str, case: Case) -> Row:
    """Run a tool on a case and say how it went."""
    from Testing.Bench.tools import TOOLS  # brings SimpleITK, which the yardstick below works without

    rival = TOOLS[tool]
    rival.load()
    before_mb = reset_peak_mb()
    started = time.perf_counter()
    outcome = rival.fit(case)
    wall = time.perf_counter() - started
    row: Row = {
        "seconds": outcome.seconds or wall,
        "wall_seconds": wall,
        "memory_mb": peak_mb() - before_mb,
        "remark": outcome.remark,
    }
    return row | quality(case, outcome)


def quality(case: Case, outcome: Outcome) -> Row:
    """Dice of each pair, folding, smoothness and inverse error: the same yardstick for every tool."""
    if outcome.forward is None:
        return {}
    dice = [dice_after(pair, outcome.forward) for pair in case.pairs]
    field = metrics.field_quality(outcome.forward)
    row: Row = {
        "mean_dice": float(np.mean(dice)),
        "worst_dice": float(np.min(dice)),
        "folding_percent": field.folding_percent,
        "sdlogj": field.sdlogj,
    }
    if outcome.backward is not None:
        row["inverse_mm"] = metrics.inverse_error_mm(outcome.forward, outcome.backward)
    return row


def metrics_before(case: Case) -> Row:
    """Dice of the pairs as they lie. Both sides of a case share one grid."""
    dice = [metrics.dice(pair.fixed, pair.moving) for pair in case.pairs]
    return {"mean_dice": float(np.mean(dice)), "worst_dice": float(np.min(dice))}


def dice_after(pair: RegionPair, forward: DisplacementField) -> float:
    """Dice of the fixed region and the moving one brought over, nearest voxel (as Learn2Reg does)."""
    grid, moving = forward.grid, pair.moving
    inside = np.zeros(grid.shape_kji, bool)
    size = np.array(moving.box_kji.shape)[::-1]
    for k in range(grid.shape_kji[0]):
        plane = grid.crop((0, 0, k), (*grid.size_xyz[:2], 1)).voxel_centres_lps_mm()[0] + forward.vectors_kji[k]
        index = np.rint(moving.box_grid.lps_to_index(plane)).astype(np.int64)
        hit = np.all((index >= 0) & (index < size), axis=-1)
        inside[k][hit] = moving.box_kji[tuple(index[hit].T[::-1])]
    if not inside.any():
        return 0.0
    return metrics.dice(pair.fixed, Region.from_mask(moving.name, inside, grid))


# --- memory ---


def reset_peak_mb() -> float:
    """Forget the highest memory use so far, where the system allows it (Linux), and return the present one."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS") or peak_mb()


def peak_mb() -> float:
    """Highest memory use of this process since `reset_peak_mb`, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return _status_mb("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _status_mb(key: str) -> float | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return float(line.split()[1]) * 1024 / 1e6
    return None


def main(tool: str, case_file: str) -> None:
    """Run and print; whatever the tool itself prints goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    row = measure(tool, load_case(Path(case_file)))
    os.write(answer, json.dumps(row).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
