"""What ends with exit code 1: one sentence, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Testing.Python.cli.commands import in_process, one_sentence, posix
from Testing.Python.plugin_example.bright_spots import BrightSpots
from Testing.Python.small import ORGANS, ROOT, Files, command, environment, options


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
