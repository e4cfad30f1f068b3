"""Means over patients with bootstrap intervals: every patient counts the same, and patients are what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from Tell2RegLib.cases.groups import OfPatients, groups_of, weights_of
from Tell2RegLib.space.grid import Floats

RESAMPLES = 2000
INTERVAL_PERCENT = (2.5, 97.5)
LEAST_GROUPS = 5
"""Independent groups from which an interval is given; the draws of fewer say nothing about other patients."""


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval (95 %); without one where there are fewer groups than `LEAST_GROUPS`."""

    value: float
    low: float | None = None
    high: float | None = None


class PatientMeans:
    """Weighted means over cases, and how far they vary when other patients are drawn.

    A case's weight is the sum over its patients of one over the patient's number of cases, so that every patient weighs
    the same. The bootstrap draws groups of cases that share patients (`groups_of`), with replacement; the same draws
    serve every mean, so that differences and ratios are paired.

    Args:
        cases: at least one.
        seed: of the draws.
        resamples: number of draws.
    """

    def __init__(self, cases: Sequence[OfPatients], seed: int = 0, resamples: int = RESAMPLES) -> None:
        self.weights = weights_of(cases)
        groups = groups_of(cases)
        self.group_count = len(groups)
        number = {case.name: n for n, group in enumerate(groups) for case in group}
        self._group = np.array([number[case.name] for case in cases])
        equal = np.full(self.group_count, 1 / self.group_count)
        # Sorted, so that the interval does not depend on the order of the cases.
        order = np.argsort(np.argsort([min(case.name for case in group) for group in groups]))
        self._counts = np.random.default_rng(seed).multinomial(self.group_count, equal, size=resamples)[:, order]

    def mean(self, values: ArrayLike) -> Estimate:
        """The mean of one value per case."""
        return self._estimate(*self._means(values))

    def ratio(self, values: ArrayLike, reference: ArrayLike) -> Estimate | None:
        """The mean of `values` over the mean of `reference`; None where that is zero."""
        (value, drawn), (base, drawn_base) = self._means(values), self._means(reference)
        if base == 0 or not drawn_base.all():
            return None
        return self._estimate(value / base, drawn / drawn_base)

    def difference(self, values: ArrayLike, reference: ArrayLike) -> Estimate:
        """The mean of `values` minus the mean of `reference`."""
        (value, drawn), (base, drawn_base) = self._means(values), self._means(reference)
        return self._estimate(value - base, drawn - drawn_base)

    def _means(self, values: ArrayLike) -> tuple[float, Floats]:
        weighted = np.asarray(values, dtype=np.float64) * self.weights
        totals = np.bincount(self._group, weighted, self.group_count)
        weights = np.bincount(self._group, self.weights, self.group_count)
        return float(weighted.sum() / self.weights.sum()), (self._counts @ totals) / (self._counts @ weights)

    def _estimate(self, value: float, drawn: Floats) -> Estimate:
        if self.group_count < LEAST_GROUPS:
            return Estimate(value)
        low, high = (float(bound) for bound in np.percentile(drawn, INTERVAL_PERCENT))
        return Estimate(value, low, high)


def weighted_percentile(values: ArrayLike, weights: ArrayLike, percent: float) -> float:
    """A percentile of weighted values, linear between the middles of their shares of the whole weight.

    >>> weighted_percentile([3, 1, 2], [1, 1, 1], 50)
    2.0
    >>> weighted_percentile([1, 9], [3, 1], 50)
    3.0
    """
    order = np.argsort(values, kind="stable")
    sorted_values, sorted_weights = np.asarray(values, float)[order], np.asarray(weights, float)[order]
    middles = (np.cumsum(sorted_weights) - sorted_weights / 2) / sorted_weights.sum()
    return float(np.interp(percent / 100, middles, sorted_values))
