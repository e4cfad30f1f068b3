"""A region source of another package, chosen in the panel: the same steps as with the built-in one."""

from __future__ import annotations

from typing import Any

import pytest

from Tell2RegLib.errors import Cancelled, Tell2RegError
from Tell2RegLib.worker.requests import FindRequest
from Tell2RegLib.worker.tasks import TASKS, Run, WorkerCaches
from Testing.Python.slicer_module.simulated import SimulatedClient

pytestmark = [pytest.mark.mrml, pytest.mark.usefixtures("the_example")]

ENTRY = "prompts, with bright_spots"


class TasksHere(SimulatedClient):
    """The worker's own tasks, run in this process; what they tell is heard at the next polls."""

    def __init__(self) -> None:
        super().__init__()
        self.caches = WorkerCaches()
        self.computed: list[tuple[str, ...]] = []
        self.stop_at = ""

    def submit(self, request: Any, **callbacks: Any) -> None:
        super().submit(request, **callbacks)
        if not isinstance(request, FindRequest):
            return
        stages: list[str] = []

        def progress(stage: str, done: int, total: int) -> None:
            stages.append(stage)
            self.answer("on_progress", stage, done, total, None)

        run = Run(progress, lambda: self.stop_at in stages, self.caches)
        try:
            reply = TASKS["find"](request, run)
        except Cancelled:
            self.answer("on_cancelled")
        except Tell2RegError as error:
            self.answer("on_error", type(error).__name__, str(error), "")
        else:
            self.computed.append(reply.computed)
            self.answer("on_done", reply)


@pytest.fixture
def spotted(a_clinic_with, docked):
    """The panel with the plug-in chosen in its list of sources."""
    clinic = a_clinic_with(TasksHere())
    person = docked(clinic.widget)
    person.choose(clinic.ui.sourceCombo, ENTRY)
    clinic.parameters.prompts = "bright spot"
    return clinic


def press_find(clinic) -> list[str]:
    """Find regions, and the texts beside the bar meanwhile."""
    labels: list[str] = []
    clinic.logic.runs.progressed.connect(lambda *_: labels.append(clinic.ui.findLabel.text))
    clinic.press(clinic.ui.findButton)
    clinic.hear()
    return labels


def test_a_plug_in_stands_in_the_list_of_sources_between_words_and_segmentations(spotted) -> None:
    combo = spotted.ui.sourceCombo
    assert [combo.itemText(line) for line in range(combo.count)] == ["prompts", ENTRY, "existing segmentations"]
    assert spotted.parameters.source == "bright_spots"


def test_it_needs_words_but_no_models(spotted) -> None:
    assert spotted.ui.modelsCombo.isHidden()
    assert spotted.ui.fixedSegmentation.isHidden()
    assert spotted.ui.findButton.text == "Find regions"
    spotted.parameters.prompts = ""
    assert not spotted.ui.findButton.enabled


def test_what_it_finds_is_paired_fitted_and_recorded_like_the_rest(spotted) -> None:
    labels = press_find(spotted)
    assert spotted.client.request.options.source == "bright_spots"
    assert [row.name for row in spotted.logic.rows] == ["bright spot 1"]
    assert any("spots" in text for text in labels)
    assert "'bright spot': 1 region." in spotted.ui.logText.plainText
    spotted.fit()
    assert spotted.parameters.deformableTransform is not None
    assert spotted.client.request.parameters["source"] == "bright_spots"
    assert spotted.client.request.parameters["options"]["source"] == "bright_spots"


def test_a_second_search_computes_nothing_again(spotted) -> None:
    press_find(spotted)
    press_find(spotted)
    assert [("find" in computed) for computed in spotted.client.computed] == [True, False]


def test_it_can_be_cancelled_and_the_scene_stays_as_it_was(spotted) -> None:
    spotted.client.stop_at = "find"
    press_find(spotted)
    assert spotted.logic.rows == ()
    assert spotted.parameters.fixedRegions is None
    assert spotted.said == "Cancelled; the scene is unchanged."
    assert spotted.idle


def test_words_that_it_does_not_know_are_told(spotted) -> None:
    spotted.parameters.prompts = "dog"
    press_find(spotted)
    assert "'dog': nothing was found." in spotted.said


def test_one_that_cannot_be_loaded_is_named_when_it_is_used(a_clinic_with, install) -> None:
    install("broken", {"broken": "broken_module:Source"}, broken_module="raise ImportError('no CUDA here')")
    clinic = a_clinic_with(TasksHere())
    clinic.parameters.source = "broken"
    press_find(clinic)
    assert "'broken' of the package 'broken' cannot be loaded (no CUDA here)" in clinic.said


def test_a_scene_with_a_source_that_is_not_installed_says_so_and_shows_it(clinic) -> None:
    clinic.parameters.source = "gone"
    assert clinic.ui.sourceCombo.currentText == "prompts, with gone"


def test_a_script_chooses_it_by_its_name(a_clinic_with) -> None:
    clinic = a_clinic_with(TasksHere())
    with pytest.raises(Tell2RegError, match="'dog': nothing was found"):
        clinic.logic.registerVolumes(
            clinic.parameters.fixedVolume, clinic.parameters.movingVolume, ["dog"], source="bright_spots"
        )


def test_the_built_in_source_of_an_earlier_scene_has_its_name_of_today(a_clinic_with) -> None:
    clinic = a_clinic_with(SimulatedClient())
    clinic.parameters.parameterNode.SetParameter("source", "words")
    clinic.panel.bind()
    clinic.panel.update()
    assert clinic.parameters.source == "grounded_sam"
    assert clinic.ui.sourceCombo.currentText == "prompts"
