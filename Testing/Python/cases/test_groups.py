"""Groups of cases that share patients, and splits: laws that hold for any cases."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.cases.groups import folds_of, groups_of, split_of, weights_of
from Tell2RegLib.errors import InputError


@dataclass(frozen=True)
class Named:
    """As much of a case as a split needs."""

    name: str
    patients: tuple[str, ...]


@st.composite
def cases(draw: st.DrawFn, least: int = 1) -> list[Named]:
    patients = st.lists(st.sampled_from("pqrstuvwxyz"), min_size=1, max_size=3, unique=True)
    rows = draw(st.lists(patients, min_size=least, max_size=14))
    return [Named(f"case {number}", tuple(row)) for number, row in enumerate(rows)]


def chained(first: Named, second: Named, among: list[Named]) -> bool:
    """Whether a chain of shared patients leads from one case to the other, by walking it."""
    reached, patients = {first}, set(first.patients)
    while True:
        near = {case for case in among if case not in reached and patients & set(case.patients)}
        if not near:
            return second in reached
        reached |= near
        patients |= {patient for case in near for patient in case.patients}


def names(groups: object) -> set[frozenset[str]]:
    return {frozenset(case.name for case in group) for group in groups}  # type: ignore[attr-defined]


@settings(max_examples=40)
@given(cases())
def test_groups_are_a_partition_of_the_cases(rows: list[Named]) -> None:
    members = [case for group in groups_of(rows) for case in group]
    assert sorted(case.name for case in members) == sorted(case.name for case in rows)


@settings(max_examples=40)
@given(cases())
def test_two_cases_are_in_one_group_exactly_if_a_chain_of_patients_joins_them(rows: list[Named]) -> None:
    group_of = {case: number for number, group in enumerate(groups_of(rows)) for case in group}
    for first in rows:
        for second in rows:
            assert (group_of[first] == group_of[second]) == chained(first, second, rows)


@settings(max_examples=40)
@given(cases(), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_cases(rows: list[Named], random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert names(groups_of(shuffled)) == names(groups_of(rows))


@settings(max_examples=40)
@given(cases(least=2), st.integers(2, 5), st.integers(0, 99), st.randoms(use_true_random=False))
def test_folds_judge_every_case_once_and_never_split_a_patient(
    rows: list[Named], count: int, seed: int, random
) -> None:
    groups = groups_of(rows)
    if count > len(groups):
        with pytest.raises(InputError, match=f"cannot be split into {count} parts"):
            folds_of(rows, count, seed)
        return
    folds = folds_of(rows, count, seed)
    assert sorted(case.name for fold in folds for case in fold.test) == sorted(case.name for case in rows)
    for fold in folds:
        assert fold.test
        assert {*fold.train, *fold.test} == set(rows)
        assert not {p for case in fold.train for p in case.patients} & {p for case in fold.test for p in case.patients}
    again = folds_of(random.sample(rows, len(rows)), count, seed)
    assert [{case.name for case in fold.test} for fold in again] == [
        {case.name for case in fold.test} for fold in folds
    ]


@settings(max_examples=40)
@given(cases(least=2), st.floats(0.05, 0.95), st.integers(0, 99), st.randoms(use_true_random=False))
def test_a_split_leaves_cases_on_both_sides_and_no_patient_on_both(
    rows: list[Named], share: float, seed: int, random
) -> None:
    if len(groups_of(rows)) < 2:
        with pytest.raises(InputError, match="needs two groups"):
            split_of(rows, share, seed)
        return
    split = split_of(rows, share, seed)
    assert split.train
    assert split.test
    assert {*split.train, *split.test} == set(rows)
    assert not {p for case in split.train for p in case.patients} & {p for case in split.test for p in case.patients}
    again = split_of(random.sample(rows, len(rows)), share, seed)
    assert set(again.test) == set(split.test)


def test_folds_hold_about_the_same_number_of_cases() -> None:
    rows = [Named(str(number), (f"patient {number // 3}",)) for number in range(30)]
    assert sorted(len(fold.test) for fold in folds_of(rows, 5)) == [6] * 5


def test_other_seeds_give_other_folds() -> None:
    rows = [Named(str(number), (str(number),)) for number in range(20)]
    assert {frozenset(case.name for case in folds_of(rows, 2, seed)[0].test) for seed in range(8)} != {frozenset()}
    assert len({frozenset(case.name for case in folds_of(rows, 2, seed)[0].test) for seed in range(8)}) > 4


@settings(max_examples=40)
@given(cases())
def test_every_patient_weighs_the_same(rows: list[Named]) -> None:
    patients = {patient for case in rows for patient in case.patients}
    assert sum(weights_of(rows)) == pytest.approx(len(patients))
    alone = [(case, weight) for case, weight in zip(rows, weights_of(rows), strict=True) if len(case.patients) == 1]
    for case, weight in alone:
        count = sum(case.patients[0] in row.patients for row in rows)
        assert weight == pytest.approx(1 / count)


@pytest.mark.parametrize(("count", "rows"), [(1, 3), (4, 3)])
def test_impossible_splits_are_refused(count: int, rows: int) -> None:
    with pytest.raises(InputError, match="3 independent group"):
        folds_of([Named(str(n), (str(n),)) for n in range(rows)], count)
