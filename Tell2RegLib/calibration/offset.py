"""Mean and covariance of the linear offset over patients: a hierarchical model, fitted by expectation maximisation.

The parameters of a case are drawn from a Student distribution around the mean of the site; its regions and landmarks
give their likelihood. So a case counts by its certainty, and an outlier little. Every patient counts the same. Both
estimates shrink to the default prior as if it were that of `PSEUDO_PATIENTS` further patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.calibration.evidence import CaseEvidence
from Tell2RegLib.cases.groups import weights_of
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.space.grid import Floats

PSEUDO_PATIENTS_OF_MEAN, PSEUDO_PATIENTS_OF_SPREAD = 1.0, 5.0
"""Weight of the default prior, in patients."""
CASE_TAIL, LANDMARK_TAIL = 4.0, 4.0
"""Degrees of freedom of the Student distributions of cases and of landmarks."""
INITIAL_LANDMARK_SPREAD_MM = 3.0
STEPS, LEAST_CHANGE = 100, 1e-4
"""Maximum number of steps, and the change of the mean (in spreads of the default) that ends them."""


@dataclass(frozen=True, eq=False)
class Offset:
    """The linear offset between two kinds of scan.

    Args:
        prior: mean and covariance of the nine parameters.
        landmark_spread_mm: what a linear map leaves of a landmark along each axis; None without landmarks.
    """

    prior: LinearPrior
    landmark_spread_mm: float | None = None


@dataclass(frozen=True, eq=False)
class _Landmarks:
    """The landmarks of all cases, with the case of each."""

    case: NDArray[np.int64]
    slopes: Floats
    targets: Floats

    def sums(self, weights: Floats, count: int) -> tuple[Floats, Floats]:
        """Precision (C, 9, 9) and information (C, 9) of each case, for landmarks of these weights."""
        precision, information = np.zeros((count, 9, 9)), np.zeros((count, 9))
        np.add.at(precision, self.case, np.einsum("n,nip,niq->npq", weights, self.slopes, self.slopes))
        np.add.at(information, self.case, np.einsum("n,nip,ni->np", weights, self.slopes, self.targets))
        return precision, information

    def square_errors(self, means: Floats, covariances: Floats) -> Floats:
        """(N,), expected square error, mm^2, given the parameters of the cases."""
        residuals = self.targets - np.einsum("nip,np->ni", self.slopes, means[self.case])
        spread = np.einsum("nip,npq,niq->n", self.slopes, covariances[self.case], self.slopes)
        expected: Floats = np.sum(residuals**2, axis=1) + spread
        return expected


def estimate_offset(cases: Sequence[CaseEvidence], default: LinearPrior) -> Offset:
    """The offset of cases, independent of their order.

    Args:
        cases: at least one.
        default: to which the estimates shrink; its mean is that of the shrunk mean.
    """
    cases = sorted(cases, key=lambda case: case.name)
    patients, count = weights_of(cases), len(cases)
    landmarks = _Landmarks(
        np.repeat(np.arange(count), [len(case.landmark_targets) for case in cases]),
        np.concatenate([case.landmark_slopes for case in cases]),
        np.concatenate([case.landmark_targets for case in cases]),
    )
    region_precision = np.array([case.precision for case in cases])
    region_information = np.array([case.information for case in cases])
    mean, covariance, variance = default.mean, default.covariance, INITIAL_LANDMARK_SPREAD_MM**2
    trust = np.ones(len(landmarks.targets))
    for _ in range(STEPS):
        landmark_precision, landmark_information = landmarks.sums(trust / variance, count)
        between: Floats = np.linalg.inv(covariance).astype(np.float64)
        posterior: Floats = np.linalg.inv(region_precision + landmark_precision + between).astype(np.float64)
        information = region_information + landmark_information + between @ mean
        means: Floats = np.einsum("cpq,cq->cp", posterior, information)
        weights = patients * _case_trust(means - mean, posterior, between)
        previous, (mean, covariance) = mean, _updated(means, posterior, weights, covariance, patients.sum(), default)
        if len(landmarks.targets):
            square = landmarks.square_errors(means, posterior)
            trust = (LANDMARK_TAIL + 3) / (LANDMARK_TAIL + square / variance)
            of_patient = patients[landmarks.case]
            variance = float((of_patient * trust * square).sum() / (3 * of_patient.sum()))
        if np.abs((mean - previous) / np.sqrt(np.diag(default.covariance))).max() < LEAST_CHANGE:
            break
    return Offset(LinearPrior(mean, covariance), variance**0.5 if len(landmarks.targets) else None)


def _case_trust(deviations: Floats, posterior: Floats, between: Floats) -> Floats:
    """Weight (C,) of each case: low for one far from the mean."""
    square = np.einsum("cp,pq,cq->c", deviations, between, deviations) + np.einsum("cpq,qp->c", posterior, between)
    trust: Floats = (CASE_TAIL + 9) / (CASE_TAIL + square)
    return trust


def _updated(
    means: Floats, posterior: Floats, weights: Floats, covariance: Floats, patients: float, default: LinearPrior
) -> tuple[Floats, Floats]:
    """Mean and covariance given the parameters of the cases, shrunk to the default."""
    between, of_default = np.linalg.inv(covariance), PSEUDO_PATIENTS_OF_MEAN * np.linalg.inv(default.covariance)
    mean = np.linalg.solve(
        between * weights.sum() + of_default, between @ (weights @ means) + of_default @ default.mean
    )
    deviations = means - mean
    scatter = np.einsum("c,cp,cq->pq", weights, deviations, deviations) + np.einsum("c,cpq->pq", weights, posterior)
    shrunk = scatter + PSEUDO_PATIENTS_OF_SPREAD * default.covariance
    return mean, shrunk / (patients + PSEUDO_PATIENTS_OF_SPREAD)


def most_probable(case: CaseEvidence, prior: LinearPrior) -> Floats:
    """(9,), the parameters that the regions of a case give under a prior, without its landmarks."""
    parameters = prior.mean
    for _ in range(20):
        precision = prior.precision(parameters)
        information = case.information + precision @ prior.mean
        parameters = np.linalg.solve(case.precision + precision, information).astype(np.float64)
    return parameters


def log_evidence(case: CaseEvidence, prior: LinearPrior) -> float:
    """How well a prior predicts the regions of a case: logarithm of their marginal likelihood, up to a constant."""
    between = np.linalg.inv(prior.covariance)
    information = case.information + between @ prior.mean
    quadratic = information @ np.linalg.solve(case.precision + between, information) - prior.mean @ between @ prior.mean
    _, log_determinant = np.linalg.slogdet(np.eye(9) + prior.covariance @ case.precision)
    return float(quadratic - log_determinant) / 2
