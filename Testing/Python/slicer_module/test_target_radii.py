"""The radius around every propagated target: a sphere in 3D, a circle in the slices, in the colour of its verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.evaluation.target_trust import ErrorEstimate
from Tell2RegLib.trust.model_file import predictor_of, record_of, shipped_model
from Testing.Python.slicer_module.plan_nodes import PLACES, a_plan

pytestmark = pytest.mark.mrml


class Predicted:
    """Stands in for the model that ships: the same estimate for every target."""

    def __init__(self, estimate: ErrorEstimate) -> None:
        self.estimate = estimate

    def estimates(self, _registered: object, moving_lps_mm: np.ndarray) -> tuple[ErrorEstimate, ...]:
        return (self.estimate,) * len(moving_lps_mm)


def radii_in(scene) -> list:
    nodes = [
        scene.GetNthNodeByClass(n, "vtkMRMLModelNode") for n in range(scene.GetNumberOfNodesByClass("vtkMRMLModelNode"))
    ]
    return [node for node in nodes if node.GetAttribute("Tell2Reg.Radii")]


def test_a_predicted_radius_is_a_sphere_around_the_target_and_replaced(clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.slicer_module.logic import plan
    from Tell2RegLib.slicer_module.scene.coordinates import to_scene

    clinic.find()
    clinic.fit()
    estimate = ErrorEstimate(1.0, 4.0, "Learned from 20 patients.")
    monkeypatch.setattr(plan, "predictor_of", lambda _facts, _learned: Predicted(estimate))
    _, trusts = clinic.logic.propagate([a_plan(clinic)])
    (node,) = radii_in(clinic.standin.scene)
    bounds = np.reshape(node.GetPolyData().GetBounds(), (3, 2))
    centres = np.array([to_scene(trust.fixed_lps_mm) for trust in trusts])
    assert bounds[:, 0] == pytest.approx(centres.min(axis=0) - 4.0, abs=0.1)
    assert bounds[:, 1] == pytest.approx(centres.max(axis=0) + 4.0, abs=0.1)
    assert node.GetDisplayNode().GetVisibility2D()
    assert node not in plan.candidates(clinic.parameters)
    assert len(trusts) == len(PLACES)
    far = Predicted(replace(estimate, predicted_mm=9.0, radius_mm=12.0))
    monkeypatch.setattr(plan, "predictor_of", lambda _facts, _learned: far)
    clinic.logic.propagate([a_plan(clinic)])
    (node,) = radii_in(clinic.standin.scene)
    assert node.GetAttribute("Tell2Reg.Radii") == "do not trust"


def test_without_a_number_there_is_no_sphere(clinic) -> None:
    clinic.find()
    clinic.fit()
    _, trusts = clinic.logic.propagate([a_plan(clinic)])
    assert {trust.radius_mm for trust in trusts} == {None}
    assert radii_in(clinic.standin.scene) == []


def test_the_errors_that_a_calibration_learned_go_before_those_that_ship(
    clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Tell2RegLib.slicer_module.logic import plan

    clinic.find()
    clinic.fit()
    site = replace(shipped_model(), patients=23, synthetic=False)
    summary = json.loads(clinic.parameters.fitSummary)
    assert summary["error_model"] is None, "no calibration was chosen"
    clinic.parameters.fitSummary = json.dumps({**summary, "error_model": record_of(site)})
    asked = []
    monkeypatch.setattr(
        plan, "predictor_of", lambda facts, learned: asked.append(learned) or predictor_of(facts, learned)
    )
    clinic.logic.propagate([a_plan(clinic)])
    assert [model.patients for model in asked] == [23]
