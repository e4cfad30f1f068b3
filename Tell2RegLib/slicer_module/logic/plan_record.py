"""The trust verdicts as the scene keeps them, and why they are outdated where they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from Tell2RegLib.evaluation.target_trust import VERDICTS, TargetTrust
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode


@dataclass(frozen=True, eq=False)
class CarriedPlan:
    """What *Propagate* said about the targets.

    Args:
        trusts: one per target.
        direction: in which they were carried.
        carriedBy: by which transform.
        fit: `fitKey` of that moment.
    """

    trusts: tuple[TargetTrust, ...]
    direction: str
    carriedBy: str
    fit: str


def fitKey(parameters: Tell2RegParameterNode) -> str:
    """Tells one fit from another; also after the scene was saved."""
    return hashlib.sha256(f"{parameters.fittedPairs}\n{parameters.fitSummary}".encode()).hexdigest()


def keep(parameters: Tell2RegParameterNode, plan: CarriedPlan) -> None:
    """Keep a plan's verdicts in the parameter node."""
    values = {"direction": plan.direction, "carriedBy": plan.carriedBy, "fit": plan.fit}
    parameters.carriedPlan = json.dumps({**values, "trusts": [_plain(trust) for trust in plan.trusts]})


def keptPlan(parameters: Tell2RegParameterNode) -> CarriedPlan | None:
    """The verdicts of the scene; None where there are none, their table was deleted, or they are damaged."""
    if not parameters.carriedPlan or parameters.targetsTable is None:
        return None
    try:
        values = json.loads(parameters.carriedPlan)
        texts = [str(values[name]) for name in ("direction", "carriedBy", "fit")]
        return CarriedPlan(tuple(_trust(one) for one in values["trusts"]), *texts)
    except (ValueError, TypeError, KeyError):
        return None


def whyOutdated(parameters: Tell2RegParameterNode, plan: CarriedPlan, whyFitOutdated: str) -> str:
    """Why verdicts are no longer true, one sentence; empty when they are.

    Args:
        parameters: the parameter node.
        plan: what was carried.
        whyFitOutdated: why the present fit cannot be used or is outdated; empty when it is neither.
    """
    if plan.fit != fitKey(parameters):
        return "Another transform has been fitted since."
    if plan.direction != parameters.direction:
        return "The direction has been changed since."
    if plan.carriedBy != parameters.carryBy:
        return f"Another transform has been chosen since ({parameters.carryBy})."
    return whyFitOutdated


def _plain(trust: TargetTrust) -> dict[str, Any]:
    values = asdict(trust)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _trust(values: Mapping[str, Any]) -> TargetTrust:
    places = {name: np.array(values[name], dtype=np.float64) for name in ("moving_lps_mm", "fixed_lps_mm")}
    trust = TargetTrust(**{**values, **places, "reasons": tuple(values["reasons"])})
    if trust.verdict not in VERDICTS or any(place.shape != (3,) for place in places.values()):
        raise ValueError("damaged")
    return trust
