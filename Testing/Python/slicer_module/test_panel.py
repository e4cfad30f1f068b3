"""What a person sees and does in the panel, step by step, with a simulated worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small
from Testing.Python.slicer_module.plan_nodes import (
    PLACES,
    a_plan,
    a_surface,
    an_outline,
    enter,
)
from Testing.Python.slicer_module.simulated import a_pair, find_reply

pytestmark = pytest.mark.mrml


# --- images ---


def test_the_same_volume_twice_is_refused_at_once(clinic) -> None:
    clinic.parameters.movingVolume = clinic.parameters.fixedVolume
    assert "same volume" in clinic.ui.imagesWarning.text
    assert "same volume" in clinic.ui.findButton.toolTip
    assert not clinic.ui.findButton.enabled


def test_a_single_slice_is_refused_at_once(clinic) -> None:
    from Testing.Python.scene import a_volume_node

    grid = a_pair().fixed.volume.grid
    flat = replace(grid, size_xyz=(*grid.size_xyz[:2], 1))
    clinic.parameters.movingVolume = a_volume_node(
        clinic.standin.scene,
        np.arange(flat.size_xyz[0] * flat.size_xyz[1], dtype=float).reshape(flat.shape_kji),
        flat,
        "slice",
    )
    assert "'slice' is a single slice" in clinic.ui.imagesWarning.text
    assert "'slice' is a single slice" in clinic.ui.findButton.toolTip


def test_a_parent_that_is_not_linear_is_refused_at_once(clinic) -> None:
    from Testing.Python.scene import put_under_a_warp

    clinic.find()
    clinic.fit()
    put_under_a_warp(clinic.parameters.movingVolume)
    clinic.panel.update()
    for button in (clinic.ui.findButton, clinic.ui.fitButton, clinic.ui.propagateButton, clinic.ui.deformableButton):
        assert not button.enabled
        assert "linear" in button.toolTip
    assert "linear" in clinic.ui.imagesWarning.text


def test_a_parent_transform_of_the_moving_volume_counts(clinic) -> None:
    from Testing.Python.scene import TURNED, put_under

    parent = put_under(clinic.parameters.movingVolume, TURNED)
    clinic.find()
    clinic.fit()
    assert clinic.client.request.moving.grid.same_space(a_pair().moving.volume.grid.moved_by(TURNED))
    expected = apply_affine(TURNED @ small.AFFINE, PLACES)
    assert np.abs(mapped(clinic.parameters.deformableTransform, PLACES) - expected).max() < 2.0
    assert clinic.parameters.movingVolume.GetParentTransformNode() is parent


def test_a_rigid_initial_transform_ends_up_in_the_start_and_not_in_the_result(clinic) -> None:
    from Testing.Python.scene import TURNED

    clinic.parameters.initialTransform = a_transform(clinic, TURNED)
    clinic.find()
    clinic.fit()
    assert clinic.client.request.moving.grid.same_space(a_pair().moving.volume.grid.moved_by(TURNED))
    assert (
        np.abs(mapped(clinic.parameters.deformableTransform, PLACES) - apply_affine(small.AFFINE, PLACES)).max() < 2.0
    )
    assert np.abs(mapped(clinic.parameters.affineTransform, PLACES) - apply_affine(small.AFFINE, PLACES)).max() < 2.0


def test_an_initial_transform_that_scales_is_refused(clinic) -> None:
    clinic.parameters.initialTransform = a_transform(clinic, np.diag([1.1, 1.0, 1.0, 1.0]))
    assert "contains scaling or shear" in clinic.ui.findButton.toolTip
    with pytest.raises(InputError, match="contains scaling or shear"):
        clinic.logic.findRegions()


def a_transform(clinic, matrix_lps: np.ndarray):
    from Testing.Python.scene import ras_of, vtk_matrix

    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    node.SetMatrixTransformToParent(vtk_matrix(ras_of(matrix_lps)))
    return node


def mapped(node, points_lps_mm: np.ndarray) -> np.ndarray:
    """Points of fixed space through a transform node, to moving space."""
    from Testing.Python.scene import moved_by

    return moved_by(node.GetTransformFromParent(), points_lps_mm)


# --- existing segmentations ---


def test_existing_segmentations_are_paired_by_their_names(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    parameters, scene, pair = clinic.parameters, clinic.standin.scene, a_pair()
    parameters.fixedSegmentation, _ = segmentation_from_regions(
        scene, "drawn in MR", pair.fixed.regions, parameters.fixedVolume
    )
    parameters.movingSegmentation, _ = segmentation_from_regions(
        scene, "drawn in US", pair.moving.regions[:3], parameters.movingVolume
    )
    parameters.source = "segmentations"
    assert clinic.ui.findButton.text == "Pair segments"
    clinic.press(clinic.ui.findButton)
    assert [row.name for row in clinic.logic.rows] == list(small.ORGANS)[:3]
    assert clinic.client.requests == []
    assert parameters.fixedRegions.GetSegmentation().GetNumberOfSegments() == 4
    assert parameters.fixedSegmentation.GetSegmentation().GetNumberOfSegments() == 4
    clinic.fit()
    assert parameters.deformableTransform is not None


def test_one_segmentation_for_both_is_refused(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    parameters = clinic.parameters
    item, _ = segmentation_from_regions(clinic.standin.scene, "one", a_pair().fixed.regions, parameters.fixedVolume)
    parameters.source, parameters.fixedSegmentation, parameters.movingSegmentation = "segmentations", item, item
    assert "same segmentation" in clinic.ui.findButton.toolTip


# --- decisions ---


def test_a_decision_is_in_the_table_and_in_both_segmentations(clinic) -> None:
    import slicer

    from Tell2RegLib.slicer_module.scene.segmentations import tag_of

    clinic.find()
    clinic.select(1)
    clinic.press(clinic.ui.rejectButton)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert [clinic.ui.pairsTable.item(line, 0).text() for line in range(4)] == ["✓", "✗", "✓", "✓"]
    for side in ("fixed", "moving"):
        assert tag_of(clinic.segment(side, 1), "Tell2Reg.Status") == "rejected"
        assert logic.GetSegmentStatus(clinic.segment(side, 1)) == logic.Flagged
        assert logic.GetSegmentStatus(clinic.segment(side, 0)) == logic.Completed
        assert tag_of(clinic.segment(side, 0), "Tell2Reg.Prompt") == "organ"
        assert float(tag_of(clinic.segment(side, 0), "Tell2Reg.Similarity")) == pytest.approx(0.95)
    clinic.press(clinic.ui.undoButton)
    assert clinic.logic.rows[1].accepted
    assert logic.GetSegmentStatus(clinic.segment("moving", 1)) == logic.Completed
    clinic.press(clinic.ui.redoButton)
    assert not clinic.logic.rows[1].accepted
    assert clinic.parameters.pairsTable.GetTable().GetColumnByName("status").GetValue(1) == "rejected"


def test_segments_of_a_pair_have_one_name_and_one_colour(clinic) -> None:
    clinic.find()
    for line in range(4):
        fixed, moving = clinic.segment("fixed", line), clinic.segment("moving", line)
        assert fixed.GetName() == moving.GetName() == clinic.logic.rows[line].name
        assert fixed.GetColor() == moving.GetColor()
    assert len({clinic.segment("fixed", line).GetColor() for line in range(4)}) == 4


def test_a_pair_renamed_in_the_table_is_renamed_on_both_sides(clinic) -> None:
    clinic.find()
    clinic.ui.pairsTable.item(2, 1).setText("gut")
    assert clinic.logic.rows[2].name == "gut"
    assert clinic.segment("fixed", 2).GetName() == clinic.segment("moving", 2).GetName() == "gut"
    clinic.ui.pairsTable.item(2, 1).setText("  ")
    assert clinic.standin.answers.texts == ["A pair needs a name: type at least one letter."]
    assert clinic.ui.pairsTable.item(2, 1).text() == "gut"
    clinic.press(clinic.ui.undoButton)
    assert clinic.segment("moving", 2).GetName() == "rectum"


def test_keys_walk_through_the_table_and_decide(clinic) -> None:
    clinic.find()
    clinic.select(0)
    clinic.key("N")
    clinic.key("N")
    assert clinic.ui.pairsTable.currentRow() == 2
    clinic.key("P")
    assert clinic.ui.pairsTable.currentRow() == 1
    clinic.key("Space")
    assert [row.accepted for row in clinic.logic.rows] == [True, False, True, True]
    clinic.key("Space")
    assert all(row.accepted for row in clinic.logic.rows)
    assert clinic.ui.pairsTable.currentRow() == 1


def test_a_chosen_pair_is_shown_in_both_views(clinic) -> None:
    clinic.find()
    clinic.select(2)
    for name, side in (("Red", a_pair().fixed), ("Yellow", a_pair().moving)):
        node = clinic.standin.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        position = np.array([node.GetSliceToRAS().GetElement(row, 3) for row in range(3)]) * (-1, -1, 1)
        assert np.linalg.norm(position - side.regions[2].centroid_lps_mm()) < 5.0


def test_regions_that_arrive_are_described_before_slicer_hears_of_them(clinic) -> None:
    """Of a segment in a scene Slicer makes lists and views anew after every change: 1.5 s for eight pairs."""
    import slicer
    import vtk

    changes: list[str] = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def watch(_scene, _event, node) -> None:
        if node.IsA("vtkMRMLSegmentationNode"):
            node.GetSegmentation().AddObserver(slicer.vtkSegmentation.SegmentModified, lambda *_: changes.append(node))

    clinic.standin.scene.AddObserver(clinic.standin.scene.NodeAddedEvent, watch)
    clinic.find()
    assert changes == []
    clinic.segment("fixed").SetTag("by hand", "yes")
    assert len(changes) == 1


def test_a_rejected_pair_is_not_fitted_and_the_fit_is_old_when_it_is_taken_back(clinic) -> None:
    clinic.find(lambda request: find_reply(request, least=0.85))
    assert [row.accepted for row in clinic.logic.rows] == [True, True, True, False]
    assert clinic.logic.rows[3].reason == "Not alike enough."
    clinic.fit()
    assert [pair.accepted for pair in clinic.client.request.pairs] == [True, True, True, False]
    assert "have changed" not in clinic.ui.fitSummary.text
    clinic.select(3)
    clinic.press(clinic.ui.acceptButton)
    assert "have changed since the fit" in clinic.ui.fitSummary.text


# --- the user's own ---


def content(node) -> tuple:
    """What a node holds, as far as anybody could see it."""
    parent = node.GetParentTransformNode() if hasattr(node, "GetParentTransformNode") else None
    return node.GetName(), parent and parent.GetID(), node.GetMTime()


def test_no_node_of_the_user_is_modified_by_a_whole_session(clinic) -> None:
    plan, outline, surface = a_plan(clinic), an_outline(clinic), a_surface(clinic)
    user_nodes = [clinic.parameters.fixedVolume, clinic.parameters.movingVolume, plan, outline, surface]
    before = [content(node) for node in user_nodes]
    clinic.find()
    clinic.fit()
    ui = clinic.ui
    for button in (
        ui.rigidButton,
        ui.fadeButton,
        ui.checkerboardButton,
        ui.flickerButton,
        ui.sideButton,
        ui.noneButton,
    ):
        clinic.press(button)
    clinic.panel.plan.check([plan, outline, surface])
    clinic.press(ui.propagateButton)
    enter(clinic, "Volumes")
    assert [content(node) for node in user_nodes] == before
    assert clinic.parameters.movingShown.GetHideFromEditors()
    assert not clinic.parameters.movingShown.GetSaveWithScene()


def test_a_persons_layout_and_volumes_come_back_when_they_leave(clinic) -> None:
    manager = clinic.standin.app.layoutManager()
    enter(clinic, "Volumes")
    manager.setLayout(3)
    for name, volume in (("Red", "fixed"), ("Yellow", "moving"), ("Green", "fixed")):
        composite = manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(getattr(clinic.parameters, f"{volume}Volume").GetID())
    before = [(name, shown(manager, name)) for name in manager.sliceViewNames()]
    enter(clinic, "Tell2Reg")
    clinic.find()
    clinic.fit()
    clinic.press(clinic.ui.fadeButton)
    assert manager.layout != 3
    enter(clinic, "Volumes")
    assert manager.layout == 3
    assert [(name, shown(manager, name)) for name, _ in before] == before


def shown(manager, name: str) -> tuple:
    composite = manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode()
    return composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()


def test_every_disabled_button_says_why(clinic) -> None:
    states: list[Callable[[], object]] = [
        lambda: None,
        clinic.find,
        clinic.fit,
        lambda: clinic.press(clinic.ui.findButton),
    ]
    for state in states:
        state()
        for name, button in vars(clinic.ui).items():
            if name.endswith("Button") and not button.enabled:
                assert button.toolTip, name
        tips = {clinic.ui.fitButton.toolTip, clinic.ui.findButton.toolTip, clinic.ui.propagateButton.toolTip}
        assert all(tips)
    assert clinic.ui.fitButton.toolTip == "A run is in progress: wait for it, or cancel it first."
