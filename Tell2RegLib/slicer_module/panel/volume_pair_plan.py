"""Remembers the plan and the true positions chosen for each pair of volumes."""

from __future__ import annotations

import slicer

from Tell2RegLib.slicer_module.logic import plan, volume_pair_choices
from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic


class ChoiceOfPair:
    """Clears the choice when other volumes are chosen, and brings it back with its volumes.

    Args:
        logic: whose parameters.
    """

    def __init__(self, logic: Tell2RegLogic) -> None:
        self._logic = logic
        self._pair: tuple[str, str] | None = None

    def forget(self) -> None:
        """Forget the pair, when the scene changes: its nodes may have the same IDs."""
        self._pair = None

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
        fixed, moving = (slicer.mrmlScene.GetNodeByID(name) for name in before)
        if fixed is not None and moving is not None:
            choice = volume_pair_choices.PairChoice(parameters.trueTargets, tuple(plan.chosenNodes(parameters)))
            volume_pair_choices.keep(parameters.parameterNode, fixed, moving, choice)
        choice = volume_pair_choices.take(parameters.parameterNode, parameters.fixedVolume, parameters.movingVolume)
        parameters.trueTargets = choice.trueTargets
        plan.chooseNodes(parameters, choice.planNodes)
