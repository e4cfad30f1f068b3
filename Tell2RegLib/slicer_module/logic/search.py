"""Regions found by prompts, or taken from segmentations, and paired; the demo pair."""

from __future__ import annotations

import json
from dataclasses import replace

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.by_name import pairs_by_name
from Tell2RegLib.matching.pairs import unpaired
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.core import DEMO, FIND
from Tell2RegLib.slicer_module.logic.decisions import DecisionsLogic
from Tell2RegLib.slicer_module.logic.found_summary import FoundSummary, summaryOfFound
from Tell2RegLib.slicer_module.logic.parameters import byWords, promptsOf
from Tell2RegLib.slicer_module.logic.setting_parameters import chosenSettings
from Tell2RegLib.slicer_module.run.run_inputs import RunInputs
from Tell2RegLib.slicer_module.scene import pair_decisions, result_nodes
from Tell2RegLib.slicer_module.scene.result_nodes import FoundPairs
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

    def _setAside(self) -> str:
        """Keep the nodes of an earlier result in a folder of their own and forget them; the folder's name."""
        own = self.parameters
        names = [input_checks.resultVolume(own, side) or "?" for side in ("moving", "fixed")]
        folder = result_nodes.setAside(own, f"{result_nodes.FOLDER}: {names[0]} to {names[1]}")
        own.pairs = own.fittedPairs = own.fitSummary = own.carriedPlan = ""
        own.shown = "none"
        self._history.forget()
        return folder

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
        if not byWords(own):
            self._showFound(self._pairsOfSegmentations(fixed, moving), keep)
            return
        request = FindRequest(
            fixed=fixed,
            moving=moving,
            prompts=promptsOf(own.prompts),
            options=chosenSettings(own, FindOptions),
        )
        self.runs.start(FIND, request, lambda reply: self._found(reply, keep), waitForCompletion)

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

    def _found(self, reply: FindReply, keep: RunInputs) -> None:
        keep.raiseIfGone(self.parameters)
        if not reply.pairs and self.rows:
            raise InputError(f"{reply.reason} The regions of before are kept.")
        self._showFound(reply, keep)
        if reply.reason:
            raise InputError(reply.reason)

    def _showFound(self, reply: FindReply, keep: RunInputs) -> None:
        with self._inOneGo():
            summary = self._putFound(reply, keep)
        self.pairsChanged.emit()
        self.fitChanged.emit()
        self.regionsFound.emit(summary)

    def _putFound(self, reply: FindReply, keep: RunInputs) -> FoundSummary:
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
