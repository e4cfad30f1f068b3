"""Existing segmentations: shown on their own sides, fitted only with what is needed, edited one side at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Testing.Python.slicer_module.simulated import a_pair

pytestmark = pytest.mark.mrml

GREY = (0.5, 0.5, 0.5)


@pytest.fixture
def drawings(clinic):
    """Both sides drawn by a person, every segment in the same grey, and chosen as the source."""
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    parameters = clinic.parameters
    for side, volume in (("fixed", parameters.fixedVolume), ("moving", parameters.movingVolume)):
        regions = [replace(region, color=GREY) for region in getattr(a_pair(), side).regions]
        node, _ = segmentation_from_regions(clinic.standin.scene, f"drawn on {side}", regions, volume)
        setattr(parameters, f"{side}Segmentation", node)
    parameters.source = "segmentations"
    return clinic


def displays(clinic) -> list:
    return [
        node.GetDisplayNode() for node in (clinic.parameters.fixedSegmentation, clinic.parameters.movingSegmentation)
    ]


def test_pairs_of_grey_drawings_have_colours_of_their_own(drawings) -> None:
    drawings.press(drawings.ui.findButton)
    colours = [row.color for row in drawings.logic.rows]
    assert len(set(colours)) == 4
    for line, colour in enumerate(colours):
        assert drawings.segment("fixed", line).GetColor() == pytest.approx(colour)
        assert drawings.segment("moving", line).GetColor() == pytest.approx(colour)
    segmentation = drawings.parameters.fixedSegmentation.GetSegmentation()
    assert segmentation.GetNthSegment(0).GetColor() == pytest.approx(GREY)


def test_drawings_are_hidden_while_their_pairs_are_drawn_and_as_before_when_the_person_leaves(drawings) -> None:
    import slicer

    assert [display.GetVisibility() for display in displays(drawings)] == [1, 1]
    drawings.press(drawings.ui.findButton)
    assert [display.GetVisibility() for display in displays(drawings)] == [0, 0]
    slicer.util.selectModule("Volumes")
    assert [display.GetVisibility() for display in displays(drawings)] == [1, 1]
    assert not any(display.GetNumberOfViewNodeIDs() for display in displays(drawings))
    slicer.util.selectModule("Tell2Reg")
    assert [display.GetVisibility() for display in displays(drawings)] == [0, 0]
    drawings.parameters.source = "grounded_sam"
    assert [display.GetVisibility() for display in displays(drawings)] == [1, 1]


def test_without_packages_the_fit_of_drawings_says_so_before_and_the_box_to_install_them_is_there(drawings) -> None:
    drawings.press(drawings.ui.findButton)
    assert drawings.ui.modelsBox.isHidden()
    assert drawings.ui.fitButton.enabled
    drawings.panel.regions.models._packages = "Packages are missing: torch. Press 'Install packages...'."
    drawings.panel.update()
    assert not drawings.ui.modelsBox.isHidden()
    assert not drawings.ui.fitButton.enabled
    assert "Packages are missing: torch" in drawings.ui.fitButton.toolTip
    assert drawings.ui.findButton.enabled  # pairing needs none of them


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_one_side_is_edited_alone_at_the_place_of_the_chosen_pair(clinic, side: str) -> None:
    import slicer

    clinic.find()
    opposite_side = "moving" if side == "fixed" else "fixed"
    clinic.select(2)
    clinic.press(getattr(clinic.ui, f"edit{side.capitalize()}Button"))
    assert slicer.util.selectedModule() == "SegmentEditor"
    shown = {
        item: getattr(clinic.parameters, f"{item}Regions").GetDisplayNode().GetVisibility()
        for item in ("fixed", "moving")
    }
    assert shown == {side: 1, opposite_side: 0}
    centre = clinic.logic.positionsOf(2)[side == "moving"] * (-1, -1, 1)
    manager = clinic.standin.app.layoutManager()
    for name in manager.sliceViewNames():
        node = manager.sliceWidget(name).mrmlSliceNode()
        position = np.array([node.GetSliceToRAS().GetElement(row, 3) for row in range(3)])
        assert np.linalg.norm(position - centre) < 5.0, name
    slicer.util.selectModule("Tell2Reg")
    assert getattr(clinic.parameters, f"{opposite_side}Regions").GetDisplayNode().GetVisibility() == 1
