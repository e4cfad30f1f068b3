"""Which part of an estimated offset to use: only what helps on patients left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.calibration.evidence import CaseEvidence
from Tell2RegLib.calibration.offset import Offset, estimate_offset, log_evidence, most_probable
from Tell2RegLib.cases.groups import OfPatients, folds_of, groups_of, weights_of
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.space.grid import Floats

LEAST_GROUPS = 8
"""Fewer independent groups of patients say nothing about patients left out: the default prior stays."""
MOST_FOLDS = 10
LEAST_GAIN = 1.0
"""Mean gain on patients left out, in its standard errors, from which a candidate is used."""

Judge = Callable[[CaseEvidence, LinearPrior], float]
"""The score of a case under a prior; larger is better."""
CANDIDATES: Mapping[str, Callable[[LinearPrior, LinearPrior], LinearPrior]] = {
    "mean": lambda estimated, default: LinearPrior(estimated.mean, default.covariance),
    "spread": lambda estimated, default: LinearPrior(default.mean, estimated.covariance),
    "mean and spread": lambda estimated, default: estimated,
}
"""The priors that are compared with the default."""


@dataclass(frozen=True)
class Trial:
    """What a candidate gained over the default prior on patients left out.

    Args:
        candidate: one of `CANDIDATES`.
        gain, standard_error: mean over groups of patients, in `unit`; positive is better.
        unit: "mm of landmark error", or "log evidence" without landmarks.
    """

    candidate: str
    gain: float
    standard_error: float
    unit: str

    @property
    def helps(self) -> bool:
        """Whether the gain is beyond chance."""
        return self.gain > 0 and self.gain >= LEAST_GAIN * self.standard_error


@dataclass(frozen=True, eq=False)
class Choice:
    """The chosen prior.

    Args:
        prior: the default, or what helped most.
        used: the candidate, or "" for the default.
        estimated: from all cases, used or not.
        trials: one per candidate; empty where there are too few patients.
        reason: one sentence.
    """

    prior: LinearPrior
    used: str
    estimated: Offset
    trials: tuple[Trial, ...]
    reason: str


def choose_prior(cases: Sequence[CaseEvidence], default: LinearPrior) -> Choice:
    """Estimate the offset and choose, by cross-validation over patients, what of it to use.

    The score of a patient left out is the mean error of its landmarks, under the map that its regions give; without
    any landmarks, the evidence of its regions.

    Args:
        cases: at least one.
        default: the prior without a calibration.
    """
    estimated, groups = estimate_offset(cases, default), groups_of(cases)
    if len(groups) < LEAST_GROUPS:
        reason = (
            f"{len(groups)} independent group(s) of patients are too few to learn from (at least {LEAST_GROUPS}): the "
            "default prior stays."
        )
        return Choice(default, "", estimated, (), reason)
    trials = _trials(cases, default)
    helping = [trial for trial in trials if trial.helps]
    if not helping:
        reason = "Neither mean nor spread helped beyond chance on patients left out: the default prior stays."
        return Choice(default, "", estimated, trials, reason)
    best = max(helping, key=lambda trial: trial.gain)
    reason = (
        f"The {best.candidate} helped on patients left out: {best.gain:.2g} {best.unit} (standard error "
        f"{best.standard_error:.1g})."
    )
    return Choice(CANDIDATES[best.candidate](estimated.prior, default), best.candidate, estimated, trials, reason)


def _trials(cases: Sequence[CaseEvidence], default: LinearPrior) -> tuple[Trial, ...]:
    with_landmarks = any(len(case.landmark_targets) for case in cases)
    judge, unit = (_by_landmarks, "mm of landmark error") if with_landmarks else (log_evidence, "log evidence")
    groups = groups_of(cases)
    gains: dict[str, dict[str, float]] = {candidate: {} for candidate in CANDIDATES}
    for fold in folds_of(cases, min(MOST_FOLDS, len(groups))):
        estimated = estimate_offset(fold.train, default).prior
        for case in fold.test:
            if with_landmarks and not len(case.landmark_targets):
                continue
            for candidate, prior_of in CANDIDATES.items():
                gains[candidate][case.name] = judge(case, prior_of(estimated, default)) - judge(case, default)
    return tuple(Trial(candidate, *mean_over_patients(groups, of_case), unit) for candidate, of_case in gains.items())


def _by_landmarks(case: CaseEvidence, prior: LinearPrior) -> float:
    return -float(case.landmark_errors_mm(most_probable(case, prior)).mean())


def mean_over_patients(
    groups: Sequence[Sequence[OfPatients]], gain_of_case: Mapping[str, float]
) -> tuple[float, float]:
    """Mean over patients and its standard error over independent groups."""
    sums, sizes = [], []
    for group in groups:
        weights: Floats = weights_of(group)
        judged = [
            (weight, gain_of_case[case.name])
            for case, weight in zip(group, weights, strict=True)
            if case.name in gain_of_case
        ]
        if judged:
            sums.append(sum(weight * gain for weight, gain in judged))
            sizes.append(sum(weight for weight, _ in judged))
    mean = sum(sums) / sum(sizes)
    deviations = np.array(sums) - mean * np.array(sizes)
    count = len(sums)
    error = (
        float(np.sqrt(count / max(count - 1, 1) * np.sum(deviations**2)) / sum(sizes)) if count > 1 else float("inf")
    )
    return float(mean), error
