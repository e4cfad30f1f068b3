"""Validation of a table of cases: known transforms, a truth that stays out of the fit, and cases that fail alone."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from Tell2RegLib.cases.contents import Landmarks, Truth, read_contents
from Tell2RegLib.cases.table import read_cases
from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import Cancelled
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.validation.scores import Matrix, _score, scores_of
from Tell2RegLib.workflows import validate as workflow
from Tell2RegLib.workflows.validate import Validation, validate
from Testing.Python.small import AFFINE, PLAN, RIGID, write_small_pair

POINTS = np.array(list(PLAN.values()))
HEADER = (
    "case,patient,fixed,moving,fixed_regions,moving_regions,fixed_points,moving_points,fixed_true_regions,"
    "moving_true_regions,transform,note"
)
ROW = (
    "{name},{patient},p/fixed.nrrd,p/moving.nrrd,p/fixed.seg.nrrd,{regions},p/truth.mrk.json,p/plan.mrk.json,"
    "p/fixed.seg.nrrd,p/moving.seg.nrrd,{transform},{note}"
)


def a_table(folder: Path, *rows: dict[str, str]) -> Path:
    write_small_pair(folder / "p")
    (folder / "broken.seg.nrrd").write_text("no image")
    usual = {"patient": "x", "regions": "p/moving.seg.nrrd", "transform": "affine", "note": "n"}
    path = folder / "cases.csv"
    path.write_text("\n".join([HEADER, *(ROW.format(**{**usual, **row}) for row in rows)]) + "\n")
    return path


@dataclass(frozen=True)
class Run:
    """A validation with what it called on its way."""

    result: Validation
    events: list[tuple[str, int, int]]
    given: list[set[str]]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three cases: an affine one, one that cannot be read, and one with the kind of the call."""
    rows = ({"name": "a"}, {"name": "b", "regions": "broken.seg.nrrd"}, {"name": "c", "patient": "y", "transform": ""})
    cases = read_cases(a_table(tmp_path_factory.mktemp("cases"), *rows)).cases
    events: list[tuple[str, int, int]] = []
    given: list[set[str]] = []
    register = workflow.register

    def recording(fixed, moving, **arguments):  # type: ignore[no-untyped-def]
        given.append(set(arguments))
        return register(fixed, moving, **arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "register", recording)
        result = validate(cases, fit={"kind": "rigid"}, progress=lambda *event: events.append(event))
    return Run(result, events, given)


def test_an_affine_pair_is_mapped_by_the_affine_and_not_by_the_centre(a_run: Run) -> None:
    case = a_run.result.cases[0]
    mean = {name: np.mean(score.landmark_mm) for name, score in case.scores.items()}
    assert case.landmarks == tuple(PLAN)
    before = np.linalg.norm(apply_affine(AFFINE, POINTS) - POINTS, axis=1)
    assert case.scores["unregistered"].landmark_mm == pytest.approx(before, abs=1e-4)
    assert mean["registered"] == pytest.approx(mean["affine"], abs=1e-4)
    assert mean["affine"] < 1.0 < mean["centre"]
    assert min(case.scores["registered"].dice) > 0.9 > min(case.scores["unregistered"].dice)


def test_a_score_is_the_distance_in_fixed_space_and_beside_it_that_in_moving_space() -> None:
    stretched = np.diag([2.0, 1.0, 1.0, 1.0])
    truth = Truth(Landmarks(("a",), np.array([[1.0, 0, 0]]), np.array([[8.0, 0, 0]])))
    score = _score(Matrix(stretched), truth)
    assert score.landmark_mm == (3.0,)
    assert score.landmark_in_moving_mm == (6.0,)


@pytest.mark.parametrize("matrix", [RIGID, AFFINE])
def test_a_matrix_scores_like_the_field_of_the_same_map(tmp_path: Path, matrix: np.ndarray) -> None:
    contents = read_contents(read_cases(a_table(tmp_path, {"name": "a"})).cases[0])
    field = affine_transform("affine", matrix, contents.fixed.grid, contents.moving.grid)
    by_matrix, by_field = _score(Matrix(matrix), contents.truth), _score(field, contents.truth)
    assert by_field.landmark_mm == pytest.approx(by_matrix.landmark_mm, abs=1e-3)
    assert by_field.dice == pytest.approx(by_matrix.dice, abs=1e-3)
    assert by_field.centroid_mm == pytest.approx(by_matrix.centroid_mm, abs=1e-2)


def test_a_region_mapped_out_of_the_volume_has_no_overlap_and_a_distance(tmp_path: Path) -> None:
    truth = read_contents(read_cases(a_table(tmp_path, {"name": "a"})).cases[0]).truth
    far = np.eye(4)
    far[:3, 3] = (0, 1000, 0)
    score = _score(Matrix(far), truth)
    assert score.dice == (0.0,) * len(truth.regions)
    assert min(score.centroid_mm) > 900


def test_the_fit_gets_neither_landmarks_nor_true_regions(a_run: Run) -> None:
    regions, expected = {"fixed_regions", "moving_regions"}, {"prior", "calibration"}
    assert a_run.given == [{*regions, *expected, "settings", "all_pairs", "progress", "cancelled"}] * 2


def test_a_case_that_fails_is_a_row_with_its_sentence_and_the_others_go_on(a_run: Run) -> None:
    cases = a_run.result.cases
    assert [case.failed for case in cases] == [False, True, False]
    assert "broken.seg.nrrd" in cases[1].reason
    assert a_run.result.summary.measures[0].cases == 2


def test_progress_counts_the_cases_and_shows_the_stages_of_each(a_run: Run) -> None:
    assert [event for event in a_run.events if event[0] == "validate"] == [("validate", n, 3) for n in range(4)]
    assert {"fit", "measure"} <= {stage for stage, _, _ in a_run.events}


def test_options_of_the_table_win_over_those_of_the_call(a_run: Run) -> None:
    assert [case.fit.get("kind") for case in a_run.result.cases] == ["affine", None, "rigid"]


def test_a_run_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        validate(read_cases(a_table(tmp_path, {"name": "a"})).cases, cancelled=lambda: True)


def test_a_case_without_common_regions_fails_with_the_reason_of_the_fit(tmp_path: Path) -> None:
    path = a_table(tmp_path, {"name": "a", "regions": "other"})
    copied_masks = tmp_path / "other"
    copied_masks.mkdir()
    mask = (tmp_path / "p" / "moving.seg.nrrd").read_bytes()
    (copied_masks / "spleen.seg.nrrd").write_bytes(mask)
    (case,) = validate(read_cases(path).cases).cases
    assert case.failed
    assert case.scores == {}


def test_scores_need_a_fit() -> None:
    class Unfitted:
        fitted = None

    assert scores_of(Unfitted(), Truth()) == {}  # type: ignore[arg-type]


# --- the command ---


def test_the_command_writes_its_folder_shows_tables_and_exits_with_the_failures(tmp_path: Path) -> None:
    table = a_table(
        tmp_path,
        *({"name": "a", "transform": "rigid"}, {"name": "b", "transform": "rigid", "patient": "y", "note": "m"}),
        {"name": "c", "regions": "broken.seg.nrrd"},
    )
    words = ["validate", str(table), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "1 of 3 case(s) failed" in done.stderr
    assert "broken.seg.nrrd" in done.stderr
    assert "Landmark error, mm (2 cases, 2 patients)" in done.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "cases.csv").read_text().splitlines()))
    assert {row["case"] for row in rows} == {"a", "b", "c"}
    assert "### By note" in (tmp_path / "out" / "summary.md").read_text()
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 1
    assert "add --overwrite" in again.stderr


def test_json_is_one_document_and_the_exit_code_of_a_clean_run_is_0(tmp_path: Path) -> None:
    table = a_table(tmp_path, {"name": "a", "transform": "rigid"})
    done = CliRunner().invoke(app, ["validate", str(table), "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["failed"] == {}
    assert record["measures"][0]["cases"] == 1


def test_a_table_with_faults_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    table = a_table(tmp_path, {"name": "a"})
    table.write_text(table.read_text().replace("p/plan.mrk.json", "p/none.mrk.json"))
    done = CliRunner().invoke(app, ["validate", str(table), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "Line 2: 'moving_points' is 'p/none.mrk.json', but there is no such file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    table = a_table(tmp_path, {"name": "a"})
    write_points(tmp_path / "p" / "other.csv", list(PLAN), POINTS)
    done = CliRunner().invoke(app, ["validate", str(table), "--out", str(tmp_path / "p"), "--overwrite"])
    assert done.exit_code == 1
    assert "holds other files" in done.stderr
