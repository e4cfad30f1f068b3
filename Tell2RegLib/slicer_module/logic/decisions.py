"""Decisions on pairs: accept, reject, rename, pair manually, undo, redo."""

from __future__ import annotations

from collections.abc import Callable, Collection

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.core import CoreLogic
from Tell2RegLib.slicer_module.scene import pair_decisions, result_nodes
from Tell2RegLib.slicer_module.scene.coordinates import from_scene
from Tell2RegLib.slicer_module.scene.pair_decisions import Rows
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair


class DecisionsLogic(CoreLogic):
    """The pairs with the current decisions, and the operations on them."""

    @property
    def rows(self) -> Rows:
        """The pairs with the current decisions; none while other volumes are chosen."""
        text = "" if input_checks.whyForeign(self.parameters) else self.parameters.pairs
        return pair_decisions.from_json(text)

    def _decide(self, change: Callable[[Rows], Rows]) -> None:
        rows = self._history.step(self.rows, change)
        if rows != self.rows:
            self._showRows(rows)

    def _showRows(self, rows: Rows) -> None:
        with self._inOneGo():
            result_nodes.showDecisions(self.parameters, rows)
            self.parameters.pairs = pair_decisions.to_json(rows)
        self.pairsChanged.emit()

    def accept(self, numbers: Collection[int]) -> None:
        """Accept the pairs with these numbers for the fit."""
        self._decide(lambda rows: pair_decisions.decided(rows, numbers, True))

    def reject(self, numbers: Collection[int]) -> None:
        """Exclude the pairs with these numbers from the fit."""
        self._decide(lambda rows: pair_decisions.decided(rows, numbers, False))

    def rename(self, number: int, name: str) -> None:
        """Give a pair another name, on both sides."""
        self._decide(lambda rows: pair_decisions.renamed(rows, number, name))

    def pairByHand(self, fixedSegment: str, movingSegment: str, name: str = "") -> None:
        """Pair two segments of Tell2Reg's segmentations, by their IDs.

        Raises:
            InputError: one of them is empty or not there, or they are a pair already.
        """
        parameters = self.parameters
        input_checks.raiseIf(input_checks.whyForeign(parameters))
        if parameters.fixedRegions is None or parameters.movingRegions is None:
            raise InputError("There are no segments to pair yet: find regions first.")
        fixedRegions, movingRegions = input_checks.readRegions(parameters, *input_checks.readGrids(parameters))
        for side, regions, segment in (("fixed", fixedRegions, fixedSegment), ("moving", movingRegions, movingSegment)):
            if segment not in regions:
                raise InputError(f"The chosen {side} segment is empty: draw in it first.")
        name = name or parameters.fixedRegions.GetSegmentation().GetSegment(fixedSegment).GetName()
        measures = result_nodes.measuresOf(RegionPair(fixedRegions[fixedSegment], movingRegions[movingSegment]))
        self._decide(
            lambda rows: pair_decisions.paired_by_hand(rows, fixedSegment, movingSegment, name, measures=measures)
        )

    def forgetDecisions(self) -> None:
        """Clear the undo history, when the scene changes."""
        self._history.forget()

    @property
    def canUndo(self) -> bool:
        """Whether there is a decision to undo."""
        return self._history.can_undo and not input_checks.whyForeign(self.parameters)

    @property
    def canRedo(self) -> bool:
        """Whether there is a decision to redo."""
        return self._history.can_redo and not input_checks.whyForeign(self.parameters)

    def undo(self) -> None:
        """Undo the last decision."""
        self._showRows(self._history.undo(self.rows))

    def redo(self) -> None:
        """Redo the last undone decision."""
        self._showRows(self._history.redo(self.rows))

    def positionsOf(self, number: int) -> tuple[Floats | None, Floats | None]:
        """Centres of a pair's segments, (3,) LPS mm each, in the fixed volume and in the moving one as it lies."""
        row, parameters, positions = pair_decisions.row_of(self.rows, number), self.parameters, []
        for node, segment in ((parameters.fixedRegions, row.fixed), (parameters.movingRegions, row.moving)):
            known = node is not None and node.GetSegmentation().GetSegment(segment) is not None
            center = node.GetSegmentCenter(segment) if known else None
            positions.append(None if center is None else from_scene(center))
        return positions[0], positions[1]
