"""The demo pair in the Sample Data module: the window goes on while it is made."""

from __future__ import annotations

from typing import Any

import pytest

from Tell2RegLib.worker.requests import DemoReply, DemoRequest
from Testing.Python.slicer_module.simulated import SimulatedClient, a_pair

pytestmark = pytest.mark.mrml

NAME = "Tell2Reg demo pair"


class SlowClient(SimulatedClient):
    """Answers only when the application has handled its events: a timer brings the answer.

    Args:
        answer: name and values of the callback; the demo pair when not given, "" for none but to Cancel.
    """

    def __init__(self, *answer: Any) -> None:
        super().__init__()
        self.slow_answer = answer or ("on_done", _demo())

    def submit(self, request: Any, **callbacks: Any) -> None:
        import qt

        super().submit(request, **callbacks)
        if self.slow_answer[0]:
            qt.QTimer.singleShot(0, lambda: self.answer(*self.slow_answer))


def _demo() -> DemoReply:
    from Tell2RegLib.space.point_files import PointList

    points = PointList(("one",), a_pair().fixed.regions[0].centroid_lps_mm()[None])
    return DemoReply(a_pair().fixed.volume, a_pair().moving.volume, points, points)


@pytest.fixture
def offered_with(standin, monkeypatch: pytest.MonkeyPatch):
    """The sample as it is offered, with this client of a worker."""
    from Tell2RegLib.slicer_module.logic import sample_data
    from Tell2RegLib.slicer_module.run import application

    def offered(client: SimulatedClient) -> SimulatedClient:
        monkeypatch.setattr(application, "makeClient", lambda: client)
        sample_data.registerSampleData()
        return client

    return offered


def volumes() -> list[str]:
    import slicer

    return [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]


def test_the_application_handles_its_events_while_the_worker_makes_the_pair(standin, offered_with) -> None:
    client = offered_with(SlowClient())
    nodes = standin.press_sample(NAME)
    assert client.requests == [DemoRequest()]
    assert [node.GetName() for node in nodes[:3]] == ["Demo fixed", "Demo moving", "Demo plan"]
    assert client.closed == 1


def test_a_second_press_while_the_pair_is_made_does_nothing(standin, offered_with) -> None:
    import qt

    client = offered_with(SlowClient())
    qt.QTimer.singleShot(0, lambda: standin.press_sample(NAME))
    standin.press_sample(NAME)
    assert len(client.requests) == 1
    assert volumes() == ["Demo fixed", "Demo moving"]


def test_a_scene_that_is_closed_meanwhile_gets_nothing(standin, offered_with) -> None:
    import qt
    import slicer

    client = offered_with(SlowClient(""))
    qt.QTimer.singleShot(0, lambda: slicer.mrmlScene.Clear(0))
    assert standin.press_sample(NAME) == []
    assert client.cancelled == 1
    assert volumes() == []


def test_a_worker_that_cannot_start_is_told_in_one_sentence(standin, offered_with) -> None:
    offered_with(SlowClient("on_error", "WorkerDied", "The worker cannot be started.", ""))
    assert standin.press_sample(NAME) == []
    assert [message.text for message in standin.answers.messages] == ["The worker cannot be started."]


def test_it_can_be_pressed_again(standin, offered_with) -> None:
    client = offered_with(SlowClient())
    for _ in range(2):
        standin.press_sample(NAME)
    assert len(client.requests) == 2
    assert len(volumes()) == 4
