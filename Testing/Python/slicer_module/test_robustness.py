"""Nothing that a person does at the wrong moment breaks the panel: it says one sentence and goes on.

The fixture `standin` fails a test in which a slot raised: that nothing is asserted after a click still says something.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.slicer_module.simulated import a_pair, fitted, found, reply_of

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
    clinic.answer(found if run == "find" else fitted)


def is_a_sentence(text: str) -> bool:
    return (
        (text[:1].isupper() or text[:1] == "'") and text.endswith(".") and "\n" not in text and "Traceback" not in text
    )


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
    assert clinic.own.deformableTransform is not None


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_volume_deleted_during_a_run_is_said_in_one_sentence(clinic, run: str, side: str) -> None:
    start(clinic, run)
    clinic.standin.scene.RemoveNode(getattr(clinic.own, f"{side}Volume"))
    late_answer(clinic, run)
    assert clinic.said == f"The {side} volume was removed during the run: its result was dropped."
    assert clinic.idle
    assert clinic.own.deformableTransform is None
    assert f"Choose a {side} volume" in clinic.ui.findButton.toolTip


@pytest.mark.parametrize("run", RUNS)
def test_another_volume_chosen_during_a_run_gets_nothing_of_its_result(clinic, run: str) -> None:
    start(clinic, run)
    clinic.own.fixedVolume, clinic.own.movingVolume = clinic.own.movingVolume, clinic.own.fixedVolume
    late_answer(clinic, run)
    assert is_a_sentence(clinic.said)
    assert "dropped" in clinic.said
    assert clinic.idle
    assert clinic.own.deformableTransform is None


@pytest.mark.parametrize("attribute", ["fixedRegions", "movingRegions"])
def test_regions_deleted_during_a_fit_leave_its_result_usable(clinic, attribute: str) -> None:
    start(clinic, "fit")
    clinic.standin.scene.RemoveNode(getattr(clinic.own, attribute))
    late_answer(clinic, "fit")
    assert clinic.idle
    assert clinic.own.deformableTransform is not None
    assert "Find regions first" in clinic.ui.fitButton.toolTip


@pytest.mark.parametrize("run", RUNS)
def test_a_run_started_twice_is_refused_and_the_button_cancels(clinic, run: str) -> None:
    start(clinic, run)
    assert (clinic.ui.fitButton if run == "fit" else clinic.ui.findButton).text == "Cancel"
    for again in (clinic.logic.findRegions, clinic.logic.fit if run == "fit" else clinic.logic.findRegions):
        with pytest.raises(InputError, match="A run is under way"):
            again()
    before = len(clinic.client.requests)
    clinic.press(clinic.ui.fitButton if run == "fit" else clinic.ui.findButton)
    clinic.hear()
    assert clinic.client.cancelled == 1
    assert len(clinic.client.requests) == before
    assert clinic.idle
    assert clinic.said == "Cancelled; the scene is as it was."


def test_cancel_cannot_be_pressed_again_until_the_run_has_ended_whatever_changes_meanwhile(clinic) -> None:
    clinic.client.obedient = False
    start(clinic, "find")
    clinic.press(clinic.ui.findButton)
    clinic.own.sliceStep = 3
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
    old, names, prompts = clinic.panel, [row.name for row in clinic.logic.rows], clinic.own.prompts
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

    def full(*_request, **_told) -> None:
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
    voxels = slicer.util.arrayFromVolume(clinic.own.fixedVolume)
    voxels[3, 4, 5] += 1000
    slicer.util.arrayFromVolumeModified(clinic.own.fixedVolume)
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
    clinic.standin.scene.RemoveNode(getattr(clinic.own, f"{side}Volume"))
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
    clinic.standin.scene.RemoveNode(getattr(clinic.own, attribute))
    assert getattr(clinic.own, attribute) is None
    touch_everything(clinic)


def touch_everything(clinic) -> None:
    """Press whatever can be pressed, but for what asks back."""
    import slicer

    ui = clinic.ui
    clinic.select(1)
    decide = (ui.rejectButton, ui.acceptButton, ui.undoButton, ui.redoButton, ui.acceptAllButton, ui.nextButton)
    show = (ui.rigidButton, ui.deformableButton, ui.checkerboardButton, ui.fadeButton, ui.flickerButton, ui.sideButton)
    rest = (ui.jacobianButton, ui.jacobianButton, ui.plotButton, ui.noneButton, ui.pairButton, ui.editMovingButton)
    for button in (*decide, *show, *rest):
        if button.enabled:
            button.click()
        clinic.standin.process_events(1)
    for message in clinic.standin.answers.texts:
        assert is_a_sentence(message)
    slicer.util.selectModule("Tell2Reg")  # the last button leads to the Segment Editor


def test_regions_of_other_volumes_are_not_fitted(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.press(clinic.ui.swapButton)
    assert "other volumes" in clinic.ui.fitButton.toolTip
    assert "other volumes" in clinic.ui.propagateButton.toolTip
    assert "other volumes" in clinic.ui.deformableButton.toolTip
    clinic.press(clinic.ui.swapButton)
    assert clinic.ui.fitButton.enabled
    assert clinic.ui.propagateButton.toolTip == "Choose at least one node to carry."


def test_a_volume_moved_since_its_regions_were_found_is_not_fitted(clinic) -> None:
    from Testing.Python.scene import TURNED, put_under

    clinic.find()
    put_under(clinic.own.movingVolume, TURNED)
    clinic.panel.update()
    assert is_a_sentence(clinic.ui.fitButton.toolTip)
    assert "moved" in clinic.ui.fitButton.toolTip
    with pytest.raises(InputError, match="moved"):
        clinic.logic.fit()
    clinic.find()
    clinic.fit()
    assert clinic.own.deformableTransform is not None


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
    assert clinic.own.deformableTransform is not None


def test_one_pair_is_enough(clinic) -> None:
    clinic.find(lambda request: replace(found(request), pairs=found(request).pairs[:1]))
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


# --- segments that a person edits ---


@pytest.mark.parametrize("side", ["fixed", "moving"])
@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_lost_segment_is_named_and_its_pair_can_be_rejected(clinic, side: str, how: str) -> None:
    clinic.find()
    lose(clinic, side, how)
    clinic.press(clinic.ui.fitButton)
    assert clinic.said == (f"The {side} segment of 'prostate' is empty or gone: draw it again, or reject the pair.")
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    clinic.fit()
    assert len(clinic.client.request.pairs) == 3
    assert clinic.own.deformableTransform is not None
    touch_everything(clinic)


def lose(clinic, side: str, how: str) -> None:
    from Tell2RegLib.slicer_module.scene.volumes import voxels_of

    if how == "deleted":
        segmentation = getattr(clinic.own, f"{side}Regions").GetSegmentation()
        segmentation.RemoveSegment(getattr(clinic.logic.rows[0], side))
    else:
        segment = clinic.segment(side)
        voxels = voxels_of(segment.GetRepresentation("Binary labelmap"))
        voxels[voxels == segment.GetLabelValue()] = 0


def test_an_edited_segment_is_what_is_fitted(clinic) -> None:
    from Testing.Python.scene import edit

    clinic.find()
    whole = a_pair().fixed.regions[0]
    half = whole.box_kji.copy()
    half[half.shape[0] // 2 :] = False
    edited = Region.from_mask("half", _in_place(whole, half), whole.grid)
    edit(clinic.own.fixedRegions, clinic.logic.rows[0].fixed, edited)
    clinic.press(clinic.ui.fitButton)
    assert np.array_equal(clinic.client.request.pairs[0].fixed.mask_kji(), edited.mask_kji())


def _in_place(region: Region, box_kji: np.ndarray) -> np.ndarray:
    mask = np.zeros(region.grid.shape_kji, bool)
    mask[region.slices_kji] = box_kji
    return mask


def test_a_segment_drawn_anew_in_the_editor_can_be_paired(clinic) -> None:
    from Testing.Python.scene import draw

    clinic.find()
    regions = a_pair().fixed.regions[3], a_pair().moving.regions[3]
    nodes = clinic.own.fixedRegions, clinic.own.movingRegions
    ids = [draw(node, replace(region, name="drawn")) for node, region in zip(nodes, regions, strict=True)]
    clinic.logic.pairByHand(*ids)
    clinic.fit()
    assert clinic.logic.rows[-1].name == "drawn"
    assert len(clinic.client.request.pairs) == 5


# --- what a scene may bring ---


DAMAGED = ("[{", "5", '[{"number": 1}]', '[{"color": null}]', "null", '{"a": 1}')


@pytest.mark.parametrize("attribute", ["pairs", "fittedPairs", "fitSummary", "foundParameters", "modelHashes"])
def test_damaged_texts_in_a_scene_are_said_or_forgotten(clinic, attribute: str) -> None:
    clinic.find()
    clinic.fit()
    for text in DAMAGED:
        setattr(clinic.own, attribute, text)
        if attribute == "pairs":
            assert clinic.said == "The pairs that this scene keeps are damaged; find the regions again."
            assert clinic.ui.pairsTable.rowCount == 0
    touch_everything(clinic)
    if clinic.logic.canUndo:
        clinic.standin.answers.expect("Yes")
    clinic.find()
    clinic.fit()
    assert len(clinic.logic.rows) == 4
    assert clinic.ui.fitTable.rowCount == 4, clinic.said


def test_pairs_with_values_of_another_kind_are_damaged(clinic) -> None:
    clinic.find()
    for damage in ({"name": None}, {"color": [1, 2]}, {"color": ["a", "b", "c"]}, {"number": "1"}, {"dice": "high"}):
        rows = json.loads(clinic.own.pairs)
        clinic.own.pairs = json.dumps([{**rows[0], **damage}])
        assert "damaged" in clinic.said, damage
        clinic.find()


def test_a_deleted_parameter_node_is_no_end(clinic) -> None:
    clinic.find()
    clinic.standin.scene.RemoveNode(clinic.own.parameterNode)
    touch_everything(clinic)
    import slicer

    slicer.util.selectModule("Volumes")
    slicer.util.selectModule("Tell2Reg")
    clinic.own.prompts = "organ"
    clinic.find()
    assert len(clinic.logic.rows) == 4


def test_while_slicer_adds_a_node_of_its_slice_views_nothing_is_added_from_within(clinic, tmp_path) -> None:
    """Its slice logic starts anew then, deletes what it was about to add, and Slicer crashes, now and then."""
    import slicer
    import vtk

    clinic.find()
    clinic.fit()
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene, being_added, within, recorded = slicer.mrmlScene, [], [], []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def starts(_caller, _event, node) -> None:
        if being_added and being_added[-1].IsA("vtkMRMLSliceDisplayNode"):
            within.append(node.GetName())
        being_added.append(node)
        recorded.append(node.GetClassName())

    handles = [
        scene.AddObserver(scene.NodeAddedEvent, starts, 1e6),
        scene.AddObserver(scene.NodeAddedEvent, lambda *_: being_added.pop(), -1e6),
    ]
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    clinic.standin.process_events()
    for handle in handles:
        scene.RemoveObserver(handle)
    assert {"vtkMRMLSliceDisplayNode", "vtkMRMLGridTransformNode"} <= {*recorded}
    assert within == []
    assert clinic.own.movingShown is not None  # drawn again, afterwards


# --- with the worker itself ---


@pytest.mark.slow
def test_a_cancelled_worker_listens_and_one_that_is_killed_is_followed_by_another(a_clinic_with) -> None:
    from Tell2RegLib.slicer_module.run.worker_client import WorkerClient

    clinic = a_clinic_with(WorkerClient(patience_s=120))
    wait = clinic.standin.wait_until
    clinic.own.prompts = "prostate\nbladder"
    wait(lambda: clinic.client.state == "idle", 120)  # the devices are looked up
    clinic.press(clinic.ui.findButton)
    wait(lambda: under_way(clinic), 120)
    pid = clinic.client.pid
    clinic.press(clinic.ui.findButton)
    wait(lambda: clinic.idle, 60)
    assert clinic.client.pid == pid
    assert clinic.said == "Cancelled; the scene is as it was."
    clinic.press(clinic.ui.findButton)
    wait(lambda: under_way(clinic), 120)
    os.kill(clinic.client.pid, signal.SIGKILL)
    wait(lambda: clinic.idle, 60)
    assert "stopped unexpectedly" in clinic.said
    clinic.press(clinic.ui.findButton)
    wait(lambda: clinic.idle, 300)
    assert clinic.logic.runs.outcome.kind in ("", "InputError")
    assert clinic.own.fixedRegions is not None


def under_way(clinic) -> bool:
    """Whether the worker has said how far it is."""
    return clinic.client.state == "running" and clinic.ui.findLabel.text != "starting ..."


# --- nothing is lost, nothing old is used ---


def test_finding_again_asks_before_decisions_are_lost(clinic) -> None:
    clinic.find()
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    rows = clinic.logic.rows
    clinic.standin.answers.expect("No")
    clinic.press(clinic.ui.findButton)
    assert not clinic.panel.busy
    assert clinic.logic.rows == rows


def test_a_search_that_finds_nothing_keeps_the_regions_of_before(clinic) -> None:
    clinic.find()
    clinic.fit()
    rows, transform = clinic.logic.rows, clinic.own.deformableTransform
    clinic.find(lambda request: replace(found(request), pairs=(), reason="Nothing was found."))
    assert "The regions of before are kept" in clinic.said
    assert clinic.logic.rows == rows
    assert clinic.own.deformableTransform is transform


def test_decisions_of_another_scene_cannot_be_taken_back_here(clinic) -> None:
    clinic.find()
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    clinic.standin.scene.Clear(0)
    assert not clinic.logic.canUndo
    assert not clinic.ui.undoButton.enabled


def test_a_second_fit_fills_the_same_transforms_again(clinic) -> None:
    """What a person put under them stays there."""
    clinic.find()
    clinic.fit()
    names = ("deformableTransform", "inverseTransform", "rigidTransform", "affineTransform")
    before = [getattr(clinic.own, name) for name in names]
    clinic.fit()
    assert [getattr(clinic.own, name) for name in names] == before


def test_a_volume_moved_during_a_run_drops_the_result(clinic) -> None:
    clinic.press(clinic.ui.findButton)
    x, y, z = clinic.own.movingVolume.GetOrigin()
    clinic.own.movingVolume.SetOrigin(x + 5, y, z)
    clinic.answer(found)
    assert "moved during the run" in clinic.said
    assert not clinic.logic.rows


def test_an_old_fit_is_not_reported(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert clinic.ui.reportButton.enabled, clinic.ui.reportButton.toolTip
    clinic.own.smoothness = 5.0
    assert "changed since the fit" in clinic.ui.reportButton.toolTip
    assert "changed since the fit" in clinic.ui.fitSummary.text


def test_targets_are_not_judged_by_segments_that_the_fit_never_saw(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points

    clinic.find()
    clinic.fit()
    plan = fiducials_from_points(clinic.standin.scene, PointList(("a",), [clinic.logic.positionsOf(0)[1]]), "plan")
    import slicer

    row = clinic.logic.rows[0]
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(clinic.own.movingRegions, row.moving, clinic.own.movingVolume)
    grown = np.maximum(voxels, np.roll(voxels, 1, axis=2))
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        grown, clinic.own.movingRegions, row.moving, clinic.own.movingVolume
    )
    with pytest.raises(InputError, match="edited since the fit: fit again"):
        clinic.logic.propagate([plan])
    assert (
        slicer.mrmlScene.GetFirstNodeByName(f"plan carried to {clinic.own.fixedVolume.GetName()} (deformable)") is None
    )


def test_the_moving_regions_lie_on_their_volume_again_when_the_person_leaves(clinic) -> None:
    import slicer

    slicer.util.selectModule("Volumes")
    layout = clinic.standin.app.layoutManager()
    layout.setLayout(3)
    for name in layout.sliceViewNames():  # views of the person's own, which come back when they leave
        composite = layout.sliceWidget(name).sliceLogic().GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(clinic.own.fixedVolume.GetID())
    slicer.util.selectModule("Tell2Reg")
    clinic.find()
    clinic.fit()
    assert clinic.own.movingRegions.GetParentTransformNode() is clinic.own.deformableTransform
    slicer.util.selectModule("Volumes")
    assert clinic.own.movingRegions.GetParentTransformNode() is None
    slicer.util.selectModule("Tell2Reg")
    assert clinic.own.movingRegions.GetParentTransformNode() is clinic.own.deformableTransform


@pytest.mark.parametrize("name", ["7: t2_tse_tra", "a/b\\c", "..", 'x*?"<>|'])
def test_a_report_folder_has_a_name_that_every_system_allows(tmp_path, name: str) -> None:
    from Tell2RegLib.slicer_module.logic.plan import newFolder

    folder = newFolder(tmp_path, name)
    assert folder.parent == tmp_path
    assert not set(folder.name) & set('<>:"/\\|?*')
