"""What the module does, for the panel and for scripts: nodes in, nodes out; no widget, no dialog.

From a script in Slicer:

    logic = slicer.util.getModuleLogic("Tell2Reg")
    logic.registerVolumes(fixedNode, movingNode, ["prostate", "bladder"])      # find, fit; raises in one sentence
    logic.parameters.deformableTransform                                       # vtkMRMLGridTransformNode
    copies, trusts = logic.propagate([planNode])                               # copies; the plan stays as it is
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer.util
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.by_name import pairs_by_name
from Tell2RegLib.matching.pairs import unpaired
from Tell2RegLib.slicer_module.logic import fitted_regions, input_checks, plan, plan_record
from Tell2RegLib.slicer_module.logic.fitted_regions import FittedRegions
from Tell2RegLib.slicer_module.logic.found_summary import FoundSummary, summaryOfFound
from Tell2RegLib.slicer_module.logic.parameters import (
    CARRY_BY,
    SEARCH_DEFAULTS,
    WORDS,
    Tell2RegParameterNode,
    promptsOf,
)
from Tell2RegLib.slicer_module.logic.plan_record import CarriedPlan
from Tell2RegLib.slicer_module.run.run_inputs import RunInputs
from Tell2RegLib.slicer_module.run.runs import Outcome, Runs
from Tell2RegLib.slicer_module.run.signal import Signal
from Tell2RegLib.slicer_module.scene import pair_decisions, result_nodes
from Tell2RegLib.slicer_module.scene.coordinates import SIGNS
from Tell2RegLib.slicer_module.scene.fit_summary import SUMMARY, FitRow, fromTheVolumeAsItLies, rowsOfFit, summaryOf
from Tell2RegLib.slicer_module.scene.markups import points_of
from Tell2RegLib.slicer_module.scene.pair_decisions import History, Rows
from Tell2RegLib.slicer_module.scene.result_nodes import FoundPairs
from Tell2RegLib.slicer_module.scene.sample_data import addDemoPair
from Tell2RegLib.slicer_module.scene.segmentations import regions_from_segmentation
from Tell2RegLib.slicer_module.scene.stored_values import mappingOf
from Tell2RegLib.slicer_module.scene.transforms import interpolate_linearly
from Tell2RegLib.slicer_module.scene.volumes import grid_of_node
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker.requests import (
    DemoReply,
    DemoRequest,
    FindReply,
    FindRequest,
    FitReply,
    FitRequest,
    ReportReply,
    ReportRequest,
)

FIND, FIT, REPORT, DEMO = "find", "fit", "report", "demo"


class Tell2RegLogic(ScriptedLoadableModuleLogic):
    """Finds, pairs, fits and carries; every choice and result is in `parameters`, the parameter node.

    Signals: `pairsChanged()`, `fitChanged()`, `regionsFound(FoundSummary)`, `demoLoaded(DemoNodes)`, and those of
    `runs`.

    Args:
        runs: who runs the worker; `module/application.py` makes one for Slicer.
    """

    def __init__(self, runs: Runs | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._runs = runs
        self._history = History()
        self._rows: tuple[str, Rows] = ("", ())
        self.pairsChanged, self.fitChanged, self.regionsFound = Signal(), Signal(), Signal()
        self._regions = FittedRegions()
        self.demoLoaded = Signal()
        self.isChanging = False
        """Whether a result is just being put into the scene: half of it is there."""
        self.parameters = Tell2RegParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    def getParameterNode(self) -> Tell2RegParameterNode:
        """The parameter node of the present scene."""
        self.parameters = Tell2RegParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))
        for node in (self.parameters.deformableTransform, self.parameters.inverseTransform):
            if node is not None:  # fields that Slicer has read from a scene are splines to it until told otherwise
                interpolate_linearly(node)
        return self.parameters

    @property
    def runs(self) -> Runs:
        """Who runs the worker; made when it is first needed."""
        if self._runs is None:
            from Tell2RegLib.slicer_module.run.application import makeRuns

            self._runs = makeRuns()
        return self._runs

    def close(self) -> None:
        """End the worker and whatever it does; the logic can still be used."""
        runs, self._runs = self._runs, None
        if runs is not None:
            runs.close()

    def loadDemoPair(self, waitForCompletion: bool = False) -> None:
        """Have the demo pair made by the worker, and choose it.

        Args:
            waitForCompletion: return when it is there, and raise if it failed; else `demoLoaded` tells.
        """
        self.runs.start(DEMO, DemoRequest(), self._demoMade, waitForCompletion)

    def _demoMade(self, reply: DemoReply) -> None:
        nodes = addDemoPair(self.parameters.parameterNode.GetScene(), reply)
        own = self.parameters
        own.fixedVolume, own.movingVolume, own.initialTransform = nodes.fixed, nodes.moving, None
        own.trueTargets = nodes.truth
        self.demoLoaded.emit(nodes)

    # --- one call for scripts ---

    def registerVolumes(
        self,
        fixedNode,
        movingNode,
        prompts: Sequence[str] | None = None,
        fixedSegmentation=None,
        movingSegmentation=None,
        models: str = "demo",
        device: str = "auto",
        smoothness: float | None = None,
        initialTransform=None,
        **options: Any,
    ):
        """Find regions by words, or take those of two segmentations, pair them, and fit; returns when all is done.

        Whatever is not given has its default, also when the panel or an earlier call chose something else. The nodes of
        an earlier result are kept: they stay in the scene in a folder of their own, named after their volumes.

        Args:
            fixedNode, movingNode: vtkMRMLScalarVolumeNode.
            prompts: the words; None to take the segmentations.
            fixedSegmentation, movingSegmentation: vtkMRMLSegmentationNode.
            models, device: as the library calls them.
            smoothness: of the fit; None takes what suits words or drawn regions.
            initialTransform: vtkMRMLLinearTransformNode, rigid: lays the moving volume roughly onto the fixed one.
            options: of the search, by their names in the parameter node: `similarityThreshold=0.9`, `sliceStep=2`, ...

        Returns:
            The grid transform node, from parent: the moving volume put under it is shown in fixed space.

        Raises:
            Tell2RegError: what went wrong, in one sentence.
        """
        own = self.getParameterNode()
        unknown = sorted(set(options) - set(SEARCH_DEFAULTS))
        if unknown:
            raise InputError(f"There is no option '{unknown[0]}'; there are {', '.join(SEARCH_DEFAULTS)}.")
        self._setAside()
        own.fixedVolume, own.movingVolume, own.initialTransform = fixedNode, movingNode, initialTransform
        own.trueTargets, own.direction = None, plan.MOVING_TO_FIXED
        for name, value in {**SEARCH_DEFAULTS, **options}.items():
            setattr(own, name, value)
        own.models, own.device = models, device
        own.source = "segmentations" if prompts is None else WORDS
        own.prompts = "\n".join(prompts or ())
        own.fixedSegmentation, own.movingSegmentation = fixedSegmentation, movingSegmentation
        own.smoothness = smoothness if smoothness is not None else (0.5 if prompts is None else 2.0)
        self.findRegions(waitForCompletion=True)
        self.fit(waitForCompletion=True)
        return own.deformableTransform

    def _setAside(self) -> str:
        """Keep the nodes of an earlier result in a folder of their own and forget them; the folder's name."""
        own = self.parameters
        names = [input_checks.resultVolume(own, side) or "?" for side in ("moving", "fixed")]
        folder = result_nodes.setAside(own, f"{result_nodes.FOLDER}: {names[0]} to {names[1]}")
        own.pairs = own.fittedPairs = own.fitSummary = own.carriedPlan = ""
        own.shown = "none"
        self._history.forget()
        return folder

    # --- regions ---

    def whyNotFind(self) -> str:
        """Why no regions can be looked for, one sentence; empty when they can."""
        return input_checks.whyNotFind(self.parameters)

    def findRegions(self, waitForCompletion: bool = False) -> None:
        """Look for the words in both volumes, or read the two segmentations, and pair what is there.

        Args:
            waitForCompletion: return when it is done, and raise if it failed; else `runs.ended` tells.

        Raises:
            Tell2RegError: what is missing, or with `waitForCompletion` what went wrong.
        """
        own = self.parameters
        input_checks.raiseIf(self.whyNotFind())
        fixed, moving = input_checks.readVolumes(own)
        keep = RunInputs(own)
        if own.source != WORDS:
            self._showFound(self._pairsOfSegmentations(fixed, moving), keep, moving)
            return
        request = FindRequest(
            fixed=fixed,
            moving=moving,
            prompts=promptsOf(own.prompts),
            models=own.models,
            device=own.device,
            box_threshold=own.boxThreshold or None,
            spacing_mm=own.spacingMm,
            slice_step=own.sliceStep,
            paper_mode=own.paperMode,
            threshold=own.similarityThreshold,
            cross_prompts=own.crossPrompts,
        )
        self.runs.start(FIND, request, lambda reply: self._found(reply, keep, moving), waitForCompletion)

    def _pairsOfSegmentations(self, fixed: Volume, moving: Volume) -> FindReply:
        own = self.parameters
        ours, empty = regions_from_segmentation(own.fixedSegmentation, fixed.grid)
        theirs, alsoEmpty = regions_from_segmentation(own.movingSegmentation, grid_of_node(own.movingVolume))
        regions = list(ours.values()), [replace(region, grid=moving.grid) for region in theirs.values()]
        for side, some in (("fixed", regions[0]), ("moving", regions[1])):
            if not some:
                raise InputError(f"No segment of the {side} segmentation has a voxel inside the {side} volume.")
        pairs = pairs_by_name(*regions)
        left = unpaired(pairs, *regions)
        said = [f"The segment '{name}' is empty and was left out." for name in (*empty, *alsoEmpty)]
        return FindReply(pairs, *left, tuple(said), "", (), {}, {})

    def _found(self, reply: FindReply, keep: RunInputs, moving: Volume) -> None:
        keep.raiseIfGone(self.parameters)
        if not reply.pairs and self.rows:
            raise InputError(f"{reply.reason} The regions of before are kept.")
        self._showFound(reply, keep, moving)
        if reply.reason:
            raise InputError(reply.reason)

    def _showFound(self, reply: FindReply, keep: RunInputs, moving: Volume) -> None:
        with self._inOneGo():
            summary = self._putFound(reply, keep, moving)
        self.pairsChanged.emit()
        self.fitChanged.emit()
        self.regionsFound.emit(summary)

    @contextmanager
    def _inOneGo(self) -> Iterator[None]:
        """Put a result into the scene: whoever shows the parameters does so once, at the end, not after each change."""
        self.isChanging = True
        try:
            with slicer.util.NodeModify(self.parameters.parameterNode):
                yield
        finally:
            self.isChanging = False

    def _putFound(self, reply: FindReply, keep: RunInputs, moving: Volume) -> FoundSummary:
        own = self.parameters
        lying = grid_of_node(keep.moving)
        there = [replace(pair, moving=replace(pair.moving, grid=lying)) for pair in reply.pairs]
        alone = [replace(region, grid=lying) for region in reply.unpaired_moving]
        found = FoundPairs(there, reply.unpaired_fixed, alone)
        own.shown, earlier = "none", self._makeRoom()
        rows = result_nodes.showFound(own, found, reply.pairs)
        summary = summaryOfFound(reply.pairs, reply.unpaired_fixed, reply.unpaired_moving, earlier)
        own.words = "\n".join([*reply.messages, *filter(None, [summary.partnerless])])
        own.modelHashes = json.dumps(dict(reply.models))
        own.foundParameters = json.dumps(dict(reply.parameters), default=str)
        own.fittedPairs = own.fitSummary = ""
        self._history.forget()
        own.pairs = pair_decisions.to_json(rows)
        return summary

    def _makeRoom(self) -> str:
        """Keep results of other volumes; those of the same two volumes are replaced. What was done, one sentence."""
        own = self.parameters
        if input_checks.whyForeign(own):
            return f"The earlier result, of other volumes, is kept in the folder '{self._setAside()}'."
        if own.fixedRegions is None and own.deformableTransform is None:
            return ""
        what = "regions" if own.deformableTransform is None else "regions and transforms"
        return f"They replace the earlier {what} of the same two volumes."

    # --- decisions ---

    @property
    def rows(self) -> Rows:
        """The pairs as they are decided now; none while other volumes than theirs are chosen."""
        text = "" if input_checks.whyForeign(self.parameters) else self.parameters.pairs
        if text != self._rows[0]:
            self._rows = (text, pair_decisions.from_json(text))
        return self._rows[1]

    def _keep(self, rows: Rows) -> None:
        self.parameters.pairs = pair_decisions.to_json(rows)
        self.pairsChanged.emit()

    def _decide(self, change: Callable[[Rows], Rows]) -> None:
        rows = self._history.step(self.rows, change)
        if rows != self.rows:
            self._showRows(rows)

    def _showRows(self, rows: Rows) -> None:
        result_nodes.showDecisions(self.parameters, rows)
        self._keep(rows)

    def accept(self, numbers: Collection[int]) -> None:
        """Use the pairs of these numbers in the fit."""
        self._decide(lambda rows: pair_decisions.decided(rows, numbers, True))

    def reject(self, numbers: Collection[int]) -> None:
        """Leave the pairs of these numbers out of the fit."""
        self._decide(lambda rows: pair_decisions.decided(rows, numbers, False))

    def rename(self, number: int, name: str) -> None:
        """Give a pair another name, on both sides."""
        self._decide(lambda rows: pair_decisions.renamed(rows, number, name))

    def pairByHand(self, fixedSegment: str, movingSegment: str, name: str = "") -> None:
        """Take two segments of Tell2Reg's segmentations, by their ids, for the same thing.

        Raises:
            InputError: one of them is empty or not there, or they are a pair already.
        """
        own = self.parameters
        input_checks.raiseIf(input_checks.whyForeign(own))
        if own.fixedRegions is None or own.movingRegions is None:
            raise InputError("There are no segments to pair yet: find regions first.")
        ours, theirs = input_checks.readRegions(own, *input_checks.readGrids(own))
        for side, regions, segment in (("fixed", ours, fixedSegment), ("moving", theirs, movingSegment)):
            if segment not in regions:
                raise InputError(f"The {side} segment that was chosen is empty: draw something in it first.")
        name = name or own.fixedRegions.GetSegmentation().GetSegment(fixedSegment).GetName()
        measures = result_nodes.measuresOf(RegionPair(ours[fixedSegment], theirs[movingSegment]))
        self._decide(
            lambda rows: pair_decisions.paired_by_hand(rows, fixedSegment, movingSegment, name, measures=measures)
        )

    def forgetDecisions(self) -> None:
        """Another scene: what was decided in the one before cannot be taken back here."""
        self._history.forget()

    @property
    def canUndo(self) -> bool:
        """Whether a decision can be taken back."""
        return self._history.can_undo and not input_checks.whyForeign(self.parameters)

    @property
    def canRedo(self) -> bool:
        """Whether a decision can be done again."""
        return self._history.can_redo and not input_checks.whyForeign(self.parameters)

    def undo(self) -> None:
        """Take the last decision back."""
        self._showRows(self._history.undo(self.rows))

    def redo(self) -> None:
        """Do the decision again that was taken back."""
        self._showRows(self._history.redo(self.rows))

    def placesOf(self, number: int) -> tuple[Floats | None, Floats | None]:
        """Centres of a pair's segments, (3,) LPS mm each, in the fixed volume and in the moving one as it lies."""
        row, own, places = pair_decisions.row_of(self.rows, number), self.parameters, []
        for node, segment in ((own.fixedRegions, row.fixed), (own.movingRegions, row.moving)):
            known = node is not None and node.GetSegmentation().GetSegment(segment) is not None
            center = node.GetSegmentCenter(segment) if known else None
            places.append(None if center is None else np.array(center) * SIGNS)
        return places[0], places[1]

    # --- fit ---

    def whyNotFit(self) -> str:
        """Why nothing can be fitted, one sentence; empty when it can."""
        return input_checks.whyNotFit(self.parameters, self.rows)

    @property
    def fitSummary(self) -> dict[str, Any]:
        """What the fit did, in numbers; empty before a fit, and where the scene keeps it damaged."""
        summary = mappingOf(self.parameters.fitSummary)
        return summary if set(SUMMARY) <= set(summary) else {}

    @property
    def fitRows(self) -> tuple[FitRow, ...]:
        """What the fit that `fitSummary` tells of did to every pair, whatever was decided since."""
        return rowsOfFit(self.fitSummary)

    @property
    def fitIsOld(self) -> bool:
        """Whether the accepted pairs or the smoothness have changed since the fit."""
        fitted = self.parameters.fittedPairs
        if not fitted:
            return False
        stiffer = self.fitSummary.get("smoothness", self.parameters.smoothness) != self.parameters.smoothness
        return stiffer or not pair_decisions.same_for_the_fit(pair_decisions.from_json(fitted), self.rows)

    def fit(self, waitForCompletion: bool = False) -> None:
        """Fit rigid, affine and deformable transforms to the accepted pairs, with the segments as they are now.

        Args:
            waitForCompletion: return when it is done, and raise if it failed; else `runs.ended` tells.

        Raises:
            Tell2RegError: what is missing, or with `waitForCompletion` what went wrong.
        """
        requested, request = self._fitRequest()
        keep, initial, rows = RunInputs(self.parameters), input_checks.initialMatrix(self.parameters), self.rows

        def fitted(reply: FitReply) -> None:
            keep.raiseIfGone(self.parameters)
            if reply.transform is None or reply.jacobian is None:
                raise InputError(reply.reason)
            with self._inOneGo():
                self._putFit(reply, request, requested, initial, rows)
            self.pairsChanged.emit()
            self.fitChanged.emit()

        self.runs.start(FIT, request, fitted, waitForCompletion)

    def _fitRequest(self) -> tuple[Rows, FitRequest]:
        own = self.parameters
        input_checks.raiseIf(self.whyNotFit())
        fixed, moving = input_checks.readVolumes(own)
        pairs = input_checks.readPairs(own, self.rows, fixed.grid, moving.grid)
        request = FitRequest(
            fixed=fixed,
            moving=moving,
            pairs=tuple(pair for _, pair in pairs),
            smoothness=own.smoothness,
            device=own.device,
            prompts=promptsOf(own.prompts) if own.source == WORDS else (),
            models=mappingOf(own.modelHashes),
            parameters=mappingOf(own.foundParameters),
        )
        return tuple(row for row, _ in pairs), request

    def _putFit(
        self,
        reply: FitReply,
        request: FitRequest,
        requested: Rows,
        initial: Floats | None,
        rows: Rows,
    ) -> None:
        """Show a fit.

        Args:
            requested: the rows of the request's pairs.
            rows: all of them when the fit was asked for.
        """
        transform, linear = fromTheVolumeAsItLies(reply, initial)
        own = self.parameters
        own.shown = "none"
        result_nodes.showFit(own, transform, linear, reply.jacobian, reply.provenance)
        own.fitSummary = json.dumps({**summaryOf(reply, request.pairs, requested), "smoothness": request.smoothness})
        own.fittedPairs = pair_decisions.to_json(rows)
        measures = {
            row.number: {"distance_mm": metric.centroid_mm_before, "dice": metric.dice_before}
            for row, metric in zip(requested, reply.metrics, strict=True)
        }
        self._history.revise(lambda steps: pair_decisions.remeasured(steps, measures))
        now = pair_decisions.remeasured(self.rows, measures)
        result_nodes.showDecisions(own, now)
        own.pairs, own.shown = pair_decisions.to_json(now), "deformable"

    # --- plan and report ---

    def whyNotPropagate(self, nodes: Sequence) -> str:
        """Why nothing can be carried, one sentence; empty when it can."""
        return input_checks.whyNotUse(self.parameters) or ("" if nodes else "Choose at least one node to carry.")

    def propagate(self, nodes: Sequence, carryBy: str = "", allowOutdated: bool = False) -> tuple[list, tuple]:
        """Carry copies of nodes to the other volume, in `parameters.direction`.

        Args:
            nodes: markups, segmentations, models or volumes; they stay as they are.
            carryBy: "deformable", "affine" or "rigid"; `parameters.carryBy` when empty.
            allowOutdated: carry also by a fit whose pairs, smoothness or regions have changed since.

        Returns:
            The copies, and a `TargetTrust` for every control point of the markups.

        Raises:
            InputError: there is no transform, it is outdated, or a node that cannot be carried.
        """
        input_checks.raiseIf(self.whyNotPropagate(nodes))
        own, outdated = self.parameters, self.whyOutdated()
        if carryBy and carryBy not in CARRY_BY:
            raise InputError(f"A plan is carried by {', '.join(CARRY_BY)}, not by '{carryBy}'.")
        if outdated and not allowOutdated:
            raise InputError(f"{outdated[:-1]}: fit again (step 4), or carry the plan with allowOutdated=True.")
        own.carryBy = carryBy or plan.carryByOf(own)
        copies = plan.carryAll(own, nodes)
        trusts = plan.trustOf(own, nodes, fitted_regions.pairsNow(own, self._fittedRows()))
        plan.fillTargets(own, trusts)
        plan_record.keep(own, CarriedPlan(trusts, own.direction, own.carryBy, plan_record.fitKey(own)))
        return copies, trusts

    def whyOutdated(self) -> str:
        """Why the fit is outdated, one sentence; empty when it is not, and before a fit."""
        if self.fitIsOld:
            return "The accepted pairs or the smoothness have changed since the fit."
        if self._regions.edited(self.parameters, self._fittedRows(), self.fitSummary.get("regions")):
            return "Regions have been edited since the fit."
        return ""

    def _fittedRows(self) -> Rows:
        return tuple(row for row in pair_decisions.from_json(self.parameters.fittedPairs) if row.accepted)

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
        request = ReportRequest(fit, points, Path(folder), overwrite, truth)
        self.runs.start(REPORT, request, self._reported, waitForCompletion)

    def whyNotReport(self) -> str:
        """Why no report can be written, one sentence; empty when it can."""
        old = "The pairs or the smoothness have changed since the fit: fit again (step 4)." if self.fitIsOld else ""
        return self.whyNotFit() or input_checks.whyNotUse(self.parameters) or old

    def _planFor(self, nodes: Sequence) -> PointList:
        """The points of these markups where the initial transform lays the moving volume."""
        lists, initial = [points_of(node) for node in nodes], input_checks.initialMatrix(self.parameters)
        places = np.concatenate([points.points_lps_mm for points in lists])
        if initial is not None:
            places = apply_affine(initial, places)
        return PointList(tuple(name for points in lists for name in points.names), places)

    def _reported(self, reply: ReportReply) -> None:
        self.report = reply.report


__all__ = ["DEMO", "FIND", "FIT", "REPORT", "Outcome", "Tell2RegLogic"]
