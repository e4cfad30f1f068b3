"""What the command prints: one JSON document, lines of events, and nothing that changes how the run ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Testing.Python.small import ROOT, Files, environment, options, write_small_pair

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such devices.")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


def in_process(*words: str | Path):
    return CliRunner().invoke(app, [str(word) for word in words])


def registration(files: Files, out: Path) -> list[str]:
    return ["register", *options(files.inputs), "--transform", "rigid", "--out", str(out)]


@pytest.fixture(scope="module")
def a_result(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("result") / "out"
    assert in_process(*registration(files, out)).exit_code == 0
    return out


@pytest.fixture
def applying(files: Files, a_result: Path, tmp_path: Path) -> list[str]:
    """A command that writes a file, and loads no torch."""
    plan, output = files.points["--moving-points"], tmp_path / "für αβ.csv"
    return ["apply", "--transform", str(a_result), "--input", str(plan), "--out", str(output)]


# --- one JSON document, whatever happens ---


@pytest.mark.parametrize(
    ("words", "code", "kind", "message"),
    [
        (["evaluate", "--transform", "gone"], 1, "InputError", "'gone' is no result"),
        (["apply", "--transform", "gone", "--input", "a", "--out", "b"], 1, "InputError", "'gone' is no result"),
        (["models", "remove", "nothing"], 1, "ModelError", "nothing"),
        (["register", "--fixed", "a"], 2, "MissingParameter", "--moving"),
        (["register", "--fixed", "a", "--moving", "b", "--out", "c"], 2, "BadParameter", "Give --prompt"),
        (["evaluate", "--transform", "gone", "--colour"], 2, "NoSuchOption", "--colour"),
        (["unknown"], 2, "UsageError", "unknown"),
    ],
)
def test_an_error_is_one_json_document_too(words: list[str], code: int, kind: str, message: str) -> None:
    run = in_process(*words, "--json")
    document = json.loads(run.stdout)
    assert (run.exit_code, document["status"], document["kind"]) == (code, "error", kind)
    assert message in re.sub(r"\s+", " ", document["message"])
    assert set(document) == {"status", "kind", "message"}


def test_an_error_without_json_leaves_stdout_empty() -> None:
    run = in_process("evaluate", "--transform", "gone")
    assert (run.exit_code, run.stdout) == (1, "")


def test_a_result_without_pairs_is_printed_once(files: Files, tmp_path: Path) -> None:
    from Tell2RegLib.region_sources.label_map import read_regions
    from Tell2RegLib.region_sources.segmentation_file import write_segmentation

    bone = [type(r)("bone", r.box_kji, r.start_kji, r.grid) for r in read_regions(files.inputs["--fixed-regions"])[:1]]
    write_segmentation(bone, tmp_path / "other.seg.nrrd")
    given = {**files.inputs, "--fixed-regions": tmp_path / "other.seg.nrrd"}
    run = in_process("register", *options(given), "--out", tmp_path / "out", "--json")
    assert (run.exit_code, json.loads(run.stdout)["status"]) == (1, "no_pairs")


# --- events ---


def test_events_are_json_lines_on_stderr_and_the_document_stays_on_stdout(files: Files, tmp_path: Path) -> None:
    run = in_process(*registration(files, tmp_path / "out"), "--json", "--events")
    events = [json.loads(line) for line in run.stderr.splitlines()]
    assert run.exit_code == 0
    assert json.loads(run.stdout)["status"] == "ok"
    assert {event["event"] for event in events} == {"progress"}
    assert {"read", "fit", "write"} <= {event["stage"] for event in events}
    assert [event["done"] == event["total"] for event in events if event["stage"] == "write"][-1]


def test_warnings_and_errors_are_events_too(tmp_path: Path) -> None:
    run = in_process("evaluate", "--transform", tmp_path, "--json")
    assert run.stderr.startswith("'")
    words = ["regions", tmp_path / "gone.nrrd", "--prompt", "prostate", "--out", tmp_path / "a.seg.nrrd"]
    events = [json.loads(line) for line in in_process(*words, "--events").stderr.splitlines()]
    assert events[-1]["event"] == "error"
    assert events[-1]["kind"] == "InputError"
    assert "gone.nrrd" in events[-1]["message"]


# --- a stdout that takes nothing ---


def ended_with(words: list[str], stdout: IO | int | None, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "Tell2RegLib.cli", *words],
        cwd=ROOT,
        env={**environment(), **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


@posix
def test_a_full_stdout_does_not_change_the_exit_code_of_a_written_file(applying: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        run = ended_with(applying, full)
    assert Path(applying[-1]).is_file()
    assert run.returncode == 0
    assert run.stderr.decode().splitlines() == [
        "The output cannot be printed: No space left on device. The files were written."
    ]


@posix
def test_a_full_stdout_of_a_command_that_only_prints_is_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        run = ended_with(["models", "list"], full)
    assert run.returncode == 1
    assert run.stderr.decode() == "The output cannot be printed: No space left on device.\n"


@posix
def test_closed_streams_do_not_change_how_a_run_ends(applying: list[str]) -> None:
    """Nor is what was to be printed written into the file that gets the number of the closed stream."""
    words = [sys.executable, "-m", "Tell2RegLib.cli", *applying]
    run = subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *words], cwd=ROOT, env=environment(), capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert Path(applying[-1]).read_text().startswith("label,l,p,s\n")
    assert "research" not in Path(applying[-1]).read_text()


@posix
def test_a_reader_that_went_away_does_not_change_how_a_run_ends(applying: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    run = ended_with(applying, writing)
    os.close(writing)
    assert (run.returncode, run.stderr) == (0, b"")


def test_names_that_stdout_cannot_encode_are_escaped(applying: list[str]) -> None:
    run = ended_with(applying, subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert run.returncode == 0, run.stderr
    assert rb"f\xfcr \u03b1\u03b2.csv" in run.stdout


def test_a_name_cannot_write_over_the_terminal(files: Files, tmp_path: Path) -> None:
    from Tell2RegLib.region_sources.label_map import read_regions
    from Tell2RegLib.region_sources.segmentation_file import write_segmentation

    given = dict(files.inputs)
    name = "prostate \x9b2J"
    for option in ("--fixed-regions", "--moving-regions"):
        regions = [type(r)(name, r.box_kji, r.start_kji, r.grid) for r in read_regions(files.inputs[option])[:1]]
        given[option] = tmp_path / f"{option}.seg.nrrd"
        write_segmentation(regions, given[option])
    run = in_process("register", *options(given), "--transform", "rigid", "--out", tmp_path / "a\x1b[2Jb")
    assert run.exit_code == 0, run.stderr
    assert "prostate \N{REPLACEMENT CHARACTER}2J" in run.stdout
    assert not re.search(r"[\x1b\x9b]", run.stdout)


# --- Ctrl-C ---

STOPPED_WHILE_LOADING = """
import builtins, os, signal, sys
real = builtins.__import__
def stopped(name, *rest, **more):
    if name == "rich.table":
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest, **more)
builtins.__import__ = stopped
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["tell2reg", "models", "list", "--json"]
from Tell2RegLib.cli.start import main
main()
"""


@posix
def test_ctrl_c_in_the_first_second_ends_like_ctrl_c_later() -> None:
    code = [sys.executable, "-c", STOPPED_WHILE_LOADING]
    run = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (130, "Cancelled; nothing was written.\n")
    assert json.loads(run.stdout)["status"] == "cancelled"
