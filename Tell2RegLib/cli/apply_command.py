"""`tell2reg apply`: warps a file with the transform of a result."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib.cli.options import (
    Chosen,
    Debug,
    Json,
    LabelNames,
    Overwrite,
    RegionNames,
    chosen_value,
    names_in,
    takes_settings,
)
from Tell2RegLib.cli.result_tables import show_verdicts
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import errors_as_exit_codes, print_json, print_notice, stdout
from Tell2RegLib.evaluation.settings import TrustSettings

log = logging.getLogger(__name__)


@takes_settings(trust=TrustSettings)
def apply(
    *,
    transform: Annotated[Path, typer.Option("--transform", help="Result folder of 'register'.")],
    source: Annotated[
        Path,
        typer.Option(
            "--input", help="Volume, label map, .seg.nrrd, mask folder, .mrk.json, .fcsv, .csv or surface model."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write; .seg.nrrd for regions.")],
    inverse: Annotated[bool, typer.Option("--inverse", help="Warp from fixed to moving space.")] = False,
    nearest: Annotated[
        bool | None,
        typer.Option("--nearest/--linear", help="Interpolation of a volume; by default nearest voxel for label maps."),
    ] = None,
    regions: RegionNames = None,
    labels: LabelNames = None,
    trust: Chosen,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Warp a file from moving to fixed space with the transform of a result; points also get a verdict."""
    settings = chosen_value(TrustSettings, trust)
    with errors_as_exit_codes(debug):
        from Tell2RegLib.space.foreign_files import prepare_reader

        prepare_reader(source)
        from Tell2RegLib.region_sources.label_names import read_label_names
        from Tell2RegLib.results.result_folder import FILES, read_result_transform
        from Tell2RegLib.support.complete_file import check_free, check_not_input
        from Tell2RegLib.workflows.apply import apply_file

        check_free(out, overwrite)
        check_not_input(out, [transform / name for name in FILES], "a part of the result in use")
        warnings: list[str] = []
        fitted = read_result_transform(transform)
        message = apply_file(
            fitted,
            source,
            out,
            inverse=inverse,
            nearest=nearest,
            only=names_in(regions),
            names=read_label_names(labels) if labels else None,
            warn=warnings.append,
        )
        targets = _verdicts(transform, fitted, source, inverse, settings, warnings)
        for warning in warnings:
            log.warning(warning)
    with printing(written=True):
        if as_json:
            record = {"status": "ok", "input": str(source), "output": str(out), "message": message}
            print_json({**record, "warnings": warnings, "targets": targets})
        else:
            stdout.print(message, markup=False)
            show_verdicts(targets)
            print_notice()


def _verdicts(
    folder: Path, transform: Any, source: Path, inverse: bool, settings: TrustSettings, warnings: list[str]
) -> list[Any]:
    """The records of propagated points; none, with a warning, where the regions of the result cannot be read."""
    from Tell2RegLib.errors import InputError
    from Tell2RegLib.results.record import plain, trust_record
    from Tell2RegLib.workflows.apply import holds_points
    from Tell2RegLib.workflows.judge import judge_points

    if not holds_points(source):
        return []
    try:
        judged = judge_points(folder, transform, source, inverse=inverse, settings=settings)
    except InputError as error:
        warnings.append(f"The points get no verdict. {error}")
        return []
    return list(plain([{"name": trust.name, "trust": trust_record(trust)} for trust in judged]))
