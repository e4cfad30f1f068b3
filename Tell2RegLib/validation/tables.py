"""The summary of a validation in words and tables (Markdown)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from Tell2RegLib.validation.baselines import CENTRE, CENTRE_AND_SCALE
from Tell2RegLib.validation.scores import REGISTERED, TRANSFORMS, CaseScores
from Tell2RegLib.validation.statistics import Estimate
from Tell2RegLib.validation.summary import MeasureSummary, ValidationSummary

HOW_TO_READ = (
    "Every patient counts the same, however many cases it has. In brackets: 95 % interval of a bootstrap over "
    "patients; cases that share a patient are drawn together. *Ratio* and *change* compare the means with "
    "`centre + scale`. The fits used neither landmarks nor true regions."
)


def summary_text(summary: ValidationSummary, cases: Sequence[CaseScores]) -> str:
    """All tables: one per measure, one per label, the cases that failed."""
    scored = [case for case in cases if not case.failed]
    patients = {patient for case in scored for patient in case.patients}
    parts = [f"{len(scored)} of {len(cases)} cases, {len(patients)} patients.", HOW_TO_READ]
    parts += [measure_table(measure) for measure in summary.measures]
    parts += [label_table(label, groups) for label, groups in summary.by_label.items()]
    parts += list(failures(cases))
    return "\n\n".join(parts) + "\n"


def measure_table(summary: MeasureSummary) -> str:
    """One measure, a line per transform."""
    measure = summary.measure
    unit = f", {measure.unit}" if measure.unit else ""
    high = "90 %" if measure.is_error else "10 %"
    items = "landmarks" if measure.of.startswith("landmark") else "regions"
    lines = [
        f"### {measure.title}{unit}",
        "",
        f"{summary.cases} cases, {summary.patients} patients in {summary.groups} independent groups, {summary.values} "
        f"{items}.",
        "",
        f"| transform | mean | median | {high} | worst case | mean of all {items} | ratio | change |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for transform in TRANSFORMS:
        row = summary.statistics[transform]
        compared = transform != CENTRE_AND_SCALE
        cells = [
            f"**{transform}**" if transform == REGISTERED else transform,
            _estimate(row.mean),
            *(f"{value:.2f}" for value in (row.median, row.percentile_90, row.worst, row.pooled_mean)),
            _estimate(row.ratio) if compared and row.ratio else "",
            _estimate(row.change, sign=True) if compared else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    case, loss = summary.largest_loss
    verb = "worse" if loss > 0 else "better"
    lines += ["", f"Compared with moving the centre, the worst case is `{case}`: {abs(loss):.2f}{unit[1:]} {verb}."]
    return "\n".join(lines)


def label_table(label: str, groups: Mapping[str, Sequence[MeasureSummary]]) -> str:
    """The main measures by the values of one label."""
    lines = [
        f"### By {label}",
        "",
        f"| measure | {label} | cases | {CENTRE} | {CENTRE_AND_SCALE} | {REGISTERED} | ratio |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    rows = [(value, summary) for value, measures in groups.items() for summary in measures if summary.measure.is_main]
    keys = dict.fromkeys(summary.measure.key for _, summary in rows)
    for value, summary in sorted(rows, key=lambda row: list(keys).index(row[1].measure.key)):
        shown = [summary.statistics[transform] for transform in (CENTRE, CENTRE_AND_SCALE, REGISTERED)]
        ratio = shown[-1].ratio
        cells = [summary.measure.title, value or "(empty)", str(summary.cases), *(_estimate(row.mean) for row in shown)]
        lines.append("| " + " | ".join([*cells, _estimate(ratio) if ratio else ""]) + " |")
    return "\n".join(lines)


def failures(cases: Sequence[CaseScores]) -> Iterator[str]:
    """A list of the cases that failed with their reasons; nothing if none did."""
    failed = [case for case in cases if case.failed]
    if failed:
        yield "\n".join(["### Cases that failed", "", *(f"- `{case.name}`: {case.reason}" for case in failed)])


def _estimate(estimate: Estimate, sign: bool = False) -> str:
    form = "+.2f" if sign else ".2f"
    text = format(estimate.value, form)
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({format(estimate.low, form)} to {format(estimate.high, form)})"
