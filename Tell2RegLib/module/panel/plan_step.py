"""Step 5 of the panel: carry a plan over, and say how far each target can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.confidence import CHECK, DO_NOT_TRUST, GOOD
from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.module import plan
from Tell2RegLib.module.logic import REPORT
from Tell2RegLib.module.mrml_space import SIGNS
from Tell2RegLib.module.panel import messages, tables
from Tell2RegLib.module.panel.run_row import RunRow
from Tell2RegLib.module.plan import FIXED_TO_MOVING, MOVING_TO_FIXED

ERROR = 7
"""Column of the target registration error, shown where true places are known."""
COLORS = {GOOD: (0.75, 0.91, 0.77), CHECK: (1.0, 0.92, 0.68), DO_NOT_TRUST: (0.97, 0.76, 0.74)}


class PlanStep:
    """The nodes to carry, the targets, the report."""

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        self._trusts: tuple = ()
        self._truth = None
        self._direction = MOVING_TO_FIXED
        self._checked: set[str] = set()
        self._filling = False
        ui = self._ui
        ui.directionCombo.addItem(_("moving to fixed"), MOVING_TO_FIXED)
        ui.directionCombo.addItem(_("fixed to moving"), FIXED_TO_MOVING)
        ui.directionCombo.connect("activated(int)", self._directionChosen)
        ui.planList.connect("itemChanged(QListWidgetItem*)", self._itemChanged)
        ui.propagateButton.connect("clicked(bool)", self._propagate)
        headers = (
            _("Target"),
            _("Verdict"),
            _("Carried to,\nR A S mm"),
            _("Moved,\nmm"),
            _("Nearest\nregion, mm"),
            _("det J"),
            _("Spread,\nmm"),
            _("Error,\nmm"),
        )
        tables.prepare(ui.targetsTable, headers)
        ui.targetsTable.setColumnHidden(ERROR, True)
        ui.targetsTable.connect("itemSelectionChanged()", self._selected)
        self.row = RunRow(
            panel.logic.runs, REPORT, ui.reportButton, ui.reportProgress, ui.reportLabel, self._saveReport
        )

    def update(self) -> None:
        """List what can be carried, enable what can be used."""
        own, ui = self._logic.parameters, self._ui
        ui.directionCombo.setCurrentIndex(ui.directionCombo.findData(own.direction))
        self._list()
        why = self._logic.whyNotPropagate(self._nodes())
        if self._panel.busy:
            why = _("A run is under way: wait for it, or cancel it first.")
        self._panel.enable(ui.propagateButton, why)
        self.row.update(
            self._logic.whyNotReport(),
            _("Write report.html, the transform and the tables into a folder"),
        )
        if self._trusts and own.trueTargets is not self._truth:
            self._show(self._trusts)
        if own.targetsTable is None and self._trusts:
            self._show(())

    def forget(self) -> None:
        """Another scene: its nodes may have the same IDs."""
        self._checked = set()
        self._show(())

    def check(self, nodes: Sequence) -> None:
        """Check these nodes in the list, and no others."""
        self._checked = {node.GetID() for node in nodes}
        self.update()

    def _list(self) -> None:
        """One line per node; filled again only when nodes have come, gone or changed their names."""
        nodes = plan.candidates(self._logic.parameters)
        known = [(node.GetID(), node.GetName()) for node in nodes]
        widget = self._ui.planList
        shown = [(widget.item(i).data(qt.Qt.UserRole), widget.item(i).text()) for i in range(widget.count)]
        self._filling = True
        try:
            if known != shown:
                widget.clear()
                for node in nodes:
                    item = qt.QListWidgetItem(node.GetName())
                    item.setData(qt.Qt.UserRole, node.GetID())
                    item.setToolTip(node.GetNodeTagName())
                    item.setFlags(item.flags() | qt.Qt.ItemIsUserCheckable)
                    item.setCheckState(qt.Qt.Unchecked)  # without a state there is no box to check
                    widget.addItem(item)
            for i in range(widget.count):
                state = qt.Qt.Checked if widget.item(i).data(qt.Qt.UserRole) in self._checked else qt.Qt.Unchecked
                if widget.item(i).checkState() != state:
                    widget.item(i).setCheckState(state)
        finally:
            self._filling = False

    def _nodes(self) -> list:
        return [node for node in plan.candidates(self._logic.parameters) if node.GetID() in self._checked]

    def _show(self, trusts: Sequence) -> None:
        self._trusts, self._truth = tuple(trusts), self._logic.parameters.trueTargets
        self._direction = self._logic.parameters.direction
        errors = plan.errorsOf(self._logic.parameters, self._trusts)
        table = self._ui.targetsTable
        table.setRowCount(len(trusts))
        for line, trust in enumerate(trusts):
            tables.cell(table, line, 0, trust.name)
            verdict = tables.cell(table, line, 1, _(trust.verdict), " ".join(trust.reasons))
            tables.color(verdict, COLORS[trust.verdict])
            place = trust.fixed_lps_mm * SIGNS
            tables.cell(table, line, 2, "  ".join(tables.number(part, 1) for part in place))
            tables.figure(table, line, 3, trust.moved_mm, 1)
            tables.figure(table, line, 4, trust.nearest_mm, 1)
            tables.figure(table, line, 5, trust.det_j)
            tables.figure(table, line, 6, trust.spread_mm, 1)
            tables.figure(table, line, ERROR, None if errors[line] is None else errors[line][1], 1)
        table.setColumnHidden(ERROR, not any(errors))
        tables.fitHeight(table)
        for widget in (table, self._ui.targetWhy):
            widget.setVisible(bool(trusts))
        self._ui.targetWhy.text = _errorInWords(errors) + _("Select a target to see why it has its verdict.")

    # --- what a person does ---

    def _directionChosen(self, index: int) -> None:
        self._logic.parameters.direction = self._ui.directionCombo.itemData(index)

    def _itemChanged(self, item) -> None:
        if self._filling:
            return
        node = item.data(qt.Qt.UserRole)
        if item.checkState() == qt.Qt.Checked:
            self._checked.add(node)
        else:
            self._checked.discard(node)
        self.update()

    def _propagate(self, _checked: bool = False) -> None:
        try:
            with slicer.util.WaitCursor():
                copies, trusts = self._logic.propagate(self._nodes())
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.PLAN)
            return
        self._show(trusts)
        doubtful = sum(trust.verdict != GOOD for trust in trusts)
        said = _("Copies made: {count}; the originals are as they were.").format(count=len(copies))
        if doubtful:
            said += " " + _("{doubtful} of {all} targets need a second look.").format(
                doubtful=doubtful, all=len(trusts)
            )
        self._panel.say(said, messages.WARNING if doubtful else messages.INFO, messages.PLAN)
        self._panel.update()

    def _selected(self) -> None:
        rows = tables.selectedRows(self._ui.targetsTable)
        if not rows or rows[0] >= len(self._trusts):
            return
        trust = self._trusts[rows[0]]
        self._ui.targetWhy.text = f"{trust.name}: {_(trust.verdict)}. {' '.join(trust.reasons)}"
        ends = (trust.fixed_lps_mm, trust.moving_lps_mm)
        fixed, moving = ends if self._direction == MOVING_TO_FIXED else ends[::-1]
        self._panel.views.jump(np.asarray(fixed), self._panel.transform.whereShown(np.asarray(moving)))

    def _saveReport(self) -> None:
        parent = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder for the report"), "")
        if not parent:
            return
        own = self._logic.parameters
        name = f"{own.movingVolume.GetName()} to {own.fixedVolume.GetName()}"
        onMoving = own.direction == MOVING_TO_FIXED
        markups = [node for node in self._nodes() if onMoving and node.IsA("vtkMRMLMarkupsNode")]
        try:
            self._logic.saveReport(plan.newFolder(parent, name), markups)
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.REPORT)
        self._panel.update()


def _errorInWords(errors: Sequence) -> str:
    known = [error for error in errors if error is not None]
    if not known:
        return ""
    before, after = (sum(error[number] for error in known) / len(known) for number in (0, 1))
    return _("Mean error of {count} targets with a known place: {after} mm, {before} mm as the volumes lie. ").format(
        count=len(known), after=tables.number(after, 1), before=tables.number(before, 1)
    )
