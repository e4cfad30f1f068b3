"""The slice views while a person presses every button: slice, zoom, pan, orientation, and what is drawn where."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from Testing.Python.slicer_module.simulated import a_pair

pytestmark = pytest.mark.mrml

SIDE, ONE, FOUR = 29, 6, 3
"""Numbers of layouts: side by side, the red view alone, three slices and the 3D view."""
AWAY_MM = (0.0, 300.0, 300.0)
"""RAS, from one patient to another who lies elsewhere."""


# --- what a person sees and does ---


@dataclass(frozen=True)
class Seen:
    """What a view shows, compared with what it showed before."""

    plane: np.ndarray
    centre: np.ndarray
    height: float

    def like(self, other: Seen) -> bool:
        return (
            np.allclose(self.plane, other.plane, atol=1e-3)
            and np.allclose(self.centre, other.centre, atol=1e-3)
            and abs(self.height - other.height) < 1e-3
        )


class Eyes:
    """The views of the clinic."""

    def __init__(self, clinic) -> None:
        self.clinic, self.manager = clinic, clinic.standin.app.layoutManager()

    def widget(self, name: str):
        return self.manager.sliceWidget(name)

    def node(self, name: str):
        return self.widget(name).mrmlSliceNode()

    def seen(self, name: str) -> Seen:
        """Directions of the view's axes, RAS of its middle, its height in mm."""
        node = self.node(name)
        matrix = np.array([[node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(3)])
        columns, rows, _ = node.GetDimensions()
        axes = np.array([[node.GetSliceToRAS().GetElement(row, column) for column in range(3)] for row in range(3)])
        return Seen(axes, matrix @ (columns / 2, rows / 2, 0, 1), node.GetFieldOfView()[1])

    def picture(self, name: str) -> np.ndarray:
        """The pixels of a view, as Slicer's own pipeline makes them, (rows, columns) of brightness."""
        from vtk.util.numpy_support import vtk_to_numpy

        connection = self.widget(name).sliceLogic().GetImageDataConnection()
        if connection is None:
            return np.zeros((1, 1))
        connection.GetProducer().Update()
        image = connection.GetProducer().GetOutputDataObject(0)
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*image.GetDimensions()[1::-1], -1)
        return pixels[..., :3].max(axis=-1).astype(float)

    def black(self, name: str) -> bool:
        return not self.picture(name).any()

    def layers(self, name: str) -> tuple[str, ...]:
        composite = self.widget(name).mrmlSliceCompositeNode()
        ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID())
        return tuple(self.clinic.standin.scene.GetNodeByID(item).GetName() for item in ids if item)

    def drawn(self, side: str, name: str) -> bool:
        """Whether the regions of a side are drawn in a view."""
        node = getattr(self.clinic.parameters, f"{side}Regions")
        display = node.GetDisplayNode()
        return bool(display.GetVisibility()) and display.IsDisplayableInView(self.node(name).GetID())

    # --- gestures ---

    def settle(self) -> None:
        """Views of another layout get their sizes."""
        self.clinic.standin.process_events()

    def wheel(self, name: str, turns: int, zoom: bool = False) -> None:
        """Turn the wheel over a view, with Ctrl pressed to zoom."""
        from Testing.standin.pythonqt import QtCore, QtGui

        pressed = QtCore.Qt.ControlModifier if zoom else QtCore.Qt.NoModifier
        position, none = QtCore.QPointF(100, 100), QtCore.QPoint()
        for _ in range(abs(turns)):
            angle = QtCore.QPoint(0, 120 if turns > 0 else -120)
            phase = QtCore.Qt.NoScrollPhase
            self._send(
                name, QtGui.QWheelEvent(position, position, none, angle, QtCore.Qt.NoButton, pressed, phase, False)
            )

    def pan(self, name: str, right: int, down: int) -> None:
        """Drag the picture with the middle button, by pixels."""
        from Testing.standin.pythonqt import QtCore, QtGui

        middle, none, start = QtCore.Qt.MiddleButton, QtCore.Qt.NoModifier, QtCore.QPointF(100, 100)
        end = start + QtCore.QPointF(right, down)
        for kind, position in ((QtCore.QEvent.MouseButtonPress, start), (QtCore.QEvent.MouseMove, end)):
            self._send(name, QtGui.QMouseEvent(kind, position, position, middle, middle, none))

    def turn(self, name: str, orientation: str) -> None:
        """Choose in the menu of orientations."""
        self.widget(name).sliceController().setSliceOrientation(orientation)

    def _send(self, name: str, event) -> None:
        self.clinic.standin.app.sendEvent(self.widget(name).sliceView(), event)


@pytest.fixture
def eyes(clinic, monkeypatch: pytest.MonkeyPatch) -> Eyes:
    from Tell2RegLib.slicer_module.scene import slice_views

    # the second fit comes with the next turn of the event loop, not at some moment of the test
    monkeypatch.setattr(slice_views, "LAYOUT_DELAY_MS", 0)
    return Eyes(clinic)


def put_away(clinic, offset_ras_mm=AWAY_MM) -> None:
    """Let the moving patient lie elsewhere."""
    from Testing.Python.scene import put_under

    matrix = np.eye(4)
    matrix[:3, 3] = np.array(offset_ras_mm) * (-1, -1, 1)
    put_under(clinic.parameters.movingVolume, matrix)


def look_around(eyes: Eyes, name: str = "Red", orientation: str = "Coronal") -> None:
    """Another plane, another slice, zoomed and moved aside."""
    eyes.turn(name, orientation)
    eyes.wheel(name, 2)
    eyes.wheel(name, 2, zoom=True)
    eyes.pan(name, 20, -12)


WAYS = ("side", "fade", "checkerboard", "flicker", "jacobian", "show3D")
SEEN_IN = {
    "side": (SIDE, {"Red": ("MR",), "Yellow": ("US",)}, {"fixed": ("Red",), "moving": ("Yellow",)}),
    "fade": (ONE, {"Red": ("MR", "US")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "checkerboard": (ONE, {"Red": ("US", "MR (checkerboard)")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "flicker": (ONE, {"Red": ("MR", "US")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "jacobian": (ONE, {"Red": ("MR", "US to MR (volume change)")}, {"fixed": ("Red",), "moving": ()}),
    "show3D": (
        FOUR,
        {"Red": ("MR",), "Yellow": ("MR",), "Green": ("MR",)},
        {"fixed": ("Red", "Yellow", "Green"), "moving": ()},
    ),
}
"""By the names of the buttons: the layout, the volumes in its views, and the views with regions of each side."""


def every_pair(names: tuple[str, ...]) -> list[str]:
    """A walk in which every two different names follow each other, either way round."""
    left = {(a, b) for a, b in itertools.permutations(names, 2)}
    walk = [names[0]]
    while left:
        step = next((b for b in names if (walk[-1], b) in left), next(iter(left))[0])
        left.discard((walk[-1], step))
        walk.append(step)
    return walk


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


# --- two patients side by side ---


@dataclass(frozen=True)
class Far:
    """Two volumes, and the offset from a position of one to that of the other, RAS mm."""

    eyes: Eyes
    offset: np.ndarray

    def check(self) -> None:
        """Both views show something, at corresponding positions, equally zoomed and turned."""
        red, yellow = (self.eyes.seen(name) for name in ("Red", "Yellow"))
        assert np.allclose(yellow.centre - red.centre, self.offset, atol=1e-3)
        assert np.allclose(red.plane, yellow.plane)
        assert red.height == pytest.approx(yellow.height)
        assert not self.eyes.black("Red")
        assert not self.eyes.black("Yellow")


def middle(node) -> np.ndarray:
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1)


@pytest.fixture
def far(clinic, eyes) -> Far:
    """300 mm apart, nothing found yet."""
    put_away(clinic)
    eyes.settle()
    offset = middle(clinic.parameters.movingVolume) - middle(clinic.parameters.fixedVolume)
    return Far(eyes, offset)


@pytest.mark.parametrize("name", ["Red", "Yellow"])
def test_either_view_of_two_distant_patients_follows_the_other(far, name: str) -> None:
    far.check()
    far.eyes.wheel(name, 3)
    far.check()
    far.eyes.wheel(name, -1, zoom=True)
    far.eyes.wheel(name, 3, zoom=True)
    far.check()
    far.eyes.pan(name, 15, 25)
    far.check()
    for orientation in ("Sagittal", "Coronal", "Axial"):
        far.eyes.turn(name, orientation)
        far.check()
        far.eyes.wheel(name, -1)
        far.check()
    far.eyes.widget(name).sliceController().fitSliceToBackground()
    far.check()


def test_a_turn_of_the_wheel_after_a_jump_keeps_both_views_on_the_pair(clinic, far) -> None:
    clinic.find()
    clinic.select(2)
    row = clinic.logic.rows[2]
    centres = [np.array(node.GetSegmentCenter(segment)) for node, segment in _segments(clinic, row)]
    assert np.allclose(far.eyes.seen("Red").centre, centres[0], atol=1e-3)
    assert np.allclose(far.eyes.seen("Yellow").centre, centres[1], atol=1e-3)
    far = replace(far, offset=centres[1] - centres[0])
    far.check()
    for name in ("Red", "Yellow"):
        far.eyes.wheel(name, 1)
        far.check()
    for way in ("fade", "side"):
        clinic.press(getattr(clinic.ui, f"{way}Button"))
        far.eyes.settle()
    far.check()


def _segments(clinic, row):
    return ((clinic.parameters.fixedRegions, row.fixed), (clinic.parameters.movingRegions, row.moving))


def test_a_view_that_another_module_sends_into_the_void_comes_back(clinic, far) -> None:
    import slicer

    position = middle(clinic.parameters.fixedVolume) + (5, 5, 8)
    slicer.vtkMRMLSliceNode.JumpAllSlices(clinic.standin.scene, *position)
    far.eyes.settle()
    assert far.eyes.seen("Red").centre[2] == pytest.approx(position[2])
    far.check()


def test_an_initial_transform_says_which_positions_correspond(clinic, eyes) -> None:
    from Testing.Python.scene import TURNED, ras_of, vtk_matrix

    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    node.SetMatrixTransformToParent(vtk_matrix(ras_of(TURNED)))
    clinic.parameters.initialTransform = node
    eyes.settle()
    back = np.linalg.inv(ras_of(TURNED))
    eyes.wheel("Red", 2)
    expected = back @ [*eyes.seen("Red").centre, 1]
    assert np.allclose(eyes.seen("Yellow").centre, expected[:3], atol=1e-3)
    assert np.allclose(eyes.seen("Yellow").plane, back[:3, :3] @ eyes.seen("Red").plane, atol=1e-6)


def test_volumes_of_one_examination_are_shown_at_the_same_position(clinic, eyes) -> None:
    eyes.settle()
    eyes.wheel("Yellow", 2)
    assert eyes.seen("Red").like(eyes.seen("Yellow"))


def test_a_persons_own_link_is_left_alone(clinic, eyes) -> None:
    eyes.settle()
    before = eyes.seen("Yellow")
    eyes.turn("Red", "Axial")
    for name in ("Red", "Yellow"):
        eyes.widget(name).mrmlSliceCompositeNode().SetLinkedControl(1)
    eyes.node("Red").SetSliceOffset(eyes.node("Red").GetSliceOffset() + 7)
    assert eyes.seen("Yellow").like(before)


# --- coming and going ---


def enter(clinic, name: str) -> None:
    import slicer

    slicer.util.selectModule(name)
    clinic.standin.process_events()


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


# --- regions ---


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
    for node, segment in _segments(clinic, row):
        node.GetDisplayNode().SetSegmentVisibility(segment, False)
    clinic.select(2)
    assert all(node.GetDisplayNode().GetSegmentVisibility(segment) for node, segment in _segments(clinic, row))


def test_segments_that_slicer_hides_when_a_scene_is_opened_again_are_shown(clinic, eyes, tmp_path) -> None:
    import slicer

    clinic.find()
    for node, segment in _segments(clinic, clinic.logic.rows[1]):
        node.GetDisplayNode().SetSegmentVisibility(segment, False)  # as Slicer does with some of a second scene
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    eyes.settle()
    assert len(clinic.logic.rows) == 4
    for row in clinic.logic.rows:
        for node, segment in _segments(clinic, row):
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
