"""Learns a model of errors from registered cases with a truth: ridge regression, and the radius from patients left out.

The offset of a case, its regression and the ratio of its error to the prediction come from different patients
(cross-conformal prediction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.cases.groups import folds_of, groups_of, weights_of
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.trust.domain import CaseFacts, Domain
from Tell2RegLib.trust.error_model import LEAST_ERROR_MM, PENALTIES, ErrorModel, KindModel, LinearModel, radius_factor

LEAST_GROUPS = 3
"""Independent groups of patients from which anything is learned about errors."""
MOST_FOLDS = 10


@dataclass(frozen=True, eq=False)
class TargetErrors:
    """The cues and errors of a case's targets under one transform.

    Args:
        cues: (N, C), `trust.cues`.
        errors_mm: (N,).
    """

    cues: Floats
    errors_mm: Floats


@dataclass(frozen=True, eq=False)
class ErrorObservations:
    """A registered case with a truth.

    Args:
        name, patients: of the case.
        facts: of its volumes and pairs.
        kinds: its targets by kind of transform.
    """

    name: str
    patients: tuple[str, ...]
    facts: CaseFacts
    kinds: Mapping[str, TargetErrors]


def learn_errors(cases: Sequence[ErrorObservations], *, synthetic: bool = False) -> ErrorModel | None:
    """The model of errors of cases; None where there are fewer independent groups of patients than `LEAST_GROUPS`.

    Args:
        cases: each with at least one target.
        synthetic: whether they are phantoms.
    """
    groups = groups_of(cases)
    if len(groups) < LEAST_GROUPS:
        return None
    kinds = {}
    for kind in dict.fromkeys(kind for case in cases for kind in case.kinds):
        of_kind = [case for case in cases if kind in case.kinds]
        if len(groups_of(of_kind)) >= LEAST_GROUPS:
            kinds[kind] = _kind_model(of_kind, kind)
    every = [errors for case in cases for errors in case.kinds.values()]
    return ErrorModel(
        kinds=kinds,
        domain=Domain.over([case.facts for case in cases], np.concatenate([errors.cues for errors in every])),
        patients=len({patient for case in cases for patient in case.patients}),
        cases=len(cases),
        targets=sum(max(len(errors.errors_mm) for errors in case.kinds.values()) for case in cases),
        synthetic=synthetic,
    )


def _kind_model(cases: Sequence[ErrorObservations], kind: str) -> KindModel:
    folds = folds_of(cases, min(MOST_FOLDS, len(groups_of(cases))))
    weights, errors = weights_of(cases), [case.kinds[kind].errors_mm for case in cases]
    best: tuple[float, float, list[Floats]] | None = None
    for penalty in PENALTIES:
        predictions: dict[str, Floats] = {}
        for fold in folds:
            model = _linear(fold.train, kind, penalty)
            predictions |= {case.name: model.predicted_mm(case.kinds[kind].cues) for case in fold.test}
        predicted = [predictions[case.name] for case in cases]
        deviation = float(
            np.average([_deviation(e, p) for e, p in zip(errors, predicted, strict=True)], weights=weights)
        )
        if best is None or deviation < best[0]:
            best = deviation, penalty, predicted
    assert best is not None
    _, penalty, predicted = best
    return KindModel(_linear(cases, kind, penalty), radius_factor(errors, predicted, weights))


def _deviation(errors_mm: Floats, predicted_mm: Floats) -> float:
    return float(np.mean(np.log((errors_mm + LEAST_ERROR_MM) / (predicted_mm + LEAST_ERROR_MM)) ** 2))


def _linear(cases: Sequence[ErrorObservations], kind: str, penalty: float) -> LinearModel:
    """The regression of cases; every patient counts the same, and all together as many targets as there are."""
    errors = [case.kinds[kind].errors_mm for case in cases]
    each = np.concatenate([np.full(len(e), w / len(e)) for e, w in zip(errors, weights_of(cases), strict=True)])
    cues = np.concatenate([case.kinds[kind].cues for case in cases])
    return LinearModel.fitted(cues, np.concatenate(errors), each * len(each) / each.sum(), penalty)
