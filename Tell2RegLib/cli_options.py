"""The options that commands of `tell2reg` share, and what values they take: others are wrong usage (exit code 2)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from Tell2RegLib.fitting.settings import KINDS, SMOOTHNESS_OF_FOUND, FitSettings

COARSEST_MM = 50.0
"""On a coarser lattice no organ is left."""


def _number(what: str, fits: Callable[[float], bool]) -> Callable[[float | None], float | None]:
    """A check of an option: a finite number that fits."""

    def check(value: float | None) -> float | None:
        if value is not None and not (math.isfinite(value) and fits(value)):
            raise typer.BadParameter(f"{value:g} is not {what}.")
        return value

    return check


def _kind(value: str) -> str:
    if value not in KINDS:
        raise typer.BadParameter(f"'{value}' is not one of {', '.join(KINDS)}.")
    return value


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise typer.BadParameter(f"'{value}' is not auto, cpu, cuda or cuda:N.")
    return value


Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a problem.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the result that is there already.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the result.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Which synthetic pair.")]
Kind = Annotated[str, typer.Option("--transform", callback=_kind, help=f"One of {', '.join(KINDS)}.")]
Device = Annotated[str, typer.Option("--device", callback=_device, help="auto, cpu, cuda or cuda:N.")]
Smoothness = Annotated[
    float | None,
    typer.Option(
        "--smoothness",
        callback=_number("a number of at least 0", lambda value: value >= 0),
        help=f"Larger is stiffer; {FitSettings.smoothness:g} for given regions and {SMOOTHNESS_OF_FOUND:g} for words.",
    ),
]
Resolution = Annotated[
    float | None,
    typer.Option(
        "--resolution",
        callback=_number(f"a number of mm above 0 and at most {COARSEST_MM:g}", lambda value: 0 < value <= COARSEST_MM),
        help="Finest lattice of the fit in mm.",
    ),
]
Prompts = Annotated[
    list[str] | None, typer.Option("--prompt", help="Words to look for in both volumes; may be repeated.")
]
Models = Annotated[str, typer.Option("--models", help="Set of weights; see 'tell2reg models list'.")]
Threshold = Annotated[
    float,
    typer.Option(
        "--threshold",
        callback=_number("a cosine, from -1 to below 1", lambda value: -1 <= value < 1),
        help="A pair must look so much alike (cosine).",
    ),
]
BoxThreshold = Annotated[
    float | None,
    typer.Option(
        "--box-threshold",
        callback=_number("a score, from 0 to 1", lambda value: 0 <= value <= 1),
        help="Boxes must score above it, 0 to 1; as suits the models.",
    ),
]
Spacing = Annotated[
    float,
    typer.Option(
        "--spacing",
        callback=_number("a number of mm above 0", lambda value: value > 0),
        help="Voxels of the slices that the networks see, mm.",
    ),
]
SliceStep = Annotated[
    int, typer.Option("--slice-step", min=1, help="Look at every n-th slice only; the rest is filled in.")
]
Source = Annotated[str, typer.Option("--source", help="Who looks for the words; plug-ins add others.")]
KeepEmbeddings = Annotated[
    Path | None, typer.Option("--keep-embeddings", help="Folder that keeps encoded slices for later runs (4 GB).")
]
