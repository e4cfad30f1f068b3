"""The result folder: every file of the contract, whole or not at all (docs/result-folder.md)."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pickle
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.results import result_folder
from Tell2RegLib.results.provenance import PACKAGES
from Tell2RegLib.results.record import plain
from Tell2RegLib.results.result import NOTICE, RegistrationResult
from Tell2RegLib.results.result_folder import FILES, read_result_transform, save_result, writing_folder
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.space.transform_files import read_field
from Tell2RegLib.space.volume import read_volume
from Tell2RegLib.support import complete_folder
from Tell2RegLib.workflows.register import register
from Testing.Python.small import ORGANS, PLAN, ROOT, Files, write_small_pair

# --- what result.json holds: a type, several types, a list of one shape, or a dictionary of shapes ---

NUMBER = (int, float)
MAYBE = (int, float, type(None))
MATRIX = [[NUMBER]]
PAIR = {
    "name": str,
    "prompt": str,
    "similarity": MAYBE,
    "accepted": bool,
    "reason": str,
    "dice_before": MAYBE,
    "dice_after": MAYBE,
    "centroid_mm_before": MAYBE,
    "centroid_mm_after": MAYBE,
    "hd95_mm_before": MAYBE,
    "hd95_mm_after": MAYBE,
    "fixed_ml": NUMBER,
    "moving_ml": NUMBER,
    "weight": NUMBER,
}
TRANSFORM = {
    "kind": str,
    "folding_percent": NUMBER,
    "min_jacobian": NUMBER,
    "sdlogj": MAYBE,
    "sdlogj_l2r": NUMBER,
    "max_displacement_mm": NUMBER,
    "inverse_error_mm": {"mean": MAYBE, "max": MAYBE},
    "rigid_lps": MATRIX,
    "affine_lps": MATRIX,
    "linear_part_lps": MATRIX,
    "linear_support": {"rotation": NUMBER, "scale": NUMBER, "shear": NUMBER, "rotation_deg": NUMBER},
    "smoothness": MAYBE,
    "decay_mm": MAYBE,
    "recommended": {"kind": str, "reason": str},
}
SUMMARY = {f"mean_{what}_{when}": MAYBE for what in ("dice", "centroid_mm") for when in ("before", "after")}
TRUST = {
    "verdict": str,
    "reasons": [str],
    "moved_mm": NUMBER,
    "nearest_mm": MAYBE,
    "nearest_name": str,
    "det_j": NUMBER,
    "spread_mm": NUMBER,
    "inside_volume": bool,
}
TARGET = {"name": str, "moving_lps_mm": [NUMBER], "fixed_lps_mm": [NUMBER], "error_mm": dict, "trust": TRUST}
PROVENANCE = {
    "versions": dict.fromkeys(("tell2reg", "python", "system", *PACKAGES), str),
    "device": str,
    "models": dict,
    "prompts": [str],
    "parameters": dict,
    "inputs": [{"role": str, "name": str, "bytes": int, "sha256": str}],
    "seed": MAYBE,
    "date": str,
}
COUNT = {
    "prompt": str,
    "slices": int,
    "slices_without": int,
    "boxes": int,
    "dropped": dict,
    "masks": int,
    "regions": int,
    "in_words": str,
}
PROMPT = {
    "prompt": str,
    "fixed": COUNT,
    "moving": COUNT,
    "pairs": int,
    "accepted": int,
    "detection_ratio": MAYBE,
}
SCHEMA = {
    "schema_version": int,
    "notice": str,
    "status": str,
    "reason": str,
    "pairs": [PAIR],
    "warnings": [str],
    "pair_remarks": [str],
    "unpaired": {"fixed": [str], "moving": [str]},
    "transform": TRANSFORM,
    "summary": SUMMARY,
    "targets": [TARGET],
    "words": [PROMPT],
    "truth": [PAIR],
    "timing_s": dict,
    "provenance": PROVENANCE,
}


def misfits(value: object, shape: Any, position: str = "result") -> Iterator[str]:
    """Where a value is not of a shape: keys that are missing or new, and values of another type."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            yield f"{position}: {sorted(value) if isinstance(value, dict) else value!r} instead of {sorted(shape)}"
            return
        for key in shape:
            yield from misfits(value[key], shape[key], f"{position}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{position}: {value!r} is no list"
            return
        for number, item in enumerate(value):
            yield from misfits(item, shape[0], f"{position}[{number}]")
    elif not isinstance(value, shape):
        yield f"{position}: {value!r} is no {shape}"


def refuse(word: str) -> None:
    raise AssertionError(f"result.json holds {word}, which is no JSON")


def strict_json(text: str) -> dict[str, Any]:
    return json.loads(text, parse_constant=refuse)


# --- fixtures ---

QUICK = FitSettings(kind="svf", resolution_mm=8.0, max_steps=5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


def inputs_of(files: Files) -> Mapping[str, Any]:
    fixed, moving = read_volume(files.inputs["--fixed"]), read_volume(files.inputs["--moving"])
    regions = read_regions(files.inputs["--fixed-regions"], fixed.grid)
    partners = read_regions(files.inputs["--moving-regions"], moving.grid)
    return {"fixed": fixed, "moving": moving, "fixed_regions": regions, "moving_regions": partners}


@pytest.fixture(scope="module")
def a_result(files: Files) -> RegistrationResult:
    """With a plan, and one region on each side that finds no partner."""
    given = dict(inputs_of(files))
    rename = {"left femoral head": "bone"}
    given["moving_regions"] = tuple(
        type(region)(rename.get(region.name, region.name), region.box_kji, region.start_kji, region.grid)
        for region in given["moving_regions"]
    )
    return register(
        **given,
        settings=QUICK,
        plan=read_points(files.points["--moving-points"]),
        plan_truth=read_points(files.points["--fixed-points"]),
        inputs={option.strip("-").replace("-", " "): path for option, path in files.inputs.items()},
    )


@pytest.fixture(scope="module")
def a_linear_result(files: Files) -> RegistrationResult:
    return register(**inputs_of(files), settings=FitSettings(kind="rigid"))


@pytest.fixture(scope="module")
def folder(a_result: RegistrationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_result(a_result, tmp_path_factory.mktemp("out") / "result")


@pytest.fixture(scope="module")
def record(folder: Path) -> dict[str, Any]:
    return strict_json((folder / "result.json").read_text(encoding="utf-8"))


# --- the contract ---


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


def keys_in(shape: Any) -> set[str]:
    if isinstance(shape, dict):
        return set(shape) | set().union(*(keys_in(item) for item in shape.values()))
    return keys_in(shape[0]) if isinstance(shape, list) else set()


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


# --- reading back ---


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


# --- whole or not at all ---


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def an_old_result(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "study" / "out"))


def test_a_result_is_not_overwritten_unless_asked(an_old_result: Path, a_linear_result: RegistrationResult) -> None:
    before = content_of(an_old_result)
    with pytest.raises(OutputError, match="--overwrite"):
        save_result(a_linear_result, an_old_result)
    assert content_of(an_old_result) == before


def test_overwriting_replaces_the_whole_folder(an_old_result: Path) -> None:
    (an_old_result / "inputs").mkdir()
    (an_old_result / "inputs" / "fixed.nrrd").write_text("what the demo left")
    with writing_folder(an_old_result, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert content_of(an_old_result) == {"result.json": b"{}"}
    assert [path.name for path in an_old_result.parent.iterdir()] == ["out"]


def test_a_failure_while_writing_keeps_the_old_result(
    an_old_result: Path, a_linear_result: RegistrationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OutputError("The disk is full.")

    before = content_of(an_old_result)
    monkeypatch.setattr(result_folder, "write_volume", disk_full)
    with pytest.raises(OutputError, match="full"):
        save_result(a_linear_result, an_old_result, overwrite=True)
    assert content_of(an_old_result) == before
    assert [path.name for path in an_old_result.parent.iterdir()] == ["out"]


def no_exchange(*_: object) -> bool:
    """A system on which two folders cannot change places in one step."""
    return False


@pytest.mark.parametrize("stopped_by", [OSError("busy"), KeyboardInterrupt()], ids=["an error", "Ctrl-C"])
@pytest.mark.parametrize("step", [0, 1])
def test_the_last_moment_leaves_the_old_result_in_place(
    an_old_result: Path, monkeypatch: pytest.MonkeyPatch, step: int, stopped_by: BaseException
) -> None:
    """Between the old folder's going and the new one's coming, where this takes two steps."""
    before = content_of(an_old_result)
    real, steps = os.rename, []

    def stopped(source: Path, target: Path) -> None:
        steps.append(source)
        if len(steps) == step + 1:
            raise stopped_by
        real(source, target)

    monkeypatch.setattr(complete_folder, "exchange_folders", no_exchange)
    monkeypatch.setattr(os, "rename", stopped)
    with pytest.raises((OutputError, KeyboardInterrupt)), writing_folder(an_old_result, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert len(steps) == step + 1 + step  # after the first step, one more puts the old result back
    assert content_of(an_old_result) == before
    assert [path.name for path in an_old_result.parent.iterdir()] == ["out"]


def test_ctrl_c_as_the_two_change_places_leaves_a_whole_result(
    an_old_result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = complete_folder.exchange_folders

    def stopped(*folders: Path) -> bool:
        real(*folders)
        raise KeyboardInterrupt

    monkeypatch.setattr(complete_folder, "exchange_folders", stopped)
    with pytest.raises(KeyboardInterrupt), writing_folder(an_old_result, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert content_of(an_old_result) == {"result.json": b"{}"}
    assert [path.name for path in an_old_result.parent.iterdir()] == ["out"]


KILLED_BETWEEN_TWO_STEPS = """
import os, signal, sys
from Tell2RegLib.results.result_folder import writing_folder
from Tell2RegLib.support import complete_folder
complete_folder.exchange_folders = lambda *_: False
with writing_folder(sys.argv[1], overwrite=True) as aside:
    (aside / "result.json").write_text("{}")
    real = os.rename
    def rename(*names):
        real(*names)
        os.kill(os.getpid(), signal.SIGKILL)
    os.rename = rename
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signal.")
@pytest.mark.parametrize("next_call", [read_result_transform, result_folder.check_folder], ids=["apply", "register"])
def test_a_run_that_was_killed_between_two_steps_lost_nothing(
    an_old_result: Path, next_call: Callable[[Path], object]
) -> None:
    before = content_of(an_old_result)
    subprocess.run([sys.executable, "-c", KILLED_BETWEEN_TWO_STEPS, str(an_old_result)], check=False, cwd=ROOT)
    assert not an_old_result.exists()
    with suppress(OutputError):  # of `register`: that a result is there
        next_call(an_old_result)
    assert content_of(an_old_result) == before
    assert [path.name for path in an_old_result.parent.iterdir()] == ["out"]


# --- what appears during a run ---


def a_note_in(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("precious")


def a_file_in_its_place(folder: Path) -> None:
    folder.write_text("precious")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("appears", [a_note_in, a_file_in_its_place])
def test_what_appears_at_the_output_during_a_run_stays(
    tmp_path: Path, appears: Callable[[Path], None], overwrite: bool
) -> None:
    out = tmp_path / "out"
    run = writing_folder(out, overwrite=overwrite)
    (run.__enter__() / "result.json").write_text("{}")
    appears(out)
    with pytest.raises(OutputError, match=r"'.*out' changed during the run.* the new result is in '.*out-2'\."):
        run.__exit__(None, None, None)
    assert (out.read_text() if out.is_file() else (out / "notes.txt").read_text()) == "precious"
    assert content_of(tmp_path / "out-2") == {"result.json": b"{}"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out-2"]


@pytest.mark.parametrize("exchange", [complete_folder.exchange_folders, no_exchange], ids=["one step", "two steps"])
def test_a_result_that_changed_during_a_run_is_not_replaced(
    an_old_result: Path, exchange: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changed at the last moment: after the run looked for changes, and before the two change places."""

    changes = [a_note_in]

    def exchange_after_a_change(*folders: Path) -> bool:
        while changes:
            changes.pop()(an_old_result)
        return exchange(*folders)

    monkeypatch.setattr(complete_folder, "exchange_folders", exchange_after_a_change)
    before = content_of(an_old_result)
    with pytest.raises(OutputError, match="changed during"), writing_folder(an_old_result, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert content_of(an_old_result) == {**before, "notes.txt": b"precious"}
    assert content_of(an_old_result.with_name("out-2")) == {"result.json": b"{}"}
    assert sorted(path.name for path in an_old_result.parent.iterdir()) == ["out", "out-2"]


def test_of_two_runs_with_one_output_both_results_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    slow_run = writing_folder(out)
    (slow_run.__enter__() / "result.json").write_text("slow")
    with writing_folder(out) as fast:
        (fast / "result.json").write_text("fast")
    with pytest.raises(OutputError, match="out-2"):
        slow_run.__exit__(None, None, None)
    assert [content_of(tmp_path / name)["result.json"] for name in ("out", "out-2")] == [b"fast", b"slow"]


def test_a_report_of_somebody_else_with_a_record_of_somebody_else_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("precious")
    (tmp_path / "result.json").write_text('{"score": 3}')
    with pytest.raises(OutputError, match="other files"), writing_folder(tmp_path, overwrite=True):
        pass
    assert (tmp_path / "report.html").read_text() == "precious"


# --- what is no result ---


@pytest.mark.parametrize(
    "foreign", ["notes.txt", "inputs/patient.nrrd", "sub/result.json"], ids=["a file", "own inputs", "a folder"]
)
def test_a_folder_with_other_files_is_never_replaced(an_old_result: Path, foreign: str) -> None:
    (an_old_result / foreign).parent.mkdir(exist_ok=True)
    (an_old_result / foreign).write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="other files"), writing_folder(an_old_result, overwrite=overwrite):
            pass
    assert (an_old_result / foreign).read_text() == "precious"


def test_files_that_only_have_names_of_ours_are_no_result(tmp_path: Path) -> None:
    """A folder with a `report.html` and `inputs` of somebody else."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "report.html").write_text("precious")
    with pytest.raises(OutputError, match="other files"), writing_folder(tmp_path, overwrite=True):
        pass
    assert (tmp_path / "report.html").read_text() == "precious"


def test_what_the_run_reads_is_never_replaced(an_old_result: Path, tmp_path: Path) -> None:
    source = an_old_result / "moving_in_fixed.nrrd"
    linked = tmp_path / "link.nrrd"
    linked.symlink_to(source)
    for needed in (source, linked, an_old_result):
        with (
            pytest.raises(OutputError, match="choose another"),
            writing_folder(an_old_result, overwrite=True, needed=[needed]),
        ):
            pass
    assert source.is_file()


def test_a_file_cannot_be_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="is a file"), writing_folder(tmp_path / "out", overwrite=True):
        pass


def test_a_mount_point_is_told_before_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    with pytest.raises(OutputError, match="mount point"), writing_folder(tmp_path):
        pass


def test_a_link_to_a_folder_stays_a_link(an_old_result: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(an_old_result)
    with writing_folder(link, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert link.is_symlink()
    assert content_of(an_old_result) == {"result.json": b"{}"}


def test_folders_above_are_made_and_go_again_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing_folder(tmp_path / "a" / "b" / "out"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with writing_folder(tmp_path / "a" / "b" / "out") as aside:
        (aside / "result.json").write_text("{}")
    assert (tmp_path / "a" / "b" / "out" / "result.json").is_file()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions.")
def test_only_the_owner_may_read_a_new_folder_and_permissions_of_an_old_one_stay(an_old_result: Path) -> None:
    new = an_old_result.with_name("new")
    with writing_folder(new):
        pass
    assert stat.S_IMODE(new.stat().st_mode) == 0o700
    an_old_result.chmod(0o750)
    with writing_folder(an_old_result, overwrite=True) as aside:
        (aside / "result.json").write_text("{}")
    assert stat.S_IMODE(an_old_result.stat().st_mode) == 0o750


def test_no_file_of_a_result_names_a_folder_or_the_user(
    folder: Path, files: Files, a_result: RegistrationResult
) -> None:
    """Names of input files alone: docs/privacy.md."""
    paths = {str(files.folder), str(folder.parent), str(Path.home()) + os.sep, str(ROOT)}
    for path in folder.iterdir():
        content = path.read_bytes()
        assert not [name for name in paths if name.encode() in content], path.name


A_FULL_DISK = """
import pickle, resource
from pathlib import Path
from Tell2RegLib.results import result_folder
from Tell2RegLib.errors import OutputError
result_folder.write_report = lambda result, path: None
result = pickle.loads(Path({result!r}).read_bytes())
for limit in {limits!r}:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        result_folder.save_result(result, {folder!r})
    except OutputError as error:
        print("told", limit, str(error).count(chr(10)), str(error).startswith({folder!r}.join(("'", "/"))))
    print("left", sorted(path.name for path in Path({folder!r}).parent.iterdir()))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit on file sizes.")
def test_a_full_disk_is_told_whichever_file_it_hits_and_leaves_nothing(
    a_linear_result: RegistrationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_folder, "write_report", lambda result, path: None)
    whole = save_result(a_linear_result, tmp_path / "whole")
    sizes = sorted({path.stat().st_size for path in whole.iterdir()})
    (tmp_path / "place").mkdir()
    (tmp_path / "result.pkl").write_bytes(pickle.dumps(a_linear_result))
    limits = [size - 1 for size in sizes]
    result, position = str(tmp_path / "result.pkl"), str(tmp_path / "place" / "out")
    code = A_FULL_DISK.format(result=result, folder=position, limits=limits)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    expected = [line for limit in limits for line in (f"told {limit} 0 True", "left []")]
    assert done.stdout.splitlines() == expected
