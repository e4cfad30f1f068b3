"""A result folder is read back as it was saved, and damage to it is reported."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.results.result_folder import read_result_transform, save_result, writing_folder
from Testing.Python.small import PLAN


def test_the_transform_of_a_folder_is_the_one_that_was_saved(folder: Path, a_result: RegistrationResult) -> None:
    back = read_result_transform(folder)
    points = np.array(list(PLAN.values()))
    assert back.kind == a_result.transform.kind
    assert np.allclose(back.apply_to_points(points), a_result.transform.apply_to_points(points), atol=1e-4)
    far = points + 500
    assert np.allclose(back.inverse.apply_to_points(far), a_result.transform.inverse.apply_to_points(far), atol=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"transform": 3}',
        '{"transform": {"kind": "svf", "linear_part_lps": "x"}, "reason": ""}',
        "\xff",
    ],
)
def test_a_damaged_result_json_is_told_in_one_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"damaged"):
        read_result_transform(tmp_path)


def test_a_folder_that_is_no_result_and_one_without_a_transform_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no result"):
        read_result_transform(tmp_path)
    (tmp_path / "result.json").write_text('{"transform": null, "reason": "No names in common."}')
    with pytest.raises(InputError, match=r"No names in common\."):
        read_result_transform(tmp_path)


def test_a_kind_of_transform_that_does_not_exist_is_told(an_old_result: Path) -> None:
    record = json.loads((an_old_result / "result.json").read_text())
    record["transform"]["kind"] = "<script>"
    (an_old_result / "result.json").write_text(json.dumps(record))
    (an_old_result / "SHA256SUMS").unlink()
    with pytest.raises(InputError, match="is damaged and cannot be read as a result"):
        read_result_transform(an_old_result)


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_that_leads_back_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with (
        pytest.raises(OutputError, match="loop' is a link that leads back to itself"),
        writing_folder(tmp_path / "loop"),
    ):
        pass
    with pytest.raises(InputError, match="is no result"):
        read_result_transform(tmp_path / "loop")


def test_no_name_is_a_formula_for_a_spreadsheet(folder: Path, a_result: RegistrationResult, tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://example.org")'
    pairs = tuple(replace(metric, name=formula, prompt="-2") for metric in a_result.metrics)
    save_result(replace(a_result, metrics=pairs), tmp_path / "out")
    with (tmp_path / "out" / "pairs.csv").open(newline="", encoding="utf-8") as file:
        assert {(row["name"], row["prompt"]) for row in csv.DictReader(file)} == {(f"'{formula}", "'-2")}


# --- as it was written ---


def test_the_checksums_are_those_of_every_file(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    actual = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del actual["SHA256SUMS"]
    assert sorted(lines) == sorted(f"{digest}  {name}" for name, digest in actual.items())


@pytest.mark.parametrize("name", ["result.json", "fixed_to_moving.nrrd", "moving_to_fixed.nrrd"])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
def test_a_flipped_bit_anywhere_in_what_is_read_back_is_told(an_old_result: Path, name: str, share: float) -> None:
    data = bytearray((an_old_result / name).read_bytes())
    data[int(share * len(data))] ^= 1
    (an_old_result / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"{name}' is not as it was written"):
        read_result_transform(an_old_result)


def test_a_report_that_was_edited_does_not_keep_the_transform_from_being_read(an_old_result: Path) -> None:
    (an_old_result / "report.html").write_text("with notes")
    read_result_transform(an_old_result)


def test_checksums_of_other_files_are_no_checksums_of_these(an_old_result: Path) -> None:
    (an_old_result / "SHA256SUMS").write_text("")
    with pytest.raises(InputError, match="is not as it was written"):
        read_result_transform(an_old_result)
