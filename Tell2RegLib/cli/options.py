"""The options that commands of `tell2reg` share, and what values they take: others are wrong usage (exit code 2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.settings import Setting, setting_of


def _checked(declared: Setting) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        problem = declared.problem(value)
        if problem:
            raise typer.BadParameter(f"it {problem}.")
        return value

    return check


def option(settings: type, name: str, flag: str) -> Any:
    """The option of a setting: its help, unit and range are those of the declaration."""
    declared = setting_of(settings, name)
    unit = f" In {declared.unit}." if declared.unit else ""
    return typer.Option(flag, callback=_checked(declared), help=declared.help + unit)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
Out = Annotated[Path, typer.Option("--out", help="Result folder to write.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the synthetic pair.")]
Kind = Annotated[str, option(FitSettings, "kind", "--transform")]
Device = Annotated[str, option(FindOptions, "device", "--device")]
Smoothness = Annotated[float | None, option(FitSettings, "smoothness", "--smoothness")]
Resolution = Annotated[float | None, option(FitSettings, "resolution_mm", "--resolution")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help="What to detect in both volumes, one organ per prompt; may be repeated."),
]
Models = Annotated[str, option(FindOptions, "models", "--models")]
PaperMode = Annotated[bool, option(FindOptions, "paper_mode", "--paper-mode")]
Threshold = Annotated[float, option(FindOptions, "threshold", "--threshold")]
BoxThreshold = Annotated[float | None, option(FindOptions, "box_threshold", "--box-threshold")]
Spacing = Annotated[float, option(FindOptions, "spacing_mm", "--spacing")]
SliceStep = Annotated[int, option(FindOptions, "slice_step", "--slice-step")]
Source = Annotated[str, option(FindOptions, "source", "--source")]
KeepEmbeddings = Annotated[Path | None, option(FindOptions, "keep_embeddings", "--keep-embeddings")]
Fixed = Annotated[Path, typer.Option("--fixed", help="Fixed volume: image file or DICOM folder.")]
Moving = Annotated[Path, typer.Option("--moving", help="Moving volume.")]
FixedRegions = Annotated[
    Path | None,
    typer.Option(
        "--fixed-regions",
        help="Regions of the fixed volume, instead of prompts: label map, .seg.nrrd or mask folder.",
    ),
]
MovingRegions = Annotated[
    Path | None, typer.Option("--moving-regions", help="Regions of the moving volume, with the same names.")
]
MovingPoints = Annotated[
    Path | None, typer.Option("--moving-points", help="Points of a plan on the moving volume, to propagate.")
]
FixedPoints = Annotated[Path | None, typer.Option("--fixed-points", help="True positions of these points, if known.")]
