"""Stores the trust verdicts in the scene, and explains why they are outdated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from Tell2RegLib.evaluation.target_trust import VERDICTS, TargetTrust
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode
from Tell2RegLib.slicer_module.logic.setting_parameters import trustParameters


@dataclass(frozen=True, eq=False)
class PropagatedPlan:
    """The verdicts of *Propagate* on the targets.

    Args:
        trusts: one per target.
        direction: in which they were carried.
        carriedBy: by which transform.
        fit: `fitKey` of that moment.
        bounds: `trustParameters` of that moment; None in scenes of versions in which nobody could change them.
    """

    trusts: tuple[TargetTrust, ...]
    direction: str
    carriedBy: str
    fit: str
    bounds: Mapping[str, Any] | None = None


def fitKey(parameters: Tell2RegParameterNode) -> str:
    """A key that identifies a fit, also in a saved scene."""
    return hashlib.sha256(f"{parameters.fittedPairs}\n{parameters.fitSummary}".encode()).hexdigest()


def keep(parameters: Tell2RegParameterNode, plan: PropagatedPlan) -> None:
    """Store a plan's verdicts in the parameter node."""
    values = {"direction": plan.direction, "carriedBy": plan.carriedBy, "fit": plan.fit, "bounds": plan.bounds}
    parameters.carriedPlan = json.dumps({**values, "trusts": [_plain(trust) for trust in plan.trusts]})


def storedPlan(parameters: Tell2RegParameterNode) -> PropagatedPlan | None:
    """The verdicts of the scene; None where there are none, their table was deleted, or they are damaged."""
    if not parameters.carriedPlan or parameters.targetsTable is None:
        return None
    try:
        values = json.loads(parameters.carriedPlan)
        texts = {name: str(values[name]) for name in ("direction", "carriedBy", "fit")}
        trusts = tuple(_trust(trustValues) for trustValues in values["trusts"])
        return PropagatedPlan(trusts, **texts, bounds=values.get("bounds"))
    except (ValueError, TypeError, KeyError):
        return None


def whyOutdated(parameters: Tell2RegParameterNode, plan: PropagatedPlan, whyFitOutdated: str) -> str:
    """Why verdicts are no longer valid, one sentence; empty if they are.

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
    if plan.bounds not in (None, trustParameters(parameters)):
        return "The bounds of the verdicts have been changed since."
    return whyFitOutdated


def _plain(trust: TargetTrust) -> dict[str, Any]:
    values = asdict(trust)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


def _trust(values: Mapping[str, Any]) -> TargetTrust:
    positions = {name: np.array(values[name], dtype=np.float64) for name in ("moving_lps_mm", "fixed_lps_mm")}
    trust = TargetTrust(**{**values, **positions, "reasons": tuple(values["reasons"])})
    if trust.verdict not in VERDICTS or any(position.shape != (3,) for position in positions.values()):
        raise ValueError("damaged")
    return trust
