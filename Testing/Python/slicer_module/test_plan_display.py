"""Where a plan and its carried copy are seen while the panel is open, and that nothing of it stays."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from Testing.Python.slicer_module.plan_nodes import a_surface, an_outline, centre, enter
from Testing.Python.slicer_module.test_plan import a_plan, click, pick

pytestmark = pytest.mark.mrml

COPY = "plan carried to MR (deformable)"


@pytest.fixture
def looking(clinic):
    """The clinic with pairs, not fitted yet, and a checked plan on the moving volume."""
    clinic.plan = a_plan(clinic)
    clinic.panel.plan.check([clinic.plan])
    clinic.find()
    return clinic


def settle() -> None:
    """Let the event loop do what waits for it."""
    import slicer

    step = slicer.util.getModuleWidget("Tell2Reg").panel.plan
    while step._soon.active or step._saves._over.active:
        slicer.app.processEvents()


def seen_in(node) -> str:
    """The views that show a node: F and M of the fixed and the moving view, 3 of 3D."""
    import slicer

    settle()
    spaces = slicer.util.getNodesByClass("vtkMRMLViewNode")
    views = {"F": "vtkMRMLSliceNodeRed", "M": "vtkMRMLSliceNodeYellow", "3": spaces[0].GetID()}
    return "".join(key for key, view in views.items() if node.GetDisplayNode().IsDisplayableInView(view))


def stand_ins(clinic) -> list:
    """The view copies of plans."""
    import slicer

    settle()
    nodes = slicer.util.getNodesByClass("vtkMRMLDisplayableNode")
    return [node for node in nodes if node.GetAttribute("Tell2Reg.CopiedAt")]


def test_before_a_fit_the_plan_is_seen_on_its_own_patient_only(looking) -> None:
    second_plan = a_plan(looking, "somebody else's")
    looking.panel.update()
    assert seen_in(looking.plan) == "M3"
    assert seen_in(second_plan) == "FM3"
    click(looking.ui.fadeButton)
    assert seen_in(looking.plan) == "F3"  # the moving image is shown there, unregistered as the plan
    click(looking.ui.sideButton)
    looking.panel.plan.check([])
    assert seen_in(looking.plan) == "FM3"


def test_under_a_transform_a_locked_copy_is_seen_in_place_of_the_plan(looking) -> None:
    import slicer

    from Tell2RegLib.slicer_module.logic.plan import candidates
    from Tell2RegLib.slicer_module.scene.markups import points_of

    plan, parameters = looking.plan, looking.parameters
    looking.fit()
    for button, node in (
        (looking.ui.rigidButton, parameters.rigidTransform),
        (looking.ui.affineButton, parameters.affineTransform),
    ):
        click(button)
        (copy,) = stand_ins(looking)
        assert copy.GetParentTransformNode() is node
        assert seen_in(copy) == "M3"
        assert seen_in(plan) == ""
    assert copy.GetLocked()
    assert copy.GetHideFromEditors()
    assert not copy.GetSaveWithScene()
    assert not copy.GetDisplayNode().GetSaveWithScene()
    assert candidates(parameters) == [plan]
    assert slicer.util.getNode("plan") is plan
    assert plan.GetParentTransformNode() is None
    plan.SetNthControlPointPosition(0, 1.0, 2.0, 3.0)
    looking.panel.update()
    assert stand_ins(looking) == [copy]
    copy.SetAndObserveTransformNodeID(None)
    assert np.allclose(points_of(copy).points_lps_mm, points_of(plan).points_lps_mm)
    click(looking.ui.noneButton)
    assert stand_ins(looking) == []
    assert seen_in(plan) == "M3"


def test_the_carried_copy_is_seen_on_the_fixed_patient_only(looking) -> None:
    looking.fit()
    click(looking.ui.propagateButton)
    copy = looking.standin.scene.GetFirstNodeByName(COPY)
    assert seen_in(copy) == "F3"
    for button in (looking.ui.fadeButton, looking.ui.checkerboardButton, looking.ui.flickerButton):
        click(button)
        assert seen_in(copy) == "F3"
        assert "F" not in seen_in(looking.plan)
        assert not any("F" in seen_in(node) for node in stand_ins(looking))
    click(looking.ui.noneButton)
    assert "F" not in seen_in(looking.plan)
    assert copy.GetParentTransformNode() is None


def test_in_3d_the_slices_of_the_fixed_volume_show_the_copy_only_and_space_shows_both(looking) -> None:
    looking.fit()
    click(looking.ui.propagateButton)
    copy = looking.standin.scene.GetFirstNodeByName(COPY)
    click(looking.ui.show3DButton)
    (shown,) = stand_ins(looking)
    assert (seen_in(copy), seen_in(shown), seen_in(looking.plan)) == ("FM3", "3", "")
    click(looking.ui.sideButton)
    assert (seen_in(copy), seen_in(shown), seen_in(looking.plan)) == ("F3", "M3", "")


def test_the_other_way_round_the_views_change_places(looking) -> None:
    pick(looking.ui.directionCombo, "fixed to moving")
    assert seen_in(looking.plan) == "F3"
    looking.fit()
    click(looking.ui.propagateButton)
    copy = looking.standin.scene.GetFirstNodeByName("plan carried to US (deformable)")
    (shown,) = stand_ins(looking)
    assert shown.GetNodeReferenceID("Tell2Reg.CopyOf") == copy.GetID()
    assert shown.GetParentTransformNode() is looking.parameters.deformableTransform
    assert (seen_in(looking.plan), seen_in(copy), seen_in(shown)) == ("F3", "", "M3")
    click(looking.ui.noneButton)
    assert (seen_in(looking.plan), seen_in(copy), stand_ins(looking)) == ("F3", "M3", [])


def test_a_copy_of_another_pair_is_not_seen(looking) -> None:
    from Testing.Python.scene import a_volume_node
    from Testing.Python.slicer_module.simulated import a_pair

    looking.fit()
    click(looking.ui.propagateButton)
    fixed = a_pair().fixed.volume
    looking.parameters.fixedVolume = a_volume_node(looking.standin.scene, fixed.array_kji, fixed.grid, "another")
    assert seen_in(looking.standin.scene.GetFirstNodeByName(COPY)) == ""


def test_segmentations_and_models_of_a_plan_are_shown_like_its_points(looking) -> None:
    outline, surface = an_outline(looking), a_surface(looking)
    looking.panel.plan.check([looking.plan, outline, surface])
    before = [node.GetMTime() for node in (looking.plan, outline, surface)]
    looking.fit()
    copies = {node.GetName().removesuffix(" (view copy)"): node for node in stand_ins(looking)}
    assert sorted(copies) == ["outline", "plan", "surface"]
    assert copies["surface"].GetPolyData().GetNumberOfPoints() == surface.GetPolyData().GetNumberOfPoints()
    assert copies["outline"].GetSegmentation().GetNumberOfSegments() == 2
    for node in copies.values():
        assert node.GetParentTransformNode() is looking.parameters.deformableTransform
        assert seen_in(node) == "M3"
    assert [node.GetMTime() for node in (looking.plan, outline, surface)] == before


def test_a_plan_under_a_transform_of_its_own_is_shown_where_it_is_in_the_world(looking) -> None:
    from Testing.Python.scene import TURNED, put_under

    outline = an_outline(looking)
    looking.panel.plan.check([outline])
    put_under(outline, TURNED)
    before = centre(outline)
    looking.fit()
    (copy,) = stand_ins(looking)
    copy.SetAndObserveTransformNodeID(None)
    assert np.allclose(centre(copy), before, atol=0.1)
    assert outline.GetParentTransformNode() is not None


# --- nothing stays ---


def test_what_a_person_had_confined_stays_confined_and_comes_back(looking) -> None:
    looking.panel.plan.check([])
    looking.plan.GetDisplayNode().AddViewNodeID("vtkMRMLSliceNodeYellow")
    before = looking.plan.GetDisplayNode().GetViewNodeIDs()
    looking.panel.plan.check([looking.plan])
    assert seen_in(looking.plan) == "M"
    looking.fit()
    assert seen_in(looking.plan) == ""
    enter(looking, "Data")
    assert looking.plan.GetDisplayNode().GetViewNodeIDs() == before
    assert stand_ins(looking) == []


def test_leaving_the_panel_shows_plan_and_copy_everywhere_again(looking) -> None:
    looking.fit()
    click(looking.ui.propagateButton)
    copy = looking.standin.scene.GetFirstNodeByName(COPY)
    enter(looking, "Data")
    for node in (looking.plan, copy):
        assert seen_in(node) == "FM3"
        assert node.GetDisplayNode().GetAttribute("Tell2Reg.ViewsBefore") is None
    enter(looking, "Tell2Reg")
    assert (seen_in(looking.plan), seen_in(copy)) == ("", "F3")


def test_a_scene_saved_from_the_panel_holds_no_confined_display(looking, tmp_path: Path) -> None:
    import slicer

    looking.fit()
    click(looking.ui.propagateButton)
    for number in range(2):  # the second time the nodes know already by what they are stored
        path = tmp_path / f"{number}.mrb"
        assert seen_in(looking.plan) == ""
        assert slicer.util.saveScene(str(path))
        with zipfile.ZipFile(path) as file:
            (text,) = [file.read(name).decode() for name in file.namelist() if name.endswith(".mrml")]
        displays = re.findall(r"<Markups\w*Display\b.*?>", text, re.DOTALL)
        assert len(displays) == 2
        assert not any(re.search('viewNodeRef="[^"]|ViewsBefore', display) for display in displays)
        looking.standin.process_events()
        assert (seen_in(looking.plan), [seen_in(node) for node in stand_ins(looking)]) == ("", ["M3"])


def test_the_save_dialog_sees_the_scene_as_it_is_to_be_saved(looking) -> None:
    import qt
    import slicer

    assert seen_in(looking.plan) == "M3"
    dialog = type("qSlicerSaveDataDialogPrivate", (qt.QDialog,), {})()
    dialog.setModal(True)
    dialog.show()
    slicer.app.focusChanged.emit(None, dialog)
    assert seen_in(looking.plan) == "FM3"
    looking.panel.update()
    assert seen_in(looking.plan) == "FM3"
    dialog.hide()
    slicer.app.focusChanged.emit(dialog, None)
    assert seen_in(looking.plan) == "M3"
