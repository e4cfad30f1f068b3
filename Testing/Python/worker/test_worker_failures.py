"""A worker that fails, dies or is left alone."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Tell2RegLib.slicer_module.run.worker_folders import PREFIX, RunFolders, is_running, sweep
from Tell2RegLib.support.marked_folders import mark
from Tell2RegLib.worker import protocol
from Tell2RegLib.worker.events import EventOutput
from Tell2RegLib.worker.requests import DevicesRequest
from Tell2RegLib.worker.serve import Server
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import Heard, poll_until, run, start, wait_until
from Testing.Python.worker.workers import ODD, run_folders, running_and_no_zombie, that

# --- failed ---


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        ("geometry", "GeometryError", "The grids do not meet."),
        ("divides by zero", "Crash", "ZeroDivisionError"),
        ("lacks a package", "MissingPackage", "'no_such_package' is missing"),
        ("runs out of memory", "OutOfMemory", "Choose smaller models"),
    ],
)
def test_a_failure_is_told_with_its_kind_and_the_process_goes_on(
    a_client: WorkerClient, behaviour: str, kind: str, words: str
) -> None:
    before = run(a_client, that("nothing")).reply
    detected, message, detail = run(a_client, that(behaviour)).error
    assert detected == kind
    assert words in message
    assert ("Traceback" in detail) == (kind in ("Crash", "OutOfMemory"))
    assert run(a_client, that("nothing")).reply.message == before.message


def test_a_full_gpu_is_told_and_the_process_goes_on(a_client: WorkerClient) -> None:
    kind, message, _ = run(a_client, that("runs out of gpu memory")).error
    assert kind == "OutOfMemory"
    assert "on the GPU" in message
    assert run(a_client, that("nothing")).reply


def test_a_task_that_the_worker_does_not_know_is_told(a_client: WorkerClient) -> None:
    _, message, _ = run(a_client, DevicesRequest()).error
    assert "no task 'devices'" in message


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_worker_is_told_and_the_next_run_works(a_client: WorkerClient, a_temporary_place: Path) -> None:
    heard = start(a_client, that("waits"))
    poll_until(a_client, lambda: bool(heard.progress))
    assert a_client.pid is not None
    os.kill(a_client.pid, signal.SIGKILL)
    assert a_client.wait(60)
    kind, message, _ = heard.error
    assert kind == "WorkerDied"
    assert "signal 9" in message
    assert "your scene is unchanged" in message
    assert not run_folders(a_temporary_place)
    assert run(a_client, that("nothing")).reply


@pytest.mark.parametrize(("behaviour", "words"), [("dies", "signal 11"), ("exits", "exit code 3")])
def test_a_worker_that_falls_is_told_with_its_last_words(a_client: WorkerClient, behaviour: str, words: str) -> None:
    kind, message, detail = run(a_client, that(behaviour)).error
    assert kind == "WorkerDied"
    assert words in message
    assert ("last words" in detail) == (behaviour == "dies")
    assert run(a_client, that("nothing")).reply


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_that_was_killed_while_idle_is_started_again(a_client: WorkerClient) -> None:
    first = run(a_client, that("nothing")).reply.message
    os.kill(int(first), signal.SIGKILL)
    poll_until(a_client, lambda: a_client.state == "off")
    assert run(a_client, that("nothing")).reply.message != first


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/python", "-m", "Tell2RegLib.worker"], "cannot be started: '/no/such/python'"),
        ([sys.executable, "-m", "Tell2RegLib.no_such_module"], "could not start (exit code 1)"),
        ([sys.executable, "-c", "print('not a worker')"], "could not start (exit code 0)"),
    ],
)
def test_a_worker_that_does_not_start_is_told(
    make_client: MakeClient, a_temporary_place: Path, command: list[str], words: str
) -> None:
    client = make_client(command=command)
    kind, message, detail = run(client, that("nothing")).error
    assert kind == "WorkerDied"
    assert words in message
    assert ("no_such_module" in detail) == ("no_such_module" in command[-1])
    assert client.state == "off"
    assert not run_folders(a_temporary_place)


def test_a_worker_of_another_version_is_told(make_client: MakeClient) -> None:
    script = 'print(\'{"event": "ready", "protocol": 99, "version": "9", "pid": 1}\', flush=True); input()'
    kind, message, _ = run(make_client(command=[sys.executable, "-c", script]), that("nothing")).error
    assert kind == "WorkerDied"
    assert "a different version (9)" in message


def test_garbage_from_the_worker_is_logged_and_left_alone(a_client: WorkerClient) -> None:
    heard = run(a_client, that("garbage"))
    assert heard.reply
    assert heard.stages == ["after"]
    assert sum("Unknown message" in text for text in heard.log) == 4


def test_garbage_to_the_worker_is_logged_and_left_alone(a_client: WorkerClient) -> None:
    assert run(a_client, that("nothing")).reply
    for text in (
        b"\xff\n",
        b"[]\n",
        b"{}\n",
        b'{"task": 1}\n',
        b'{"task": "models", "id": "1"}\n',
        b"[" * 9999 + b"\n",
    ):
        a_client._process._process.stdin.write(text)  # type: ignore[union-attr]
    heard = run(a_client, that("nothing"))
    assert heard.reply
    assert sum("not understood" in text for text in heard.log) == 6


# --- behind a launcher ---


LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
"""Starts the worker and waits for it, as PythonSlicer does."""


@pytest.fixture
def a_launched_client(make_client: MakeClient) -> WorkerClient:
    return make_client(command=[sys.executable, "-c", LAUNCHER, "-m", ODD])


def reach_deafness(client: WorkerClient) -> tuple[Heard, int, int]:
    """A run that hears nothing, and the numbers of launcher and worker."""
    heard = start(client, that("is deaf"))
    poll_until(client, lambda: bool(heard.progress))
    assert client.pid is not None
    assert client._process is not None
    assert client.pid != client._process.pid
    return heard, client._process.pid, client.pid


def test_cancel_ends_the_launcher_and_the_worker(a_launched_client: WorkerClient) -> None:
    heard, launcher, worker = reach_deafness(a_launched_client)
    a_launched_client.cancel()
    assert a_launched_client.wait(60)
    assert heard.ended == [("cancelled",)]
    wait_until(lambda: not is_running(launcher) and not running_and_no_zombie(worker))


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("which", ["launcher", "worker"])
def test_when_one_of_both_is_killed_the_other_goes_too(a_launched_client: WorkerClient, which: str) -> None:
    heard, launcher, worker = reach_deafness(a_launched_client)
    os.kill(launcher if which == "launcher" else worker, signal.SIGKILL)
    assert a_launched_client.wait(60)
    assert heard.error[0] == "WorkerDied"
    wait_until(lambda: not is_running(launcher) and not running_and_no_zombie(worker))
    assert run(a_launched_client, that("nothing")).reply


# --- the end of the host ---


def test_a_closed_client_leaves_no_process_and_no_folder(a_client: WorkerClient, a_temporary_place: Path) -> None:
    heard = start(a_client, that("is deaf"))
    poll_until(a_client, lambda: bool(heard.progress))
    pid = a_client.pid
    assert pid is not None
    a_client.close()
    assert not is_running(pid)
    assert not list(a_temporary_place.iterdir())
    a_client.poll()
    assert not heard.ended


HOST = """
import sys, tempfile
from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Tell2RegLib.worker.requests import ModelsRequest
tempfile.tempdir = sys.argv[1]
client = WorkerClient([sys.executable, "-m", sys.argv[2]])
client.submit(ModelsRequest("install", "is deaf"), on_progress=lambda *_: print(client.pid, flush=True))
client.wait(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_when_the_host_is_killed_the_worker_goes_and_the_next_host_sweeps(
    make_client: MakeClient, a_temporary_place: Path
) -> None:
    root = Path(__file__).resolve().parents[3]
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(a_temporary_place), ODD], stdout=subprocess.PIPE, cwd=root, text=True
    )
    assert host.stdout is not None
    worker = int(host.stdout.readline())
    assert run_folders(a_temporary_place)
    host.kill()
    host.wait()
    host.stdout.close()
    wait_until(lambda: not running_and_no_zombie(worker))
    assert not run_folders(a_temporary_place)
    (base,) = a_temporary_place.iterdir()
    assert base.name.startswith(f"{PREFIX}{host.pid}-")
    assert run(make_client(ODD), that("nothing")).reply
    assert not base.exists()


def test_folders_of_hosts_that_live_and_of_others_are_not_swept(
    make_client: MakeClient, a_temporary_place: Path
) -> None:
    remaining = [a_temporary_place / name for name in (f"{PREFIX}{os.getppid()}-x", f"{PREFIX}none", "other-1-x")]
    for folder in remaining:
        folder.mkdir()
    assert run(make_client(ODD), that("nothing")).reply
    for folder in remaining:
        folder.rmdir()


def test_the_folders_of_a_host_in_another_container_are_not_swept(
    make_client: MakeClient, a_temporary_place: Path
) -> None:
    """Its process ID means nothing here, but its lock does."""
    folders = RunFolders()
    base = folders.make().parent
    elsewhere = base.rename(base.with_name(f"{PREFIX}999999999-x"))
    assert run(make_client(ODD), that("nothing")).reply
    assert elsewhere.exists()
    folders._lock.close()
    sweep()
    assert not elsewhere.exists()


FORKS = """
import os, sys, tempfile
tempfile.tempdir = sys.argv[1]
from Tell2RegLib.slicer_module.run.worker_folders import RunFolders
folders = RunFolders()
folder = folders.make()
pid = os.fork()
if not pid:
    folders.close()
    sys.exit()
os.waitpid(pid, 0)
print(folder.exists())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_leaves_the_folders_of_its_parent_alone(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path)], cwd=root, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert not list(tmp_path.iterdir())


def test_a_folder_with_the_name_of_a_dead_host_and_without_a_marker_is_not_swept(
    make_client: MakeClient, a_temporary_place: Path
) -> None:
    foreign_folder = a_temporary_place / f"{PREFIX}999999999-notes"
    foreign_folder.mkdir()
    (foreign_folder / "notes.txt").write_text("precious")
    assert run(make_client(ODD), that("nothing")).reply
    assert (foreign_folder / "notes.txt").read_text() == "precious"
    shutil.rmtree(foreign_folder)


@pytest.mark.parametrize(("purpose", "remains"), [(protocol.RUN_FOLDER, False), ("something else", True), ("", True)])
def test_a_worker_without_its_host_deletes_folders_of_runs_and_no_others(
    tmp_path: Path, purpose: str, remains: bool
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "scan.nrrd").write_text("precious")
    if purpose:
        mark(folder, purpose)
    lines = io.BytesIO(protocol.line({"task": "find", "id": "1", "folder": str(folder)}))
    Server(lines, EventOutput(io.BytesIO()), tasks={}, end=lambda code: None)._listen()
    assert (folder / "scan.nrrd").exists() == remains


def test_two_clients_do_not_know_of_each_other(make_client: MakeClient) -> None:
    first_client, second_client = make_client(ODD), make_client(ODD)
    waiting = start(first_client, that("waits"))
    assert run(second_client, that("nothing")).reply.message == str(second_client.pid)
    assert first_client.busy
    assert first_client.pid != second_client.pid
    first_client.cancel()
    assert first_client.wait(60)
    assert waiting.ended == [("cancelled",)]
    assert run(second_client, that("nothing")).reply
