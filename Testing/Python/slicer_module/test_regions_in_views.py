"""What is drawn of the regions in the slice views, and how."""

from __future__ import annotations

import pytest

from Testing.Python.slicer_module.eyes import segments_of_pair
from Testing.Python.slicer_module.simulated import a_pair

pytestmark = pytest.mark.mrml


def test_regions_of_other_volumes_are_not_drawn(clinic, eyes) -> None:
    from Testing.Python.scene import a_volume_node

    clinic.find()
    eyes.settle()
    clinic.press(clinic.ui.swapButton)
    eyes.settle()
    assert not any(eyes.drawn(side, name) for side in ("fixed", "moving") for name in ("Red", "Yellow"))
    clinic.press(clinic.ui.swapButton)
    eyes.settle()
    assert eyes.drawn("fixed", "Red")
    assert eyes.drawn("moving", "Yellow")
    volume = a_pair().moving.volume
    clinic.parameters.movingVolume = a_volume_node(clinic.standin.scene, volume.array_kji, volume.grid, "another")
    eyes.settle()
    assert eyes.drawn("fixed", "Red")
    assert not eyes.drawn("moving", "Yellow")
    clinic.parameters.fixedVolume = None
    eyes.settle()
    assert not eyes.drawn("fixed", "Red")


def test_another_moving_volume_is_shown_with_its_own_window_and_level(clinic, eyes) -> None:
    from Testing.Python.scene import a_volume_node

    eyes.settle()
    grid = a_pair().moving.volume.grid
    bright_volume = a_volume_node(clinic.standin.scene, 1000 + 100 * a_pair().moving.volume.array_kji, grid, "bright")
    bright_volume.CreateDefaultDisplayNodes()
    bright_volume.GetDisplayNode().SetAutoWindowLevel(False)
    bright_volume.GetDisplayNode().SetWindowLevelMinMax(900, 2000)
    clinic.parameters.movingVolume = bright_volume
    eyes.settle()
    assert eyes.layers("Yellow") == ("bright",)
    display = clinic.parameters.movingShown.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (900, 2000)


def test_a_rejected_pair_looks_otherwise_and_the_selected_one_stands_out(clinic, eyes) -> None:
    clinic.find()
    clinic.select(1)
    clinic.press(clinic.ui.rejectButton)
    clinic.select(0)
    for side in ("fixed", "moving"):
        display = getattr(clinic.parameters, f"{side}Regions").GetDisplayNode()
        first, rejected, third = (getattr(row, side) for row in clinic.logic.rows[:3])
        assert not display.GetSegmentVisibility2DFill(rejected)
        assert display.GetSegmentVisibility2DFill(third)
        assert display.GetSegmentOpacity2DOutline(rejected) < display.GetSegmentOpacity2DOutline(third)
        assert len({*display.GetSegmentColor(rejected)}) == 1  # grey
        assert tuple(display.GetSegmentColor(third)) == pytest.approx(clinic.logic.rows[2].color)
        assert display.GetSegmentOpacity2DFill(first) > display.GetSegmentOpacity2DFill(third)
        shown = display.GetOpacity2DFill() * display.GetSegmentOpacity2DFill(third)
        assert shown == pytest.approx(0.25)
    clinic.select(1)
    clinic.press(clinic.ui.acceptButton)
    assert display.GetSegmentVisibility2DFill(rejected)
    assert tuple(display.GetSegmentColor(rejected)) == pytest.approx(clinic.logic.rows[1].color)


def test_a_selected_pair_is_shown_even_if_it_was_hidden(clinic, eyes) -> None:
    clinic.find()
    row = clinic.logic.rows[2]
    for node, segment in segments_of_pair(clinic, row):
        node.GetDisplayNode().SetSegmentVisibility(segment, False)
    clinic.select(2)
    assert all(node.GetDisplayNode().GetSegmentVisibility(segment) for node, segment in segments_of_pair(clinic, row))


def test_segments_that_slicer_hides_when_a_scene_is_opened_again_are_shown(clinic, eyes, tmp_path) -> None:
    import slicer

    clinic.find()
    for node, segment in segments_of_pair(clinic, clinic.logic.rows[1]):
        node.GetDisplayNode().SetSegmentVisibility(segment, False)  # as Slicer does with some of a second scene
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    eyes.settle()
    assert len(clinic.logic.rows) == 4
    for row in clinic.logic.rows:
        for node, segment in segments_of_pair(clinic, row):
            assert node.GetDisplayNode().GetSegmentVisibility(segment), row.name
    assert eyes.drawn("fixed", "Red")
    assert eyes.drawn("moving", "Yellow")
    assert not eyes.black("Yellow")


def test_the_segment_editor_gets_the_segments_of_one_side_in_every_view(clinic, eyes) -> None:
    clinic.find()
    clinic.select(0)
    clinic.press(clinic.ui.editMovingButton)
    eyes.settle()
    for name in eyes.manager.sliceViewNames():
        assert eyes.layers(name) == ("US",)
        assert eyes.drawn("moving", name)
        assert not eyes.drawn("fixed", name)


def test_the_scenario_for_a_real_slicer_passes_here_too(clinic) -> None:
    from Testing.Slicer import views

    views.run()
