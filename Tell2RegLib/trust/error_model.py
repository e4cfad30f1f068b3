"""The predicted error of a target and the radius around it: a linear model of cues, and a factor from other patients.

    log(error + c) = intercept + weights . (terms - means) / spreads       (ridge regression, c = 1 mm)
    radius + c = factor (predicted + c)

The terms are the cues, within the range of those learned from, and their squares.

The factor is that within which the errors of patients lay whom the regression had not seen (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.evaluation.target_trust import ErrorEstimate
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.transform_kinds import state_of
from Tell2RegLib.trust.cues import Registered, cues_of
from Tell2RegLib.trust.domain import CaseFacts, Domain

LEAST_ERROR_MM = 1.0
"""c above: differences of smaller errors mean nothing."""
SHARE = 0.9
"""Share of the targets of a new patient that the radius promises."""
LEAST_PATIENTS = 10
"""Fewer patients give a radius, but no promise."""
PENALTIES = (3.0, 30.0, 300.0, 3000.0)
"""Weights of the ridge penalty that are tried, in targets."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """log(error + c) as a linear function of terms.

    Args:
        limits: (2, C), lowest and highest cues; others are taken for these.
        means, spreads, weights: (2 C,), of the terms.
        intercept: at the means.
    """

    limits: Floats
    means: Floats
    spreads: Floats
    weights: Floats
    intercept: float

    @classmethod
    def fitted(cls, cues: Floats, errors_mm: Floats, counts: Floats, penalty: float) -> LinearModel:
        """Ridge regression.

        Args:
            cues: (N, C).
            errors_mm: (N,).
            counts: (N,), weight of each target.
            penalty: weight of the penalty, in the units of the counts.
        """
        limits = np.stack([cues.min(axis=0), cues.max(axis=0)])
        terms = _terms(cues, limits)
        means = np.average(terms, axis=0, weights=counts)
        spreads = np.sqrt(np.average((terms - means) ** 2, axis=0, weights=counts))
        spreads = np.where(spreads > 1e-6, spreads, 1.0)
        logarithms = np.log(errors_mm + LEAST_ERROR_MM)
        intercept = float(np.average(logarithms, weights=counts))
        scaled = (terms - means) / spreads
        normal = (scaled * counts[:, None]).T @ scaled + penalty * np.eye(terms.shape[1])
        weights = np.linalg.solve(normal, scaled.T @ (counts * (logarithms - intercept)))
        return cls(limits, means, spreads, weights.astype(np.float64), intercept)

    def predicted_mm(self, cues: Floats) -> Floats:
        """(N,), predicted errors."""
        logarithms = self.intercept + ((_terms(cues, self.limits) - self.means) / self.spreads) @ self.weights
        predicted: Floats = np.maximum(np.exp(np.minimum(logarithms, 6.0)) - LEAST_ERROR_MM, 0.0)
        return predicted


def _terms(cues: Floats, limits: Floats) -> Floats:
    """(N, 2 C), the cues and their squares."""
    limited = np.clip(cues, *limits)
    return np.concatenate([limited, limited**2], axis=1)


@dataclass(frozen=True, eq=False)
class KindModel:
    """The model of one kind of transform: "rigid", "affine" or "deformable".

    Args:
        linear: of the predicted error.
        factor: of the radius.
    """

    linear: LinearModel
    factor: float

    def radius_mm(self, predicted_mm: Floats) -> Floats:
        """(N,), the radii around targets with these predicted errors."""
        radius: Floats = self.factor * (predicted_mm + LEAST_ERROR_MM) - LEAST_ERROR_MM
        return np.maximum(radius, predicted_mm)


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Predicts errors, for cases like those that it was learned from.

    Args:
        kinds: by kind of transform.
        domain: what it was learned from.
        patients, cases, targets: how many.
        synthetic: whether these were phantoms.
    """

    kinds: Mapping[str, KindModel]
    domain: Domain
    patients: int
    cases: int
    targets: int
    synthetic: bool = False

    @property
    def promises(self) -> bool:
        """Whether the radius holds a promise for new patients."""
        return not self.synthetic and self.patients >= LEAST_PATIENTS

    @property
    def basis(self) -> str:
        """What the radius rests on, one sentence."""
        if self.synthetic:
            return f"Learned from {self.patients} synthetic pelves: no promise for patients."
        if not self.promises:
            return f"Learned from {self.patients} patient(s), fewer than {LEAST_PATIENTS}: no promise."
        return (
            f"Learned from {self.patients} patients: on average, {100 * SHARE:.0f} % of the targets of a new patient "
            "lie within the radius."
        )

    def estimates(self, registered: Registered, moving_lps_mm: Floats, facts: CaseFacts) -> tuple[ErrorEstimate, ...]:
        """The predicted error of every target (N, 3) drawn on the moving volume, or why there is none.

        Args:
            registered: the fit.
            moving_lps_mm: (N, 3), LPS mm.
            facts: of the case.
        """
        kind = state_of(registered.transform.kind)
        reason = self._why_not(registered, kind, facts)
        if reason:
            return (ErrorEstimate(reason=reason),) * len(moving_lps_mm)
        cues, model = cues_of(registered, moving_lps_mm), self.kinds[kind]
        predicted = model.linear.predicted_mm(cues)
        return tuple(
            ErrorEstimate(reason=why) if why else ErrorEstimate(float(error), float(radius), self.basis)
            for why, error, radius in zip(
                self.domain.why_not_at(cues), predicted, model.radius_mm(predicted), strict=True
            )
        )

    def _why_not(self, registered: Registered, kind: str, facts: CaseFacts) -> str:
        if not registered.accepted:
            return "No pair of regions is accepted."
        if kind not in self.kinds:
            return f"Nothing was learned about {kind} transforms."
        reason = self.domain.why_not(facts)
        return f"{reason} {self.basis}" if reason else ""


@dataclass(frozen=True, eq=False)
class ErrorPredictor:
    """What predicts the errors of a case.

    Args:
        model: of the errors.
        facts: of the case.
        shipped: whether the model is the one that ships.
    """

    model: ErrorModel
    facts: CaseFacts
    shipped: bool = False

    def estimates(self, registered: Registered, moving_lps_mm: Floats) -> tuple[ErrorEstimate, ...]:
        """See `ErrorModel.estimates`."""
        return self.model.estimates(registered, moving_lps_mm, self.facts)


def radius_factor(
    errors_mm: Sequence[Floats], predicted_mm: Sequence[Floats], weights: Floats, share: float = SHARE
) -> float:
    """The factor of the radius, from cases that the predictions had not seen: conformal prediction over patients.

    A patient who has not been seen counts as one more, with an error beyond all: then the share of targets within the
    radius is at least `share`, on average over new patients (hierarchical conformal prediction: Lee, Barber and
    Willett, arXiv:2306.06342). With too few patients for that, the largest ratio.

    Args:
        errors_mm, predicted_mm: of the targets of each case.
        weights: (C,), of the cases; together the number of patients.
        share: of the targets of a new patient.
    """
    ratios = [
        (errors + LEAST_ERROR_MM) / (predicted + LEAST_ERROR_MM)
        for errors, predicted in zip(errors_mm, predicted_mm, strict=True)
    ]
    each = np.concatenate([np.full(len(r), w / len(r)) for r, w in zip(ratios, weights, strict=True)])
    values = np.concatenate(ratios)
    order = np.argsort(values, kind="stable")
    within = np.cumsum(each[order]) / (weights.sum() + 1)
    index = int(np.searchsorted(within, share - 1e-12))
    return float(values[order][min(index, len(values) - 1)])
