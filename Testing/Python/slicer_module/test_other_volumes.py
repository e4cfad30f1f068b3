"""What belongs to other volumes is said to, and is as good as not there; what a script made before is kept."""

from __future__ import annotations

import pytest

from Tell2RegLib.errors import InputError
from Testing.Python.slicer_module.simulated import a_pair, find_reply, fitted

pytestmark = pytest.mark.mrml


def other_volumes(clinic):
    """Two more volumes, loaded but not chosen."""
    from Testing.Python.scene import a_volume_node

    sides = (a_pair().fixed.volume, "C"), (a_pair().moving.volume, "D")
    return [a_volume_node(clinic.standin.scene, item.array_kji, item.grid, name) for item, name in sides]


def choose(clinic, fixed, moving) -> None:
    clinic.parameters.fixedVolume, clinic.parameters.movingVolume = fixed, moving


# --- in the panel ---


def test_results_of_other_volumes_are_said_at_step_1_and_come_back_with_them(clinic) -> None:
    first = clinic.parameters.fixedVolume, clinic.parameters.movingVolume
    clinic.find()
    clinic.fit()
    choose(clinic, *other_volumes(clinic))
    expected = "The regions and the transform belong to other volumes (fixed 'MR', moving 'US')"
    assert clinic.ui.imagesWarning.text.startswith(expected)
    assert clinic.ui.pairsTable.rowCount == 0
    assert clinic.logic.rows == ()
    choose(clinic, *first)
    assert clinic.ui.imagesWarning.isHidden()
    assert clinic.ui.pairsTable.rowCount == 4
    assert clinic.ui.fitButton.enabled, clinic.ui.fitButton.toolTip


def test_swapped_volumes_have_none_of_the_regions_until_they_are_swapped_back(clinic) -> None:
    clinic.find()
    clinic.select(1)
    clinic.press(clinic.ui.rejectButton)
    clinic.press(clinic.ui.swapButton)
    assert "The regions belong to other volumes (fixed 'MR', moving 'US')" in clinic.ui.imagesWarning.text
    assert clinic.ui.pairsTable.rowCount == 0
    clinic.press(clinic.ui.swapButton)
    assert [row.accepted for row in clinic.logic.rows] == [True, False, True, True]
    assert clinic.ui.undoButton.enabled


def test_every_button_that_works_with_foreign_results_is_grey_for_that_reason(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.select(1)
    clinic.press(clinic.ui.rejectButton)
    choose(clinic, *other_volumes(clinic))
    ui = clinic.ui
    pairs = (ui.acceptButton, ui.rejectButton, ui.acceptAllButton, ui.previousButton, ui.nextButton, ui.undoButton)
    segments = (ui.redoButton, ui.pairButton, ui.editFixedButton, ui.editMovingButton)
    for button in (*pairs, *segments, ui.fitButton, ui.show3DButton, ui.rigidButton, ui.plotButton, ui.reportButton):
        assert not button.enabled, button.name
        assert "other volumes (fixed 'MR', moving 'US')" in button.toolTip, button.name
    assert ui.fixedSegmentCombo.count == 0
    assert ui.fitTable.isHidden()
    assert ui.findButton.enabled


def test_a_search_in_other_volumes_keeps_the_earlier_result_in_a_folder_and_says_so(clinic) -> None:
    clinic.find()
    clinic.fit()
    transform, regions = clinic.parameters.deformableTransform, clinic.parameters.movingRegions
    choose(clinic, *other_volumes(clinic))
    clinic.find()
    assert clinic.parameters.movingRegions is not regions
    assert transform.GetScene() is regions.GetScene() is clinic.standin.scene
    assert folder_of(transform) == folder_of(regions) == "Tell2Reg: US to MR"
    assert folder_of(clinic.parameters.movingRegions) == "Tell2Reg"
    assert "is now in the folder 'Tell2Reg: US to MR'" in clinic.said
    assert regions.GetParentTransformNode() is None
    assert not regions.GetDisplayNode().GetVisibility()


def test_a_search_in_the_same_volumes_replaces_the_earlier_result_and_says_so(clinic) -> None:
    clinic.find()
    assert "replace" not in clinic.said
    clinic.fit()
    transform = clinic.parameters.deformableTransform
    clinic.find()
    assert "They replace the earlier regions and transforms of the same two volumes." in clinic.said
    assert transform.GetScene() is None


def folder_of(node) -> str:
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    return hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)))


def test_the_plan_and_its_true_places_are_chosen_for_their_volumes_only(clinic) -> None:
    from Tell2RegLib.slicer_module.logic import plan

    first = clinic.parameters.fixedVolume, clinic.parameters.movingVolume
    clinic.find()
    clinic.fit()
    drawn, truth = a_point(clinic, "plan", 0), a_point(clinic, "truth", 1)
    clinic.panel.plan.check([drawn])
    clinic.parameters.trueTargets = truth
    clinic.press(clinic.ui.propagateButton)
    assert "Mean error" in clinic.ui.targetWhy.text
    choose(clinic, *other_volumes(clinic))
    assert clinic.parameters.trueTargets is None
    assert plan.chosenNodes(clinic.parameters) == []
    assert "Mean error" not in clinic.ui.targetWhy.text
    choose(clinic, *first)
    assert clinic.parameters.trueTargets is truth
    assert plan.chosenNodes(clinic.parameters) == [drawn]
    assert "Mean error" in clinic.ui.targetWhy.text


def test_a_plan_that_was_chosen_before_the_volumes_stays_chosen(clinic) -> None:
    from Tell2RegLib.slicer_module.logic import plan

    fixed, moving = clinic.parameters.fixedVolume, clinic.parameters.movingVolume
    drawn = a_point(clinic, "plan", 0)
    clinic.parameters.movingVolume = None
    clinic.panel.plan.check([drawn])
    clinic.parameters.movingVolume = moving
    assert plan.chosenNodes(clinic.parameters) == [drawn]
    clinic.press(clinic.ui.swapButton)
    assert plan.chosenNodes(clinic.parameters) == []
    clinic.press(clinic.ui.swapButton)
    assert (clinic.parameters.fixedVolume, clinic.parameters.movingVolume) == (fixed, moving)
    assert plan.chosenNodes(clinic.parameters) == [drawn]


def test_the_choice_for_volumes_that_are_not_chosen_now_is_saved_with_the_scene(clinic, tmp_path) -> None:
    import slicer

    from Tell2RegLib.slicer_module.logic import plan

    drawn, truth = a_point(clinic, "plan", 0), a_point(clinic, "truth", 1)
    clinic.panel.plan.check([drawn])
    clinic.parameters.trueTargets = truth
    choose(clinic, *other_volumes(clinic))
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert clinic.parameters.fixedVolume.GetName() == "C"
    assert plan.chosenNodes(clinic.parameters) == []
    choose(clinic, *(slicer.util.getNode(name) for name in ("MR", "US")))
    assert [node.GetName() for node in plan.chosenNodes(clinic.parameters)] == ["plan"]
    assert clinic.parameters.trueTargets.GetName() == "truth"


def test_the_choice_for_a_volume_that_was_removed_is_given_to_no_other(clinic) -> None:
    from Tell2RegLib.slicer_module.logic import plan, volume_pair_choices

    drawn, moving, other_two = a_point(clinic, "plan", 0), clinic.parameters.movingVolume, other_volumes(clinic)
    clinic.panel.plan.check([drawn])
    clinic.parameters.movingVolume = other_two[1]
    clinic.standin.scene.RemoveNode(moving)
    clinic.parameters.fixedVolume = other_two[0]
    assert plan.chosenNodes(clinic.parameters) == []
    assert list(volume_pair_choices._numbers(clinic.parameters.parameterNode)) == []


def a_point(clinic, name: str, side: int):
    """A list with one point: the centre of the first organ in the moving volume (0) or in the fixed one (1)."""
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    position = (a_pair().moving, a_pair().fixed)[side].regions[0].centroid_lps_mm()
    return fiducials_from_points(clinic.standin.scene, PointList(("a",), [position]), name)


# --- by script ---


class AnsweringClient:
    """A worker that answers at once.

    Args:
        client: whose answers, of `simulated`.
    """

    def __init__(self, client) -> None:
        self._submit, self.client = client.submit, client

    def __call__(self, request, **message) -> None:
        self._submit(request, **message)
        answer = {"FindRequest": find_reply, "FitRequest": fitted}.get(type(request).__name__)
        if answer is not None:
            self.client.answer("on_done", answer(request))


@pytest.fixture
def script(clinic, monkeypatch: pytest.MonkeyPatch):
    """The clinic with a worker that answers at once, as a script sees it."""
    monkeypatch.setattr(clinic.client, "submit", AnsweringClient(clinic.client))
    return clinic


def test_a_second_registration_keeps_every_node_of_the_first(script) -> None:
    from Tell2RegLib.slicer_module.scene.result_nodes import RESULT_ROLES

    fixed, moving = script.parameters.fixedVolume, script.parameters.movingVolume
    first = script.logic.registerVolumes(fixed, moving, ["organ"])
    nodes = [getattr(script.parameters, name) for name in RESULT_ROLES if name not in ("movingShown", "checkerboard")]
    remaining = [node for node in nodes if node is not None]
    second = script.logic.registerVolumes(*other_volumes(script), ["organ"])
    third = script.logic.registerVolumes(fixed, moving, ["organ"])
    assert len({first, second, third}) == 3
    assert all(node.GetScene() is script.standin.scene for node in (*remaining, second))
    assert {folder_of(node) for node in remaining} == {"Tell2Reg: US to MR"}
    assert folder_of(second) == "Tell2Reg: D to C"
    assert folder_of(third) == "Tell2Reg"
    fourth = script.logic.registerVolumes(fixed, moving, ["organ"])
    assert folder_of(third) == "Tell2Reg: US to MR (2)"
    assert folder_of(fourth) == "Tell2Reg"


def test_carried_copies_of_an_earlier_registration_are_not_replaced_and_not_carried_again(script) -> None:
    from Tell2RegLib.slicer_module.logic import plan
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    fixed, moving = script.parameters.fixedVolume, script.parameters.movingVolume
    script.logic.registerVolumes(fixed, moving, ["organ"])
    points = PointList(("a",), [script.logic.positionsOf(0)[1]])
    drawn = fiducials_from_points(script.standin.scene, points, "plan")
    (first,), _ = script.logic.propagate([drawn])
    regions = script.parameters.movingRegions
    script.logic.registerVolumes(fixed, moving, ["organ"])
    script.logic.propagate([drawn])
    assert first.GetScene() is script.standin.scene
    candidates = plan.candidates(script.parameters)
    assert drawn in candidates
    assert first not in candidates
    assert regions not in candidates


def test_a_registration_takes_no_option_of_the_last_one(script) -> None:
    from Tell2RegLib.slicer_module.logic.setting_parameters import SETTING_DEFAULTS

    parameters = script.parameters
    fixed, moving = parameters.fixedVolume, parameters.movingVolume
    start = script.standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    script.logic.registerVolumes(fixed, moving, ["organ"], initialTransform=start, similarityThreshold=0.9, sliceStep=3)
    assert parameters.initialTransform is start
    assert (parameters.similarityThreshold, parameters.sliceStep) == (0.9, 3)
    parameters.paperMode = parameters.crossPrompts = True
    script.logic.registerVolumes(*other_volumes(script), ["organ"])
    assert parameters.initialTransform is None
    assert {name: getattr(parameters, name) for name in SETTING_DEFAULTS} == SETTING_DEFAULTS


def test_an_option_that_there_is_not_is_named(script) -> None:
    with pytest.raises(InputError, match="There is no option 'treshold'"):
        script.logic.registerVolumes(
            script.parameters.fixedVolume, script.parameters.movingVolume, ["organ"], treshold=0.9
        )
