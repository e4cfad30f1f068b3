"""Files are replaced as a whole: whatever happens while one is written, the earlier one stays, with its data file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import OutputError
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume, read_volume, write_volume
from Tell2RegLib.support import complete_file as module
from Tell2RegLib.support.complete_file import check_not_input, complete_file, data_files
from Testing.Python.small import ROOT

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals, links and permissions.")
PAIRS = (".mhd", ".nhdr")


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def a_volume(value: int) -> Volume:
    return Volume(np.full((4, 3, 2), value, np.int16), Grid((2, 3, 4), (1.0, 2.0, 3.0)))


def value_in(path: Path) -> int:
    return int(read_volume(path).array_kji.max())


def write_half(path: Path, error: BaseException) -> None:
    with complete_file(path) as new:
        new.write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError("ITK"), OSError("full"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_leaves_the_earlier_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text("precious")
    with pytest.raises((OutputError, type(error))):
        write_half(path, error)
    assert files_in(tmp_path) == {"plan.csv": b"precious"}


KILLED_WHILE_WRITING = """
import os, signal, sys
from Tell2RegLib.support.complete_file import complete_file
with complete_file(sys.argv[1]) as new:
    new.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_a_kill_leaves_the_earlier_file_and_the_next_call_sweeps(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text("precious")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 2
    module.write_text(path, "new")
    assert files_in(tmp_path) == {"plan.csv": b"new"}


@pytest.mark.parametrize("made", [0, 1, 2, 3])
def test_a_work_folder_that_was_never_finished_is_swept(made: int, tmp_path: Path) -> None:
    folder = tmp_path / ".plan.csv-abc_1234"
    steps = [folder.mkdir, (folder / ".lock").touch, (folder / "new").mkdir]
    for step in steps[: made + 1]:
        step()
    if made == 3:
        (folder / ".tell2reg.json").write_text('{"tell2')
    module.write_text(tmp_path / "plan.csv", "new")
    assert files_in(tmp_path) == {"plan.csv": b"new"}


def test_a_folder_of_somebody_else_with_the_name_of_a_work_folder_is_not_swept(tmp_path: Path) -> None:
    other_file = tmp_path / ".plan.csv-old"
    other_file.mkdir()
    (other_file / "notes.txt").write_text("precious")
    module.write_text(tmp_path / "plan.csv", "new")
    assert (other_file / "notes.txt").read_text() == "precious"


def test_the_work_folder_of_a_run_that_goes_on_is_not_swept(tmp_path: Path) -> None:
    with complete_file(tmp_path / "plan.csv") as slow:
        slow.write_text("slow")
        module.write_text(tmp_path / "plan.csv", "fast")
        assert slow.exists()
    assert files_in(tmp_path) == {"plan.csv": b"slow"}


@posix
def test_a_link_stays_a_link_and_permissions_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "plan.csv", tmp_path / "latest.csv"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    module.write_text(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    for name in ("pipe.csv", "folder.csv", "loop.csv"):
        with pytest.raises(OutputError, match="cannot be written"):
            module.write_text(tmp_path / name, "new")
    assert stat.S_ISFIFO((tmp_path / "pipe.csv").stat().st_mode)


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    name = "ü" * 120 + ".csv"
    module.write_text(tmp_path / name, "new")
    assert files_in(tmp_path) == {name: b"new"}


# --- headers with their values in a second file ---


@pytest.mark.parametrize("ending", PAIRS)
def test_a_data_file_of_somebody_else_is_never_overwritten(ending: str, tmp_path: Path) -> None:
    for name in ("scan.raw", "scan.zraw", "scan.raw.gz"):
        (tmp_path / name).write_text("precious")
    write_volume(a_volume(7), tmp_path / f"scan{ending}")
    assert value_in(tmp_path / f"scan{ending}") == 7
    assert all((tmp_path / name).read_text() == "precious" for name in ("scan.raw", "scan.zraw", "scan.raw.gz"))


@pytest.mark.parametrize("ending", PAIRS)
def test_replacing_a_header_replaces_its_data_file_too(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scan{ending}"
    for value in (1, 2, 3):
        write_volume(a_volume(value), path)
        assert value_in(path) == value
        assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ending", PAIRS)
@pytest.mark.parametrize("step", ["rename", "replace"])
def test_a_stop_at_any_step_leaves_header_and_values_of_one_image(
    ending: str, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill does: nothing is cleaned up after the step."""
    path = tmp_path / f"scan{ending}"
    write_volume(a_volume(1), path)
    real = getattr(os, step)

    def stopped(*names: Path) -> None:
        real(*names)
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, stopped)
    with pytest.raises(KeyboardInterrupt):
        write_volume(a_volume(2), path)
    monkeypatch.undo()
    assert value_in(path) == {"rename": 1, "replace": 2}[step]
    write_volume(a_volume(3), path)
    assert value_in(path) == 3


def test_values_that_another_header_names_too_stay(tmp_path: Path) -> None:
    write_volume(a_volume(1), tmp_path / "scan.mhd")
    (tmp_path / "scan copy.mhd").write_text((tmp_path / "scan.mhd").read_text())
    write_volume(a_volume(2), tmp_path / "scan.mhd")
    assert (value_in(tmp_path / "scan copy.mhd"), value_in(tmp_path / "scan.mhd")) == (1, 2)


@pytest.mark.parametrize("ending", PAIRS)
def test_the_data_file_of_a_header_is_known(ending: str, tmp_path: Path) -> None:
    write_volume(a_volume(1), tmp_path / f"a scan ü{ending}")
    assert [path.name for path in data_files(tmp_path / f"a scan ü{ending}")] == [
        path.name for path in tmp_path.iterdir() if path.suffix != ending
    ]


def test_a_header_that_shares_the_values_of_the_input_is_the_input(tmp_path: Path) -> None:
    write_volume(a_volume(1), tmp_path / "scan.mhd")
    (tmp_path / "other.mhd").write_text((tmp_path / "scan.mhd").read_text())
    for output in ("scan.mhd", "other.mhd", "scan.zraw"):
        with pytest.raises(OutputError, match="is the input itself"):
            check_not_input(tmp_path / output, [tmp_path / "scan.mhd"])
    check_not_input(tmp_path / "new.mhd", [tmp_path / "scan.mhd"])


def test_a_slice_of_an_input_folder_is_the_input(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "series" / "001.dcm").write_text("a slice")
    with pytest.raises(OutputError, match="is the input itself"):
        check_not_input(tmp_path / "series" / "001.dcm", [tmp_path / "series"])
    check_not_input(tmp_path / "series" / "new.seg.nrrd", [tmp_path / "series"])
