"""A calibration is chosen at the fit, goes to the worker with it, and the panel says what it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from Tell2RegLib.worker.requests import FitReply, FitRequest
from Testing.Python.slicer_module.simulated import fitted

pytestmark = pytest.mark.mrml

USED = {
    "used": True,
    "reason": "On patients left out it gained 0.4 mm.",
    "patients": 39,
    "cases": 54,
    "mean_rotation_deg": [3.0, 0.0, 4.0],
    "mean": [0.0] * 9,
}


def with_effect(request: FitRequest, effect: dict) -> FitReply:
    return replace(fitted(request), provenance={"parameters": {"calibration": effect}})


def choose(clinic, path: str) -> None:
    """Press the button beside the path and choose a file."""
    clinic.standin.answers.expect(path)
    clinic.press(clinic.ui.calibration._browse)


def test_a_chosen_calibration_goes_to_the_worker_and_the_panel_says_what_it_did(clinic) -> None:
    clinic.find()
    choose(clinic, "/site/mr-us.json")
    assert clinic.parameters.calibration == "/site/mr-us.json"
    clinic.fit(lambda request: with_effect(request, USED))
    assert clinic.client.request.calibration == Path("/site/mr-us.json")
    assert (
        "The expected offset comes from a calibration on 39 patients (mean rotation 5.0 degrees). On patients left out "
        "it gained 0.4 mm."
    ) in clinic.ui.fitLimits.text


def test_a_calibration_that_does_not_hold_for_the_case_is_reported_with_the_reason(clinic) -> None:
    clinic.find()
    choose(clinic, "/site/mr-us.json")
    unused = {**USED, "used": False, "reason": "It was learned from 'prostate' and not from 'organ'."}
    clinic.fit(lambda request: with_effect(request, unused))
    assert "The calibration was not used. It was learned from 'prostate' and not from 'organ'." in (
        clinic.ui.fitLimits.text
    )


def test_the_panel_says_how_far_a_calibration_moves_an_inside_or_why_not(clinic) -> None:
    clinic.find()
    choose(clinic, "/site/mr-us.json")
    moved = {"region": "prostate", "largest_mm": 2.34, "share": 1.0, "reason": ""}
    left = {"region": "bladder", "largest_mm": 0.0, "share": 0.0, "reason": "'tumour' lies in it."}
    clinic.fit(lambda request: with_effect(request, {**USED, "interiors": [moved, left]}))
    assert "Following the calibration, points inside 'prostate' move by up to 2.3 mm." in clinic.ui.fitLimits.text
    assert "the inside of 'bladder' was not used. 'tumour' lies in it." in clinic.ui.fitLimits.text


def test_without_a_calibration_none_is_sent_and_none_is_spoken_of(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert clinic.client.request.calibration is None
    assert "calibration" not in clinic.ui.fitLimits.text


def test_another_calibration_makes_the_fit_outdated(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert not clinic.logic.fitIsOld
    choose(clinic, "/site/mr-us.json")
    assert clinic.logic.fitIsOld
    assert "Fit again." in clinic.ui.fitSummary.text


def test_a_calibration_and_an_initial_transform_exclude_each_other(clinic) -> None:
    clinic.find()
    choose(clinic, "/site/mr-us.json")
    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    clinic.parameters.initialTransform = node
    clinic.hear()
    assert not clinic.ui.fitButton.enabled
    assert "either an initial transform (step 1) or a calibration" in clinic.ui.fitButton.toolTip


def test_exchanged_volumes_have_no_calibration(clinic) -> None:
    choose(clinic, "/site/mr-us.json")
    clinic.press(clinic.ui.swapButton)
    assert clinic.parameters.calibration == clinic.ui.calibration.currentPath == ""
