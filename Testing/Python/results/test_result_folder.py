"""The result folder: every file of the contract and what it contains (docs/result-folder.md)."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.results.record import plain
from Tell2RegLib.results.result import NOTICE, RegistrationResult
from Tell2RegLib.results.result_folder import FILES, save_result
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.space.transform_files import read_field
from Tell2RegLib.space.volume import read_volume
from Testing.Python.results.result_schema import PAIR, SCHEMA, keys_in, misfits, strict_json
from Testing.Python.results.small_results import QUICK
from Testing.Python.small import ORGANS, PLAN, ROOT, Files


def test_every_file_of_the_contract_is_there_and_no_other(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == set(FILES) - {"inputs"}
    assert [path.name for path in folder.parent.iterdir()] == ["result"], "nothing beside the folder"


def test_result_json_has_exactly_the_keys_of_the_contract(record: dict[str, Any]) -> None:
    assert not list(misfits(record, SCHEMA))
    assert record["schema_version"] == 1
    assert record["status"] == "ok"
    assert record["notice"] == NOTICE
    assert {"pair", "start", "fit", "measure", "total"} <= set(record["timing_s"])
    assert record["timing_s"]["total"] >= record["timing_s"]["fit"] > 0


def test_the_documentation_names_every_key_and_every_file() -> None:
    message = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "result-folder.md").read_text(encoding="utf-8")))
    assert not keys_in(SCHEMA) - message
    assert not set(FILES) - message - {"inputs"}


def test_pairs_csv_has_one_row_per_pair_and_says_the_same_as_result_json(folder: Path, record: dict[str, Any]) -> None:
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [pair["name"] for pair in record["pairs"]] == list(ORGANS)[:3]
    for row, pair in zip(rows, record["pairs"], strict=True):
        assert list(row) == list(PAIR)
        assert float(row["dice_after"]) == pytest.approx(pair["dice_after"], abs=1e-4)
        assert row["accepted"] == "True"
        assert row["similarity"] == ""


def segments_of(path: Path) -> list[dict[str, str]]:
    """Name, colour and tags of every segment, as its header says."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    count = sum(bool(re.fullmatch(r"Segment\d+_Name", key)) for key in reader.GetMetaDataKeys())
    return [{key: reader.GetMetaData(f"Segment{n}_{key}") for key in ("Name", "Color", "Tags")} for n in range(count)]


def test_segments_of_a_pair_have_one_name_and_colour_everywhere(folder: Path, record: dict[str, Any]) -> None:
    fixed, moving, moved = (
        segments_of(folder / f"{name}.seg.nrrd")
        for name in ("fixed_regions", "moving_regions", "moving_regions_in_fixed")
    )
    names = [pair["name"] for pair in record["pairs"]]
    assert [segment["Name"] for segment in fixed] == [*names, "left femoral head"]
    assert [segment["Name"] for segment in moving] == [*names, "bone"]
    assert fixed[:3] == moving[:3] == moved
    assert len({segment["Color"] for segment in moved}) == 3
    assert all("Tell2Reg.Status:accepted" in segment["Tags"] for segment in moved)
    assert "Tell2Reg.Status:unpaired" in fixed[3]["Tags"]
    assert record["unpaired"] == {"fixed": ["left femoral head"], "moving": ["bone"]}


def test_regions_come_back_as_they_were(folder: Path, a_result: RegistrationResult) -> None:
    for side, of in (("fixed", "fixed"), ("moving", "moving")):
        back = read_regions(folder / f"{side}_regions.seg.nrrd", getattr(a_result, of).grid)
        for region, pair in zip(back, a_result.pairs, strict=False):
            assert region.volume_ml == pytest.approx(getattr(pair, side).volume_ml)
            assert np.allclose(region.centroid_lps_mm(), getattr(pair, side).centroid_lps_mm(), atol=1e-3)


def test_fields_and_volume_lie_on_their_own_grids(folder: Path, a_result: RegistrationResult) -> None:
    assert read_field(folder / "fixed_to_moving.nrrd").grid.same_space(a_result.fixed.grid)
    assert read_field(folder / "moving_to_fixed.nrrd").grid.same_space(a_result.moving.grid)
    assert read_volume(folder / "moving_in_fixed.nrrd").grid.same_space(a_result.fixed.grid)


def test_the_moved_volume_is_what_itk_makes_of_the_field(folder: Path, files: Files) -> None:
    moving = sitk.ReadImage(str(files.inputs["--moving"]), sitk.sitkFloat64)
    field = sitk.ReadImage(str(folder / "fixed_to_moving.nrrd"), sitk.sitkVectorFloat64)
    actual = sitk.ReadImage(str(folder / "moving_in_fixed.nrrd"), sitk.sitkFloat64)
    transform = sitk.DisplacementFieldTransform(field)
    expected = sitk.Resample(moving, actual, transform, sitk.sitkLinear, float("nan"))
    a, b = sitk.GetArrayFromImage(actual), sitk.GetArrayFromImage(expected)
    inside = np.isfinite(b)
    assert inside.mean() > 0.4
    assert np.percentile(np.abs(a - b)[inside], 99) < 1.0


def test_targets_are_written_where_the_transform_carries_them(folder: Path, a_result: RegistrationResult) -> None:
    carried = read_points(folder / "targets_in_fixed.mrk.json")
    expected = a_result.transform.inverse.apply_to_points([target.moving_lps_mm for target in a_result.targets])
    assert carried.names == tuple(PLAN)
    assert np.allclose(carried.points_lps_mm, expected, atol=1e-3)
    with (folder / "targets.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(PLAN)
    assert {f"error_mm_{kind}" for kind in ("before", "rigid", "affine", "deformable")} <= set(rows[0])
    sides = {"moving": [target.moving_lps_mm for target in a_result.targets], "fixed": expected}
    for side, positions in sides.items():
        axes = [f"{side}_{axis}_mm" for axis in ("left", "posterior", "superior")]  # plus is where the name points
        assert np.allclose([[float(row[axis]) for axis in axes] for row in rows], positions, atol=1e-3)


def test_every_target_is_written_with_how_far_it_can_be_trusted(folder: Path, record: dict[str, Any]) -> None:
    with (folder / "targets.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, target in zip(rows, record["targets"], strict=True):
        trust = target["trust"]
        assert list(row)[-len(trust) :] == list(trust)
        assert (row["verdict"], row["reasons"]) == (trust["verdict"], " ".join(trust["reasons"]))
        assert row["nearest_name"] == trust["nearest_name"] == "prostate"
        assert float(row["spread_mm"]) == pytest.approx(trust["spread_mm"], abs=1e-3)


def test_provenance_holds_the_hash_and_size_of_every_input(record: dict[str, Any], files: Files) -> None:
    inputs = {entry["role"]: entry for entry in record["provenance"]["inputs"]}
    assert set(inputs) == {"fixed", "moving", "fixed regions", "moving regions"}
    for option, path in files.inputs.items():
        entry = inputs[option.strip("-").replace("-", " ")]
        assert entry["name"] == path.name
        assert entry["bytes"] == path.stat().st_size
        assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["provenance"]["parameters"]["max_steps"] == QUICK.max_steps


def test_a_folder_of_masks_has_one_hash_over_all_its_files(tmp_path: Path) -> None:
    from Tell2RegLib.results.provenance import provenance

    for name in ("b.nii", "a.nii"):
        (tmp_path / name).write_text(name)
    entry = provenance(device="cpu", parameters={}, inputs={"fixed": tmp_path})["inputs"][0]
    assert entry["sha256"] == hashlib.sha256(b"a.niib.nii").hexdigest()
    assert entry["bytes"] == 10


def test_the_report_holds_the_notice_and_the_names(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert NOTICE in page
    assert all(name in page for name in list(ORGANS)[:3])


def test_a_result_without_a_plan_leaves_no_targets(a_linear_result: RegistrationResult, tmp_path: Path) -> None:
    left = {path.name for path in save_result(a_linear_result, tmp_path / "out").iterdir()}
    assert left == set(FILES) - {"inputs", "targets.csv", "targets_in_fixed.mrk.json"}
    assert strict_json((tmp_path / "out" / "result.json").read_text())["targets"] == []


def test_numbers_that_are_not_finite_become_null() -> None:
    values = {"a": float("nan"), "b": (np.float32("inf"), np.int16(3)), "c": [np.float64(0.5)], 4: None, "d": True}
    assert plain(values) == {"a": None, "b": [None, 3], "c": [0.5], "4": None, "d": True}


def test_no_file_of_a_result_names_a_folder_or_the_user(
    folder: Path, files: Files, a_result: RegistrationResult
) -> None:
    """Names of input files alone: docs/privacy.md."""
    paths = {str(files.folder), str(folder.parent), str(Path.home()) + os.sep, str(ROOT)}
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not [name for name in paths if name.encode() in content], path.name
