"""Cases that share a patient, directly or through other cases, and splits that never separate them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Floats


class OfPatients(Protocol):
    """Anything that belongs to patients, such as a `Case`."""

    @property
    def name(self) -> str:
        """Unique among those that are split together."""

    @property
    def patients(self) -> tuple[str, ...]:
        """At least one."""


CaseT = TypeVar("CaseT", bound=OfPatients)


@dataclass(frozen=True)
class Split(Generic[CaseT]):
    """Cases to learn from and cases to judge by, without a patient in common; in the order of the table."""

    train: tuple[CaseT, ...]
    test: tuple[CaseT, ...]


def groups_of(cases: Sequence[CaseT]) -> tuple[tuple[CaseT, ...], ...]:
    """The connected components of the cases over shared patients.

    Two cases are in one group if a chain of cases leads from one to the other in which neighbours share a patient. The
    groups and their cases are in the order of the cases.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    patients = {patient: n for n, patient in enumerate(sorted({p for case in cases for p in case.patients}))}
    edges = [(n, len(cases) + patients[patient]) for n, case in enumerate(cases) for patient in case.patients]
    size = len(cases) + len(patients)
    graph = coo_array((np.ones(len(edges)), tuple(np.array(edges, int).reshape(-1, 2).T)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    groups: dict[int, list[CaseT]] = {}
    for case, number in zip(cases, component[: len(cases)].tolist(), strict=True):
        groups.setdefault(number, []).append(case)
    return tuple(tuple(group) for group in groups.values())


def folds_of(cases: Sequence[CaseT], count: int, seed: int = 0) -> tuple[Split[CaseT], ...]:
    """Cross-validation: `count` splits, in each of which another part of the groups is judged by the rest.

    The parts have about the same number of cases. Which group is in which part depends on the names of the cases and on
    the seed, not on the order of the cases.

    Raises:
        InputError: fewer than two parts, or more parts than groups.
    """
    groups = groups_of(cases)
    if not 2 <= count <= len(groups):
        raise InputError(
            f"{len(cases)} case(s) of {len(groups)} independent group(s) of patients cannot be split into {count} "
            "parts; choose from 2 to the number of groups, or add cases of other patients."
        )
    by_name = sorted(groups, key=lambda group: min(case.name for case in group))
    shuffled = [by_name[n] for n in np.random.default_rng(seed).permutation(len(by_name))]
    parts: list[set[str]] = [set() for _ in range(count)]
    for group in sorted(shuffled, key=len, reverse=True):
        min(parts, key=len).update(case.name for case in group)
    return tuple(
        Split(
            train=tuple(case for case in cases if case.name not in part),
            test=tuple(case for case in cases if case.name in part),
        )
        for part in parts
    )


def split_of(cases: Sequence[CaseT], test_share: float = 0.5, seed: int = 0) -> Split[CaseT]:
    """One seeded split; whole groups go to the test side until it holds at least this share of the cases.

    At least one group stays on the training side. Independent of the order of the cases.

    Raises:
        InputError: a share outside 0 to 1, or a single group.
    """
    groups = groups_of(cases)
    if not 0 < test_share < 1 or len(groups) < 2:
        raise InputError(
            f"{len(cases)} case(s) of {len(groups)} independent group(s) of patients cannot be split with a test "
            f"share of {test_share:g}; it needs two groups and a share between 0 and 1."
        )
    by_name = sorted(groups, key=lambda group: min(case.name for case in group))
    test: set[str] = set()
    for n in np.random.default_rng(seed).permutation(len(by_name))[:-1]:
        if len(test) >= test_share * len(cases):
            break
        test.update(case.name for case in by_name[n])
    return Split(
        train=tuple(case for case in cases if case.name not in test),
        test=tuple(case for case in cases if case.name in test),
    )


def weights_of(cases: Sequence[OfPatients]) -> Floats:
    """Weights (C,) with which every patient counts the same: each patient's weight of 1 is shared among its cases."""
    counts = Counter(patient for case in cases for patient in case.patients)
    return np.array([sum(1 / counts[patient] for patient in case.patients) for case in cases])
