"""Step 4 of the panel: fit and compare; `view_controls` is its part for the views."""

from __future__ import annotations

from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.module import inputs
from Tell2RegLib.module.logic import FIT
from Tell2RegLib.module.panel import messages, tables
from Tell2RegLib.module.panel.run_row import RunRow


class TransformStep:
    """The fit and what it did to the pairs."""

    def __init__(self, panel) -> None:
        self._panel, self._ui, self._logic = panel, panel.ui, panel.logic
        ui = self._ui
        self.row = RunRow(panel.logic.runs, FIT, ui.fitButton, ui.fitProgress, ui.fitLabel, self._fit)
        ui.plotButton.connect("clicked(bool)", self._plot)
        tables.prepare(
            ui.fitTable,
            (_("Name"), _("Dice"), _("after"), _("Distance, mm"), _("after"), _("HD95, mm"), _("after")),
        )

    def disconnect(self) -> None:
        """Let go of the run."""
        self.row.disconnect()

    # --- what is shown ---

    def update(self) -> None:
        """Enable what can be used, tell what the fit did."""
        own, ui, logic = self._logic.parameters, self._ui, self._logic
        self.row.update(logic.whyNotFit(), _("Fit a smooth, fold-free transform to the accepted pairs"))
        why = inputs.whyNotUse(own)
        gone = "" if own.pairsTable is not None else _("What it shows was deleted: fit again")
        self._panel.enable(ui.plotButton, why or gone)
        self._summarize(why)

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

    # --- what a person does ---

    def _fit(self) -> None:
        try:
            self._logic.fit()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.TRANSFORM)
        self._panel.update()

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
