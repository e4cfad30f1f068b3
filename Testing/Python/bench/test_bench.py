"""The bench itself: cases, its yardstick, what it says of tools that are missing, and how it writes its page."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.evaluation import metrics
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Bench import measure, run, table
from Testing.Bench.cases import ORGANS, Case, organs
from Testing.Bench.outcome import Outcome
from Testing.Bench.tools import TOOLS
from Testing.Python.maps import identity_field

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def shifted_box() -> Case:
    """A box, and the same box 3 mm Left and 4 mm Superior of it, on a grid of uneven voxels."""
    grid = Grid((24, 20, 16), (1.0, 2.0, 4.0), (-5.0, 7.0, 11.0))
    box = np.ones((4, 5, 6), bool)
    pair = RegionPair(Region("box", box, (5, 6, 7), grid), Region("box", box, (6, 6, 10), grid))
    return Case("box", "A shifted box", (pair,))


def test_a_case_is_the_same_after_a_file(tmp_path: Path) -> None:
    case = organs(3, (40, 40, 24))
    measure.save_case(case, tmp_path / "case.npz")
    again = measure.load_case(tmp_path / "case.npz")
    assert (again.name, again.title, again.fixed_grid) == (case.name, case.title, case.fixed_grid)
    for a, b in zip(case.pairs, again.pairs, strict=True):
        assert metrics.dice(a.fixed, b.fixed) == metrics.dice(a.moving, b.moving) == 1.0


def test_fewer_organs_are_the_first_ones_and_a_finer_grid_shows_the_same_anatomy() -> None:
    coarse, fine = organs(4, (48, 48, 32)), organs(4, (80, 80, 48))
    assert [pair.name for pair in coarse.pairs] == [organ.name for organ in ORGANS[:4]]
    for a, b in zip(coarse.pairs, fine.pairs, strict=True):
        assert metrics.volume_ratio(a.fixed, b.fixed) == pytest.approx(1.0, abs=0.05)
        assert metrics.centroid_distance_mm(a.moving, b.moving) < 1.5


def test_the_yardstick_knows_which_way_a_field_points(shifted_box: Case) -> None:
    grid = shifted_box.fixed_grid
    right = np.broadcast_to(np.float32([3, 0, 4]), (*grid.shape_kji, 3))
    forward, back = DisplacementField(right, grid), DisplacementField(-right, grid)
    row = measure.quality(shifted_box, Outcome(forward, back))
    assert row["mean_dice"] == row["worst_dice"] == 1.0
    assert row["inverse_mm"] == pytest.approx((0.0, 0.0), abs=1e-6)
    assert measure.quality(shifted_box, Outcome(back))["mean_dice"] == 0.0
    before = measure.metrics_before(shifted_box)["mean_dice"]
    assert measure.dice_after(shifted_box.pairs[0], identity_field(grid)) == pytest.approx(before)


def test_a_tool_that_is_not_installed_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TOOLS, "syn", replace(TOOLS["syn"], package="no_such_package"))
    row = run._run_one("syn", tmp_path / "case.npz")
    shown = table.comparison(
        {"title": "T", "before": {"mean_dice": 0.5, "worst_dice": 0.5}, "tools": {"syn": row}}, TOOLS
    )
    assert "not installed (`pip install antspyx`)" in shown


def test_a_time_that_was_not_measured_to_the_end_says_so() -> None:
    row = {"seconds": 29_000.0, "memory_mb": 800.0, "remark": "6 steps timed and multiplied: not run to the end"}
    actual = {"seconds": 2.0, "memory_mb": 100.0, "mean_dice": 0.9, "worst_dice": 0.8, "folding_percent": 0.0,
            "sdlogj": 0.1, "inverse_mm": [0.01, 0.2]}  # fmt: skip
    before = {"mean_dice": 0.5, "worst_dice": 0.5}
    shown = table.comparison({"title": "T", "before": before, "tools": {"ours": actual, "loop": row}}, TOOLS)
    assert "29,000 (8.1 h) | 1.45e+04 | not run" in shown
    assert "¹ Research loop, 10,000 Adam steps: 6 steps timed and multiplied: not run to the end." in shown
    assert "| 2.0 | 1 | 0.900 | 0.800 | 0.000 | 0.100 | 0.010 / 0.20 | 100 |" in shown


def test_only_the_text_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- bench:a:begin -->\nold\n<!-- bench:a:end -->\nbelow\n", encoding="utf-8")
    for part in ("new", "newer"):
        table.rewrite(page, {"a": part})
        assert page.read_text(encoding="utf-8").split("\n")[:5] == [
            "above", "<!-- bench:a:begin -->", part, "<!-- bench:a:end -->", "below",
        ]  # fmt: skip
    with pytest.raises(ValueError, match="bench:b:begin"):
        table.rewrite(page, {"b": "x"})


def test_the_page_has_a_place_for_every_table() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("machine", "comparison", "voxels", "regions", "settings"):
        assert text.count(f"<!-- bench:{name}:begin -->") == text.count(f"<!-- bench:{name}:end -->") == 1


@pytest.mark.slow
def test_the_quick_bench_runs_ours_and_demons() -> None:
    command = [sys.executable, "-m", "Testing.Bench.run", "--quick", "--only", "ours", "--only", "demons"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "SimpleITK demons |" in done.stdout
