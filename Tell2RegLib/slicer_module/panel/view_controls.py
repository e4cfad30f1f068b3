"""The view part of step 4: which transform is shown, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.slicer_module.logic import displayed_transform, input_checks
from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic
from Tell2RegLib.slicer_module.logic.parameters import SHOWN, VIEWS
from Tell2RegLib.slicer_module.panel import messages
from Tell2RegLib.space.grid import Floats

FLICKER_MS = 500


class ViewControls:
    """The buttons of the display modes, and the views that follow them."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        self._logic: Tell2RegLogic = panel.logic
        ui = self._ui
        self._shownButtons = dict(
            zip(SHOWN, (ui.noneButton, ui.rigidButton, ui.affineButton, ui.deformableButton), strict=True)
        )
        self._viewButtons = dict(
            zip(VIEWS, (ui.sideButton, ui.fadeButton, ui.checkerboardButton, ui.flickerButton), strict=True)
        )
        for kind, button in self._shownButtons.items():
            button.connect("clicked(bool)", lambda _checked, kind=kind: self._set("shown", kind))
        for view, button in self._viewButtons.items():
            button.connect("clicked(bool)", lambda _checked, view=view: self._set("view", view))
        ui.fadeSlider.connect("valueChanged(double)", panel.views.fade)
        ui.jacobianButton.connect("clicked(bool)", self._jacobian)
        ui.show3DButton.connect("clicked(bool)", self._show3D)
        self._flicker = self._timer(FLICKER_MS, panel.views.flick)
        self._soon = self._timer(0, self.drawNow)
        self._soon.setSingleShot(True)
        self._drawn: tuple = ()
        self._drawing = False
        self._hidden = True
        """Whether segments may be hidden, as Slicer leaves some of a scene that was opened."""

    def _timer(self, milliseconds: int, slot: Callable[[], None]) -> Any:
        timer = qt.QTimer()
        timer.setInterval(milliseconds)
        timer.connect("timeout()", slot)
        return timer

    def disconnect(self) -> None:
        """Stop the timers."""
        self._flicker.stop()
        self._soon.stop()

    # --- what is shown ---

    def update(self) -> None:
        """Enable what can be used; show the chosen transform in the chosen way."""
        parameters, ui = self._logic.parameters, self._ui
        why, images = input_checks.whyNotUse(parameters), input_checks.whyNotImages(parameters)
        enable = self._panel.enable
        for kind, button in self._shownButtons.items():
            enable(button, images if kind == "none" else why)
            button.checked = parameters.shown == kind
        for view, button in self._viewButtons.items():
            enable(button, images)
            button.checked = parameters.view == view
        missingText = "" if parameters.jacobianMap is not None else _("The fitted result was deleted: fit again")
        enable(ui.jacobianButton, why or missingText)
        regions = parameters.fixedRegions is not None and parameters.movingRegions is not None
        foreign = input_checks.whyForeign(parameters)
        enable(ui.show3DButton, images or foreign or ("" if regions else _("Find regions first")))
        for button in (ui.jacobianButton, ui.show3DButton):
            if not button.enabled:
                button.checked = False
        for widget in (ui.fadeSlider, ui.fadeSliderLabel):
            widget.setVisible(parameters.view == "fade")
        self.draw()

    def draw(self) -> None:
        """Bring the views to what was chosen; only when something has changed since.

        What needs a new node in the scene waits for the event loop: nodes may just be coming or going.
        """
        parameters = self._logic.parameters
        if not self._panel.entered:
            if self._flicker.active:
                self._panel.views.fade(0.5)  # both images stay, with the regions of both
            self._stop()
            return
        displayed_transform.hideForeignRegions(parameters)
        if input_checks.whyNotImages(parameters):
            self._stop()
            return
        if self._needsNodes():
            self._soon.start()
        else:
            self.drawNow()

    def _needsNodes(self) -> bool:
        parameters = self._logic.parameters
        return not displayed_transform.hasCopy(parameters) or (
            self.displayMode() == "checkerboard" and parameters.checkerboard is None
        )

    def _stop(self) -> None:
        self._flicker.stop()
        self._soon.stop()
        self._drawn = ()

    def drawNow(self) -> None:
        """Bring the views to what was chosen, new nodes included."""
        parameters = self._logic.parameters
        if self._drawing or not self._panel.entered or input_checks.whyNotImages(parameters):
            return
        if slicer.mrmlScene.IsBatchProcessing():  # its end is heard
            return
        self._drawing = True  # new nodes are parameters, and parameters are heard
        try:
            self._draw()
        finally:
            self._drawing = False

    def _draw(self) -> None:
        parameters, displayMode = self._logic.parameters, self.displayMode()
        nodes = (parameters.fixedVolume, parameters.movingVolume, parameters.initialTransform)
        results = (parameters.fixedRegions, parameters.movingRegions, parameters.deformableTransform)
        drawn = (parameters.shown, displayMode, *map(_id, (*nodes, *results)))
        if drawn != self._drawn or not displayed_transform.hasCopy(parameters):
            self._drawn = drawn
            try:
                displayed_transform.show(parameters, self._panel.views, displayMode, self._ui.fadeSlider.value)
                self._panel.plan.displaySoon()
            except Tell2RegError as error:
                self._panel.say(str(error), messages.ERROR, messages.TRANSFORM)
        if self._hidden:
            self._hidden = False
            displayed_transform.revealRegions(parameters)
        self.paint()
        if displayMode == "flicker":
            self._flicker.start()
        else:
            self._flicker.stop()

    def displayMode(self) -> str:
        """How the volumes are shown: one of parameters.VIEWS, displayed_transform.JACOBIAN or IN_SPACE."""
        if self._ui.jacobianButton.checked:
            return displayed_transform.JACOBIAN
        return displayed_transform.IN_SPACE if self._ui.show3DButton.checked else self._logic.parameters.view

    def paint(self) -> None:
        """Draw every region as its pair was decided, the selected pair with more of its colour."""
        displayed_transform.paintRegions(self._logic.parameters, self._logic.rows, self._panel.regions.selected())

    def redrawLater(self) -> None:
        """Redraw everything at the next update."""
        self._drawn = ()

    def redrawAll(self) -> None:
        """Redraw everything, hidden segments included, after a change of scene or on return to the module."""
        self._drawn, self._hidden = (), True

    def displayedPosition(self, movingLps: Floats | None) -> Floats | None:
        """The displayed position, LPS mm, of a position of the unregistered moving volume."""
        try:
            return displayed_transform.displayedPosition(self._logic.parameters, movingLps)
        except Tell2RegError:  # a transform that was changed by hand: the place as it lies is better than none
            return movingLps

    # --- what a person does ---

    def _set(self, name: str, value: str) -> None:
        self._ui.jacobianButton.checked = False
        self._leave3D()
        self.redrawLater()  # also when nothing changes: the person may have chosen other views by now
        setattr(self._logic.parameters, name, value)
        self._panel.update()
        self.drawNow()

    def _jacobian(self, _checked: bool = False) -> None:
        self._leave3D()
        self.redrawLater()
        self.drawNow()

    def _show3D(self, checked: bool) -> None:
        self._ui.jacobianButton.checked = False
        with slicer.util.WaitCursor():
            if not checked:
                displayed_transform.hide3D(self._logic.parameters)
            self.redrawLater()
            self.drawNow()

    def _leave3D(self) -> None:
        if self._ui.show3DButton.checked:
            self._ui.show3DButton.checked = False
            displayed_transform.hide3D(self._logic.parameters)


def _id(node: Any) -> str:
    return "" if node is None else node.GetID()
