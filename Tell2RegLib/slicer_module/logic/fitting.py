"""The fit of the accepted pairs, and whether it is outdated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.core import FIT
from Tell2RegLib.slicer_module.logic.decisions import DecisionsLogic
from Tell2RegLib.slicer_module.logic.parameters import byWords, promptsOf
from Tell2RegLib.slicer_module.logic.setting_parameters import chosenSettings, fitParameters
from Tell2RegLib.slicer_module.run.run_inputs import RunInputs
from Tell2RegLib.slicer_module.scene import pair_decisions, result_nodes
from Tell2RegLib.slicer_module.scene.fit_summary import SUMMARY, FitRow, rowsOfFit, summaryOf, withoutInitialTransform
from Tell2RegLib.slicer_module.scene.json_parameters import mappingOf
from Tell2RegLib.slicer_module.scene.pair_decisions import Rows
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.worker.requests import (
    FitReply,
    FitRequest,
    FitValues,
)


class FittingLogic(DecisionsLogic):
    """Fits transforms to the accepted pairs."""

    def whyNotFit(self) -> str:
        """Why no fit is possible, one sentence; empty if it is."""
        return input_checks.whyNotFit(self.parameters, self.rows)

    @property
    def fitSummary(self) -> dict[str, Any]:
        """The numbers of the fit; empty before a fit or if the stored ones are damaged."""
        summary = mappingOf(self.parameters.fitSummary)
        return summary if set(SUMMARY) <= set(summary) else {}

    @property
    def fitRows(self) -> tuple[FitRow, ...]:
        """The measures of every pair in the fit of `fitSummary`, independent of later decisions."""
        return rowsOfFit(self.fitSummary)

    @property
    def fitIsOld(self) -> bool:
        """Whether the accepted pairs or a setting of the fit have changed since the fit."""
        fitted = self.parameters.fittedPairs
        if not fitted:
            return False
        now = self._settings()
        settings = {"calibration": "", **self.fitSummary.get("settings", now)}
        return settings != now or not pair_decisions.same_for_the_fit(pair_decisions.from_json(fitted), self.rows)

    def _settings(self) -> dict[str, Any]:
        """What a fit depends on besides the pairs, by the names of the parameters."""
        return {**fitParameters(self.parameters), "calibration": self.parameters.calibration}

    def fit(self, waitForCompletion: bool = False) -> None:
        """Fit rigid, affine and deformable transforms to the accepted pairs, with the segments as they are now.

        Args:
            waitForCompletion: return when it is done, and raise if it failed; else `runs.ended` tells.

        Raises:
            Tell2RegError: what is missing, or with `waitForCompletion` what went wrong.
        """
        requested, request = self._fitRequest()
        settings = self._settings()
        keep, initial, rows = RunInputs(self.parameters), input_checks.initialMatrix(self.parameters), self.rows

        def fitted(reply: FitReply) -> None:
            keep.raiseIfChanged(self.parameters)
            fit = reply.fit
            with self._inOneGo():
                self._putFit(fit, reply, request, requested, initial, rows, settings)
            self.pairsChanged.emit()
            self.fitChanged.emit()

        self.runs.start(FIT, request, fitted, waitForCompletion)

    def _fitRequest(self) -> tuple[Rows, FitRequest]:
        parameters = self.parameters
        input_checks.raiseIf(self.whyNotFit())
        fixed, moving = input_checks.readVolumes(parameters)
        pairs = input_checks.readPairs(parameters, self.rows, fixed.grid, moving.grid)
        request = FitRequest(
            fixed=fixed,
            moving=moving,
            pairs=tuple(pair for _, pair in pairs),
            settings=chosenSettings(parameters, FitSettings),
            prompts=promptsOf(parameters.prompts) if byWords(parameters) else (),
            models=mappingOf(parameters.modelHashes),
            parameters=mappingOf(parameters.foundParameters),
            calibration=Path(parameters.calibration) if parameters.calibration else None,
        )
        return tuple(row for row, _ in pairs), request

    def _putFit(
        self,
        fit: FitValues,
        reply: FitReply,
        request: FitRequest,
        requested: Rows,
        initial: Floats | None,
        rows: Rows,
        settings: dict[str, Any],
    ) -> None:
        """Show a fit.

        Args:
            requested: the rows of the request's pairs.
            rows: all of them when the fit was asked for.
            settings: those of the fit, as parameters.
        """
        transform, linear = withoutInitialTransform(fit, initial)
        parameters = self.parameters
        parameters.shown = "none"
        result_nodes.showFit(parameters, transform, linear, fit.jacobian, reply.provenance)
        parameters.fitSummary = json.dumps({**summaryOf(fit, reply, request.pairs, requested), "settings": settings})
        parameters.fittedPairs = pair_decisions.to_json(rows)
        measures = {
            row.number: {"distance_mm": metric.centroid_mm_before, "dice": metric.dice_before}
            for row, metric in zip(requested, reply.metrics, strict=True)
        }
        self._history.revise(lambda steps: pair_decisions.remeasured(steps, measures))
        measuredRows = pair_decisions.remeasured(self.rows, measures)
        result_nodes.showDecisions(parameters, measuredRows)
        parameters.pairs, parameters.shown = pair_decisions.to_json(measuredRows), "deformable"

    def whyOutdated(self) -> str:
        """Why the fit is outdated, one sentence; empty if it is up to date, and before a fit."""
        if self.fitIsOld:
            return "The accepted pairs or the settings have changed since the fit."
        if self._regions.edited(self.parameters, self._fittedRows(), self.fitSummary.get("regions")):
            return "Regions have been edited since the fit."
        return ""

    def _fittedRows(self) -> Rows:
        return tuple(row for row in pair_decisions.from_json(self.parameters.fittedPairs) if row.accepted)
