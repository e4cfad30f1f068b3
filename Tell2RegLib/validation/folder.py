"""What `tell2reg validate` writes: rows per case, every value, the summary in words, numbers and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import OutputError
from Tell2RegLib.results.record import plain
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.results.result_folder import FolderFormat
from Tell2RegLib.validation.plots import PICTURES, WITHOUT_MATPLOTLIB, can_plot, write_plots
from Tell2RegLib.validation.scores import TRANSFORMS, CaseScores
from Tell2RegLib.validation.summary import Measure, ValidationSummary, summary_record
from Tell2RegLib.validation.tables import summary_text

CASES, VALUES, RECORD, TEXT = "cases.csv", "values.csv", "summary.json", "summary.md"
VALIDATION_FORMAT = FolderFormat((CASES, VALUES, RECORD, TEXT, *PICTURES.values()), RECORD)
SCHEMA_VERSION = 1
FIT_COLUMNS = ("kind", "mean_dice", "folding_percent", "inverse_error_mm", "seconds")
_MEASURES = (
    Measure("landmark", "", "landmark_mm"),
    Measure("landmark_in_moving", "", "landmark_in_moving_mm"),
)


def write_validation(
    folder: Path, cases: Sequence[CaseScores], summary: ValidationSummary, about: Mapping[str, Any]
) -> None:
    """Write all files into an existing folder.

    Args:
        folder: where to.
        cases: failed ones too.
        summary: of the cases.
        about: what else the record says: provenance, the command, warnings.

    Raises:
        OutputError: a file cannot be written.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "notice": NOTICE,
        "cases": len(cases),
        "failed": {case.name: case.reason for case in cases if case.failed},
        **summary_record(summary),
        **about,
    }
    try:
        _write_csv(folder / CASES, case_rows(cases))
        _write_csv(folder / VALUES, value_rows(cases))
        (folder / RECORD).write_text(json.dumps(plain(record), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        pictures = write_plots(summary, folder) if can_plot() else ()
        (folder / TEXT).write_text(_text(summary, cases, [path.name for path in pictures]), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written: {error.strerror or error}.") from error


def _text(summary: ValidationSummary, cases: Sequence[CaseScores], pictures: Sequence[str]) -> str:
    shown = "\n\n".join(f"![{name.removesuffix('.png').replace('_', ' ')}]({name})" for name in pictures)
    note = "" if can_plot() else WITHOUT_MATPLOTLIB
    parts = ["# Validation", NOTICE, summary_text(summary, cases).rstrip(), shown, note]
    return "\n\n".join(part for part in parts if part) + "\n"


def case_rows(cases: Sequence[CaseScores]) -> list[dict[str, Any]]:
    """One row per case and transform, means over its landmarks and regions; one row for a case that failed."""
    rows: list[dict[str, Any]] = []
    for case in cases:
        about: dict[str, Any] = {"case": case.name, "patient": "; ".join(case.patients), **case.labels}
        if case.failed:
            rows.append({**about, "status": "failed", "reason": case.reason})
            continue
        for transform in TRANSFORMS:
            row: dict[str, Any] = {**about, "status": "ok", "reason": " ".join(case.remarks), "transform": transform}
            row["landmarks"] = len(case.landmarks)
            for measure in _MEASURES:
                values = measure.values(case, transform)
                row |= {f"{measure.key}_{name}_mm": value for name, value in _landmark_statistics(values).items()}
            score = case.scores[transform]
            row |= {"dice_mean": _mean(score.dice), "centroid_mm_mean": _mean(score.centroid_mm)}
            for n, region in enumerate(case.regions):
                row |= {f"dice {region}": score.dice[n], f"centroid_mm {region}": score.centroid_mm[n]}
            row |= {f"fit_{name}": case.fit.get(name) for name in FIT_COLUMNS}
            rows.append(row)
    return rows


def value_rows(cases: Sequence[CaseScores]) -> list[dict[str, Any]]:
    """One row per case, transform, measure and landmark or region."""
    rows = []
    for case in cases:
        for transform, score in case.scores.items():
            lists = (
                ("landmark_mm", case.landmarks, score.landmark_mm),
                ("landmark_in_moving_mm", case.landmarks, score.landmark_in_moving_mm),
                ("dice", case.regions, score.dice),
                ("centroid_mm", case.regions, score.centroid_mm),
            )
            rows += [
                {"case": case.name, "transform": transform, "measure": measure, "name": name, "value": value}
                for measure, names, values in lists
                for name, value in zip(names, values, strict=True)
            ]
    return rows


def _landmark_statistics(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return dict.fromkeys(("mean", "median", "90"))
    return {"mean": _mean(values), "median": float(np.median(values)), "90": float(np.percentile(values, 90))}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    header = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header, restval="")
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else "" if value is None else value
