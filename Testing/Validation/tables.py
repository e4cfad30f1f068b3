"""The parts of docs/validation.md that `make validation` writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.validation.plots import PICTURES
from Tell2RegLib.validation.scores import TRANSFORMS, CaseScores
from Tell2RegLib.validation.summary import MeasureSummary, ValidationSummary, measures_of
from Tell2RegLib.validation.tables import failures, label_table, measure_table
from Testing.Validation.phantoms import KINDS


def kinds_text() -> str:
    """What the kinds of cases are."""
    rows = [f"| {name} | {kind.help} |" for name, kind in KINDS.items()]
    return "\n".join(["| kind | the case |", "|---|---|", *rows])


def phantoms_text(summary: ValidationSummary, cases: Sequence[CaseScores], about: str) -> str:
    """All kinds of cases together, then each kind, the plots, and what failed."""
    measures = [measure for measure in summary.measures if measure.measure.is_main]
    pictures = [
        f"![{measure.measure.title}](pictures/validation-{PICTURES[measure.measure.key]})" for measure in measures
    ]
    parts = [about, *(measure_table(measure) for measure in measures), *pictures]
    if "kind" in summary.by_label:
        parts.append(label_table("kind", {kind: summary.by_label["kind"][kind] for kind in _present(summary)}))
    return "\n\n".join([*parts, *failures(cases)])


def _present(summary: ValidationSummary) -> list[str]:
    """The kinds of the cases, in their own order."""
    return [kind for kind in KINDS if kind in summary.by_label["kind"]]


def organs_text(cases: Sequence[CaseScores], about: str) -> str:
    """The centroid error of every organ that was left out: the median over pairs under each transform."""
    scored = [case for case in cases if not case.failed]
    organs = list(dict.fromkeys(case.labels["organ"] for case in scored))
    lines = [
        about,
        "",
        f"| organ left out | pairs | {' | '.join(TRANSFORMS)} |",
        "|---|--:|" + "--:|" * len(TRANSFORMS),
    ]
    for organ in organs:
        lines.append(_line(organ, [case for case in scored if case.labels["organ"] == organ]))
    if scored:
        lines.append(_line("**all**", scored))
    return "\n".join([*lines, *(f"\n{text}" for text in failures(cases))])


def _line(title: str, cases: Sequence[CaseScores]) -> str:
    summary = _centroids(cases)
    pairs = len({patient for case in cases for patient in case.patients})
    medians = (np.median(np.concatenate(summary.case_values[transform])) for transform in TRANSFORMS)
    return "| " + " | ".join([title, str(pairs), *(f"{median:.1f}" for median in medians)]) + " |"


def _centroids(cases: Sequence[CaseScores]) -> MeasureSummary:
    return next(summary for summary in measures_of(cases) if summary.measure.key == "centroid_mm")
