"""Measures of all cases and of groups of cases: ours, the baselines, and ratios and losses against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from Tell2RegLib.validation.baselines import CENTRE, CENTRE_AND_SCALE
from Tell2RegLib.validation.scores import REGISTERED, TRANSFORMS, CaseScores
from Tell2RegLib.validation.statistics import Estimate, PatientMeans, weighted_percentile


@dataclass(frozen=True)
class Measure:
    """A number of every landmark or true region.

    Args:
        key: in files, such as "landmark_mm".
        title: in tables.
        of: the attribute of `Score` that holds its values.
        unit: "mm", or empty for a Dice.
        region: the only true region that counts; all when empty.
    """

    key: str
    title: str
    of: str
    unit: str = "mm"
    region: str = ""

    @property
    def is_error(self) -> bool:
        """Whether smaller is better."""
        return self.of != "dice"

    @property
    def is_main(self) -> bool:
        """Whether short tables show it: not for single regions, landmarks in fixed space only."""
        return not self.region and self.of != "landmark_in_moving_mm"

    def values(self, case: CaseScores, transform: str) -> tuple[float, ...]:
        """The values of a case under a transform, one per landmark or region."""
        values: tuple[float, ...] = getattr(case.scores[transform], self.of)
        names = case.landmarks if self.of.startswith("landmark") else case.regions
        return tuple(value for name, value in zip(names, values, strict=True) if self.region in ("", name))


MEASURES = (
    Measure("landmark_mm", "Landmark error", "landmark_mm"),
    Measure("landmark_in_moving_mm", "Landmark error in moving space", "landmark_in_moving_mm"),
    Measure("dice", "Dice of true regions", "dice", unit=""),
    Measure("centroid_mm", "Centroid distance of true regions", "centroid_mm"),
)


@dataclass(frozen=True)
class Statistics:
    """One measure under one transform.

    Args:
        mean: over patients, each with the same weight, of their mean over cases of the mean over landmarks or regions.
        median, percentile_90: of all landmarks or regions, weighted so that every patient counts the same. Of a Dice
            the 10 % percentile stands for the 90 %.
        worst: the worst mean of a case.
        pooled_mean: of all landmarks or regions, each with the same weight.
        ratio: of the means, to that of centre + scale.
        change: of the means, from that of centre + scale.
    """

    mean: Estimate
    median: float
    percentile_90: float
    worst: float
    pooled_mean: float
    ratio: Estimate | None
    change: Estimate


@dataclass(frozen=True)
class MeasureSummary:
    """One measure over cases.

    Args:
        measure: what was measured.
        cases, patients, groups, values: how many cases, patients, independent groups of patients and landmarks or
            regions it rests on.
        statistics: by transform.
        largest_loss: the case in which the registered transform is worst compared with moving the centre, and by how
            much its mean is worse; negative if it is better in every case.
        case_means: mean of every case by transform, in the order of `case_names`.
        case_names: the cases that have this measure.
        case_values: all values of every case by transform.
    """

    measure: Measure
    cases: int
    patients: int
    groups: int
    values: int
    statistics: Mapping[str, Statistics]
    largest_loss: tuple[str, float]
    case_names: tuple[str, ...] = ()
    case_means: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    case_values: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ValidationSummary:
    """All measures of all cases.

    Args:
        measures: those that at least one case has.
        by_label: the same for the cases of every value of every label.
        seed: of the bootstrap.
    """

    measures: tuple[MeasureSummary, ...]
    by_label: Mapping[str, Mapping[str, tuple[MeasureSummary, ...]]]
    seed: int


def summarise(cases: Sequence[CaseScores], seed: int = 0) -> ValidationSummary:
    """Summarise the cases that did not fail.

    Args:
        cases: in any order.
        seed: of the bootstrap over patients.
    """
    scored = [case for case in cases if not case.failed]
    labels = list(dict.fromkeys(label for case in scored for label in case.labels))
    by_label = {}
    for label in labels:
        values = sorted({case.labels.get(label, "") for case in scored})
        if len(values) > 1:
            by_label[label] = {
                value: measures_of([case for case in scored if case.labels.get(label, "") == value], seed)
                for value in values
            }
    return ValidationSummary(measures_of(scored, seed), by_label, seed)


def measures_of(cases: Sequence[CaseScores], seed: int = 0) -> tuple[MeasureSummary, ...]:
    """Every measure that at least one of the cases has, then those of single true regions if there are several."""
    regions = list(dict.fromkeys(name for case in cases for name in case.regions))
    single = [
        Measure(f"{of} {name}", f"{title}, {name}", of, unit, name)
        for name in (regions if len(regions) > 1 else ())
        for of, title, unit in (("dice", "Dice", ""), ("centroid_mm", "Centroid distance", "mm"))
    ]
    summaries = (_measured(measure, cases, seed) for measure in (*MEASURES, *single))
    return tuple(summary for summary in summaries if summary is not None)


def _measured(measure: Measure, cases: Sequence[CaseScores], seed: int) -> MeasureSummary | None:
    """Of the cases that have the landmarks or regions; None if no case has."""
    used = [case for case in cases if measure.values(case, REGISTERED)]
    if not used:
        return None
    means = PatientMeans(used, seed)
    values = {transform: tuple(measure.values(case, transform) for case in used) for transform in TRANSFORMS}
    case_means = {transform: tuple(float(np.mean(v)) for v in rows) for transform, rows in values.items()}
    reference = case_means[CENTRE_AND_SCALE]
    sign = 1 if measure.is_error else -1
    losses = [sign * (r - c) for r, c in zip(case_means[REGISTERED], case_means[CENTRE], strict=True)]
    worst = int(np.argmax(losses))
    return MeasureSummary(
        measure=measure,
        cases=len(used),
        patients=len({patient for case in used for patient in case.patients}),
        groups=means.group_count,
        values=sum(len(row) for row in values[REGISTERED]),
        statistics={
            transform: _statistics(measure, means, values[transform], case_means[transform], reference)
            for transform in TRANSFORMS
        },
        largest_loss=(used[worst].name, losses[worst]),
        case_names=tuple(case.name for case in used),
        case_means=case_means,
        case_values=values,
    )


def _statistics(
    measure: Measure,
    means: PatientMeans,
    values: Sequence[tuple[float, ...]],
    case_means: tuple[float, ...],
    reference: tuple[float, ...],
) -> Statistics:
    pooled = np.concatenate([np.asarray(row) for row in values])
    weights = np.repeat(means.weights / [len(row) for row in values], [len(row) for row in values])
    return Statistics(
        mean=means.mean(case_means),
        median=weighted_percentile(pooled, weights, 50),
        percentile_90=weighted_percentile(pooled, weights, 90 if measure.is_error else 10),
        worst=max(case_means) if measure.is_error else min(case_means),
        pooled_mean=float(pooled.mean()),
        ratio=means.ratio(case_means, reference),
        change=means.difference(case_means, reference),
    )


def summary_record(summary: ValidationSummary) -> dict[str, Any]:
    """The summary as plain values."""
    return {
        "bootstrap_seed": summary.seed,
        "measures": [_measure_record(measure) for measure in summary.measures],
        "by_label": {
            label: {value: [_measure_record(measure) for measure in measures] for value, measures in groups.items()}
            for label, groups in summary.by_label.items()
        },
    }


def _measure_record(summary: MeasureSummary) -> dict[str, Any]:
    return {
        "measure": summary.measure.key,
        "unit": summary.measure.unit,
        "cases": summary.cases,
        "patients": summary.patients,
        "groups": summary.groups,
        "values": summary.values,
        "transforms": {transform: asdict(statistics) for transform, statistics in summary.statistics.items()},
        "largest_loss_against_centre": {"case": summary.largest_loss[0], "value": summary.largest_loss[1]},
    }
