"""Step 5 of the panel: propagate a plan, and show the trust verdict of each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.evaluation.target_trust import CHECK, DO_NOT_TRUST, GOOD
from Tell2RegLib.slicer_module.logic import displayed_transform, input_checks, plan, plan_display, verdict_record
from Tell2RegLib.slicer_module.logic.module_logic import REPORT, Tell2RegLogic
from Tell2RegLib.slicer_module.logic.parameters import CARRY_BY
from Tell2RegLib.slicer_module.logic.plan import FIXED_TO_MOVING, MOVING_TO_FIXED
from Tell2RegLib.slicer_module.logic.verdict_record import PropagatedPlan
from Tell2RegLib.slicer_module.panel import messages, tables
from Tell2RegLib.slicer_module.panel.declared_texts import translated
from Tell2RegLib.slicer_module.panel.run_row import RunRow
from Tell2RegLib.slicer_module.panel.save_watch import SaveWatch

RADIUS_COLUMN, POSITION_COLUMN, ERROR_COLUMN = 2, 4, 11
"""Columns: the predicted error, then the radius; the first of the three coordinates; the target registration error,
shown where true places are known."""
COLORS = {GOOD: (0.75, 0.91, 0.77), CHECK: (1.0, 0.92, 0.68), DO_NOT_TRUST: (0.97, 0.76, 0.74)}
OUTDATED_COLOR = (0.82, 0.82, 0.82)


class PlanStep:
    """The nodes to propagate, the targets, the report."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        self._logic: Tell2RegLogic = panel.logic
        self._plan: PropagatedPlan | None = None
        self._shown: tuple = ()
        self._filling = False
        self._saves = SaveWatch(self._beforeSaving, panel.update)
        self._soon = qt.QTimer()
        self._soon.setSingleShot(True)
        self._soon.connect("timeout()", self._display)
        ui = self._ui
        self._kinds = dict(zip(CARRY_BY, (_("deformable"), _("affine"), _("rigid")), strict=True))
        self._directions = {MOVING_TO_FIXED: _("moving to fixed"), FIXED_TO_MOVING: _("fixed to moving")}
        for combo, texts in ((ui.directionCombo, self._directions), (ui.carryByCombo, self._kinds)):
            for value, text in texts.items():
                combo.addItem(text, value)
        ui.directionCombo.connect("activated(int)", lambda index: self._choose("direction", ui.directionCombo, index))
        ui.carryByCombo.connect("activated(int)", lambda index: self._choose("carryBy", ui.carryByCombo, index))
        ui.planList.connect("itemChanged(QListWidgetItem*)", self._itemChanged)
        ui.propagateButton.connect("clicked(bool)", self._propagate)
        headers = (
            _("Target"),
            _("Verdict"),
            _("Predicted,\nmm"),
            _("Radius,\nmm"),
            *plan.POSITION_HEADERS,
            _("Moved,\nmm"),
            _("Nearest\nregion, mm"),
            _("det J"),
            _("Spread,\nmm"),
            _("Error,\nmm"),
        )
        tables.prepare(ui.targetsTable, headers)
        ui.targetsTable.setColumnHidden(ERROR_COLUMN, True)
        ui.targetsTable.connect("itemSelectionChanged()", self._selected)
        self.row = RunRow(
            panel.logic.runs, REPORT, ui.reportButton, ui.reportProgress, ui.reportLabel, self._saveReport
        )

    def update(self) -> None:
        """List the candidates, enable the buttons, show the verdicts stored in the scene."""
        parameters, ui = self._logic.parameters, self._ui
        ui.directionCombo.setCurrentIndex(ui.directionCombo.findData(parameters.direction))
        ui.carryByCombo.setCurrentIndex(ui.carryByCombo.findData(plan.chosenKindOf(parameters)))
        self._note()
        self._list()
        why = self._logic.whyNotPropagate(plan.chosenNodes(parameters))
        if self._panel.busy:
            why = _("A run is in progress: wait for it, or cancel it first.")
        self._panel.enable(ui.propagateButton, why)
        self.row.update(self._logic.whyNotReport())
        self._showPlan()
        self.displaySoon()

    def displaySoon(self) -> None:
        """Bring the plan into the views when the event loop runs next: view copies are added and removed."""
        self._soon.start(0)

    def _display(self) -> None:
        """Originals and copies in the views of their patients, as long as the views are the panel's."""
        parameters = self._logic.parameters
        if not self._panel.entered or self._saves.asking or slicer.mrmlScene.IsBatchProcessing():
            return
        if displayed_transform.hasCopy(parameters) and not input_checks.whyNotImages(parameters):
            plan_display.show(parameters, self._panel.viewControls.displayMode())
            self._saves.watch([parameters.fixedVolume, parameters.movingVolume])
        else:
            self.release()

    def _beforeSaving(self) -> None:
        """Restore the display of the user's nodes before the scene is saved."""
        plan_display.restore(slicer.mrmlScene)
        self._panel.regions.release()

    def forget(self) -> None:
        """Forget observed nodes, when the scene is closed."""
        self._soon.stop()
        self._saves.stop()

    def release(self) -> None:
        """Restore the display of all nodes, when the user leaves the module."""
        self.forget()
        plan_display.release(self._logic.parameters)

    def check(self, nodes: Sequence) -> None:
        """Check exactly these nodes in the list."""
        plan.chooseNodes(self._logic.parameters, nodes)
        self._panel.update()

    def _note(self) -> None:
        """Show a note if the views display another transform than the one chosen for propagation."""
        parameters = self._logic.parameters
        carryBy = plan.chosenKindOf(parameters)
        differs = (
            parameters.shown in self._kinds and parameters.shown != carryBy and not input_checks.whyNotUse(parameters)
        )
        self._ui.carryByNote.setVisible(differs)
        self._ui.carryByNote.text = (
            _("The views show the {shown} transform; the plan is propagated with the {carryBy} one.").format(
                shown=self._kinds[parameters.shown], carryBy=self._kinds[carryBy]
            )
            if differs
            else ""
        )

    def _list(self) -> None:
        """One line per node; filled again only when nodes have come, gone or changed their names."""
        nodes = plan.candidates(self._logic.parameters)
        chosen = {node.GetID() for node in plan.chosenNodes(self._logic.parameters)}
        known = [(node.GetID(), node.GetName()) for node in nodes]
        widget = self._ui.planList
        listedItems = [(widget.item(i).data(qt.Qt.UserRole), widget.item(i).text()) for i in range(widget.count)]
        self._filling = True
        try:
            if known != listedItems:
                widget.clear()
                for node in nodes:
                    item = qt.QListWidgetItem(node.GetName())
                    item.setData(qt.Qt.UserRole, node.GetID())
                    item.setToolTip(node.GetNodeTagName())
                    item.setFlags(item.flags() | qt.Qt.ItemIsUserCheckable)
                    item.setCheckState(qt.Qt.Unchecked)  # without a state there is no box to check
                    widget.addItem(item)
            for i in range(widget.count):
                state = qt.Qt.Checked if widget.item(i).data(qt.Qt.UserRole) in chosen else qt.Qt.Unchecked
                if widget.item(i).checkState() != state:
                    widget.item(i).setCheckState(state)
        finally:
            self._filling = False

    # --- verdicts ---

    def _showPlan(self) -> None:
        """The verdicts that the scene keeps; filled again only when they or what they depend on have changed."""
        parameters = self._logic.parameters
        carriedPlan = verdict_record.storedPlan(parameters)
        outdated = ""
        if carriedPlan:
            outdated = verdict_record.whyOutdated(
                parameters, carriedPlan, input_checks.whyNotUse(parameters) or self._logic.whyOutdated()
            )
        truth = parameters.trueTargets and parameters.trueTargets.GetID()
        displayed = (parameters.carriedPlan if carriedPlan else "", outdated, truth)
        if displayed == self._shown:
            return
        self._shown, self._plan = displayed, carriedPlan
        trusts = carriedPlan.trusts if carriedPlan else ()
        errors = plan.errorsOf(parameters, trusts)
        self._fill(trusts, errors, outdated)
        for widget in (self._ui.targetsTable, self._ui.targetsHeading, self._ui.targetWhy):
            widget.setVisible(bool(trusts))
        self._ui.targetsHeading.text = self._heading(carriedPlan, outdated) if carriedPlan else ""
        texts = (_errorText(errors), _basisText(trusts), _("Select a target to see the reasons for its verdict."))
        self._ui.targetWhy.text = " ".join(text for text in texts if text)

    def _fill(self, trusts: Sequence, errors: Sequence, outdated: str) -> None:
        table = self._ui.targetsTable
        table.setRowCount(len(trusts))
        for line, trust in enumerate(trusts):
            tables.cell(table, line, 0, trust.name)
            verdict = tables.cell(table, line, 1, translated(trust.verdict), outdated or " ".join(trust.reasons))
            tables.color(verdict, OUTDATED_COLOR if outdated else COLORS[trust.verdict])
            for column, value in enumerate((trust.predicted_mm, trust.radius_mm), RADIUS_COLUMN):
                tables.figure(table, line, column, value, 1)
            for axis, part in enumerate(plan.shownPosition(trust)):
                tables.figure(table, line, POSITION_COLUMN + axis, part, 1)
            measures = ((trust.moved_mm, 1), (trust.nearest_mm, 1), (trust.det_j, 2), (trust.spread_mm, 1))
            for column, (value, digits) in enumerate(measures, POSITION_COLUMN + 3):
                tables.figure(table, line, column, value, digits)
            tables.figure(table, line, ERROR_COLUMN, None if errors[line] is None else errors[line][1], 1)
        table.setColumnHidden(ERROR_COLUMN, not any(errors))
        tables.fitHeight(table)

    def _heading(self, carriedPlan: PropagatedPlan, outdated: str) -> str:
        text = _("Propagated {direction} with the {carryBy} transform. R, A, S: propagated position of each target.")
        heading = text.format(
            direction=self._directions.get(carriedPlan.direction, carriedPlan.direction),
            carryBy=self._kinds.get(carriedPlan.carriedBy, carriedPlan.carriedBy),
        )
        return _("Outdated: {why} {heading}").format(why=outdated, heading=heading) if outdated else heading

    # --- what a person does ---

    def _itemChanged(self, item: Any) -> None:
        if self._filling:
            return
        parameters, name = self._logic.parameters, item.data(qt.Qt.UserRole)
        isChecked = item.checkState() == qt.Qt.Checked
        chosen = {node.GetID() for node in plan.chosenNodes(parameters)} - {name} | ({name} if isChecked else set())
        self.check([node for node in plan.candidates(parameters) if node.GetID() in chosen])

    def _choose(self, parameter: str, combo: Any, index: int) -> None:
        setattr(self._logic.parameters, parameter, combo.itemData(index))
        self._panel.update()

    def _propagate(self, _checked: bool = False) -> None:
        parameters, outdated = self._logic.parameters, self._logic.whyOutdated()
        question = _("{why} Propagate the plan with this outdated fit anyway?").format(why=outdated)
        if outdated and not slicer.util.confirmYesNoDisplay(question):
            return
        try:
            with slicer.util.WaitCursor():
                copies, trusts = self._logic.propagate(plan.chosenNodes(parameters), allowOutdated=bool(outdated))
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.PLAN)
            return
        doubtful = sum(trust.verdict != GOOD for trust in trusts)
        message = _("Copies made: {count}, with the {carryBy} transform; the originals are unchanged.").format(
            count=len(copies), carryBy=self._kinds[parameters.carryBy]
        )
        if doubtful:
            message += " " + _("{doubtful} of {all} targets need checking.").format(doubtful=doubtful, all=len(trusts))
        self._panel.say(message, messages.WARNING if doubtful else messages.INFO, messages.PLAN)
        self._panel.update()

    def _selected(self) -> None:
        rows = tables.selectedRows(self._ui.targetsTable)
        if self._plan is None or not rows or rows[0] >= len(self._plan.trusts):
            return
        trust = self._plan.trusts[rows[0]]
        self._ui.targetWhy.text = f"{trust.name}: {translated(trust.verdict)}. {' '.join(trust.reasons)}"
        ends = (trust.fixed_lps_mm, trust.moving_lps_mm)
        fixed, moving = ends if self._plan.direction == MOVING_TO_FIXED else ends[::-1]
        self._panel.views.jump(np.asarray(fixed), self._panel.viewControls.displayedPosition(np.asarray(moving)))

    def _saveReport(self) -> None:
        parent = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder for the report"), "")
        if not parent:
            return
        parameters = self._logic.parameters
        name = f"{parameters.movingVolume.GetName()} to {parameters.fixedVolume.GetName()}"
        onMoving = parameters.direction == MOVING_TO_FIXED
        markups = [node for node in plan.chosenNodes(parameters) if onMoving and node.IsA("vtkMRMLMarkupsNode")]
        try:
            self._logic.saveReport(plan.newFolder(parent, name), markups)
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.REPORT)
        self._panel.update()


def _errorText(errors: Sequence) -> str:
    known = [error for error in errors if error is not None]
    if not known:
        return ""
    before, after = (sum(error[number] for error in known) / len(known) for number in (0, 1))
    return _("Mean error of {count} targets with known positions: {after} mm ({before} mm unregistered).").format(
        count=len(known), after=tables.number(after, 1), before=tables.number(before, 1)
    )


def _basisText(trusts: Sequence) -> str:
    """What the radii rest on."""
    bases = dict.fromkeys(trust.basis for trust in trusts if trust.radius_mm is not None)
    return " ".join(_("Radius: {basis}").format(basis=basis) for basis in bases)
