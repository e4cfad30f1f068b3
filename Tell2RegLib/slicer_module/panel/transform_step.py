"""Step 4 of the panel: fit and compare; `view_controls` is its part for the views."""

from __future__ import annotations

from typing import Any

import ctk
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.module_logic import FIT, Tell2RegLogic
from Tell2RegLib.slicer_module.panel import fit_texts, messages, tables
from Tell2RegLib.slicer_module.panel.run_row import RunRow

STATE_HEADINGS = (_("before"), _("rigid"), _("affine"), _("deform."))
"""The columns of a measure, in the order of `transform_kinds.STATES`."""
MEASURES = (
    (_("Dice"), STATE_HEADINGS),
    (_("mm"), STATE_HEADINGS),
    (_("HD95"), (STATE_HEADINGS[0], STATE_HEADINGS[-1])),
)
"""Short headings, so that ten figures stand beside a name; the tooltip of the table says what they mean."""


class TransformStep:
    """The fit and its effect on the pairs."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        self._logic: Tell2RegLogic = panel.logic
        ui = self._ui
        self.row = RunRow(panel.logic.runs, FIT, ui.fitButton, ui.fitProgress, ui.fitLabel, self._fit)
        ui.plotButton.connect("clicked(bool)", self._plot)
        ui.calibration.filters = ctk.ctkPathLineEdit.Files | ctk.ctkPathLineEdit.Readable
        ui.calibration.nameFilters = (_("Calibration") + " (*.json)",)
        ui.calibration.connect("currentPathChanged(QString)", self._chooseCalibration)
        tables.prepare(
            ui.fitTable,
            (_("Name"), *(f"{head}\n{state}" for head, states in MEASURES for state in states)),
        )

        self._filled: tuple = ()
        """What the table was filled with last: filling it lays the panel out anew."""

    def disconnect(self) -> None:
        """Disconnect from the run."""
        self.row.disconnect()

    # --- what is shown ---

    def update(self) -> None:
        """Enable the buttons, show the results of the fit."""
        parameters, ui, logic = self._logic.parameters, self._ui, self._logic
        missing = self._panel.regions.models.missingPackages
        self.row.update(logic.whyNotFit() or missing)
        why = input_checks.whyNotUse(parameters)
        missingText = "" if parameters.pairsTable is not None else _("The fitted result was deleted: fit again")
        self._panel.enable(ui.plotButton, why or missingText)
        if ui.calibration.currentPath != parameters.calibration:
            ui.calibration.currentPath = parameters.calibration
        self._summarize(why)

    def _summarize(self, why: str) -> None:
        ui, summary = self._ui, self._logic.fitSummary
        known = bool(summary) and not why
        for widget in (ui.fitSummary, ui.fitLimits, ui.fitTable):
            widget.setVisible(known)
        if not known:
            return
        outdated = self._logic.whyOutdated()
        limits = "\n".join(fit_texts.limitTexts(summary))
        ui.fitSummary.text = fit_texts.summaryText(summary, outdated)
        ui.fitLimits.text, ui.fitLimits.styleSheet = limits, messages.STYLES[messages.WARNING]
        ui.fitLimits.setVisible(bool(limits))
        self._fillTable(outdated)

    def _fillTable(self, outdated: str) -> None:
        """The rows of the fit that the summary tells of, under the names of now; grey where that fit is outdated."""
        table, rows = self._ui.fitTable, self._logic.fitRows
        names = {(row.number, row.fixed, row.moving): row.name for row in self._logic.rows}
        content = (outdated, rows, names)
        if content == self._filled:
            return
        self._filled = content
        table.setRowCount(len(rows))
        for line, row in enumerate(rows):
            name = names.get((row.number, row.fixed, row.moving), row.name)
            tables.cell(table, line, 0, name if row.accepted else _("{name} (not used)").format(name=name))
            digits = (2,) * len(row.dice) + (1,) * len(row.distance_mm + row.hd95_mm)
            for column, value in enumerate((*row.dice, *row.distance_mm, *row.hd95_mm)):
                tables.figure(table, line, column + 1, value, digits[column])
            if outdated:
                tables.grey(table, line, fit_texts.OUTDATED.format(why=outdated))
        tables.fitHeight(table)

    # --- what a person does ---

    def _chooseCalibration(self, path: str) -> None:
        if path != self._logic.parameters.calibration:
            self._logic.parameters.calibration = path

    def _fit(self) -> None:
        self._panel.numbers.take()
        try:
            self._logic.fit()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.TRANSFORM)
        self._panel.update()

    def _plot(self, _checked: bool = False) -> None:
        from Tell2RegLib.slicer_module.scene.plots import showPairs

        showPairs(self._logic.parameters)
