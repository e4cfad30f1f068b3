"""A result folder is written completely or not at all, and never over what is not a result."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from Tell2RegLib.errors import OutputError
from Tell2RegLib.results import result_folder
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.results.result_folder import read_result_transform, save_result, writing_folder
from Tell2RegLib.support import complete_folder
from Testing.Python.results.small_results import content_of
from Testing.Python.small import ROOT


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
