"""Step 4 of the panel: fit, compare, look."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.module import inputs, showing
from Tell2RegLib.module.logic import FIT
from Tell2RegLib.module.panel import messages, tables
from Tell2RegLib.module.panel.run_row import RunRow
from Tell2RegLib.module.parameters import SHOWN, VIEWS

FLICKER_MS = 500


class TransformStep:
    """The fit and what the views show of it."""

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        ui = self._ui
        self.row = RunRow(panel.logic.runs, FIT, ui.fitButton, ui.fitProgress, ui.fitLabel, self._fit)
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
        ui.plotButton.connect("clicked(bool)", self._plot)
        ui.show3DButton.connect("clicked(bool)", self._show3D)
        tables.prepare(
            ui.fitTable,
            (_("Name"), _("Dice"), _("after"), _("Distance, mm"), _("after"), _("HD95, mm"), _("after")),
        )
        self._flicker = qt.QTimer()
        self._flicker.setInterval(FLICKER_MS)
        self._flicker.connect("timeout()", panel.views.flick)
        self._drawn: tuple = ()

    def disconnect(self) -> None:
        """Let go of the run and of the timer."""
        self._flicker.stop()
        self.row.disconnect()

    # --- what is shown ---

    def update(self) -> None:
        """Enable what can be used; show the chosen transform in the chosen way."""
        own, ui, logic = self._logic.parameters, self._ui, self._logic
        self.row.update(logic.whyNotFit(), _("Fit a smooth, fold-free transform to the accepted pairs"))
        why = inputs.whyNotUse(own)
        images = inputs.whyNotImages(own)
        enable = self._panel.enable
        for kind, button in self._shownButtons.items():
            enable(button, images if kind == "none" else why)
            button.checked = own.shown == kind
        for view, button in self._viewButtons.items():
            enable(button, images)
            button.checked = own.view == view
        for button, node in ((ui.jacobianButton, own.jacobianMap), (ui.plotButton, own.pairsTable)):
            enable(button, why or ("" if node is not None else _("What it shows was deleted: fit again")))
        found = own.fixedRegions is not None and own.movingRegions is not None
        enable(ui.show3DButton, images or ("" if found else _("Find regions first")))
        ui.fadeSlider.setVisible(own.view == "fade")
        ui.fadeSliderLabel.setVisible(own.view == "fade")
        self._summarize(why)
        self.draw()

    def _summarize(self, why: str) -> None:
        ui, summary = self._ui, self._logic.fitSummary
        known = bool(summary) and not why
        ui.fitSummary.setVisible(known)
        ui.fitTable.setVisible(known)
        if not known:
            return
        ui.fitSummary.text = summaryInWords(summary, self._logic.fitIsOld)
        rows = [row for row in self._logic.rows if row.dice_after is not None]
        ui.fitTable.setRowCount(len(rows))
        for line, row in enumerate(rows):
            distances = (row.distance_mm, row.distance_mm_after, row.hd95_mm, row.hd95_mm_after)
            values = (row.dice, row.dice_after, *distances)
            tables.cell(
                ui.fitTable, line, 0, row.name if row.accepted else _("{name} (not used)").format(name=row.name)
            )
            for column, value in enumerate(values):
                tables.figure(ui.fitTable, line, column + 1, value, 2 if column < 2 else 1)
        tables.fitHeight(ui.fitTable)

    def draw(self) -> None:
        """Bring the views to what was chosen; only when something has changed since."""
        own = self._logic.parameters
        usable = not inputs.whyNotImages(own) and self._panel.entered
        nodes = (own.fixedVolume, own.movingVolume, own.fixedRegions, own.movingRegions, own.deformableTransform)
        drawn = (own.shown, own.view, *map(_id, nodes))
        if not usable or not (own.movingShown or own.fixedRegions):
            self._flicker.stop()
            self._drawn = ()
            return
        if drawn == self._drawn:
            return
        self._drawn = drawn
        try:
            showing.show(own, self._panel.views, self._ui.fadeSlider.value)
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.TRANSFORM)
        if own.view == "flicker":
            self._flicker.start()
        else:
            self._flicker.stop()

    def redrawLater(self) -> None:
        """The scene has changed: draw again next time."""
        self._drawn = ()

    def whereShown(self, movingLps):
        """Where a place of the moving volume (as it lies) is shown now, LPS mm."""
        try:
            return showing.whereShown(self._logic.parameters, movingLps)
        except Tell2RegError:  # a transform that was changed by hand: the place as it lies is better than none
            return movingLps

    # --- what a person does ---

    def _set(self, name: str, value: str) -> None:
        setattr(self._logic.parameters, name, value)
        self._ui.jacobianButton.checked = False
        if self._ui.show3DButton.checked:
            self._ui.show3DButton.checked = False
            showing.hide3D(self._logic.parameters)
        self.redrawLater()
        self._panel.update()

    def _fit(self) -> None:
        try:
            self._logic.fit()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.TRANSFORM)
        self._panel.update()

    def _jacobian(self, checked: bool) -> None:
        showing.overlayJacobian(self._logic.parameters, self._panel.views, checked)

    def _show3D(self, checked: bool) -> None:
        own = self._logic.parameters
        with slicer.util.WaitCursor():
            if checked:
                showing.show3D(own, self._panel.views)
            else:
                showing.hide3D(own)
                self.redrawLater()
                self.draw()

    def _plot(self, _checked: bool = False) -> None:
        from Tell2RegLib.module.plots import showPairs

        showPairs(self._logic.parameters)


def summaryInWords(summary: dict, old: bool) -> str:
    """What the fit did, for the panel."""
    dice, distance = ([tables.number(value) for value in summary[name]] for name in ("dice", "distance_mm"))
    text = _(
        "Pairs used: {pairs}. Dice {before} → {after}, distance {far} → {near} mm. {folded} of the volume is folded. "
        "Largest displacement {largest} mm; there and back again differs by {error} mm at most."
    ).format(
        pairs=summary["pairs"],
        before=dice[0],
        after=dice[1],
        far=distance[0],
        near=distance[1],
        folded=_("Nothing") if not summary["folding_percent"] else f"{summary['folding_percent']:.3g} %",
        largest=tables.number(summary["max_displacement_mm"], 1),
        error=tables.number(summary["inverse_error_mm"][1]),
    )
    return (_("The pairs have changed since this fit: fit again. ") if old else "") + text


def _id(node) -> str:
    return "" if node is None else node.GetID()
