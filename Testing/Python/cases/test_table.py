"""Tables of cases: what a table may say, and every fault of one in a sentence, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from Tell2RegLib.cases.columns import FILES, HANDLING, SERIES, known_columns, option_columns
from Tell2RegLib.cases.table import CaseTable, read_cases
from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import InputError
from Testing.Python.cases.tables import Row, a_row, write_table


def faults_of(folder: Path, rows: list[Row], **needs: bool) -> list[str]:
    """The sentences about a table that cannot be used, without the first line, which names the table."""
    with pytest.raises(InputError) as caught:
        read_cases(write_table(folder, rows), **needs)
    first, *faults = str(caught.value).splitlines()
    assert "cases.csv' cannot be used" in first
    return faults


# --- what a table may say ---


def test_a_row_becomes_a_case_with_its_files_patients_options_and_labels(tmp_path: Path) -> None:
    row = a_row("a", patient="p1; p2;p1", smoothness="2", transform="affine", device="cpu", scanner="3 T")
    (case,) = read_cases(write_table(tmp_path, [row])).cases
    assert (case.name, case.patients, case.line) == ("a", ("p1", "p2"), 2)
    assert case.fixed == tmp_path / "a" / "fixed.nii.gz"
    assert case.files["moving_points"] == tmp_path / "a" / "moving_points.csv"
    assert case.fixed_true_regions is None
    assert case.fit == {"smoothness": 2.0, "kind": "affine", "device": "cpu"}
    assert case.search == {"device": "cpu"}
    assert case.labels == {"scanner": "3 T"}


def test_relative_paths_are_relative_to_the_table_and_absolute_ones_stay(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.nii.gz"
    elsewhere.touch()
    folder = tmp_path / "table"
    folder.mkdir()
    (case,) = read_cases(write_table(folder, [a_row("a", moving=str(elsewhere))])).cases
    assert case.moving == elsewhere
    assert case.fixed == folder / "a" / "fixed.nii.gz"


def test_every_setting_that_register_offers_is_a_column() -> None:
    """Derived from the declarations: an option that is added there is a column at once."""
    register = typer.main.get_command(app).commands["register"]  # type: ignore[attr-defined]
    offered = {parameter.opts[0].removeprefix("--").replace("-", "_") for parameter in register.params}
    of_the_command = {"prompt", "out", "overwrite", "json", "events", "debug"}
    assert set(option_columns()) == offered - {*FILES, *SERIES, *HANDLING, *of_the_command}
    assert offered - of_the_command < set(known_columns())
    assert {"smoothness", "transform", "slice_step", "trust_near"} < set(option_columns()) < set(known_columns())


def test_a_case_has_a_calibration_of_its_own_and_may_use_every_pair(tmp_path: Path) -> None:
    (tmp_path / "site.json").touch()
    row = a_row("a", calibration="site.json", all_pairs="Yes")
    (case,) = read_cases(write_table(tmp_path, [row])).cases
    assert (case.calibration, case.all_pairs) == (tmp_path / "site.json", True)
    assert tmp_path / "site.json" in case.files.values()
    assert case.labels == {}
    (usual,) = read_cases(write_table(tmp_path, [a_row("a", all_pairs="no")])).cases
    assert (usual.calibration, usual.all_pairs) == (None, False)


def test_a_case_says_which_series_and_regions_to_read_and_how(tmp_path: Path) -> None:
    (tmp_path / "names.json").touch()
    row = a_row("a", fixed_series="3", regions="prostate, bladder;rectum", labels="names.json", resample_regions="1")
    (case,) = read_cases(write_table(tmp_path, [row])).cases
    assert case.series == ("3", "")
    assert case.region_names == ("prostate", "bladder", "rectum")
    assert case.resample_regions
    assert case.label_names == case.files["labels"] == tmp_path / "names.json"


def test_two_expected_orientations_and_a_doubtful_yes_are_faults(tmp_path: Path) -> None:
    for name in ("site.json", "start.tfm"):
        (tmp_path / name).touch()
    row = a_row("a", calibration="site.json", initial_transform="start.tfm", all_pairs="perhaps")
    assert sorted(faults_of(tmp_path, [row])) == [
        "Line 2: 'all_pairs' is 'perhaps', but must be yes or no.",
        "Line 2: 'initial_transform' and 'calibration' both set the expected orientation; give one of them.",
    ]


def test_bounds_that_contradict_each_other_are_a_fault(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, [a_row("a", trust_near="9", trust_far="3")])
    assert fault.startswith("Line 2: ")
    assert "far_mm" in fault


def test_yes_and_no_numbers_and_paths_are_read_as_what_they_are(tmp_path: Path) -> None:
    row = a_row("a", paper_mode="Yes", slice_step="3", keep_embeddings="cache", box_threshold="0.3")
    (case,) = read_cases(write_table(tmp_path, [row])).cases
    assert case.search == {
        "paper_mode": True,
        "slice_step": 3,
        "keep_embeddings": tmp_path / "cache",
        "box_threshold": 0.3,
    }


def test_an_empty_cell_leaves_the_default(tmp_path: Path) -> None:
    first, second = read_cases(write_table(tmp_path, [a_row("a", smoothness="3"), a_row("b", smoothness="")])).cases
    assert first.fit == {"smoothness": 3.0}
    assert second.fit == {}


def test_names_of_columns_may_be_written_in_other_ways(tmp_path: Path) -> None:
    row = {
        " Case ": "a",
        "PATIENT": "p",
        "Fixed": "f.nii",
        "moving": "m.nii",
        "--Smoothness": "1",
        "Fixed-Regions": "r",
        "moving regions": "s",
    }
    for name in ("f.nii", "m.nii", "r", "s"):
        (tmp_path / name).touch()
    (case,) = read_cases(write_table(tmp_path, [row])).cases
    assert case.fit == {"smoothness": 1.0}
    assert case.fixed_regions == tmp_path / "r"
    assert case.labels == {}


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = write_table(tmp_path, [a_row("a"), a_row("b")])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\ufeff" + "\n".join([lines[0], "", lines[1], ",,,", lines[2]]) + "\n", encoding="utf-8")
    assert [(case.name, case.line) for case in read_cases(path).cases] == [("a", 3), ("b", 5)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("fixed_region", "fixed_regions"), ("smothness", "smoothness"), ("true_fixed_regions", "fixed_true_regions")],
)
def test_a_label_that_looks_like_a_known_column_is_warned_about(tmp_path: Path, written: str, meant: str) -> None:
    table = read_cases(write_table(tmp_path, [a_row("a", **{written: "1"})]))
    assert table.labels == (written,)
    assert table.warnings == (f"The column '{written}' is used as a label only; to set '{meant}', rename it.",)


def test_the_warnings_stand_below_the_faults_that_they_may_explain(tmp_path: Path) -> None:
    row = a_row("a")
    row["fixed_region"] = row.pop("fixed_regions")
    assert faults_of(tmp_path, [row]) == [
        "Line 2: 'moving_regions' is given, but not 'fixed_regions'; give both or neither.",
        "The column 'fixed_region' is used as a label only; to set 'fixed_regions', rename it.",
    ]


def test_a_label_of_its_own_is_not_warned_about(tmp_path: Path) -> None:
    table: CaseTable = read_cases(write_table(tmp_path, [a_row("a", scanner="3 T", hospital="north")]))
    assert table.labels == ("scanner", "hospital")
    assert table.warnings == ()


# --- faults ---


def test_all_faults_of_a_table_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    rows = [
        a_row("a", smoothness="-1"),
        a_row("A", transform="elastic"),
        a_row("c", patient=""),
        {**a_row("d"), "moving_regions": ""},
        a_row("e/f", paper_mode="perhaps"),
    ]
    path = write_table(tmp_path, rows)
    (tmp_path / "c" / "fixed.nii.gz").unlink()
    with pytest.raises(InputError) as caught:
        read_cases(path)
    first, *faults = str(caught.value).splitlines()
    assert first.endswith("(8 faults):")
    assert faults == [
        "Line 2: 'smoothness' is -1, but must be a number of at least 0.",
        next(
            fault for fault in faults if fault.startswith("Line 3: 'transform' is 'elastic', but must be one of auto")
        ),
        f"Line 4: 'fixed' is 'c/fixed.nii.gz', but there is no such file or folder in '{tmp_path}'.",
        "Line 4: 'patient' is empty; fill it in.",
        "Line 5: 'fixed_regions' is given, but not 'moving_regions'; give both or neither.",
        "Line 6: 'paper_mode' is 'perhaps', but must be yes or no.",
        "Line 6: 'case' is 'e/f', which cannot name a folder; use a name without /.",
        "Lines 2, 3: the case is called 'a' each time; give every case a name of its own.",
    ]


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"fixed_points": ""}, "Line 2: 'moving_points' is given, but not 'fixed_points'; give both or neither."),
        (
            {"fixed_true_regions": "a/fixed.nii.gz"},
            "Line 2: 'fixed_true_regions' is given, but not 'moving_true_regions'; give both or neither.",
        ),
        ({"slice_step": "1.5"}, "Line 2: 'slice_step' is '1.5', but must be a whole number of at least 1."),
        ({"threshold": "high"}, "Line 2: 'threshold' is 'high', but must be a number of at least -1 and below 1."),
        ({"patient": " ; "}, "Line 2: 'patient' is empty; fill it in."),
        ({"prompt": "prostate"}, "Line 2: 'prompt' is 'prostate', but regions come from files here; leave it empty."),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(tmp_path: Path, cells: Row, sentence: str) -> None:
    assert faults_of(tmp_path, [a_row("a", **cells)]) == [sentence]


def test_a_folder_is_no_file_of_points(tmp_path: Path) -> None:
    path = write_table(tmp_path, [a_row("a", fixed_points="a")], with_files=False)
    for name in ("fixed.nii.gz", "moving.nii.gz", "fixed_regions.nii.gz", "moving_regions.nii.gz", "moving_points.csv"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
    with pytest.raises(InputError, match="Line 2: 'fixed_points' is 'a', a folder; give a file of points"):
        read_cases(path)


def test_a_missing_column_is_named_with_the_one_that_looks_like_it(tmp_path: Path) -> None:
    row = a_row("a")
    row["patients"] = row.pop("patient")
    row["target"] = row.pop("moving")
    assert faults_of(tmp_path, [row]) == [
        "There is no column 'patient'. 'patients' looks like it: rename that column.",
        "There is no column 'moving'. Add it; the columns are " + ", ".join(row) + ".",
    ]


def test_a_column_that_occurs_twice_is_a_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, [a_row("a", **{"Fixed ": "a/fixed.nii.gz"})]) == [
        "The column 'fixed' occurs 2 times; keep one."
    ]


def test_a_table_without_cases_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text("case,patient,fixed,moving\n", encoding="utf-8")
    with pytest.raises(InputError, match="The table has no cases; add one line for each below the header"):
        read_cases(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="is empty: a table of cases starts with a line of column names"):
        read_cases(path)
    with pytest.raises(InputError, match="There is no table"):
        read_cases(tmp_path / "other.csv")


def test_a_row_of_another_length_is_a_fault(tmp_path: Path) -> None:
    path = write_table(tmp_path, [a_row("a")])
    path.write_text(path.read_text(encoding="utf-8") + "b,p\n", encoding="utf-8")
    with pytest.raises(InputError, match="Line 3: there are 2 values for 8 columns; quote values that contain commas"):
        read_cases(path)


def test_what_is_no_text_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes(b"\xff\xfe\x00case")
    with pytest.raises(InputError, match="save it as CSV, UTF-8, with commas"):
        read_cases(path)


def test_a_command_can_require_regions_and_a_truth(tmp_path: Path) -> None:
    row = {**a_row("a"), **dict.fromkeys(("fixed_regions", "moving_regions", "fixed_points", "moving_points"), "")}
    assert len(read_cases(write_table(tmp_path, [row])).cases) == 1
    assert faults_of(tmp_path, [row], need_regions=True, need_truth=True) == [
        "Line 2: 'fixed_regions' and 'moving_regions' are missing; give the regions to register by.",
        "Line 2: there is nothing to compare with; give 'fixed_points' and 'moving_points', or 'fixed_true_regions' "
        "and 'moving_true_regions'.",
    ]
