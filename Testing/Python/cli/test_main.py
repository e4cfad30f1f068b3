"""The command as a user runs it: a process of its own, its exit codes, its messages and what it leaves."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from Tell2RegLib import __version__
from Tell2RegLib.cli.main import app
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import write_points
from Testing.Python.cli.commands import DEFORMABLE, QUICK, in_process, one_sentence
from Testing.Python.small import AFFINE, ORGANS, PLAN, Files, command, options

COMMANDS = {
    "demo": [
        *("--out", "--seed", "--prompt", "--true-regions", "--transform", "--device", "--overwrite", "--json"),
        *("--events", "--debug"),
    ],
    "regions": [
        *("--prompt", "--out", "--models", "--box-threshold", "--spacing", "--slice-step", "--source", "--series"),
        *("--keep-embeddings", "--device", "--overwrite", "--json", "--events", "--debug"),
    ],
    "register": [
        *("--prompt", "--models", "--paper-mode", "--threshold", "--box-threshold", "--spacing", "--slice-step"),
        *("--source", "--keep-embeddings"),
        *("--fixed", "--moving", "--fixed-regions", "--moving-regions", "--out", "--moving-points", "--fixed-points"),
        *("--fixed-series", "--moving-series", "--regions", "--labels", "--resample-regions"),
        *("--initial-transform", "--transform", "--smoothness", "--resolution", "--device", "--overwrite"),
        *("--json", "--events", "--debug"),
    ],
    "apply": [
        *("--transform", "--input", "--out", "--inverse", "--nearest", "--linear", "--regions", "--labels"),
        *("--overwrite", "--json", "--debug"),
    ],
    "validate": [
        *("--out", "--transform", "--smoothness", "--resolution", "--device", "--seed", "--overwrite", "--json"),
        *("--events", "--debug"),
    ],
    "evaluate": [
        *("--transform", "--fixed-labels", "--moving-labels", "--fixed-points", "--moving-points"),
        *("--labels", "--json", "--debug"),
    ],
}


def test_json_is_one_document_on_stdout_and_nothing_else(
    done: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    run, out = done
    message = json.loads(run.stdout)
    assert run.stderr == ""
    assert message.pop("out") == str(out)
    assert message == json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert message["status"] == "ok"
    assert message["summary"]["mean_dice_after"] > 0.85


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(
    files: Files, done: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    out = tmp_path / "again"
    again = command("register", *options(files.inputs), "--out", out, *QUICK, *DEFORMABLE)
    assert again.returncode == 0, again.stderr
    assert NOTICE in again.stdout
    assert all(name in again.stdout for name in ORGANS)
    for name in ("fixed_to_moving.nrrd", "moving_to_fixed.nrrd"):
        assert (out / name).read_bytes() == (done[1] / name).read_bytes()


@pytest.mark.parametrize(("option", "kind"), [("rigid", "rigid"), ("affine", "affine")])
def test_a_linear_transform_is_written_as_one(option: str, kind: str, files: Files, tmp_path: Path) -> None:
    run = in_process("register", *options(files.inputs), "--out", tmp_path / "out", "--transform", option, "--json")
    assert run.exit_code == 0, run.stderr
    detected = json.loads(run.stdout)["transform"]
    assert detected["kind"] == kind
    linear = np.array(detected["linear_part_lps"])[:3, :3]
    assert np.allclose(linear @ linear.T, np.eye(3)) == (kind == "rigid")
    assert np.linalg.det(linear) > 0


def test_an_initial_transform_sets_the_expected_orientation(files: Files, tmp_path: Path) -> None:
    """It is recorded as an input; these regions determine nearly all of the orientation themselves."""
    initial = tmp_path / "initial.tfm"
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.0, 0.0, 0.3)
    sitk.WriteTransform(turn, str(initial))
    linear = {}
    for name, more in (("without", ()), ("with", ("--initial-transform", initial))):
        run = in_process(
            "register", *options(files.inputs), *more, "--out", tmp_path / name, "--transform", "rigid", "--json"
        )
        assert run.exit_code == 0, run.stderr
        record = json.loads(run.stdout)
        linear[name] = np.array(record["transform"]["linear_part_lps"])[:3, :3]
        roles = [given["role"] for given in record["provenance"]["inputs"]]
        assert ("initial transform" in roles) == (name == "with")
    towards = np.reshape(turn.GetMatrix(), (3, 3))
    assert 0 < np.linalg.norm(linear["with"] - linear["without"]) < 0.5 * np.linalg.norm(towards - linear["without"])


@pytest.mark.parametrize(
    ("transform", "says"),
    [
        (sitk.BSplineTransform(3), "is not linear"),
        (sitk.ScaleTransform(3, (1.0, 0.0, 1.0)), "cannot be inverted"),
        (sitk.ScaleTransform(3, (-1.0, 1.0, 1.0)), "mirrors"),
    ],
)
def test_an_initial_transform_that_is_no_orientation_is_refused(
    transform: sitk.Transform, says: str, files: Files, tmp_path: Path
) -> None:
    initial = tmp_path / "initial.tfm"
    sitk.WriteTransform(transform, str(initial))
    run = in_process("register", *options(files.inputs), "--initial-transform", initial, "--out", tmp_path / "out")
    assert run.exit_code == 1
    assert says in one_sentence(run.stderr)


def test_the_verdict_of_every_target_is_shown_with_or_without_its_true_place(files: Files, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    write_points(plan, ["in the gland", "far away"], apply_affine(AFFINE, [ORGANS["prostate"][0], (300.0, 0.0, 0.0)]))
    linear = ("--transform", "rigid", "--out", tmp_path / "out")
    run = in_process("register", *options(files.inputs), "--moving-points", plan, *linear)
    assert run.exit_code == 0, run.stderr
    assert re.search(r"in the gland +│ +check │[^│]+│[^│]+│ +prostate │ +0.00", run.stdout)
    assert "Do not trust: far away: " in run.stdout
    assert "Target error" not in run.stdout


def test_the_bounds_of_the_verdicts_are_options_and_in_the_record(files: Files, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    write_points(plan, ["in the gland"], apply_affine(AFFINE, [ORGANS["prostate"][0]]))
    words = ("register", *options(files.inputs), "--moving-points", plan, "--transform", "rigid", "--json")
    by_default, strict = (
        json.loads(in_process(*words, "--out", tmp_path / name, *bounds).stdout)
        for name, bounds in (
            ("a", ()),
            ("b", ("--trust-tolerance", "2", "--trust-spread-check", "0", "--trust-spread-never", "0")),
        )
    )
    assert [record["targets"][0]["trust"]["verdict"] for record in (by_default, strict)] == ["check", "do not trust"]
    bounds = [record["provenance"]["parameters"]["trust"] for record in (by_default, strict)]
    assert [(item["tolerance_mm"], item["spread_never_mm"], item["near_mm"]) for item in bounds] == [
        (5, 15, 5),
        (2, 0, 5),
    ]


@pytest.mark.parametrize("direction", [(), ("--inverse",)])
def test_applied_points_are_judged_from_the_result_folder(
    done: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path, direction: tuple[str, ...]
) -> None:
    plan = tmp_path / "plan.csv"
    places = [ORGANS["prostate"][0], (300.0, 0.0, 0.0)]
    write_points(plan, ["in the gland", "far away"], places if direction else apply_affine(AFFINE, places))
    words = ("apply", "--transform", done[1], "--input", plan, "--out", tmp_path / "out.csv", "--json", *direction)
    near, far = json.loads(in_process(*words).stdout)["targets"]
    assert (near["name"], near["trust"]["nearest_name"], near["trust"]["nearest_mm"]) == ("in the gland", "prostate", 0)
    assert near["trust"]["reasons"][0].startswith("No predicted error: ")
    assert (near["trust"]["verdict"], far["trust"]["verdict"]) == ("check", "do not trust")


def test_an_output_that_is_a_part_of_the_result_in_use_is_refused(
    done: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    out = done[1]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    source, output = out / "moving_in_fixed.nrrd", out / "moving_to_fixed.nrrd"
    run = in_process("apply", "--transform", out, "--input", source, "--out", output, "--overwrite")
    assert run.exit_code == 1
    assert "is a part of the result in use" in one_sentence(run.stderr)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_apply_and_evaluate_read_the_folder(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files, tmp_path: Path
) -> None:
    out = done[1]
    points = files.points
    carried = tmp_path / "carried.csv"
    applied = in_process("apply", "--transform", out, "--input", points["--moving-points"], "--out", carried, "--json")
    assert applied.exit_code == 0, applied.stderr
    assert json.loads(applied.stdout)["status"] == "ok"
    evaluated = in_process("evaluate", "--transform", out, *options(points), "--json")
    assert evaluated.exit_code == 0, evaluated.stderr
    rows = json.loads(evaluated.stdout)["points"]
    first = json.loads((out / "result.json").read_text())["targets"]
    assert [row["name"] for row in rows] == list(PLAN)
    for row, target in zip(rows, first, strict=True):
        assert row["error_mm_after"] == pytest.approx(target["error_mm"]["deformable"], abs=0.01)
    shown = in_process("evaluate", "--transform", out, *options(points))
    assert shown.exit_code == 0
    assert NOTICE in shown.stdout
    assert re.search(r"landmark +\S error mm \S after", shown.stdout)
    assert "mean" in shown.stdout
    again = in_process("apply", "--transform", out, "--input", points["--moving-points"], "--out", carried)
    assert again.exit_code == 1
    assert "--overwrite" in one_sentence(again.stderr)


def test_points_paired_by_their_order_are_said_to_be(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files, tmp_path: Path
) -> None:
    write_points(tmp_path / "truth.csv", ["one", "two"], np.array(list(PLAN.values())))
    given = {**files.points, "--fixed-points": tmp_path / "truth.csv"}
    shown = in_process("evaluate", "--transform", done[1], *options(given))
    assert shown.exit_code == 0, shown.stderr
    assert "paired by their order" in shown.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option(name: str) -> None:
    run = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert run.exit_code == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.stdout)
    assert set(re.findall(r"--[a-z-]+", text)) >= {*COMMANDS[name], "--help"}


def test_help_version_and_no_words_at_all() -> None:
    helped = command("--help")
    assert helped.returncode == 0
    assert all(name in helped.stdout for name in COMMANDS)
    assert "research use only" in helped.stdout
    assert in_process("--version").stdout.strip() == f"tell2reg {__version__}"
    assert in_process().exit_code == 2


def test_label_maps_are_named_chosen_and_resampled(files: Files, tmp_path: Path) -> None:
    """Number maps on a grid of half the voxels: the way from another program's labels to a result."""
    words: list[str | Path] = []
    for side in ("fixed", "moving"):
        image = sitk.ReadImage(str(files.folder / f"{side}.seg.nrrd"))
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
        sitk.WriteImage(image[::2, ::2, :], str(tmp_path / f"{side}.nii.gz"))
        words += [f"--{side}", files.inputs[f"--{side}"], f"--{side}-regions", tmp_path / f"{side}.nii.gz"]
    table = tmp_path / "names.json"
    table.write_text(json.dumps({str(number): name for number, name in enumerate(ORGANS, 1)}))
    words += ["--labels", table, "--regions", "bladder, rectum;prostate", "--transform", "rigid", "--json"]
    refused = in_process("register", *words, "--out", tmp_path / "out")
    assert "--resample-regions" in json.loads(refused.stdout)["message"]
    run = in_process("register", *words, "--resample-regions", "--out", tmp_path / "out")
    assert run.exit_code == 0, run.stderr
    record = json.loads(run.stdout)
    assert [pair["name"] for pair in record["pairs"]] == ["prostate", "bladder", "rectum"]
    assert "label names" in {entry["role"] for entry in record["provenance"]["inputs"]}
