"""What a person edits, what a scene brings and what the worker does: the panel goes on."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region
from Testing.Python.slicer_module.sentences import touch_everything
from Testing.Python.slicer_module.simulated import a_pair, find_reply

pytestmark = pytest.mark.mrml

# --- segments that a person edits ---


@pytest.mark.parametrize("side", ["fixed", "moving"])
@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_a_lost_segment_is_named_and_its_pair_can_be_rejected(clinic, side: str, how: str) -> None:
    clinic.find()
    lose(clinic, side, how)
    clinic.press(clinic.ui.fitButton)
    assert clinic.said == (
        f"The {side} segment of 'prostate' is empty or was deleted: draw it again, or reject the pair."
    )
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    clinic.fit()
    assert len(clinic.client.request.pairs) == 3
    assert clinic.parameters.deformableTransform is not None
    touch_everything(clinic)


def lose(clinic, side: str, how: str) -> None:
    from Tell2RegLib.slicer_module.scene.volumes import voxels_of

    if how == "deleted":
        segmentation = getattr(clinic.parameters, f"{side}Regions").GetSegmentation()
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
    edit(clinic.parameters.fixedRegions, clinic.logic.rows[0].fixed, edited)
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
    nodes = clinic.parameters.fixedRegions, clinic.parameters.movingRegions
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
        setattr(clinic.parameters, attribute, text)
        if attribute == "pairs":
            assert clinic.said == "The pairs stored in this scene are damaged; find the regions again."
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
        rows = json.loads(clinic.parameters.pairs)
        clinic.parameters.pairs = json.dumps([{**rows[0], **damage}])
        assert "damaged" in clinic.said, damage
        clinic.find()


def test_a_deleted_parameter_node_is_no_end(clinic) -> None:
    clinic.find()
    clinic.standin.scene.RemoveNode(clinic.parameters.parameterNode)
    touch_everything(clinic)
    import slicer

    slicer.util.selectModule("Volumes")
    slicer.util.selectModule("Tell2Reg")
    clinic.parameters.prompts = "organ"
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
    assert clinic.parameters.movingShown is not None  # drawn again, afterwards


# --- with the worker itself ---


@pytest.mark.slow
def test_a_cancelled_worker_listens_and_one_that_is_killed_is_followed_by_another(a_clinic_with) -> None:
    from Tell2RegLib.slicer_module.run.worker_client import WorkerClient

    clinic = a_clinic_with(WorkerClient(patience_s=120))
    wait = clinic.standin.wait_until
    clinic.parameters.models = "demo"
    clinic.parameters.prompts = "prostate\nbladder"
    wait(lambda: clinic.client.state == "idle", 120)  # the devices are looked up
    clinic.press(clinic.ui.findButton)
    wait(lambda: under_way(clinic), 120)
    pid = clinic.client.pid
    clinic.press(clinic.ui.findButton)
    wait(lambda: clinic.idle, 60)
    assert clinic.client.pid == pid
    assert clinic.said == "Cancelled; the scene is unchanged."
    clinic.press(clinic.ui.findButton)
    wait(lambda: under_way(clinic), 120)
    os.kill(clinic.client.pid, signal.SIGKILL)
    wait(lambda: clinic.idle, 60)
    assert "stopped unexpectedly" in clinic.said
    clinic.press(clinic.ui.findButton)
    wait(lambda: clinic.idle, 300)
    assert clinic.logic.runs.outcome.kind in ("", "InputError")
    assert clinic.parameters.fixedRegions is not None


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
    rows, transform = clinic.logic.rows, clinic.parameters.deformableTransform
    clinic.find(lambda request: replace(find_reply(request), pairs=(), reason="Nothing was found."))
    assert "The earlier regions are kept" in clinic.said
    assert clinic.logic.rows == rows
    assert clinic.parameters.deformableTransform is transform


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
    before = [getattr(clinic.parameters, name) for name in names]
    clinic.fit()
    assert [getattr(clinic.parameters, name) for name in names] == before


def test_a_volume_moved_during_a_run_drops_the_result(clinic) -> None:
    clinic.press(clinic.ui.findButton)
    x, y, z = clinic.parameters.movingVolume.GetOrigin()
    clinic.parameters.movingVolume.SetOrigin(x + 5, y, z)
    clinic.answer(find_reply)
    assert "moved during the run" in clinic.said
    assert not clinic.logic.rows


def test_an_old_fit_is_not_reported(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert clinic.ui.reportButton.enabled, clinic.ui.reportButton.toolTip
    clinic.parameters.smoothness = 5.0
    assert "changed since the fit" in clinic.ui.reportButton.toolTip
    assert "changed since the fit" in clinic.ui.fitSummary.text


def test_targets_are_not_judged_by_segments_that_the_fit_never_saw(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points

    clinic.find()
    clinic.fit()
    plan = fiducials_from_points(clinic.standin.scene, PointList(("a",), [clinic.logic.positionsOf(0)[1]]), "plan")
    import slicer

    row = clinic.logic.rows[0]
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(
        clinic.parameters.movingRegions, row.moving, clinic.parameters.movingVolume
    )
    grown = np.maximum(voxels, np.roll(voxels, 1, axis=2))
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        grown, clinic.parameters.movingRegions, row.moving, clinic.parameters.movingVolume
    )
    with pytest.raises(InputError, match="edited since the fit: fit again"):
        clinic.logic.propagate([plan])
    assert (
        slicer.mrmlScene.GetFirstNodeByName(f"plan carried to {clinic.parameters.fixedVolume.GetName()} (deformable)")
        is None
    )


def test_the_moving_regions_lie_on_their_volume_again_when_the_person_leaves(clinic) -> None:
    import slicer

    slicer.util.selectModule("Volumes")
    layout = clinic.standin.app.layoutManager()
    layout.setLayout(3)
    for name in layout.sliceViewNames():  # views of the person's own, which come back when they leave
        composite = layout.sliceWidget(name).sliceLogic().GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(clinic.parameters.fixedVolume.GetID())
    slicer.util.selectModule("Tell2Reg")
    clinic.find()
    clinic.fit()
    assert clinic.parameters.movingRegions.GetParentTransformNode() is clinic.parameters.deformableTransform
    slicer.util.selectModule("Volumes")
    assert clinic.parameters.movingRegions.GetParentTransformNode() is None
    slicer.util.selectModule("Tell2Reg")
    assert clinic.parameters.movingRegions.GetParentTransformNode() is clinic.parameters.deformableTransform


@pytest.mark.parametrize("name", ["7: t2_tse_tra", "a/b\\c", "..", 'x*?"<>|'])
def test_a_report_folder_has_a_name_that_every_system_allows(tmp_path, name: str) -> None:
    from Tell2RegLib.slicer_module.logic.plan import newFolder

    folder = newFolder(tmp_path, name)
    assert folder.parent == tmp_path
    assert not set(folder.name) & set('<>:"/\\|?*')
