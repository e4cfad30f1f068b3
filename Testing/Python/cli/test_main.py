"""The command as a user runs it: a process of its own, its exit codes, its messages and what it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from Tell2RegLib import __version__
from Tell2RegLib.cli.main import app
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.support.stages import stage_label
from Testing.Python.plugin_example.bright_spots import BrightSpots
from Testing.Python.small import AFFINE, ORGANS, PLAN, ROOT, Files, command, environment, options, write_small_pair

QUICK = ("--resolution", "9")
DEFORMABLE = ("--transform", "svf")
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

posix = pytest.mark.skipif(os.name != "posix", reason="Needs a system with signals and file limits (not Windows).")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def done(files: Files, tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of `register --json` with a deformable transform, and its folder."""
    out = tmp_path_factory.mktemp("once") / "out"
    run = command(
        "register", *options(files.inputs), *options(files.points), "--out", out, *QUICK, *DEFORMABLE, "--json"
    )
    assert run.returncode == 0, run.stderr
    return run, out


def in_process(*words: str | Path):
    """The same command without the seconds that a new process takes."""
    return CliRunner().invoke(app, [str(word) for word in words])


def one_sentence(stderr: str) -> str:
    """What the command said: one line of plain words."""
    assert "Traceback" not in stderr
    assert "Unexpected problem" not in stderr
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert re.fullmatch(r"['A-Z].*\.", lines[0]), lines[0]
    return lines[0]


# --- 0 ---


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
    assert re.search(r"in the gland +│ +good │ +prostate │ +0.00", run.stdout)
    assert "Do not trust: far away: " in run.stdout
    assert "Target error" not in run.stdout


def test_the_bounds_of_the_verdicts_are_options_and_in_the_record(files: Files, tmp_path: Path) -> None:
    plan = tmp_path / "plan.csv"
    write_points(plan, ["in the gland"], apply_affine(AFFINE, [ORGANS["prostate"][0]]))
    words = ("register", *options(files.inputs), "--moving-points", plan, "--transform", "rigid", "--json")
    by_default, strict = (
        json.loads(in_process(*words, "--out", tmp_path / name, *bounds).stdout)
        for name, bounds in (("a", ()), ("b", ("--trust-spread-check", "0", "--trust-spread-never", "0")))
    )
    assert [record["targets"][0]["trust"]["verdict"] for record in (by_default, strict)] == ["good", "do not trust"]
    bounds = [record["provenance"]["parameters"]["trust"] for record in (by_default, strict)]
    assert [(item["spread_check_mm"], item["spread_never_mm"], item["near_mm"]) for item in bounds] == [
        (5, 15, 5),
        (0, 0, 5),
    ]


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


# --- 1: one plain sentence ---


def other_grid(files: Files, folder: Path) -> Path:
    """The fixed regions on a grid that is shifted by a third of a voxel."""
    image = sitk.ReadImage(str(files.inputs["--fixed-regions"]))
    image.SetOrigin([value + 1.1 for value in image.GetOrigin()])
    sitk.WriteImage(image, str(folder / "shifted.nrrd"))
    return folder / "shifted.nrrd"


def empty_labels(files: Files, folder: Path) -> Path:
    image = sitk.ReadImage(str(files.inputs["--fixed"])) * 0
    sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8), str(folder / "empty.nrrd"))
    return folder / "empty.nrrd"


def flat_image(files: Files, folder: Path) -> Path:
    sitk.WriteImage(sitk.ReadImage(str(files.inputs["--fixed"]))[:, :, 3], str(folder / "flat.mha"))
    return folder / "flat.mha"


def text_file(files: Files, folder: Path) -> Path:
    (folder / "notes.nrrd").write_text("Dear colleague,\nthe scan is attached.\n")
    return folder / "notes.nrrd"


def missing_file(files: Files, folder: Path) -> Path:
    return folder / "absent.nrrd"


def cut_off(files: Files, folder: Path) -> Path:
    sitk.WriteImage(sitk.ReadImage(str(files.inputs["--fixed"])), str(folder / "cut.mha"), useCompression=False)
    (folder / "cut.mha").write_bytes((folder / "cut.mha").read_bytes()[:-5000])
    return folder / "cut.mha"


def empty_folder(files: Files, folder: Path) -> Path:
    (folder / "nothing here").mkdir(exist_ok=True)
    return folder / "nothing here"


PROBLEMS = {
    "missing volume": ("--fixed", missing_file, "absent.nrrd"),
    "missing regions": ("--moving-regions", missing_file, "absent.nrrd"),
    "a text file as volume": ("--moving", text_file, "cannot be read as an image"),
    "a text file as regions": ("--fixed-regions", text_file, "cannot be read as an image"),
    "a volume that was cut off": ("--moving", cut_off, "fewer than its header states"),
    "regions on another grid": ("--fixed-regions", other_grid, "voxels of the volume"),
    "an empty label map": ("--fixed-regions", empty_labels, "contains no region"),
    "a 2-D image": ("--fixed", flat_image, "2-D"),
    "an empty folder": ("--moving", empty_folder, "nothing here"),
    "an image as regions": ("--fixed-regions", lambda files, folder: files.inputs["--moving"], "volume"),
    "missing points": ("--moving-points", missing_file, "absent.nrrd"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_with_an_input_is_told_in_one_sentence(name: str, files: Files, tmp_path: Path) -> None:
    option, make, expected = PROBLEMS[name]
    (tmp_path / "made").mkdir()
    (tmp_path / "place").mkdir()
    given = {**files.inputs, option: make(files, tmp_path / "made")}
    run = command("register", *options(given), "--out", tmp_path / "place" / "out")
    assert run.returncode == 1
    assert run.stdout == ""
    assert expected in one_sentence(run.stderr)
    assert not list((tmp_path / "place").iterdir())


def test_a_device_that_is_not_there_is_told_in_one_sentence(files: Files, tmp_path: Path) -> None:
    run = in_process("register", *options(files.inputs), "--out", tmp_path / "out", "--device", "cuda:99")
    assert run.exit_code == 1
    assert "'cuda:99'" in one_sentence(run.stderr)
    assert not list(tmp_path.iterdir())


def test_no_common_names_still_leaves_the_regions(files: Files, tmp_path: Path) -> None:
    from dataclasses import replace

    regions = read_regions(files.inputs["--moving-regions"])
    write_segmentation([replace(r, name=f"other {r.name}") for r in regions], tmp_path / "other.seg.nrrd")
    given = {**files.inputs, "--moving-regions": tmp_path / "other.seg.nrrd"}
    run = command("register", *options(given), "--out", tmp_path / "out", "--json")
    assert run.returncode == 1
    assert "prostate" in one_sentence(run.stderr)
    assert "other bladder" in run.stderr
    message = json.loads(run.stdout)
    assert message.pop("out") == str(tmp_path / "out")
    assert message == json.loads((tmp_path / "out" / "result.json").read_text())
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["status"] == "no_pairs"
    assert record["reason"] in run.stderr
    assert record["transform"] is None
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {
        "fixed_regions.seg.nrrd",
        "moving_regions.seg.nrrd",
        "pairs.csv",
        "result.json",
        "report.html",
        "SHA256SUMS",
    }
    assert [r.name for r in read_regions(tmp_path / "out" / "moving_regions.seg.nrrd")] == [
        f"other {name}" for name in ORGANS
    ]
    applied = in_process(
        "apply", "--transform", tmp_path / "out", "--input", files.inputs["--moving"], "--out", tmp_path / "x.nrrd"
    )
    assert applied.exit_code == 1
    assert "no transform" in one_sentence(applied.stderr)


def test_an_existing_result_is_kept_and_other_files_are_safe(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files
) -> None:
    out = done[1]
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    remaining = command("register", *options(files.inputs), "--out", out)
    assert remaining.returncode == 1
    assert "--overwrite" in one_sentence(remaining.stderr)
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    (out / "thesis.docx").write_text("precious")
    try:
        foreign = in_process("register", *options(files.inputs), "--out", out, "--overwrite")
        assert foreign.exit_code == 1
        assert "thesis.docx" in one_sentence(foreign.stderr)
        assert (out / "thesis.docx").read_text() == "precious"
    finally:
        (out / "thesis.docx").unlink()
    inside = in_process(
        "register", *options({**files.inputs, "--moving": out / "moving_in_fixed.nrrd"}), "--out", out, "--overwrite"
    )
    assert inside.exit_code == 1
    assert "moving_in_fixed.nrrd" in one_sentence(inside.stderr)
    assert (out / "moving_in_fixed.nrrd").is_file()


@posix
def test_a_folder_that_cannot_be_written_is_told_before_the_run(files: Files, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        target = Path("/proc/tell2reg/out")  # nobody, not even root, makes a folder there
    else:
        tmp_path.chmod(0o500)
        target = tmp_path / "out"
    run = command("register", *options(files.inputs), "--out", target)
    assert run.returncode == 1
    assert "cannot be written" in one_sentence(run.stderr)


SMALL_FILES_ONLY = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
sys.argv = ["tell2reg", *sys.argv[1:]]
runpy.run_module("Tell2RegLib.cli", run_name="__main__")
"""


def check_full_disk_is_told(words: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SMALL_FILES_ONLY, *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "cannot be written" in one_sentence(run.stderr)


@posix
def test_a_full_disk_is_told_and_leaves_nothing(files: Files, tmp_path: Path) -> None:
    words = ["register", *options(files.inputs), "--out", str(tmp_path / "out"), "--transform", "rigid"]
    check_full_disk_is_told(words)
    assert not list(tmp_path.iterdir())


@posix
def test_a_full_disk_is_told_by_us_alone(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files, tmp_path: Path
) -> None:
    """The library for NIfTI writes a line of its own to stderr."""
    moving, out = str(files.inputs["--moving"]), str(tmp_path / "out.nii")
    check_full_disk_is_told(["apply", "--transform", str(done[1]), "--input", moving, "--out", out])


def test_debug_shows_the_traceback(files: Files, tmp_path: Path) -> None:
    given = {**files.inputs, "--fixed": tmp_path / "absent.nrrd"}
    run = command("register", *options(given), "--out", tmp_path / "out", "--debug")
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "absent.nrrd" in run.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_terminal_without_unicode_still_gets_its_tables(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files
) -> None:
    """As on a Windows terminal with an old code page."""
    run = subprocess.run(
        [sys.executable, "-m", "Tell2RegLib.cli", "evaluate", "--transform", str(done[1]), *options(files.points)],
        cwd=ROOT,
        env={**environment(), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "L base" in run.stdout


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELL2REG_MODELS", str(tmp_path / "models"))


@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--models", "paper"], "tell2reg models install paper"),
        (["--models", "fancy"], "fancy"),
        (["--source", "nobody"], "nobody"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_cannot_be_looked_for_are_told_in_one_sentence(
    more: list[str], expected: str, files: Files, tmp_path: Path
) -> None:
    volumes = {name: files.inputs[name] for name in ("--fixed", "--moving")}
    run = in_process("register", *options(volumes), "--prompt", "prostate", "--out", tmp_path / "out", *more)
    assert run.exit_code == 1
    assert expected in one_sentence(run.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize("name", ["register", "regions"])
@pytest.mark.parametrize("prompts", [("",), ("prostate", " _ ")], ids=str)
def test_an_empty_prompt_is_told_before_models_are_asked_for(
    name: str, prompts: tuple[str, ...], files: Files, tmp_path: Path
) -> None:
    fixed, moving = files.inputs["--fixed"], files.inputs["--moving"]
    volumes = [fixed] if name == "regions" else ["--fixed", fixed, "--moving", moving]
    words = [word for prompt in prompts for word in ("--prompt", prompt)]
    run = in_process(name, *volumes, *words, "--out", tmp_path / "out.seg.nrrd", "--models", "paper")
    assert run.exit_code == 1
    assert "prompts is empty" in one_sentence(run.stderr)
    assert not (tmp_path / "out.seg.nrrd").exists()


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


def test_a_list_in_one_prompt_is_refused_before_any_file_is_read(tmp_path: Path) -> None:
    absent = ("--fixed", tmp_path / "no.nrrd", "--moving", tmp_path / "no.nrrd", "--out", tmp_path / "out")
    for words in (("register", *absent), ("regions", tmp_path / "no.nrrd", "--out", tmp_path / "a.seg.nrrd")):
        run = in_process(*words, "--prompt", "prostate, bladder")
        assert run.exit_code == 1
        assert "--prompt 'prostate' --prompt 'bladder'" in one_sentence(run.stderr)


@pytest.mark.parametrize("name", ["register", "regions"])
def test_words_that_find_nothing_end_with_1_and_still_give_their_record(
    name: str, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = PromptQuery(prompts=("dog",), source=BrightSpots())
    monkeypatch.setattr(FindOptions, "query", lambda self, prompts, volumes: query)
    out = tmp_path / "out.seg.nrrd"
    fixed, moving = files.inputs["--fixed"], files.inputs["--moving"]
    volumes = [fixed] if name == "regions" else ["--fixed", fixed, "--moving", moving]
    run = in_process(name, *volumes, "--prompt", "dog", "--out", out, "--json")
    assert run.exit_code == 1
    record = json.loads(run.stdout)
    assert record["status"] == {"register": "no_pairs", "regions": "nothing_found"}[name]
    assert record["reason"] in one_sentence(run.stderr)
    assert "'dog': nothing was found" in record["reason"]
    assert out.exists() == (name == "register")
    silent = in_process(name, *volumes, "--prompt", "dog", "--out", out, "--overwrite")
    assert (silent.exit_code, silent.stdout) == (1, "")


def test_regions_are_written_as_a_segmentation_under_no_other_name(files: Files, tmp_path: Path) -> None:
    run = in_process("regions", files.inputs["--fixed"], "--prompt", "prostate", "--out", tmp_path / "out.nrrd")
    assert run.exit_code == 1
    assert ".seg.nrrd" in one_sentence(run.stderr)


def test_an_existing_segmentation_is_not_overwritten(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "mine.seg.nrrd"
    out.write_text("mine")
    run = in_process("regions", files.inputs["--fixed"], "--prompt", "prostate", "--out", out)
    assert run.exit_code == 1
    assert "--overwrite" in one_sentence(run.stderr)
    assert out.read_text() == "mine"


# --- 2 ---


@pytest.mark.parametrize(
    "words",
    [
        ["register"],
        ["register", "--fixed"],
        ["unknown"],
        ["demo", "--colour"],
        ["demo", "--seed", "seven"],
        ["apply", "--input", "x"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--fixed-regions", "d"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--fixed-regions", "d", "--prompt", "e"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--prompt", "e", "--trust-near", "30"],
        ["demo", "--true-regions", "--prompt", "prostate"],
        ["regions", "a", "--out", "b.seg.nrrd"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    run = in_process(*words)
    assert run.exit_code == 2
    assert "Traceback" not in run.stderr


VALUES = {
    "transform": ("--transform", ["bspline", "elastic", ""], ["demo", "register"]),
    "device": ("--device", ["tpu", "cuda:", "cuda:x", ""], ["demo", "register", "regions"]),
    "seed": ("--seed", ["-3", "1.5"], ["demo"]),
    "smoothness": ("--smoothness", ["-1", "nan", "inf"], ["register"]),
    "resolution": ("--resolution", ["-2", "0", "nan", "inf", "500"], ["register"]),
    "spacing": ("--spacing", ["-1", "0", "nan", "inf"], ["register", "regions"]),
    "slice step": ("--slice-step", ["0", "1.5"], ["register", "regions"]),
    "threshold": ("--threshold", ["1.5", "1", "-2", "nan"], ["register"]),
    "trust": ("--trust-far", ["-1", "nan", "inf"], ["register"]),
    "box threshold": ("--box-threshold", ["1.5", "-0.1", "nan"], ["register", "regions"]),
}
WHOLE = {
    "demo": ["--out", "absent"],
    "register": ["--fixed", "a", "--moving", "b", "--prompt", "prostate", "--out", "absent"],
    "regions": ["a", "--prompt", "prostate", "--out", "absent.seg.nrrd"],
}
"""Words that lack nothing; the files are not there, which is a problem of its own (1)."""


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, option, value) for option, values, names in VALUES.values() for value in values for name in names],
)
def test_a_value_that_no_run_could_take_is_wrong_usage(name: str, option: str, value: str) -> None:
    run = in_process(name, *WHOLE[name], option, value)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert option in run.stderr
    assert "Traceback" not in run.stderr


def test_wrong_usage_of_the_real_command() -> None:
    run = command("register", "--fixd", "x.nrrd")
    assert run.returncode == 2
    assert "--fixd" in run.stderr
    assert run.stdout == ""


# --- 130 ---


def _as_in_a_terminal() -> None:
    """A shell starts background jobs with Ctrl-C ignored, nohup with SIGHUP, and children inherit that: not here."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def told_on_a_terminal(words: list[str], until: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the command with a terminal as its stderr; yields when its progress shows a word, then when it ended."""
    import pty
    import select

    actual, expected = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "Tell2RegLib.cli", *words],
        cwd=ROOT,
        env={**environment(), "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=expected,
        start_new_session=True,
        preexec_fn=_as_in_a_terminal,
    )
    os.close(expected)
    text, message, end = "", False, time.monotonic() + 120
    try:
        while time.monotonic() < end:
            try:
                block = os.read(actual, 65536) if select.select([actual], [], [], 1)[0] else b""
            except OSError:  # the other end is closed
                break
            text += block.decode(errors="replace")
            if not message and until in text:
                message = True
                yield process, text
        assert message, f"'{until}' never came: {text}"
        process.wait(timeout=60)
        yield process, text
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(actual)


@posix
@pytest.mark.parametrize(
    ("number", "stage"),
    [("SIGINT", "fit"), ("SIGTERM", "fit"), ("SIGHUP", "write")],
)
def test_a_stopped_run_ends_with_130_and_leaves_nothing(number: str, stage: str, files: Files, tmp_path: Path) -> None:
    quick = ["--transform", "rigid"] if stage == "write" else []
    words = ["register", *options(files.inputs), "--out", str(tmp_path / "deep" / "out"), *quick]
    running = told_on_a_terminal(words, stage_label(stage))
    process, _ = next(running)
    assert list((tmp_path / "deep").iterdir()), "it writes aside"
    process.send_signal(getattr(signal, number))
    _, text = next(running)
    assert process.returncode == 130
    assert "Cancelled; nothing was written." in text
    assert "Traceback" not in text
    assert not list(tmp_path.iterdir())


@posix
def test_a_stopped_run_keeps_the_result_that_was_there(
    done: tuple[subprocess.CompletedProcess[str], Path], files: Files
) -> None:
    out = done[1]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    words = ["register", *options(files.inputs), "--out", str(out), "--overwrite"]
    running = told_on_a_terminal(words, stage_label("fit"))
    process, _ = next(running)
    process.send_signal(signal.SIGINT)
    next(running)
    assert process.returncode == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in out.parent.iterdir()] == ["out"]
