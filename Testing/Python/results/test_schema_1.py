"""A result folder of schema version 1, without what has come since, is read by everything that reads results.

`schema_1/` was written from `schema_1_inputs/` by the code of 22 November 2026 (commit 44892f7); no report is kept.
The panel's part is in slicer_module/test_schema_1_in_slicer.py.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import InputError
from Tell2RegLib.results.result import SCHEMA_VERSION
from Tell2RegLib.results.result_folder import check_folder, read_result_transform
from Tell2RegLib.space.point_files import read_points

RESULT = Path(__file__).parent / "schema_1"
INPUTS = Path(__file__).parent / "schema_1_inputs"
RECORD = json.loads((RESULT / "result.json").read_text(encoding="utf-8"))
TARGETS = np.array([target["fixed_lps_mm"] for target in RECORD["targets"]])


def command(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RESULT, tmp_path / "result"))


def test_the_kept_result_is_older_than_trust_words_and_truth() -> None:
    assert RECORD["schema_version"] == 1
    assert not {"words", "truth"} & set(RECORD)
    assert not any("trust" in target for target in RECORD["targets"])


def test_apply_propagates_the_plan_to_where_it_was_propagated_then(tmp_path: Path) -> None:
    out = tmp_path / "plan.csv"
    done = command("apply", "--transform", RESULT, "--input", INPUTS / "plan.csv", "--out", out)
    assert done.exit_code == 0, done.output
    assert read_points(out).names == tuple(target["name"] for target in RECORD["targets"])
    np.testing.assert_allclose(read_points(out).points_lps_mm, TARGETS, atol=1e-3)


def test_evaluate_measures_what_was_measured_then() -> None:
    labels = ("--fixed-labels", INPUTS / "fixed_labels.nrrd", "--moving-labels", INPUTS / "moving_labels.nrrd")
    done = command("evaluate", "--transform", RESULT, *labels, "--json")
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)
    assert measured["transform"]["kind"] == RECORD["transform"]["kind"]
    for name in ("folding_percent", "min_jacobian", "max_displacement_mm"):
        assert measured["transform"][name] == pytest.approx(RECORD["transform"][name], rel=1e-4)
    for row, pair in zip(measured["labels"], RECORD["pairs"], strict=True):
        assert row["name"] == pair["name"]
        assert row["dice_before"] == pytest.approx(pair["dice_before"])
        assert row["dice_after"] == pytest.approx(pair["dice_after"])


def test_the_points_of_its_table_and_of_its_markups_are_read() -> None:
    np.testing.assert_allclose(read_points(RESULT / "targets_in_fixed.mrk.json").points_lps_mm, TARGETS)
    with (RESULT / "targets.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_axis = [[float(row[f"fixed_{axis}"]) for axis in "xyz"] for row in rows]
    np.testing.assert_allclose(by_axis, TARGETS, atol=1e-4)


def test_it_may_be_replaced_like_any_result(a_copy: Path) -> None:
    check_folder(a_copy, overwrite=True)


def test_a_result_of_a_later_version_is_refused_in_one_sentence(a_copy: Path) -> None:
    later = {**RECORD, "schema_version": SCHEMA_VERSION + 1}
    (a_copy / "result.json").write_text(json.dumps(later), encoding="utf-8")
    with pytest.raises(InputError, match=rf"schema version {SCHEMA_VERSION + 1}.*Update Tell2Reg\.$"):
        read_result_transform(a_copy)
