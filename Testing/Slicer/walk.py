"""Walks through every way to show the moving volume, by the panel's buttons, and checks what is seen where.

Run inside Slicer, and on the stand-in with a small pair (Testing/Python/slicer_module/test_walk.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
import vtk

from Testing.Slicer.events import Person, XDevice, openModule, until
from Testing.Slicer.seen import (
    FIXED,
    MOVING,
    isBlank,
    isDrawn,
    pictures,
    placeOf,
    pointsDrawn,
    segmentsDrawn,
    shownViews,
    volumeIn,
)

SHOWN = {"none": "noneButton", "rigid": "rigidButton", "affine": "affineButton", "deformable": "deformableButton"}
VIEWS = {"side": "sideButton", "fade": "fadeButton", "checkerboard": "checkerboardButton", "flicker": "flickerButton"}
PLAN = "Demo plan"
"""The point list that is drawn on the moving volume."""
LAYOUT_DELAY_MS = 500
"""Slicer has laid out its views anew then, and the panel has followed."""


def walk(person: Person, widget: Any, look: Callable[[str], None] = lambda name: None) -> None:
    """Every transform in every view, from a slice, a zoom and an orientation that the person chose.

    Raises:
        AssertionError: the place was lost, a view is blank, or something is drawn where it does not belong.
    """
    press(person, widget, "side", "none")
    chooseAPlace()
    before = placeOf(FIXED)
    for shown in SHOWN:
        for view in (*VIEWS, "side"):
            press(person, widget, view, shown)
            where = f"'{shown}', '{view}'"
            lost = before.differences(placeOf(FIXED))
            assert not lost, f"{where}: {lost}."
            for name in shownViews():
                assert not isBlank(name), f"{where}: {isBlank(name)}."
            check(widget, shown, view, where)
            look(f"view-{shown}-{view}")


def press(person: Person, widget: Any, view: str, shown: str) -> None:
    """Press two buttons and wait for the layout."""
    person.click(getattr(widget.ui, SHOWN[shown]))
    person.click(getattr(widget.ui, VIEWS[view]))
    parameters = widget.logic.parameters
    assert (parameters.shown, parameters.view) == (shown, view)
    settle()


def settle() -> None:
    """Let the views take their sizes: the timers that follow a change of the layout have fired after this time."""
    due = []
    qt.QTimer.singleShot(LAYOUT_DELAY_MS, lambda: due.append(True))
    until(lambda: due, 60.0, "a timer")


def chooseAPlace() -> None:
    """Another slice and another zoom than the views began with, as the wheel and the right button would choose."""
    logic = slicer.app.layoutManager().sliceWidget(FIXED).sliceLogic()
    node = logic.GetSliceNode()
    logic.StartSliceNodeInteraction(slicer.vtkMRMLSliceNode.FieldOfViewFlag)
    across, up, thick = node.GetFieldOfView()
    node.SetFieldOfView(across * 0.8, up * 0.8, thick)
    logic.EndSliceNodeInteraction()
    logic.StartSliceOffsetInteraction()
    logic.SetSliceOffset(logic.GetSliceOffset() + 7.0)
    logic.EndSliceOffsetInteraction()
    settle()


def check(widget: Any, shown: str, view: str, where: str) -> None:
    """Volumes, regions and points are drawn where they belong."""
    parameters = widget.logic.parameters
    assert [kind for kind, name in SHOWN.items() if getattr(widget.ui, name).checked] == [shown], where
    assert [kind for kind, name in VIEWS.items() if getattr(widget.ui, name).checked] == [view], where
    assert parameters.movingVolume.GetParentTransformNode() is None, f"{where}: the moving volume was put under one."
    if view != "side":
        assert shownViews() == [FIXED], f"{where}: {shownViews()}"
        return
    assert set(shownViews()) == {FIXED, MOVING}, f"{where}: {shownViews()}"
    assert volumeIn(FIXED) is parameters.fixedVolume, f"{where}: the left view shows {volumeIn(FIXED).GetName()}."
    assert volumeIn(MOVING) is parameters.movingShown, f"{where}: the right view shows {volumeIn(MOVING).GetName()}."
    assert (parameters.movingShown.GetParentTransformNode() is None) == (shown == "none"), where
    for node, its_view, other_view in (
        (parameters.fixedRegions, FIXED, MOVING),
        (parameters.movingRegions, MOVING, FIXED),
    ):
        assert not isDrawn(node, other_view), f"{where}: '{node.GetName()}' is drawn in {other_view}."
        side = "fixed" if its_view == FIXED else "moving"
        accepted = {getattr(row, side) for row in widget.logic.rows if row.accepted}
        missing = accepted - segmentsDrawn(node, its_view)
        assert not missing, f"{where}: of '{node.GetName()}' {sorted(missing)} are not drawn in {its_view}."
    checkPoints(parameters, where)


def checkPoints(parameters: Any, where: str) -> None:
    """No point of the moving volume is drawn over the fixed one, nor the other way round."""
    plans = [node for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") if node.GetName() == PLAN]
    if not plans:
        return
    raw = np.array(slicer.util.arrayFromMarkupsControlPoints(plans[0], world=True))
    inFixed, inMoving = pointsDrawn(FIXED), pointsDrawn(MOVING)
    for name, places in inFixed.items():
        same = places.shape == raw.shape and np.abs(places - raw).max() < 1e-3
        assert not same, f"{where}: '{name}' lies over the fixed volume at its places in the moving one."
    assert inMoving, f"{where}: the plan is drawn nowhere over the moving volume."
    names = [name for name in inMoving if " in " in name]
    assert not names, f"{where}: the carried copy {names} is drawn over the moving volume."
    (places,) = inMoving.values()
    expected = np.array([displayedPosition(parameters, place) for place in raw])
    far = np.linalg.norm(places - expected, axis=1).max()
    assert far < 1.0, f"{where}: the plan is drawn {far:.1f} mm from where its places are shown."


def displayedPosition(parameters: Any, place: np.ndarray) -> np.ndarray:
    """Where a place of the moving volume is shown now, by the transform that its copy lies under."""
    node = parameters.movingShown.GetParentTransformNode()
    if node is None:
        return place
    general = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node, None, general)
    return np.array(general.TransformPoint(place))


def run() -> None:
    """Inside Slicer: the demo pair, found and fitted."""
    widget = openModule()
    person = Person(XDevice())
    for button in (widget.ui.demoButton, widget.ui.findButton, widget.ui.fitButton):
        person.click(button)
        until(lambda: not widget.panel.busy, what="the end of the run")
    assert widget.logic.parameters.deformableTransform is not None
    walk(person, widget, pictures())
