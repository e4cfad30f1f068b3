"""Choices kept for each pair of volumes, as references of the parameter node, so that a saved scene holds them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import slicer.util

PREFIX = "Tell2Reg.ChoiceOfPair"
"""Beginning of the roles: PREFIX, a number, and one of PARTS."""
FIXED, MOVING, TRUE_TARGETS, PLAN = PARTS = (".Fixed", ".Moving", ".TrueTargets", ".PlanNodes")


@dataclass(frozen=True)
class PairChoice:
    """Nodes that were chosen for a pair of volumes.

    Args:
        trueTargets: where the targets truly are; None when nothing was chosen.
        planNodes: what is to be carried.
    """

    trueTargets: Any = None
    planNodes: tuple[Any, ...] = ()


def keep(parameterNode: Any, fixed: Any, moving: Any, choice: PairChoice) -> None:
    """Keep a choice for a pair of volumes, instead of an earlier one."""
    with slicer.util.NodeModify(parameterNode):
        take(parameterNode, fixed, moving)
        if choice == PairChoice():
            return
        taken = set(_numbers(parameterNode))
        number = next(candidate for candidate in itertools.count() if candidate not in taken)
        _refer(parameterNode, number, FIXED, [fixed])
        _refer(parameterNode, number, MOVING, [moving])
        _refer(parameterNode, number, TRUE_TARGETS, [choice.trueTargets] if choice.trueTargets else [])
        _refer(parameterNode, number, PLAN, choice.planNodes)


def take(parameterNode: Any, fixed: Any, moving: Any) -> PairChoice:
    """The choice for a pair of volumes, which is not kept any longer; an empty one where there is none.

    Choices of volumes that have been removed go too.
    """
    choice = PairChoice()
    with slicer.util.NodeModify(parameterNode):
        for number in tuple(_numbers(parameterNode)):
            volumes = [_nodes(parameterNode, number, part) for part in (FIXED, MOVING)]
            if volumes == [[fixed], [moving]]:
                truths = _nodes(parameterNode, number, TRUE_TARGETS)
                choice = PairChoice(truths[0] if truths else None, tuple(_nodes(parameterNode, number, PLAN)))
            if [] in volumes or volumes == [[fixed], [moving]]:
                for part in PARTS:
                    parameterNode.RemoveNodeReferenceIDs(f"{PREFIX}{number}{part}")
    return choice


def _numbers(parameterNode: Any) -> Iterator[int]:
    """The numbers of the choices that are kept."""
    for index in range(parameterNode.GetNumberOfNodeReferenceRoles()):
        role = parameterNode.GetNthNodeReferenceRole(index)
        if role.startswith(PREFIX) and role.endswith(FIXED) and parameterNode.GetNumberOfNodeReferences(role):
            yield int(role[len(PREFIX) : -len(FIXED)])


def _refer(parameterNode: Any, number: int, part: str, nodes: Sequence[Any]) -> None:
    for node in nodes:
        parameterNode.AddNodeReferenceID(f"{PREFIX}{number}{part}", node.GetID())


def _nodes(parameterNode: Any, number: int, part: str) -> list[Any]:
    """The nodes of a role that are still in the scene."""
    role = f"{PREFIX}{number}{part}"
    count = parameterNode.GetNumberOfNodeReferences(role)
    nodes = [parameterNode.GetNthNodeReference(role, index) for index in range(count)]
    return [node for node in nodes if node is not None and node.GetScene() is not None]
