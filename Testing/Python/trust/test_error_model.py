"""The predicted error and its radius: from numbers whose answer is known, and from simulated patients."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.calibration.error_learning import learn_errors
from Tell2RegLib.trust.domain import CaseFacts, Domain
from Tell2RegLib.trust.error_model import ErrorModel, ErrorPredictor, radius_factor
from Tell2RegLib.trust.model_file import (
    model_from,
    predictor_from,
    record_of,
    record_of_predictor,
    shipped_model,
)
from Testing.Python.trust.observed import LOOKS, REGIONS, facts_of, observations

ONE = np.ones(1)


def model_of(patients: int = 20, seed: int = 0, **how: bool) -> ErrorModel:
    model = learn_errors(observations(patients, seed), **how)
    assert model is not None
    return model


# --- the radius ---


def test_a_new_patient_counts_as_one_more_with_the_largest_error() -> None:
    errors = [np.array([ratio * 2.0 - 1.0]) for ratio in range(1, 20)]  # ratios 1 to 19 of 1 + 1 mm
    assert radius_factor(errors, [ONE] * 19, np.ones(19)) == 18  # 18 of 20 are 90 %
    assert radius_factor(errors[:8], [ONE] * 8, np.ones(8)) == 8  # 8 of 9 are less: the largest


def test_patients_count_and_not_their_targets() -> None:
    many = [np.full(500, 1.0)] + [np.array([9.0])] * 9
    predicted = [np.ones(500)] + [ONE] * 9
    assert radius_factor(many, predicted, np.ones(10)) == 5


@pytest.mark.parametrize("patients", [15, 40])
def test_nine_of_ten_targets_of_new_patients_lie_within_the_radius(patients: int) -> None:
    shares = []
    for seed in range(12):
        model = model_of(patients, seed).kinds["deformable"]
        for case in observations(60, 1000 + seed):
            errors = case.kinds["deformable"]
            radius = model.radius_mm(model.linear.predicted_mm(errors.cues))
            shares.append(np.mean(errors.errors_mm <= radius))
    assert 0.89 <= np.mean(shares) <= 0.97


def test_the_prediction_follows_the_cue_and_goes_no_farther_than_what_was_learned() -> None:
    linear = model_of(60).kinds["deformable"].linear
    cues = np.zeros((3, linear.limits.shape[1]))
    cues[:, 0] = (0.2, 1.2, 99.0)
    near, far, beyond = linear.predicted_mm(cues)
    assert 0.8 < near < 2.0 < far < 5.0
    cues[2, 0] = linear.limits[1, 0]
    assert beyond == linear.predicted_mm(cues)[2]


# --- what it rests on ---


def test_fewer_than_ten_patients_and_phantoms_promise_nothing() -> None:
    assert model_of(20).promises
    assert "90 % of the targets of a new patient" in model_of(20).basis
    few, phantoms = model_of(9), model_of(20, synthetic=True)
    assert (few.promises, few.basis) == (False, "Learned from 9 patient(s), fewer than 10: no promise.")
    assert (phantoms.promises, phantoms.basis.endswith("no promise for patients.")) == (False, True)


def test_two_patients_teach_nothing() -> None:
    assert learn_errors(observations(2, 0)) is None


def test_the_model_that_ships_rests_on_phantoms_and_promises_nothing() -> None:
    model = shipped_model()
    assert model.synthetic
    assert not model.promises
    assert set(model.kinds) == {"rigid", "affine", "deformable"}


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (facts_of(looks=LOOKS + [0.5, 0, 0, 0, 0, 0]), "The moving volume looks unlike the scans learned from: share"),
        (facts_of(size_mm=8.0), "The moving volume is as thin as 8 mm, far from the 100 to 100 mm learned from."),
        (facts_of(voxel_sides_mm=(1.0, 5.0)), "The moving volume has a voxel side of 5 mm, far from the 1 to 2 mm"),
        (replace(facts_of(), from_prompts=True), "The regions were detected from prompts, those of the cases learned"),
        (facts_of({"organ a": (20.0, 22.0)}), "The fit uses 1 pair(s), the cases learned from 8."),
        (facts_of({**REGIONS, "organ h": (90.0, 29.0)}), "The fixed region 'organ h' has 90 ml, far from the 27 to"),
        (
            facts_of({**{n: v for n, v in REGIONS.items() if n != "organ h"}, "liver": (20.0, 20.0)}),
            "No case learned from has the region 'liver'.",
        ),
    ],
)
def test_a_case_unlike_those_learned_from_gets_the_reason(facts: CaseFacts, sentence: str) -> None:
    domain: Domain = model_of().domain
    assert domain.why_not(facts_of()) == ""
    assert domain.why_not(facts).startswith(sentence)


def test_a_target_unlike_those_learned_from_gets_the_reason() -> None:
    domain = model_of().domain
    cues = np.zeros((2, domain.cues.shape[1]))
    cues[1, 0] = 4.0
    near, far = domain.why_not_at(cues)
    assert near == ""
    assert far == "The target is unlike those learned from: distance beyond their range."


def test_a_cue_that_cannot_be_computed_gives_no_number_but_the_reason() -> None:
    domain = model_of().domain
    cues = np.zeros((1, domain.cues.shape[1]))
    cues[0, 0] = np.nan
    assert domain.why_not_at(cues) == ["The target is unlike those learned from: distance beyond their range."]


# --- its file ---


def test_a_model_is_read_back_from_plain_values() -> None:
    model = model_of()
    again = model_from(json.loads(json.dumps(record_of(model))))
    cues = observations(1, 5)[0].kinds["deformable"].cues
    predicted = [
        m.kinds["deformable"].radius_mm(m.kinds["deformable"].linear.predicted_mm(cues)) for m in (model, again)
    ]
    assert np.allclose(*predicted, rtol=1e-4)
    assert (again.basis, again.domain.why_not(facts_of())) == (model.basis, "")


@pytest.mark.parametrize("own_cases", [True, False])
def test_a_predictor_is_read_back_with_the_model_that_it_used(own_cases: bool) -> None:
    model = model_of() if own_cases else shipped_model()
    predictor = ErrorPredictor(model, facts_of(), shipped=not own_cases)
    record = json.loads(json.dumps(record_of_predictor(predictor)))
    assert (record["model"] is None) is not own_cases
    again = predictor_from(record)
    assert again.model.basis == model.basis
    assert again.model.domain.why_not(again.facts) == model.domain.why_not(predictor.facts)


@pytest.mark.parametrize("change", [{"cues": ["distance"]}, {"kinds": {"rigid": {"factor": 1.0}}}, {"domain": {}}])
def test_a_damaged_model_is_refused(change: dict) -> None:
    with pytest.raises((ValueError, KeyError)):
        model_from({**record_of(model_of()), **change})


def test_a_negative_factor_is_refused() -> None:
    model = model_of()
    wrong = replace(model, kinds={"deformable": replace(model.kinds["deformable"], factor=-1.0)})
    with pytest.raises(ValueError, match="not positive"):
        model_from(record_of(wrong))
