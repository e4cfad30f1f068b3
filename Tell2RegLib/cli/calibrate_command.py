"""`tell2reg calibrate`: the usual offset between two kinds of scan, learned from a table of cases."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib.cli.options import Debug, Events, Json, Overwrite
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import (
    errors_as_exit_codes,
    print_json,
    print_notice,
    print_table,
    progress_of,
    stdout,
)

log = logging.getLogger(__name__)


def calibrate(
    *,
    cases: Annotated[Path, typer.Argument(help="Table of cases (CSV).")],
    out: Annotated[Path, typer.Option("--out", help="Calibration file (JSON) to write.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Learn the usual offset between two kinds of scan from cases, for 'register --calibration'."""
    with errors_as_exit_codes(debug), progress_of(("calibrate", "calibrate interiors")) as bars:
        from Tell2RegLib.calibration.model import write_calibration
        from Tell2RegLib.cases.table import read_cases
        from Tell2RegLib.support.complete_file import check_free, check_not_input
        from Tell2RegLib.workflows.calibrate import calibrate as run

        table = read_cases(cases, need_regions=True)
        for warning in table.warnings:
            log.warning(warning)
        check_not_input(out, table.files)
        check_free(out, overwrite)
        calibration = run(table.cases, progress=bars)
        write_calibration(calibration, out)
    with printing(written=True):
        if as_json:
            print_json({"status": "ok", "out": str(out), **_summary(calibration)})
        else:
            _show(calibration, out)


def _summary(calibration: Any) -> dict[str, Any]:
    from dataclasses import asdict

    errors = calibration.errors
    learned = (
        None if errors is None else {"patients": errors.patients, "targets": errors.targets, "basis": errors.basis}
    )
    return {
        **asdict(calibration.origin),
        "errors": learned,
        "tried": list(calibration.trials),
        "interiors": [interior.reason for interior in calibration.interiors],
        **calibration.effect(""),
    }


def _show(calibration: Any, out: Path) -> None:
    origin = calibration.origin
    stdout.print(f"{origin.cases} cases, {origin.patients} patients, {origin.landmarks} landmarks", markup=False)
    rows = [
        [
            trial["candidate"],
            f"{trial['gain']:+.3g}",
            f"{trial['standard_error']:.2g}",
            "yes" if trial["used"] else "no",
        ]
        for trial in calibration.trials
    ]
    if rows:
        unit = calibration.trials[0]["unit"]
        print_table("Gain on patients left out", ["learned", unit, "standard error", "used"], rows)
    stdout.print(calibration.reason, markup=False)
    errors = calibration.errors
    if errors is not None:
        stdout.print(f"Errors of {errors.targets} targets. {errors.basis}", markup=False)
    for interior in calibration.interiors:
        stdout.print(interior.reason, markup=False)
    stdout.print(f"Written: {out}", markup=False)
    print_notice()
