"""One run at a time: told, ended, cancelled, waited for; look-ups in the background give way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Tell2RegLib.errors import Cancelled, InputError, ModelError, Tell2RegError
from Tell2RegLib.slicer_module.run.runs import Outcome, Runs
from Testing.Python.slicer_module.simulated import SimulatedClient


class SimulatedTimer:
    """A QTimer that the test fires."""

    def __init__(self) -> None:
        self.active = False

    def setInterval(self, _milliseconds: int) -> None:  # noqa: N802
        pass

    def connect(self, signal: str, slot: Callable[[], None]) -> None:
        assert signal == "timeout()"
        self.fire = slot

    def start(self) -> None:
        self.active = True

    def stop(self) -> None:
        self.active = False


@pytest.fixture
def client() -> SimulatedClient:
    return SimulatedClient(obedient=False)


@pytest.fixture
def timer() -> SimulatedTimer:
    return SimulatedTimer()


@pytest.fixture
def runs(client: SimulatedClient, timer: SimulatedTimer) -> Runs:
    return Runs(client, timer)


@pytest.fixture
def ended(runs: Runs) -> list[Outcome]:
    outcomes: list[Outcome] = []
    runs.ended.connect(outcomes.append)
    return outcomes


def test_a_run_tells_its_progress_and_its_end(
    runs: Runs, client: SimulatedClient, timer: SimulatedTimer, ended: list[Outcome]
) -> None:
    news, replies = [], []
    runs.progressed.connect(lambda *values: news.append(values))
    runs.start("fit", "a request", replies.append)
    assert runs.busy
    assert timer.active
    client.answer("on_progress", "fit", 3, 10, 1.5)
    client.answer("on_done", "a reply")
    timer.fire()
    assert news == [("fit", "fit", 3, 10, 1.5)]
    assert replies == ["a reply"]
    assert ended == [Outcome("fit", "done")]
    assert not runs.busy
    assert not timer.active


def test_a_second_run_is_refused(runs: Runs) -> None:
    runs.start("fit", "one", lambda reply: None)
    with pytest.raises(InputError, match="in progress"):
        runs.start("find", "two", lambda reply: None)


def test_an_error_of_the_worker_ends_the_run_with_its_sentence(
    runs: Runs, client: SimulatedClient, ended: list[Outcome]
) -> None:
    runs.start("find", "request", lambda reply: None)
    client.answer("on_error", "ModelError", "No such model.", "detail")
    runs.poll()
    assert ended == [Outcome("find", "failed", "ModelError", "No such model.", "detail")]


def test_a_result_that_cannot_be_shown_ends_the_run_with_the_reason(
    runs: Runs, client: SimulatedClient, ended: list[Outcome]
) -> None:
    def refuse(_reply: object) -> None:
        raise InputError("The volume was removed.")

    runs.start("find", "request", refuse)
    client.answer("on_done", "reply")
    runs.poll()
    assert ended == [Outcome("find", "failed", "InputError", "The volume was removed.")]


def test_whoever_waits_gets_the_error_of_its_kind(runs: Runs, client: SimulatedClient) -> None:
    runs.started.connect(lambda run: None)
    client.wait = lambda _timeout: client.callbacks["on_error"]("ModelError", "No such model.", "")  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="No such model"):
        runs.start("find", "request", lambda reply: None, wait=True)
    client.wait = lambda _timeout: client.callbacks["on_error"]("WorkerDied", "It stopped.", "")  # type: ignore[method-assign]
    with pytest.raises(Tell2RegError, match="It stopped"):
        runs.start("find", "request", lambda reply: None, wait=True)
    client.wait = lambda _timeout: client.callbacks["on_cancelled"]()  # type: ignore[method-assign]
    with pytest.raises(Cancelled):
        runs.start("find", "request", lambda reply: None, wait=True)


def test_a_run_waits_for_a_look_up_and_then_starts(runs: Runs, client: SimulatedClient, ended: list[Outcome]) -> None:
    looked: list[str] = []
    runs.lookUp("devices?", looked.append)
    assert not runs.busy
    runs.start("find", "request", lambda reply: None)
    assert client.requests == ["devices?"]
    client.answer("on_done", "a device")
    runs.poll()
    assert looked == ["a device"]
    assert client.requests == ["devices?", "request"]
    client.answer("on_done", "reply")
    runs.poll()
    assert [outcome.status for outcome in ended] == ["done"]


def test_a_look_up_that_fails_is_nobodys_error(runs: Runs, client: SimulatedClient, ended: list[Outcome]) -> None:
    said: list[str] = []
    runs.logged.connect(said.append)
    runs.lookUp("devices?", lambda reply: None)
    client.answer("on_error", "WorkerDied", "It stopped.", "")
    runs.poll()
    assert not ended
    assert said == ["It stopped."]


def test_a_run_that_has_not_started_is_cancelled_at_once(
    runs: Runs, client: SimulatedClient, ended: list[Outcome]
) -> None:
    runs.lookUp("devices?", lambda reply: None)
    runs.start("find", "request", lambda reply: None)
    runs.cancel()
    assert [outcome.status for outcome in ended] == ["cancelled"]
    client.answer("on_done", "a device")
    runs.poll()
    assert client.requests == ["devices?"]


def test_closing_ends_the_run_and_the_worker(
    runs: Runs, client: SimulatedClient, timer: SimulatedTimer, ended: list[Outcome]
) -> None:
    runs.start("fit", "request", lambda reply: None)
    runs.close()
    assert [outcome.status for outcome in ended] == ["cancelled"]
    assert client.closed == 1
    assert not timer.active
