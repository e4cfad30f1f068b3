"""Propagates plans with the fitted transforms, and writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.slicer_module.logic import fitted_regions, input_checks, plan, plan_display, verdict_record
from Tell2RegLib.slicer_module.logic.core import REPORT
from Tell2RegLib.slicer_module.logic.fitting import FittingLogic
from Tell2RegLib.slicer_module.logic.parameters import CARRY_BY
from Tell2RegLib.slicer_module.logic.setting_parameters import chosenSettings, trustParameters
from Tell2RegLib.slicer_module.logic.verdict_record import PropagatedPlan
from Tell2RegLib.slicer_module.scene.markups import points_of
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.trust.model_file import model_from
from Tell2RegLib.worker.requests import ReportReply, ReportRequest


class PropagationLogic(FittingLogic):
    """Propagates plans and writes the report."""

    def whyNotPropagate(self, nodes: Sequence) -> str:
        """Why nothing can be propagated, one sentence; empty if it can."""
        return input_checks.whyNotUse(self.parameters) or ("" if nodes else "Choose at least one node to propagate.")

    def propagate(self, nodes: Sequence, carryBy: str = "", allowOutdated: bool = False) -> tuple[list, tuple]:
        """Propagate copies of nodes to the other volume, in `parameters.direction`.

        Args:
            nodes: markups, segmentations, models or volumes; they stay as they are.
            carryBy: "deformable", "affine" or "rigid"; `parameters.carryBy` when empty.
            allowOutdated: carry also by a fit whose pairs, smoothness or regions have changed since.

        Returns:
            The copies, and a `TargetTrust` for every control point of the markups.

        Raises:
            InputError: there is no transform, it is outdated, a node cannot be carried, or the bounds of the verdicts
                contradict each other.
        """
        input_checks.raiseIf(self.whyNotPropagate(nodes))
        parameters, outdated = self.parameters, self.whyOutdated()
        if carryBy and carryBy not in CARRY_BY:
            raise InputError(f"A plan is propagated with {', '.join(CARRY_BY)}, not with '{carryBy}'.")
        if outdated and not allowOutdated:
            raise InputError(f"{outdated[:-1]}: fit again (step 4), or propagate it with allowOutdated=True.")
        settings = chosenSettings(parameters, TrustSettings)
        parameters.carryBy = carryBy or plan.chosenKindOf(parameters)
        planMap = plan.mapOf(parameters, by=parameters.carryBy)
        copies = plan.propagateAll(parameters, nodes, planMap)
        pairs = fitted_regions.pairsNow(parameters, self._fittedRows())
        volumes, learned = input_checks.readVolumes(parameters), self.fitSummary.get("error_model")
        trusts = plan.trustOf(nodes, pairs, planMap, settings, volumes, model_from(learned) if learned else None)
        plan.fillTargets(parameters, trusts)
        plan_display.showRadii(parameters, trusts, planMap.target, planMap.carriedBy)
        verdict_record.keep(
            parameters,
            PropagatedPlan(
                trusts,
                parameters.direction,
                parameters.carryBy,
                verdict_record.fitKey(parameters),
                trustParameters(parameters),
            ),
        )
        return copies, trusts

    def saveReport(
        self, folder: str | Path, planNodes: Sequence = (), overwrite: bool = False, waitForCompletion: bool = False
    ) -> None:
        """Write report.html with the transform, the regions and the tables into a folder (docs/result-folder.md).

        Args:
            folder: a new folder, or one with an earlier result when `overwrite`.
            planNodes: markups on the moving volume to carry in the report, with the errors of the targets where
                `parameters.trueTargets` names all of them.

        Raises:
            Tell2RegError: there is no fit of the pairs as they are now, or with `waitForCompletion` what went wrong.
        """
        input_checks.raiseIf(self.whyNotReport())
        _, fit = self._fitRequest()
        points = self._planFor(planNodes) if planNodes else None
        truth = plan.truthFor(self.parameters, points.names) if points else None
        settings = chosenSettings(self.parameters, TrustSettings)
        request = ReportRequest(fit, points, Path(folder), overwrite, truth, settings)
        self.runs.start(REPORT, request, self._reported, waitForCompletion)

    def whyNotReport(self) -> str:
        """Why no report can be written, one sentence; empty if it can."""
        old = "The pairs or the settings have changed since the fit: fit again (step 4)." if self.fitIsOld else ""
        return self.whyNotFit() or input_checks.whyNotUse(self.parameters) or old

    def _planFor(self, nodes: Sequence) -> PointList:
        """The points of these markups under the initial transform of the moving volume."""
        lists, initial = [points_of(node) for node in nodes], input_checks.initialMatrix(self.parameters)
        positions = np.concatenate([points.points_lps_mm for points in lists])
        if initial is not None:
            positions = apply_affine(initial, positions)
        return PointList(tuple(name for points in lists for name in points.names), positions)

    def _reported(self, reply: ReportReply) -> None:
        self.report = reply.report
