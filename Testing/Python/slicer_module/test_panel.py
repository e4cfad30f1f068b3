"""What a person sees and does in the panel, step by step, with a simulated worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small
from Testing.Python.slicer_module.simulated import a_pair, find_reply

pytestmark = pytest.mark.mrml

ROOT = Path(__file__).resolve().parents[3]


def enter(clinic, name: str) -> None:
    import slicer

    slicer.util.selectModule(name)
    clinic.hear()


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


PLACES = np.array(list(small.PLAN.values()))


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


# --- plan ---


def a_plan(clinic):
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    positions = apply_affine(small.AFFINE, PLACES)
    return fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), positions), "plan")


def an_outline(clinic):
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    moving = a_pair().moving.regions
    return segmentation_from_regions(clinic.standin.scene, "outline", moving[:2], clinic.parameters.movingVolume)[0]


def a_surface(clinic):
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetCenter(*(apply_affine(small.AFFINE, PLACES)[0] * (-1, -1, 1)).tolist())
    ball.SetRadius(4)
    ball.Update()
    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    node.SetAndObservePolyData(ball.GetOutput())
    node.CreateDefaultDisplayNodes()
    return node


def a_dose(clinic):
    from Testing.Python.scene import a_volume_node

    moving = a_pair().moving.volume
    return a_volume_node(clinic.standin.scene, moving.array_kji, moving.grid, "dose")


MADE = {"markups": a_plan, "segmentation": an_outline, "model": a_surface, "volume": a_dose}


@pytest.mark.parametrize("kind", MADE)
def test_a_plan_of_any_kind_is_carried_and_a_second_time_replaces_the_copy(clinic, kind: str) -> None:
    node = MADE[kind](clinic)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([node])
    scene = clinic.standin.scene
    clinic.press(clinic.ui.propagateButton)
    name, after = f"{node.GetName()} carried to MR (deformable)", scene.GetNumberOfNodes()
    assert scene.GetNodesByName(name).GetNumberOfItems() == 1, clinic.said
    assert clinic.said.startswith("Copies made: 1")
    clinic.press(clinic.ui.propagateButton)
    assert scene.GetNodesByName(name).GetNumberOfItems() == 1
    assert scene.GetNumberOfNodes() == after
    copy = scene.GetFirstNodeByName(name)
    assert np.linalg.norm(centre(copy) - centre_in_fixed(kind)) < 4.0


def centre(node) -> np.ndarray:
    """Of what a node shows, LPS mm."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1) * (-1, -1, 1)


def centre_in_fixed(kind: str) -> np.ndarray:
    if kind == "markups":
        return (PLACES.min(axis=0) + PLACES.max(axis=0)) / 2
    if kind == "model":
        return PLACES[0]
    if kind == "segmentation":
        points = np.concatenate([region.points_lps_mm() for region in a_pair().fixed.regions[:2]])
    else:
        points = a_pair().fixed.volume.grid.corners_lps_mm()
    return (points.min(axis=0) + points.max(axis=0)) / 2


def test_a_plan_in_the_fixed_volume_is_carried_to_the_moving_one(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points, points_of
    from Tell2RegLib.space.point_files import PointList

    plan = fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), PLACES), "drawn in MR")
    clinic.find()
    clinic.fit()
    clinic.parameters.direction = "fixedToMoving"
    clinic.panel.plan.check([plan])
    clinic.press(clinic.ui.propagateButton)
    copy = clinic.standin.scene.GetFirstNodeByName("drawn in MR carried to US (deformable)")
    assert np.abs(points_of(copy).points_lps_mm - apply_affine(small.AFFINE, PLACES)).max() < 2.0
    assert clinic.ui.targetsTable.rowCount == 2
    clinic.ui.targetsTable.selectRow(1)


def test_a_plan_deleted_after_it_was_checked_is_no_error(clinic) -> None:
    plan, outline = a_plan(clinic), an_outline(clinic)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan, outline])
    clinic.standin.scene.RemoveNode(plan)
    clinic.press(clinic.ui.propagateButton)
    assert clinic.said.startswith("Copies made: 1")
    clinic.standin.scene.RemoveNode(outline)
    clinic.standin.process_events()
    assert clinic.ui.propagateButton.toolTip == "Choose at least one node to propagate."


def test_a_plan_that_cannot_be_carried_leaves_the_earlier_copies(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    plan = a_plan(clinic)
    far = replace(a_pair().moving.volume.grid, origin_lps_mm=(900.0, 900.0, 900.0))
    region = replace(a_pair().moving.regions[0], grid=far)
    away, _ = segmentation_from_regions(clinic.standin.scene, "away", [region], None)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan])
    clinic.press(clinic.ui.propagateButton)
    earlier = clinic.standin.scene.GetFirstNodeByName("plan carried to MR (deformable)").GetID()
    clinic.panel.plan.check([plan, away])
    clinic.press(clinic.ui.propagateButton)
    assert clinic.said == "No segment of 'away' is inside 'MR'."
    assert [node.GetID() for node in copies(clinic)] == [earlier]


def copies(clinic) -> list:
    nodes = clinic.standin.scene.GetNodesByName("plan carried to MR (deformable)")
    return [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]


def test_what_was_checked_is_forgotten_with_its_scene(clinic) -> None:
    clinic.panel.plan.check([a_plan(clinic)])
    clinic.standin.scene.Clear(0)
    clinic.load()
    a_plan(clinic)
    clinic.standin.process_events()
    import qt

    assert clinic.ui.planList.count == 1
    assert clinic.ui.planList.item(0).checkState() == qt.Qt.Unchecked


# --- report ---


def test_a_report_goes_to_a_new_folder(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.worker.requests import ReportReply

    clinic.find()
    clinic.fit()
    (tmp_path / "US to MR").mkdir()
    clinic.standin.answers.expect(str(tmp_path))
    clinic.press(clinic.ui.reportButton)
    folder = clinic.client.request.folder
    assert folder == tmp_path / "US to MR 2"
    clinic.answer(lambda request: ReportReply(folder, folder / "report.html"))
    assert str(folder / "report.html") in clinic.said


def test_a_report_gets_the_true_places_of_all_its_targets_or_none(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    plan, scene = a_plan(clinic), clinic.standin.scene
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan])
    clinic.parameters.trueTargets = fiducials_from_points(scene, PointList(tuple(small.PLAN), PLACES), "truth")
    clinic.logic.saveReport(tmp_path / "all", [plan])
    assert np.allclose(clinic.client.request.plan_truth.points_lps_mm, PLACES)
    clinic.client.answer("on_cancelled")
    clinic.hear()
    clinic.parameters.trueTargets = fiducials_from_points(scene, PointList(("other",), PLACES[:1]), "other truth")
    clinic.logic.saveReport(tmp_path / "none", [plan])
    assert clinic.client.request.plan_truth is None


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_said(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.fitting.settings import FitSettings
    from Tell2RegLib.worker import tasks

    (tmp_path / "a file").write_text("no folder")
    clinic.find()
    clinic.fit()
    clinic.standin.answers.expect(str(tmp_path / "a file"))
    clinic.press(clinic.ui.reportButton)
    request = clinic.client.request
    with pytest.raises(OutputError) as error:
        tasks.report(
            replace(request, fit=replace(request.fit, settings=FitSettings(kind="rigid"))),
            tasks.Run(lambda *_: None, lambda: False),
        )
    clinic.client.answer("on_error", "OutputError", str(error.value), "")
    clinic.hear()
    assert clinic.said == str(error.value)
    assert clinic.idle


def test_a_folder_dialog_that_is_cancelled_starts_nothing(clinic) -> None:
    clinic.find()
    clinic.fit()
    before = len(clinic.client.requests)
    clinic.standin.answers.expect("")
    clinic.press(clinic.ui.reportButton)
    assert len(clinic.client.requests) == before


# --- nothing heavy ---


def test_slicer_starts_without_the_library_and_the_panel_opens_without_torch() -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from Testing.standin import in_place
with in_place() as standin:
    standin.load_module(Path({str(ROOT / "Tell2Reg" / "Tell2Reg.py")!r}))
    light = "Tell2RegLib" not in sys.modules and "torch" not in sys.modules
    import slicer
    slicer.util.selectModule("Tell2Reg")
    print(light, "torch" not in sys.modules)
    standin.unload_modules()
    standin.check()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split()[-2:] == ["True", "True"], done.stdout + done.stderr


# --- looking ---


def test_surfaces_are_shown_in_3d_and_taken_away_again(clinic) -> None:
    import slicer

    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert clinic.ui.show3DButton.toolTip == "Find regions first"
    clinic.find()
    nodes = (clinic.parameters.fixedRegions, clinic.parameters.movingRegions)
    clinic.press(clinic.ui.show3DButton)
    assert all(node.GetSegmentation().ContainsRepresentation(surface) for node in nodes)
    slices = [f"vtkMRMLSliceNode{name}" for name in clinic.standin.app.layoutManager().sliceViewNames()]
    assert [node.GetDisplayNode().GetViewNodeIDs() for node in nodes] == [
        (*slices, "vtkMRMLViewNode1"),
        ("vtkMRMLViewNode1",),
    ]
    clinic.press(clinic.ui.sideButton)
    assert not any(node.GetSegmentation().ContainsRepresentation(surface) for node in nodes)
    assert not clinic.ui.show3DButton.checked


def test_each_side_by_side_view_shows_its_own_segments(clinic) -> None:
    clinic.find()
    nodes = (clinic.parameters.fixedRegions, clinic.parameters.movingRegions)
    for module in ("", "Data"):
        if module:
            enter(clinic, module)
        assert [node.GetDisplayNode().GetViewNodeIDs() for node in nodes] == [
            ("vtkMRMLSliceNodeRed",),
            ("vtkMRMLSliceNodeYellow",),
        ]


def test_a_fit_tells_the_surface_distance_too(clinic) -> None:
    clinic.find()
    clinic.fit()
    row = clinic.logic.fitRows[0]
    assert all(value is not None for value in row.hd95_mm)
    assert clinic.ui.fitTable.item(0, 10).text() == f"{row.hd95_mm[1]:.1f}"


def test_models_that_do_not_fit_into_the_device_are_told(clinic) -> None:
    from Tell2RegLib.worker.requests import Device, DevicesReply

    gpu = Device("cuda:0", "Small GPU", 1_000_000, 500_000)
    clinic.panel.regions.models._devices(DevicesReply((gpu,), "cuda:0"))
    assert "the device has 1 MB" in clinic.ui.modelsStatus.text
    clinic.parameters.device = "cpu"
    assert "the device has" not in clinic.ui.modelsStatus.text


def test_what_the_worker_says_is_in_the_log_of_the_panel(clinic) -> None:
    clinic.press(clinic.ui.findButton)
    clinic.client.answer("on_log", "Loading the detector.")
    clinic.hear()
    assert "Loading the detector." in clinic.ui.logText.toPlainText()


def test_targets_with_a_known_place_have_an_error(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points, points_of
    from Tell2RegLib.space.point_files import PointList

    clinic.find()
    clinic.fit()
    centre = clinic.logic.positionsOf(0)[1]
    positions = np.stack([centre, centre + 3])
    scene = clinic.standin.scene
    drawn = fiducials_from_points(scene, PointList(("a", "b"), positions), "plan")
    (copy,), _ = clinic.logic.propagate([drawn])
    carried = points_of(copy).points_lps_mm
    truth = fiducials_from_points(scene, PointList(("b", "c"), carried + [[0, 0, 0], [0, 3, 4]]), "truth")
    clinic.panel.plan.check([drawn])
    clinic.parameters.trueTargets = truth
    clinic.press(clinic.ui.propagateButton)
    shown = [clinic.ui.targetsTable.item(line, 9).text() for line in range(2)]
    assert shown == ["–", f"{np.linalg.norm(carried[1] - carried[0]):.1f}"]
    assert "Mean error of 1 targets" in clinic.ui.targetWhy.text
    scene.RemoveNode(truth)
    clinic.hear()
    assert clinic.parameters.trueTargets is None
    assert clinic.ui.targetsTable.isColumnHidden(9)
