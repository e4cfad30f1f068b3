"""Means over patients and their intervals: every patient weighs the same, and the order of cases does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.validation.statistics import PatientMeans, weighted_percentile
from Testing.Python.validation.cases import a_scored_case


def cases_of(*patients: tuple[str, ...]) -> list:
    return [a_scored_case(f"case {n}", names) for n, names in enumerate(patients)]


def test_three_cases_of_one_patient_count_as_much_as_one_of_another() -> None:
    cases = cases_of(("p",), ("p",), ("p",), ("q",))
    assert PatientMeans(cases).mean([1, 2, 3, 10]).value == pytest.approx((2 + 10) / 2)


def test_a_case_of_two_patients_counts_for_both() -> None:
    assert PatientMeans(cases_of(("p", "q"), ("r",))).mean([3, 9]).value == pytest.approx((2 * 3 + 9) / 3)


def test_the_interval_is_that_of_drawing_whole_groups_of_patients() -> None:
    """Compared with draws by hand: ten cases of five patients, two each, with equal values within a patient."""
    values = np.array([0.0, 3.0, 4.0, 8.0, 20.0])
    estimate = PatientMeans(cases_of(*((f"p{n // 2}",) for n in range(10))), resamples=20_000).mean(values.repeat(2))
    drawn = np.random.default_rng(8).choice(values, (20_000, 5)).mean(axis=1)
    assert estimate.value == 7
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.3)


def test_the_interval_of_many_patients_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(3).normal(10, 2, 400)
    estimate = PatientMeans(cases_of(*((f"p{n}",) for n in range(400)))).mean(values)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert estimate.low < estimate.value < estimate.high


def test_few_groups_have_no_interval() -> None:
    for patients in ((("p", "q"), ("q", "r")), (("p",), ("q",), ("r",), ("s",))):
        estimate = PatientMeans(cases_of(*patients)).mean(range(len(patients)))
        assert (estimate.low, estimate.high) == (None, None)


def test_ratios_are_paired() -> None:
    """Whoever is drawn, twice the reference stays twice the reference."""
    means = PatientMeans(cases_of(*((patient,) for patient in "pqrst")))
    ratio = means.ratio([2, 8, 20, 6, 2], [1, 4, 10, 3, 1])
    assert ratio is not None
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    assert means.ratio(np.ones(5), np.zeros(5)) is None
    change = means.difference([2, 5, 11, 3, 1], [1, 4, 10, 2, 0])
    assert (change.value, change.low, change.high) == pytest.approx((1, 1, 1))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("pqrstuvwx"), st.floats(0, 50)), min_size=8, max_size=14), st.randoms())
def test_neither_mean_nor_interval_depends_on_the_order_of_the_cases(rows: list, random) -> None:
    cases = cases_of(*((patient,) for patient, _ in rows))
    order = random.sample(range(len(rows)), len(rows))
    first = PatientMeans(cases, 5, 50).mean([value for _, value in rows])
    second = PatientMeans([cases[n] for n in order], 5, 50).mean([rows[n][1] for n in order])
    assert second.value == pytest.approx(first.value)
    assert second.low == (None if first.low is None else pytest.approx(first.low))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.floats(0, 100))
def test_a_percentile_lies_within_the_values_and_grows_with_the_percentage(values: list[float], percent: float) -> None:
    weights = np.ones(len(values))
    at, later = (weighted_percentile(values, weights, p) for p in (percent, (percent + 100) / 2))
    assert min(values) <= at <= later <= max(values)


def test_a_value_of_weight_two_is_the_same_as_that_value_twice() -> None:
    assert weighted_percentile([1, 2, 8], [2, 2, 2], 50) == weighted_percentile([1, 1, 2, 2, 8, 8], np.ones(6), 50) == 2
