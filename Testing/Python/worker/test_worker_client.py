"""The worker's process as its host sees it: every way in which a run can end, and none that takes the host with it."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.slicer_module.run.worker_client import MAX_LINES, WorkerClient
from Tell2RegLib.slicer_module.run.worker_folders import is_running
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import LONG_S, poll_until, run, start, wait_until
from Testing.Python.worker.workers import ODD, run_folders, running_and_no_zombie, that

# --- as it should be ---


def test_the_worker_starts_when_it_is_needed_and_stays(a_client: WorkerClient, a_temporary_place: Path) -> None:
    assert (a_client.state, a_client.pid, a_client.busy) == ("off", None, False)
    first = start(a_client, that("nothing"))
    assert (a_client.state, a_client.busy) == ("starting", True)
    assert a_client.wait(60)
    assert (a_client.state, a_client.busy) == ("idle", False)
    assert first.reply.message == str(a_client.pid)
    assert run(a_client, that("nothing")).reply.message == first.reply.message
    assert not run_folders(a_temporary_place)


def test_the_folder_of_a_run_is_for_its_user_alone(a_client: WorkerClient, a_temporary_place: Path) -> None:
    start(a_client, that("waits"))
    (folder,) = run_folders(a_temporary_place)
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_what_libraries_print_is_log_and_never_disturbs_the_events(a_client: WorkerClient) -> None:
    heard = run(a_client, that("babbles"))
    assert heard.reply
    poll_until(a_client, lambda: True)
    said = "\n".join(heard.log)
    for words in (
        "printed by Python",
        "written by C",
        "\xe4\u2603 said on stderr",
        "warned by",
        "logged by the library",
    ):
        assert words in said
    assert "of no interest" not in said


def test_the_next_run_may_be_submitted_by_the_listener_of_the_last(a_client: WorkerClient) -> None:
    ended = []
    a_client.submit(
        that("nothing"), on_done=lambda _: a_client.submit(that("nothing"), on_done=lambda reply: ended.append(reply))
    )
    assert a_client.wait(60)
    assert len(ended) == 1


def test_a_waiting_script_can_do_other_things_meanwhile(a_client: WorkerClient) -> None:
    calls: list[int] = []
    start(a_client, that("waits"))
    assert not a_client.wait(0.05, pump=lambda: calls.append(1))
    assert calls


# --- refused ---


def test_a_second_run_is_refused_while_one_is_under_way(a_client: WorkerClient, a_temporary_place: Path) -> None:
    start(a_client, that("waits"))
    with pytest.raises(InputError, match="A run is in progress"):
        a_client.submit(that("nothing"))
    assert len(run_folders(a_temporary_place)) == 1


def test_a_closed_client_takes_no_run(a_client: WorkerClient) -> None:
    a_client.close()
    with pytest.raises(InputError, match="closed"):
        a_client.submit(that("nothing"))


def test_a_request_that_cannot_be_written_starts_nothing(
    a_client: WorkerClient, a_temporary_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Tell2RegLib.worker import exchange

    def full(*_: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr(exchange, "write", full)
    with pytest.raises(OutputError):
        a_client.submit(that("nothing"))
    assert not a_client.busy
    assert a_client.state == "off"
    assert not run_folders(a_temporary_place)


# --- cancelled ---


def test_a_run_that_listens_is_cancelled_and_its_process_stays(make_client: MakeClient) -> None:
    a_client = make_client(ODD, patience_s=LONG_S)
    heard = start(a_client, that("waits"))
    poll_until(a_client, lambda: bool(heard.progress))
    pid = a_client.pid
    a_client.cancel()
    a_client.cancel()
    assert a_client.state == "cancelling"
    assert a_client.wait(60)
    assert heard.ended == [("cancelled",)]
    assert (a_client.state, a_client.pid) == ("idle", pid)


OWN_SESSION = "is deaf with a child in a session of its own"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which processes belong together")


@pytest.mark.parametrize("behaviour", ["is deaf with a child", pytest.param(OWN_SESSION, marks=linux)])
def test_a_run_that_does_not_listen_is_killed_with_its_children(
    a_client: WorkerClient, a_temporary_place: Path, behaviour: str
) -> None:
    heard = start(a_client, that(behaviour))
    poll_until(a_client, lambda: bool(heard.progress))
    child, pid = heard.progress[0][1], a_client.pid
    assert pid is not None
    assert is_running(child)
    a_client.cancel()
    assert a_client.wait(LONG_S)
    assert heard.ended == [("cancelled",)]
    assert a_client.state == "off"
    wait_until(lambda: not is_running(pid) and not running_and_no_zombie(child))
    assert not run_folders(a_temporary_place)
    assert run(a_client, that("nothing")).reply


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_flood_of_lines_holds_neither_poll_nor_cancel(a_client: WorkerClient) -> None:
    heard = start(a_client, that("floods"))
    poll_until(a_client, lambda: bool(heard.progress) and len(heard.log) > 0)
    for _ in range(3):
        before = len(heard.log)
        a_client.poll()
        assert len(heard.log) - before <= MAX_LINES
    a_client.cancel()
    assert a_client.wait(LONG_S)
    assert heard.ended == [("cancelled",)]
    assert run(a_client, that("nothing")).reply


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_reply_that_is_a_pipe_is_an_error(a_client: WorkerClient) -> None:
    heard = run(a_client, that("answers through a pipe"))
    assert heard.error[0] == "InputError"
    assert "'result.json' is no file" in heard.error[1]


def test_a_run_is_cancelled_before_its_process_is_there(a_client: WorkerClient) -> None:
    heard = start(a_client, that("waits"))
    a_client.cancel()
    assert a_client.wait(LONG_S)
    assert heard.ended == [("cancelled",)]


def test_cancel_without_a_run_does_nothing(a_client: WorkerClient) -> None:
    a_client.cancel()
    assert run(a_client, that("nothing")).reply
    a_client.cancel()
    assert run(a_client, that("nothing")).reply
