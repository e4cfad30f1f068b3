"""Nothing that a person does at the wrong moment breaks the panel: it says one sentence and goes on.

The fixture `standin` fails a test in which a slot raised: that nothing is asserted after a click still says something.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.slicer_module.sentences import is_a_sentence, touch_everything
from Testing.Python.slicer_module.simulated import a_pair, find_reply, fitted, reply_of

pytestmark = pytest.mark.mrml

RUNS = ("find", "fit")
RESULTS = ("vtkMRMLSegmentationNode", "vtkMRMLGridTransformNode", "vtkMRMLTextNode")
"""Kinds of nodes that only Tell2Reg makes here."""


def start(clinic, run: str) -> None:
    """Start a run; the worker has not answered yet."""
    if run == "fit":
        clinic.find()
    clinic.press(clinic.ui.fitButton if run == "fit" else clinic.ui.findButton)


def late_answer(clinic, run: str) -> None:
    """The worker had its answer when the run was given up."""
    clinic.answer(find_reply if run == "find" else fitted)


# --- during a run ---


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("obedient", [True, False])
def test_a_closed_scene_cancels_the_run_and_nothing_of_it_lands_in_the_next(clinic, run: str, obedient: bool) -> None:
    clinic.client.obedient = obedient
    start(clinic, run)
    clinic.standin.scene.Clear(0)
    assert clinic.client.cancelled == 1
    clinic.load()
    if not obedient:
        late_answer(clinic, run)
    clinic.hear()
    assert clinic.idle
    assert clinic.ui.pairsTable.rowCount == 0
    assert clinic.logic.rows == ()
    for kind in RESULTS:
        assert clinic.standin.scene.GetNumberOfNodesByClass(kind) == 0, kind
    clinic.find()
    clinic.fit()
    assert clinic.parameters.deformableTransform is not None


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_volume_deleted_during_a_run_is_said_in_one_sentence(clinic, run: str, side: str) -> None:
    start(clinic, run)
    clinic.standin.scene.RemoveNode(getattr(clinic.parameters, f"{side}Volume"))
    late_answer(clinic, run)
    assert clinic.said == f"The {side} volume was removed during the run: the result was discarded."
    assert clinic.idle
    assert clinic.parameters.deformableTransform is None
    assert f"Choose a {side} volume" in clinic.ui.findButton.toolTip


@pytest.mark.parametrize("run", RUNS)
def test_another_volume_chosen_during_a_run_gets_nothing_of_its_result(clinic, run: str) -> None:
    start(clinic, run)
    clinic.parameters.fixedVolume, clinic.parameters.movingVolume = (
        clinic.parameters.movingVolume,
        clinic.parameters.fixedVolume,
    )
    late_answer(clinic, run)
    assert is_a_sentence(clinic.said)
    assert "discarded" in clinic.said
    assert clinic.idle
    assert clinic.parameters.deformableTransform is None


@pytest.mark.parametrize("attribute", ["fixedRegions", "movingRegions"])
def test_regions_deleted_during_a_fit_leave_its_result_usable(clinic, attribute: str) -> None:
    start(clinic, "fit")
    clinic.standin.scene.RemoveNode(getattr(clinic.parameters, attribute))
    late_answer(clinic, "fit")
    assert clinic.idle
    assert clinic.parameters.deformableTransform is not None
    assert "Find regions first" in clinic.ui.fitButton.toolTip


@pytest.mark.parametrize("run", RUNS)
def test_a_run_started_twice_is_refused_and_the_button_cancels(clinic, run: str) -> None:
    start(clinic, run)
    assert (clinic.ui.fitButton if run == "fit" else clinic.ui.findButton).text == "Cancel"
    for again in (clinic.logic.findRegions, clinic.logic.fit if run == "fit" else clinic.logic.findRegions):
        with pytest.raises(InputError, match="A run is in progress"):
            again()
    before = len(clinic.client.requests)
    clinic.press(clinic.ui.fitButton if run == "fit" else clinic.ui.findButton)
    clinic.hear()
    assert clinic.client.cancelled == 1
    assert len(clinic.client.requests) == before
    assert clinic.idle
    assert clinic.said == "Cancelled; the scene is unchanged."


def test_cancel_cannot_be_pressed_again_until_the_run_has_ended_whatever_changes_meanwhile(clinic) -> None:
    clinic.client.obedient = False
    start(clinic, "find")
    clinic.press(clinic.ui.findButton)
    clinic.parameters.sliceStep = 3
    assert (clinic.ui.findButton.text, clinic.ui.findButton.enabled) == ("Cancel", False)
    assert clinic.ui.findLabel.text == "cancelling ..."
    clinic.client.answer("on_cancelled")
    clinic.hear()
    assert clinic.idle
    assert clinic.ui.findButton.enabled


def test_a_worker_that_dies_is_said_and_the_next_run_works(clinic) -> None:
    start(clinic, "find")
    clinic.client.answer("on_error", "WorkerDied", "The worker stopped unexpectedly. Run again.", "its last words")
    clinic.hear()
    assert clinic.said == "The worker stopped unexpectedly. Run again."
    assert clinic.idle
    clinic.find()
    assert len(clinic.logic.rows) == 4


def test_slicer_closed_during_a_run_ends_the_worker(clinic) -> None:
    start(clinic, "fit")
    clinic.standin.quit()
    assert clinic.client.closed == 1
    assert not clinic.panel.busy


def test_a_module_reloaded_during_a_run_starts_anew_and_its_worker_is_ended(clinic, the_library_comes_back) -> None:
    start(clinic, "fit")
    old, names, prompts = clinic.panel, [row.name for row in clinic.logic.rows], clinic.parameters.prompts
    clinic.widget.onReload()
    assert clinic.client.closed == 1
    assert not old.busy
    import slicer

    widget = slicer.util.getModuleWidget("Tell2Reg")
    assert widget.panel is not old
    assert type(widget.panel) is not type(old)
    widget.panel.bind()
    widget.panel.update()
    assert widget.logic.parameters.prompts == prompts
    assert [row.name for row in widget.logic.rows] == names
    assert widget.ui.pairsTable.rowCount == len(names)
    assert widget.ui.fitButton.text == "Fit"
    assert not widget.panel.busy


def test_a_look_up_that_cannot_start_does_not_keep_anybody_out(clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    def full(*_request, **_callbacks) -> None:
        raise InputError("No temporary folder can be made.")

    with monkeypatch.context() as patch:
        patch.setattr(clinic.client, "submit", full)
        slicer.util.selectModule("Volumes")
        slicer.util.selectModule("Tell2Reg")
        clinic.press(clinic.ui.findButton)
        assert clinic.said == "No temporary folder can be made."
    clinic.find()
    assert len(clinic.logic.rows) == 4


# --- between two runs ---


def test_a_volume_edited_between_two_runs_goes_to_the_worker_as_it_is_now(clinic) -> None:
    import slicer

    clinic.find()
    first = clinic.client.request
    voxels = slicer.util.arrayFromVolume(clinic.parameters.fixedVolume)
    voxels[3, 4, 5] += 1000
    slicer.util.arrayFromVolumeModified(clinic.parameters.fixedVolume)
    clinic.find()
    second = clinic.client.request
    changed = np.argwhere(second.fixed.array_kji != first.fixed.array_kji)
    assert changed.tolist() == [[3, 4, 5]]


def test_a_second_run_replaces_what_the_first_one_made(clinic) -> None:
    numbers = []
    for _again in range(2):
        clinic.find()
        clinic.fit()
        clinic.press(clinic.ui.checkerboardButton)
        numbers.append(clinic.standin.scene.GetNumberOfNodes())
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_volume_deleted_after_the_fit_leaves_a_panel_that_says_what_is_missing(clinic, side: str) -> None:
    clinic.find()
    clinic.fit()
    clinic.standin.scene.RemoveNode(getattr(clinic.parameters, f"{side}Volume"))
    for button in (clinic.ui.findButton, clinic.ui.fitButton, clinic.ui.propagateButton, clinic.ui.deformableButton):
        assert not button.enabled
        assert "olume" in button.toolTip
    touch_everything(clinic)


@pytest.mark.parametrize(
    "attribute",
    [
        *("fixedRegions", "movingRegions", "movingShown", "deformableTransform", "inverseTransform"),
        *("rigidTransform", "affineTransform", "jacobianMap", "checkerboard", "pairsTable", "provenance"),
    ],
)
def test_any_result_deleted_after_the_fit_is_missed_without_a_traceback(clinic, attribute: str) -> None:
    clinic.find()
    clinic.fit()
    clinic.press(clinic.ui.checkerboardButton)
    clinic.press(clinic.ui.sideButton)
    clinic.standin.scene.RemoveNode(getattr(clinic.parameters, attribute))
    assert getattr(clinic.parameters, attribute) is None
    touch_everything(clinic)


def test_regions_of_other_volumes_are_not_fitted(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.press(clinic.ui.swapButton)
    assert "other volumes" in clinic.ui.fitButton.toolTip
    assert "other volumes" in clinic.ui.propagateButton.toolTip
    assert "other volumes" in clinic.ui.deformableButton.toolTip
    clinic.press(clinic.ui.swapButton)
    assert clinic.ui.fitButton.enabled
    assert clinic.ui.propagateButton.toolTip == "Choose at least one node to propagate."


def test_a_volume_moved_since_its_regions_were_found_is_not_fitted(clinic) -> None:
    from Testing.Python.scene import TURNED, put_under

    clinic.find()
    put_under(clinic.parameters.movingVolume, TURNED)
    clinic.panel.update()
    assert is_a_sentence(clinic.ui.fitButton.toolTip)
    assert "moved" in clinic.ui.fitButton.toolTip
    with pytest.raises(InputError, match="moved"):
        clinic.logic.fit()
    clinic.find()
    clinic.fit()
    assert clinic.parameters.deformableTransform is not None


# --- few pairs and many ---


def test_nothing_found_says_why_and_leaves_an_empty_table(clinic) -> None:
    clinic.find(lambda request: reply_of([], reason="Nothing was found for 'organ' in the fixed volume."))
    assert clinic.said == "Nothing was found for 'organ' in the fixed volume."
    assert clinic.ui.pairsTable.rowCount == 0
    assert clinic.idle
    assert "Find regions first" in clinic.ui.fitButton.toolTip


def test_regions_without_a_pair_are_in_the_scene_to_be_paired_by_hand(clinic) -> None:
    def no_pairs(request):
        sides = zip(*a_pair().regions(request), strict=True)
        return reply_of([], *sides, reason="No two regions are alike enough.")

    clinic.find(no_pairs)
    assert clinic.said == "No two regions are alike enough."
    assert clinic.ui.fixedSegmentCombo.count == 4
    clinic.ui.fixedSegmentCombo.setCurrentIndex(2)
    clinic.ui.movingSegmentCombo.setCurrentIndex(2)
    clinic.press(clinic.ui.pairButton)
    assert [row.name for row in clinic.logic.rows] == ["rectum"]
    clinic.fit()
    assert clinic.parameters.deformableTransform is not None


def test_one_pair_is_enough(clinic) -> None:
    clinic.find(lambda request: replace(find_reply(request), pairs=find_reply(request).pairs[:1]))
    clinic.fit()
    assert clinic.logic.fitRows[0].distance_mm[-1] == pytest.approx(0, abs=1e-6)
    assert "Pairs used: 1." in clinic.ui.fitSummary.text


def test_two_hundred_pairs_are_shown_and_fitted(clinic) -> None:
    def many(request):
        rng = np.random.default_rng(3)
        return reply_of(
            [
                RegionPair(*(_cube(rng, side.grid, n) for side in (request.fixed, request.moving)), 0.9)
                for n in range(200)
            ]
        )

    clinic.find(many)
    assert clinic.ui.pairsTable.rowCount == 200
    clinic.select(150)
    clinic.press(clinic.ui.rejectButton)
    assert not clinic.logic.rows[150].accepted
    clinic.fit()
    assert len(clinic.client.request.pairs) == 200
    assert clinic.ui.fitTable.rowCount == 200


def _cube(rng: np.random.Generator, grid, number: int) -> Region:
    start = rng.integers(0, np.asarray(grid.shape_kji) - 2)
    return Region(f"cube {number}", np.ones((2, 2, 2), bool), tuple(int(n) for n in start), grid)
