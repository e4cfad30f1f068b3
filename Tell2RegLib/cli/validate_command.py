"""`tell2reg validate`: registrations of a table of cases, scored by a truth that the fit never sees."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib.cli.options import Chosen, Debug, Events, Json, Overwrite, takes_settings
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import (
    errors_as_exit_codes,
    print_json,
    print_notice,
    print_table,
    progress_of,
    stdout,
)
from Tell2RegLib.fitting.settings import FitSettings

log = logging.getLogger(__name__)


@takes_settings(fit=FitSettings)
def validate(
    *,
    cases: Annotated[Path, typer.Argument(help="Table of cases (CSV).")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    fit: Chosen,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap over patients.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Register a table of cases and score them by landmarks and true regions that the fit never sees."""
    with errors_as_exit_codes(debug), progress_of(("validate", "write")) as bars:
        from Tell2RegLib.cases.table import read_cases
        from Tell2RegLib.results.record import plain
        from Tell2RegLib.results.result_folder import writing_folder
        from Tell2RegLib.validation.folder import VALIDATION_FORMAT, write_validation
        from Tell2RegLib.workflows.validate import validate as run

        table = read_cases(cases, need_regions=True, need_truth=True)
        for warning in table.warnings:
            log.warning(warning)
        with writing_folder(out, overwrite=overwrite, needed=table.files, folder_format=VALIDATION_FORMAT) as aside:
            result = run(table.cases, fit=fit, seed=seed, progress=bars)
            bars("write", 0, 1)
            write_validation(aside, result.cases, result.summary, _about(table, fit))
            bars("write", 1, 1)
    record = _record(result, out)
    with printing(written=True):
        if as_json:
            print_json(plain(record))
        else:
            _show(result, out)
    _end_with_failures(record["failed"], len(result.cases), out, debug)


def _about(table: Any, fit: Chosen) -> dict[str, Any]:
    from Tell2RegLib.results.provenance import provenance

    return {
        "warnings": list(table.warnings),
        "provenance": provenance(
            device=str(fit.get("device", FitSettings.device)), parameters=dict(fit), inputs={"cases": table.path}
        ),
    }


def _record(result: Any, out: Path) -> dict[str, Any]:
    from Tell2RegLib.validation.summary import summary_record

    failed = {case.name: case.reason for case in result.cases if case.failed}
    return {"out": str(out), "cases": len(result.cases), "failed": failed, **summary_record(result.summary)}


def _show(result: Any, out: Path) -> None:
    for measure in result.summary.measures:
        if not measure.measure.is_main:
            continue
        title = f"{measure.measure.title}, {measure.measure.unit}".rstrip(", ")
        rows = [
            [transform, row.mean.value, _interval(row.mean), row.median, row.percentile_90, row.worst]
            for transform, row in measure.statistics.items()
        ]
        high = "90 %" if measure.measure.is_error else "10 %"
        heading = f"{title} ({measure.cases} cases, {measure.patients} patients)"
        print_table(heading, ["transform", "mean", "95 % interval", "median", high, "worst case"], rows)
    stdout.print(f"Written: {out}", markup=False)
    print_notice()


def _interval(estimate: Any) -> str | None:
    return None if estimate.low is None else f"{estimate.low:.2f} to {estimate.high:.2f}"


def _end_with_failures(failed: dict[str, str], count: int, out: Path, debug: bool) -> None:
    """End with exit code 1 if a case failed, after everything was written."""
    from Tell2RegLib.errors import NothingFound

    if failed:
        sentences = "\n".join(f"{name}: {reason}" for name, reason in failed.items())
        with errors_as_exit_codes(debug):
            raise NothingFound(f"{len(failed)} of {count} case(s) failed; the others are in '{out}'.\n{sentences}")
