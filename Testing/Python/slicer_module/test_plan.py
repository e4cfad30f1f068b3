"""Step 5 in a person's hands: by which transform a plan is carried, outdated verdicts, the plan of a reopened scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small

pytestmark = pytest.mark.mrml

DRAWN = apply_affine(small.AFFINE, np.array(list(small.PLAN.values())))


@pytest.fixture
def fitted(clinic):
    """The clinic after a fit, with a plan on the moving volume that is checked."""
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([a_plan(clinic)])
    return clinic


def a_plan(clinic, name: str = "plan", positions: np.ndarray = DRAWN):
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    return fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), positions), name)


def click(button) -> None:
    """Click a button with the mouse."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    assert button.enabled, button.toolTip
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def pick(combo, text: str) -> None:
    """Choose an entry of a combo box by its arrow keys."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    QTest.keyClick(combo, Qt.Key.Key_Home)
    while combo.currentText != text:
        before = combo.currentIndex
        QTest.keyClick(combo, Qt.Key.Key_Down)
        assert combo.currentIndex != before, f"There is no '{text}' to choose."


def check_by_mouse(planList, line: int) -> None:
    """Click into the box of a line."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtTest import QTest

    box = planList.visualItemRect(planList.item(line))
    QTest.mouseClick(planList.viewport(), Qt.MouseButton.LeftButton, pos=box.topLeft() + QPoint(10, box.height() // 2))


def verdict_colors(clinic) -> set[tuple[int, ...]]:
    table = clinic.ui.targetsTable
    brushes = [table.item(line, 1).background().color() for line in range(table.rowCount)]
    return {(color.red(), color.green(), color.blue()) for color in brushes}


GREY = {(209, 209, 209)}


# --- by which transform ---


def test_a_plan_is_carried_by_the_transform_that_was_chosen_and_everything_names_it(fitted) -> None:
    from Tell2RegLib.slicer_module.scene.markups import points_of
    from Tell2RegLib.slicer_module.scene.volumes import linear_lps_of

    ui, scene = fitted.ui, fitted.standin.scene
    assert ui.carryByCombo.currentText == "deformable"
    assert not ui.carryByNote.isVisibleTo(ui.carryByNote.parent())
    click(ui.rigidButton)
    assert ui.carryByNote.text == "The views show the rigid transform; the plan is propagated with the deformable one."
    pick(ui.carryByCombo, "rigid")
    assert ui.carryByNote.text == ""
    click(ui.propagateButton)
    copy = scene.GetFirstNodeByName("plan carried to MR (rigid)")
    expected = apply_affine(linear_lps_of(fitted.parameters.rigidTransform), DRAWN)
    assert np.abs(points_of(copy).points_lps_mm - expected).max() < 1e-3
    assert "with the rigid transform" in fitted.said
    assert "moving to fixed with the rigid transform" in ui.targetsHeading.text
    table = fitted.parameters.targetsTable.GetTable()
    assert table.GetColumnByName("carried_by").GetValue(0) == "rigid"
    assert [table.GetColumnByName(f"{axis}, mm").GetValue(0) for axis in "RAS"] == pytest.approx(
        expected[0] * (-1, -1, 1), abs=1e-3
    )
    assert [float(ui.targetsTable.item(0, column).text()) for column in (4, 5, 6)] == pytest.approx(
        expected[0] * (-1, -1, 1), abs=0.06
    )


def test_one_copy_of_a_plan_is_enough_whatever_carried_it(fitted) -> None:
    from Tell2RegLib.slicer_module.logic.plan import copiesIn

    (plan,) = (fitted.standin.scene.GetFirstNodeByName("plan"),)
    for kind in ("rigid", "affine", "deformable"):
        fitted.logic.propagate([plan], carryBy=kind)
        assert [node.GetName() for node in copiesIn(fitted.standin.scene)] == [f"plan carried to MR ({kind})"]
    with pytest.raises(InputError, match="not with 'thin plates'"):
        fitted.logic.propagate([plan], carryBy="thin plates")


def test_a_copy_has_another_colour_than_the_original(fitted) -> None:
    from Tell2RegLib.slicer_module.logic.plan import copiesIn

    click(fitted.ui.propagateButton)
    (copy,) = copiesIn(fitted.standin.scene)
    plan = fitted.standin.scene.GetFirstNodeByName("plan")
    assert copy.GetDisplayNode().GetSelectedColor() != plan.GetDisplayNode().GetSelectedColor()


# --- outdated verdicts ---


def test_verdicts_of_an_outdated_fit_are_grey_and_carrying_by_it_needs_a_yes(fitted) -> None:
    ui, scene = fitted.ui, fitted.standin.scene
    click(ui.propagateButton)
    assert not verdict_colors(fitted) & GREY
    first = scene.GetFirstNodeByName("plan carried to MR (deformable)").GetID()
    fitted.select(0)
    click(ui.rejectButton)
    assert verdict_colors(fitted) == GREY
    assert ui.targetsHeading.text.startswith("Outdated: The accepted pairs or the settings have changed since the fit.")
    fitted.standin.answers.expect("No")
    click(ui.propagateButton)
    assert "Propagate the plan with this outdated fit anyway?" in fitted.standin.answers.texts[-1]
    assert scene.GetFirstNodeByName("plan carried to MR (deformable)").GetID() == first
    fitted.standin.answers.expect("Yes")
    click(ui.propagateButton)
    assert scene.GetNodeByID(first) is None
    assert verdict_colors(fitted) == GREY
    click(ui.undoButton)
    assert not verdict_colors(fitted) & GREY


def test_a_script_carries_by_an_outdated_fit_only_when_it_says_so(fitted) -> None:
    plan = fitted.standin.scene.GetFirstNodeByName("plan")
    fitted.logic.reject([0])
    with pytest.raises(InputError, match="fit again.*allowOutdated=True"):
        fitted.logic.propagate([plan])
    copies, trusts = fitted.logic.propagate([plan], allowOutdated=True)
    assert (len(copies), len(trusts)) == (1, len(DRAWN))


def test_verdicts_are_outdated_when_regions_direction_or_transform_change(fitted) -> None:
    import slicer

    ui, parameters = fitted.ui, fitted.parameters
    click(ui.propagateButton)
    pick(ui.carryByCombo, "affine")
    assert "Another transform has been chosen since" in ui.targetsHeading.text
    pick(ui.carryByCombo, "deformable")
    pick(ui.directionCombo, "fixed to moving")
    assert "The direction has been changed since" in ui.targetsHeading.text
    pick(ui.directionCombo, "moving to fixed")
    assert not verdict_colors(fitted) & GREY
    row = fitted.logic.rows[0]
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(parameters.movingRegions, row.moving, parameters.movingVolume)
    grown = np.maximum(voxels, np.roll(voxels, 1, axis=2))
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        grown, parameters.movingRegions, row.moving, parameters.movingVolume
    )
    fitted.panel.update()
    assert "Regions have been edited since the fit" in ui.targetsHeading.text
    assert verdict_colors(fitted) == GREY
    fitted.fit()
    assert "Another transform has been fitted since" in ui.targetsHeading.text
    click(ui.propagateButton)
    assert not verdict_colors(fitted) & GREY
    parameters.fixedVolume, parameters.movingVolume = parameters.movingVolume, parameters.fixedVolume
    assert "belong to other volumes" in ui.targetsHeading.text
    assert verdict_colors(fitted) == GREY


def test_verdicts_by_other_bounds_are_outdated_until_the_plan_is_carried_again(fitted) -> None:
    from Tell2RegLib.slicer_module.logic.plan import chosenNodes

    ui, parameters = fitted.ui, fitted.parameters
    click(ui.propagateButton)
    parameters.spreadCheckMm, parameters.spreadNeverMm = 0.0, 0.0
    assert "The bounds of the verdicts have been changed since" in ui.targetsHeading.text
    assert verdict_colors(fitted) == GREY
    click(ui.propagateButton)
    assert not verdict_colors(fitted) & GREY
    _, trusts = fitted.logic.propagate(chosenNodes(parameters))
    assert {trust.verdict for trust in trusts if trust.spread_mm > 0} == {"do not trust"}


def test_bounds_in_the_wrong_order_are_told_at_the_plan(fitted) -> None:
    fitted.parameters.nearMm = 30.0
    click(fitted.ui.propagateButton)
    assert fitted.panel.messages.at("plan").startswith("The bounds near_mm, far_mm are 30, 20, but must increase")
    assert not fitted.parameters.carriedPlan


# --- reopened, merged ---


def test_a_reopened_scene_has_its_verdicts_its_checked_plan_and_its_volumes_once(fitted, tmp_path: Path) -> None:
    import qt
    import slicer

    ui = fitted.ui
    check_by_mouse(ui.planList, 0)
    assert ui.propagateButton.toolTip == "Choose at least one node to propagate."
    check_by_mouse(ui.planList, 0)
    click(ui.propagateButton)
    recorded = table_of(ui.targetsTable)
    heading = ui.targetsHeading.text
    assert slicer.util.saveScene(str(tmp_path / "session.mrb"))
    slicer.mrmlScene.Clear(0)
    assert ui.targetsTable.rowCount == 0
    assert not fitted.parameters.carriedPlan
    slicer.util.loadScene(str(tmp_path / "session.mrb"))
    fitted.standin.process_events()
    assert table_of(ui.targetsTable) == recorded
    assert ui.targetsHeading.text == heading
    assert [ui.planList.item(i).checkState() for i in range(ui.planList.count)] == [qt.Qt.Checked]
    assert ui.propagateButton.enabled, ui.propagateButton.toolTip
    assert sorted(ui.movingVolume.nodeFromIndex(i).GetName() for i in range(ui.movingVolume.nodeCount())) == listed(
        fitted
    )
    click(ui.propagateButton)
    assert table_of(ui.targetsTable) == recorded


def listed(clinic) -> list[str]:
    """What the selector of a volume offers: each volume once, and the map of the fit."""
    return sorted(
        node.GetName()
        for node in (clinic.parameters.fixedVolume, clinic.parameters.movingVolume, clinic.parameters.jacobianMap)
    )


def table_of(table) -> list[list[str]]:
    return [[table.item(line, column).text() for column in range(table.columnCount)] for line in range(table.rowCount)]


def test_damaged_verdicts_are_no_verdicts(fitted) -> None:
    click(fitted.ui.propagateButton)
    for text in ("[]", "{", '{"trusts": [{}]}', '{"direction": "", "carriedBy": "", "fit": "", "trusts": 3}'):
        fitted.parameters.carriedPlan = text
        assert fitted.ui.targetsTable.rowCount == 0


def test_a_view_copy_is_never_seen_in_the_lists_not_even_for_a_moment(clinic) -> None:
    import slicer
    import vtk

    added: list[bool] = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def hear(_caller, _event, node) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode") and node.GetName() == "US":
            added.append(bool(node.GetHideFromEditors()))

    tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, hear)
    clinic.find()
    slicer.mrmlScene.RemoveObserver(tag)
    assert added == [True]


def test_copies_and_folder_are_known_again_when_a_scene_is_imported_into_another(fitted, tmp_path: Path) -> None:
    import slicer

    from Tell2RegLib.slicer_module.logic.plan import CARRIED_TO, MADE_FROM, candidates, copiesIn
    from Tell2RegLib.slicer_module.scene.subject_hierarchy import results_folder

    click(fitted.ui.propagateButton)
    slicer.util.saveScene(str(tmp_path / "session.mrb"))
    slicer.mrmlScene.Clear(0)
    fitted.load()  # takes the IDs that the volumes have in the saved scene
    a_plan(fitted, "host plan")
    host = fitted.parameters.fixedVolume
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "session.mrb"), False)
    fitted.standin.process_events()
    (copy,) = copiesIn(slicer.mrmlScene)
    fixed = copy.GetNodeReference(CARRIED_TO)
    assert fixed.GetName() == "MR"
    assert fixed.GetID() != host.GetID()
    assert copy.GetNodeReference(MADE_FROM).GetName() == "plan"
    assert copy not in candidates(fitted.logic.getParameterNode())
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    assert tree.GetItemParent(tree.GetItemByDataNode(copy)) == results_folder(slicer.mrmlScene, fixed, "Tell2Reg").item
    assert results_folder(slicer.mrmlScene, host, "Tell2Reg").item != tree.GetItemParent(tree.GetItemByDataNode(copy))
