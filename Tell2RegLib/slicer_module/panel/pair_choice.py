"""Remembers the plan and the true positions chosen for each pair of volumes."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

from Tell2RegLib.slicer_module.logic import plan
from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic


@dataclass(frozen=True)
class _Choice:
    """IDs of nodes."""

    trueTargets: str = ""
    planNodes: tuple[str, ...] = ()


class PairChoice:
    """Clears the choice when other volumes are chosen, and brings it back with its volumes.

    Args:
        logic: whose parameters.
    """

    def __init__(self, logic: Tell2RegLogic) -> None:
        self._logic = logic
        self._pair: tuple[str, str] | None = None
        self._choices: dict[tuple[str, str], _Choice] = {}

    def forget(self) -> None:
        """Forget everything, when the scene changes: its nodes may have the same IDs."""
        self._pair, self._choices = None, {}

    def follow(self) -> None:
        """React to a change of the chosen volumes; ignored while one is missing."""
        parameters = self._logic.parameters
        if parameters.fixedVolume is None or parameters.movingVolume is None:
            return
        pair = (parameters.fixedVolume.GetID(), parameters.movingVolume.GetID())
        if pair == self._pair:
            return
        before, self._pair = self._pair, pair
        if before is None:
            return
        truth = parameters.trueTargets
        nodes = tuple(node.GetID() for node in plan.chosenNodes(parameters))
        self._choices[before] = _Choice(truth.GetID() if truth else "", nodes)
        self._choose(self._choices.pop(pair, _Choice()))

    def _choose(self, choice: _Choice) -> None:
        parameters, scene = self._logic.parameters, slicer.mrmlScene
        parameters.trueTargets = scene.GetNodeByID(choice.trueTargets) if choice.trueTargets else None
        nodes = [scene.GetNodeByID(name) for name in choice.planNodes]
        plan.chooseNodes(parameters, [node for node in nodes if node is not None])
