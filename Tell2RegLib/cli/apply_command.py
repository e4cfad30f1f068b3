"""`tell2reg apply`: warps a file with the transform of a result."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from Tell2RegLib.cli.options import Debug, Json, LabelNames, Overwrite, RegionNames, names_in
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import errors_as_exit_codes, print_json, print_notice, stdout

log = logging.getLogger(__name__)


def apply(
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
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Warp a file from moving to fixed space with the transform of a result."""
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
        message = apply_file(
            read_result_transform(transform),
            source,
            out,
            inverse=inverse,
            nearest=nearest,
            only=names_in(regions),
            names=read_label_names(labels) if labels else None,
            warn=warnings.append,
        )
        for warning in warnings:
            log.warning(warning)
    with printing(written=True):
        if as_json:
            record = {"status": "ok", "input": str(source), "output": str(out), "message": message}
            print_json({**record, "warnings": warnings})
        else:
            stdout.print(message, markup=False)
            print_notice()
