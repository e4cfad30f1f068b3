"""The summary of scored cases, as numbers, tables, rows and pictures."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from Tell2RegLib.validation.folder import VALIDATION_FORMAT, write_validation
from Tell2RegLib.validation.scores import TRANSFORMS, Score
from Tell2RegLib.validation.summary import measures_of, summarise
from Tell2RegLib.validation.tables import summary_text
from Testing.Python.validation.cases import a_scored_case


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed; its import takes longer than all of these tests."""
    monkeypatch.setattr("Tell2RegLib.validation.folder.can_plot", lambda: False)


def some_cases() -> list:
    return [
        a_scored_case("a", ("p",), (1.0, 3.0), (4.0, 4.0), scanner="old"),
        a_scored_case("b", ("q",), (6.0,), (5.0,), scanner="new"),
        replace(a_scored_case("c", ("r",), scanner="new"), reason="It broke.", scores={}, landmarks=()),
    ]


def with_zones(case, dice: tuple[float, float]):
    scores = {t: Score(dice=dice if t == "registered" else (0.5, 0.5), centroid_mm=(2.0, 4.0)) for t in TRANSFORMS}
    return replace(case, landmarks=(), regions=("pz", "tz"), scores=scores)


def test_the_mean_is_over_cases_and_all_landmarks_are_pooled_beside_it() -> None:
    landmarks = summarise(some_cases()).measures[0]
    registered = landmarks.statistics["registered"]
    assert (landmarks.cases, landmarks.patients, landmarks.groups, landmarks.values) == (2, 2, 2, 3)
    assert registered.mean.value == pytest.approx((2 + 6) / 2)
    assert registered.pooled_mean == pytest.approx(10 / 3)
    assert registered.worst == 6
    assert registered.ratio is not None
    assert registered.ratio.value == pytest.approx(4 / 4.5)
    assert registered.change.value == pytest.approx(-0.5)


def test_the_largest_loss_names_the_case_that_is_worst_compared_with_the_centre() -> None:
    assert summarise(some_cases()).measures[0].largest_loss == ("b", 1.0)


def test_of_a_dice_more_is_better() -> None:
    cases = [with_zones(some_cases()[0], (0.8, 0.9)), with_zones(some_cases()[1], (0.3, 0.5))]
    measures = {summary.measure.key: summary for summary in measures_of(cases)}
    assert list(measures) == ["dice", "centroid_mm", "dice pz", "centroid_mm pz", "dice tz", "centroid_mm tz"]
    assert measures["dice"].largest_loss == ("b", pytest.approx(0.1))
    assert measures["dice"].statistics["registered"].worst == pytest.approx(0.4)
    assert measures["dice pz"].statistics["registered"].mean.value == pytest.approx((0.8 + 0.3) / 2)
    assert measures["centroid_mm tz"].statistics["rigid"].mean.value == 4


def test_labels_with_several_values_are_compared_and_others_are_not() -> None:
    cases = [replace(case, labels={**case.labels, "site": "north"}) for case in some_cases()]
    groups = summarise(cases).by_label
    assert list(groups) == ["scanner"]
    assert {
        value: measures[0].statistics["registered"].mean.value for value, measures in groups["scanner"].items()
    } == {
        "new": 6.0,
        "old": 2.0,
    }


def test_the_summary_in_words_holds_every_transform_and_every_failure() -> None:
    text = summary_text(summarise(some_cases()), some_cases())
    assert "2 of 3 cases, 2 patients." in text
    assert "- `c`: It broke." in text
    for transform in TRANSFORMS:
        assert f"{transform}" in text
    assert "the worst case is `b`: 1.00 mm worse" in text


@pytest.mark.usefixtures("without_pictures")
def test_the_folder_holds_rows_values_numbers_and_words(tmp_path: Path) -> None:
    cases = some_cases()
    write_validation(tmp_path, cases, summarise(cases), {"provenance": {}})
    names = {path.name for path in tmp_path.iterdir()}
    assert {"cases.csv", "values.csv", "summary.json", "summary.md"} <= names <= set(VALIDATION_FORMAT.files)
    rows = list(csv.DictReader((tmp_path / "cases.csv").read_text().splitlines()))
    assert len(rows) == 2 * len(TRANSFORMS) + 1
    assert rows[-1] | {"case": "c", "status": "failed", "reason": "It broke.", "scanner": "new"} == rows[-1]
    (row,) = (row for row in rows if row["case"] == "a" and row["transform"] == "registered")
    assert (row["landmarks"], row["landmark_mean_mm"], row["landmark_median_mm"], row["fit_kind"]) == (
        "2",
        "2.0",
        "2.0",
        "svf",
    )
    values = list(csv.DictReader((tmp_path / "values.csv").read_text().splitlines()))
    assert {"case": "a", "transform": "rigid", "measure": "landmark_mm", "name": "landmark 1", "value": "4.0"} in values
    record = json.loads((tmp_path / "summary.json").read_text())
    assert record["failed"] == {"c": "It broke."}
    assert record["measures"][0]["transforms"]["registered"]["mean"]["value"] == 4.0


def test_every_main_measure_has_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="The extra 'plots'.")
    cases = [with_zones(some_cases()[0], (0.8, 0.9)), some_cases()[1]]
    write_validation(tmp_path, cases, summarise(cases), {})
    text = (tmp_path / "summary.md").read_text()
    for name in ("landmark_error", "dice", "centroid_distance"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in text


def test_the_same_cases_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_validation(tmp_path / name, some_cases(), summarise(some_cases()), {})
    assert len(list((tmp_path / "first").iterdir())) >= 4
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes(), path.name


@pytest.mark.usefixtures("without_pictures")
def test_without_a_scored_case_the_folder_lists_the_failures(tmp_path: Path) -> None:
    failed = some_cases()[2:]
    write_validation(tmp_path, failed, summarise(failed), {})
    assert "0 of 1 cases" in (tmp_path / "summary.md").read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["measures"] == []


@pytest.mark.usefixtures("without_pictures")
def test_without_matplotlib_a_sentence_replaces_the_pictures(tmp_path: Path) -> None:
    write_validation(tmp_path, some_cases(), summarise(some_cases()), {})
    assert not list(tmp_path.glob("*.png"))
    assert "matplotlib is not installed" in (tmp_path / "summary.md").read_text()
