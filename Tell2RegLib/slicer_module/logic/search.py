"""Regions found by prompts, or taken from segmentations, and paired; the demo pair."""

from __future__ import annotations

import json
from dataclasses import replace

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.by_name import pairs_by_name
from Tell2RegLib.matching.pair_check import check_pairs
from Tell2RegLib.matching.pairs import unpaired
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.core import DEMO, FIND
from Tell2RegLib.slicer_module.logic.decisions import DecisionsLogic
from Tell2RegLib.slicer_module.logic.pairs_summary import SearchSummary, searchSummary
from Tell2RegLib.slicer_module.logic.parameters import byWords, promptsOf
from Tell2RegLib.slicer_module.logic.setting_parameters import chosenSettings
from Tell2RegLib.slicer_module.run.run_inputs import RunInputs
from Tell2RegLib.slicer_module.scene import pair_decisions, result_nodes
from Tell2RegLib.slicer_module.scene.result_nodes import PairedRegions
from Tell2RegLib.slicer_module.scene.sample_data import addDemoPair
from Tell2RegLib.slicer_module.scene.segmentations import regions_from_segmentation
from Tell2RegLib.slicer_module.scene.volumes import grid_of_node
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker.requests import (
    DemoReply,
    DemoRequest,
    FindReply,
    FindRequest,
)


class SearchLogic(DecisionsLogic):
    """Fills the scene with regions and pairs."""

    def loadDemoPair(self, waitForCompletion: bool = False) -> None:
        """Create the demo pair in the worker, and choose it.

        Args:
            waitForCompletion: return when it is there, and raise if it failed; else `demoLoaded` tells.
        """
        self.runs.start(DEMO, DemoRequest(), self._demoMade, waitForCompletion)

    def _demoMade(self, reply: DemoReply) -> None:
        nodes = addDemoPair(self.parameters.parameterNode.GetScene(), reply)
        parameters = self.parameters
        parameters.fixedVolume, parameters.movingVolume, parameters.initialTransform = nodes.fixed, nodes.moving, None
        parameters.trueTargets, parameters.calibration = nodes.truth, ""
        self.demoLoaded.emit(nodes)

    def _setAside(self) -> str:
        """Move the nodes of an earlier result to a separate folder and clear the choice; returns the folder's name."""
        parameters = self.parameters
        names = [input_checks.resultVolume(parameters, side) or "?" for side in ("moving", "fixed")]
        folder = result_nodes.setAside(parameters, f"{result_nodes.FOLDER}: {names[0]} to {names[1]}")
        parameters.pairs = parameters.fittedPairs = parameters.fitSummary = parameters.carriedPlan = ""
        parameters.shown = "none"
        self._history.forget()
        return folder

    def whyNotFind(self) -> str:
        """Why no regions can be looked for, one sentence; empty when they can."""
        return input_checks.whyNotFind(self.parameters)

    def findRegions(self, waitForCompletion: bool = False) -> None:
        """Find regions by prompts in both volumes, or read the two segmentations, and pair them.

        Args:
            waitForCompletion: return when it is done, and raise if it failed; else `runs.ended` tells.

        Raises:
            Tell2RegError: what is missing, or with `waitForCompletion` what went wrong.
        """
        parameters = self.parameters
        input_checks.raiseIf(self.whyNotFind())
        fixed, moving = input_checks.readVolumes(parameters)
        keep = RunInputs(parameters)
        if not byWords(parameters):
            self._showSearch(self._pairsOfSegmentations(fixed, moving), keep)
            return
        request = FindRequest(
            fixed=fixed,
            moving=moving,
            prompts=promptsOf(parameters.prompts),
            options=chosenSettings(parameters, FindOptions),
        )
        self.runs.start(FIND, request, lambda reply: self._onRegions(reply, keep), waitForCompletion)

    def _pairsOfSegmentations(self, fixed: Volume, moving: Volume) -> FindReply:
        parameters = self.parameters
        fixedRegions, empty = regions_from_segmentation(parameters.fixedSegmentation, fixed.grid)
        movingRegions, alsoEmpty = regions_from_segmentation(
            parameters.movingSegmentation, grid_of_node(parameters.movingVolume)
        )
        regions = list(fixedRegions.values()), [replace(region, grid=moving.grid) for region in movingRegions.values()]
        for side, some in (("fixed", regions[0]), ("moving", regions[1])):
            if not some:
                raise InputError(f"No segment of the {side} segmentation has a voxel inside the {side} volume.")
        checked = check_pairs(pairs_by_name(*regions))
        unpairedRegions = unpaired(checked.pairs, *regions)
        messages = [f"The segment '{name}' is empty and was skipped." for name in (*empty, *alsoEmpty)]
        return FindReply(checked.pairs, *unpairedRegions, tuple(messages), "", (), {}, {}, remarks=checked.remarks)

    def _onRegions(self, reply: FindReply, keep: RunInputs) -> None:
        keep.raiseIfChanged(self.parameters)
        if not reply.pairs and self.rows:
            raise InputError(f"{reply.reason} The earlier regions are kept.")
        self._showSearch(reply, keep)
        if reply.reason:
            raise InputError(reply.reason)

    def _showSearch(self, reply: FindReply, keep: RunInputs) -> None:
        with self._inOneGo():
            summary = self._putRegions(reply, keep)
        self.pairsChanged.emit()
        self.fitChanged.emit()
        self.regionsFound.emit(summary)

    def _putRegions(self, reply: FindReply, keep: RunInputs) -> SearchSummary:
        parameters = self.parameters
        lying = grid_of_node(keep.moving)
        pairsInPlace = [replace(pair, moving=replace(pair.moving, grid=lying)) for pair in reply.pairs]
        alone = [replace(region, grid=lying) for region in reply.unpaired_moving]
        foundPairs = PairedRegions(pairsInPlace, reply.unpaired_fixed, alone)
        parameters.shown, earlier = "none", self._makeRoom()
        rows = result_nodes.showRegions(parameters, foundPairs, reply.pairs)
        summary = searchSummary(reply, earlier)
        sentences = (*reply.warnings, *reply.messages, *reply.remarks, summary.partnerless)
        parameters.words = "\n".join(filter(None, sentences))
        parameters.modelHashes = json.dumps(dict(reply.models))
        parameters.foundParameters = json.dumps(dict(reply.parameters), default=str)
        parameters.fittedPairs = parameters.fitSummary = ""
        self._history.forget()
        parameters.pairs = pair_decisions.to_json(rows)
        return summary

    def _makeRoom(self) -> str:
        """Set aside results of other volumes; those of the same volumes are replaced. Returns what was done, one
        sentence."""
        parameters = self.parameters
        if input_checks.whyForeign(parameters):
            return f"The earlier result, for other volumes, is now in the folder '{self._setAside()}'."
        if parameters.fixedRegions is None and parameters.deformableTransform is None:
            return ""
        content = "regions" if parameters.deformableTransform is None else "regions and transforms"
        return f"They replace the earlier {content} of the same two volumes."
