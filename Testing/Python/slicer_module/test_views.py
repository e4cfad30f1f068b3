"""The slice views while a person presses every button: slice, zoom, pan, orientation, and what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest

from Testing.Python.slicer_module.eyes import (
    AWAY_MM,
    FOUR,
    ONE,
    SEEN_IN,
    SIDE,
    WAYS,
    enter,
    every_pair,
    look_around,
    put_away,
)

pytestmark = pytest.mark.mrml


# --- every button ---


@pytest.mark.parametrize("far", [False, True], ids=["near", "300 mm apart"])
def test_every_change_of_the_view_keeps_slice_zoom_pan_and_orientation(clinic, eyes, docked, far: bool) -> None:
    if far:
        put_away(clinic)
    clinic.find()
    clinic.fit()
    person = docked(clinic.widget, height=700)
    eyes.settle()
    look_around(eyes)
    before = eyes.seen("Red")
    for way in every_pair(WAYS):
        person.click(getattr(clinic.ui, f"{way}Button"))
        eyes.settle()
        layout, layers, drawn = SEEN_IN[way]
        assert eyes.seen("Red").like(before), way
        assert eyes.manager.layout == layout, way
        assert {name: eyes.layers(name) for name in layers} == layers
        assert not any(eyes.black(name) for name in layers), way
        for side, views in drawn.items():
            assert tuple(name for name in layers if eyes.drawn(side, name)) == views, (way, side)
        if way == "side":
            assert eyes.seen("Yellow").like(before)


def test_every_shown_transform_keeps_where_the_views_look(clinic, eyes, docked) -> None:
    put_away(clinic)
    clinic.find()
    clinic.fit()
    person = docked(clinic.widget, height=700)
    eyes.settle()
    look_around(eyes)
    before = eyes.seen("Red")
    for shown in every_pair(("none", "rigid", "affine", "deformable")):
        person.click(getattr(clinic.ui, f"{shown}Button"))
        eyes.settle()
        assert eyes.seen("Red").like(before), shown
        moved = eyes.seen("Yellow").centre - before.centre
        assert np.allclose(moved, AWAY_MM if shown == "none" else 0, atol=60 if shown == "none" else 1e-3), shown
        assert not eyes.black("Yellow"), shown


def test_the_checkerboard_shows_both_volumes_as_they_are_in_turn(clinic, eyes) -> None:
    clinic.find()
    clinic.fit()
    eyes.settle()
    clinic.press(clinic.ui.noneButton)
    pictures = {}
    for way, opacity in (("fade", 0.0), ("fade", 1.0), ("checkerboard", None)):
        clinic.press(getattr(clinic.ui, f"{way}Button"))
        if opacity is not None:
            clinic.panel.views.fade(opacity)
        eyes.settle()
        pictures[way if opacity is None else opacity] = eyes.picture("Red")
    fixed, moving, board = pictures[0.0], pictures[1.0], pictures["checkerboard"]
    differ = (np.abs(fixed - moving) > 20) & (fixed > 2)
    asFixed, asMoving = (np.abs(board - item) < 5 for item in (fixed, moving))
    assert differ.sum() > 1000
    assert (asFixed | asMoving)[differ].mean() > 0.9
    assert 0.2 < asFixed[differ].mean() < 0.8


def test_a_jacobian_over_a_flickering_view_does_not_flicker(clinic, eyes, docked) -> None:
    clinic.find()
    clinic.fit()
    person = docked(clinic.widget, height=700)
    flicker = clinic.panel.viewControls._flicker
    person.click(clinic.ui.flickerButton)
    assert flicker.active
    person.click(clinic.ui.jacobianButton)
    assert not flicker.active
    assert eyes.layers("Red") == ("MR", "US to MR (volume change)")
    person.click(clinic.ui.jacobianButton)
    assert flicker.active
    assert eyes.layers("Red") == ("MR", "US")


def test_a_button_that_looks_pressed_acts(clinic, eyes, docked) -> None:
    person = docked(clinic.widget, height=700)
    eyes.settle()
    assert clinic.ui.sideButton.checked
    eyes.manager.setLayout(FOUR)
    person.click(clinic.ui.sideButton)
    assert eyes.manager.layout == SIDE
    assert clinic.ui.sideButton.checked


def test_the_views_show_both_volumes_as_soon_as_both_are_chosen(clinic, eyes) -> None:
    eyes.settle()
    assert eyes.manager.layout == SIDE
    assert [eyes.layers(name) for name in ("Red", "Yellow")] == [("MR",), ("US",)]
    assert not eyes.black("Red")
    assert not eyes.black("Yellow")
    eyes.manager.setLayout(FOUR)
    eyes.settle()
    assert not any(eyes.black(name) for name in ("Red", "Yellow", "Green"))


@pytest.mark.parametrize("way", ["side", "fade", "flicker"])
def test_the_images_stay_when_a_person_leaves_who_had_empty_views(clinic, eyes, way: str) -> None:
    clinic.find()
    clinic.press(getattr(clinic.ui, f"{way}Button"))
    eyes.settle()
    layout, layers, _drawn = SEEN_IN[way]
    enter(clinic, "Data")
    assert eyes.manager.layout == layout
    assert {name: eyes.layers(name) for name in layers} == layers
    assert not any(eyes.black(name) for name in layers)
    if way == "flicker":
        assert eyes.widget("Red").mrmlSliceCompositeNode().GetForegroundOpacity() == 0.5
    before = eyes.seen("Red")
    enter(clinic, "Tell2Reg")
    assert eyes.seen("Red").like(before)
    assert {name: eyes.layers(name) for name in layers} == layers


@pytest.mark.parametrize("way", ["side", "fade", "flicker", "show3D"])
@pytest.mark.parametrize("shown", ["none", "deformable"])
def test_no_view_that_stays_shows_the_regions_of_both_patients(clinic, eyes, way: str, shown: str) -> None:
    clinic.find()
    clinic.fit()
    clinic.press(getattr(clinic.ui, f"{shown}Button"))
    clinic.press(getattr(clinic.ui, f"{way}Button"))
    eyes.settle()
    drawn = SEEN_IN[way][2]
    assert tuple(name for name in ("Red", "Yellow") if eyes.drawn("moving", name)) == drawn["moving"]
    enter(clinic, "Data")
    assert clinic.parameters.movingRegions.GetParentTransformNode() is None
    for name in ("Red", "Yellow", "Green"):
        asItLies = (way, shown, name) == ("side", "none", "Yellow")
        assert eyes.drawn("moving", name) == asItLies
        assert eyes.drawn("fixed", name) == (name in drawn["fixed"])
    enter(clinic, "Tell2Reg")
    eyes.settle()
    assert tuple(name for name in ("Red", "Yellow") if eyes.drawn("moving", name)) == drawn["moving"]
    assert (clinic.parameters.movingRegions.GetParentTransformNode() is None) == (shown == "none")


def test_a_panel_that_closes_while_another_module_is_open_changes_no_view(clinic, eyes) -> None:
    from Tell2RegLib.slicer_module.scene.view_ids import setViewIDs

    clinic.find()
    eyes.settle()
    enter(clinic, "Data")
    display = clinic.parameters.movingRegions.GetDisplayNode()
    display.SetVisibility(True)
    setViewIDs(display, (eyes.node("Green").GetID(),))
    clinic.panel.close()
    assert eyes.drawn("moving", "Green")
    assert not eyes.drawn("moving", "Yellow")


def test_a_persons_own_view_of_both_volumes_gets_the_fixed_regions_only(clinic, eyes) -> None:
    parameters = clinic.parameters
    enter(clinic, "Data")
    eyes.manager.setLayout(ONE)
    composite = eyes.widget("Red").mrmlSliceCompositeNode()
    composite.SetBackgroundVolumeID(parameters.fixedVolume.GetID())
    composite.SetForegroundVolumeID(parameters.movingVolume.GetID())
    enter(clinic, "Tell2Reg")
    clinic.find()
    enter(clinic, "Data")
    assert eyes.layers("Red") == ("MR", "US")
    assert eyes.drawn("fixed", "Red")
    assert not eyes.drawn("moving", "Red")


def test_a_persons_own_views_come_back_with_the_regions_of_what_they_show(clinic, eyes) -> None:
    parameters = clinic.parameters
    enter(clinic, "Data")
    eyes.manager.setLayout(FOUR)
    eyes.settle()
    for name in ("Red", "Yellow", "Green"):
        eyes.widget(name).mrmlSliceCompositeNode().SetBackgroundVolumeID(parameters.fixedVolume.GetID())
        eyes.widget(name).sliceLogic().FitSliceToBackground()
    eyes.wheel("Green", 2)
    eyes.wheel("Yellow", 3, zoom=True)
    before = {name: eyes.seen(name) for name in ("Red", "Yellow", "Green")}
    enter(clinic, "Tell2Reg")
    clinic.find()
    eyes.wheel("Red", 4)
    inModule = eyes.seen("Red")
    enter(clinic, "Data")
    assert eyes.manager.layout == FOUR
    assert all(eyes.seen(name).like(before[name]) for name in before)
    for name in before:
        assert eyes.layers(name) == ("MR",)
        assert eyes.drawn("fixed", name)
        assert not eyes.drawn("moving", name)
    enter(clinic, "Tell2Reg")
    assert eyes.manager.layout == SIDE
    assert eyes.seen("Red").like(inModule)
    assert eyes.drawn("moving", "Yellow")
