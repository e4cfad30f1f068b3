"""The options that commands of `tell2reg` share; other values than they allow are wrong usage (exit code 2).

`takes_settings` gives a command an option for every setting that a settings class offers: a new setting needs no change
here.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.settings import Setting, offered_settings, setting_of

Chosen = Mapping[str, Any]
"""The settings that a person chose, and the defaults that the terminal shows, by their names."""
Command = Callable[..., None]
"""A command of typer."""


def _checked(declared: Setting) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        problem = declared.problem(value)
        if problem:
            raise typer.BadParameter(problem)
        return value

    return check


def option(settings: type, name: str) -> Any:
    """The option of a setting: its name, help, unit and range are those of the declaration."""
    declared = setting_of(settings, name)
    flag = declared.option
    if _type_of(settings, name) == bool | None:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    return typer.Option(flag, callback=_checked(declared), help=declared.description)


_hints = functools.cache(get_type_hints)


def _type_of(settings: type, name: str) -> Any:
    return _hints(settings)[name]


def takes_settings(without: Collection[str] = (), **groups: type) -> Callable[[Command], Command]:
    """Replace parameters of a command by one option per setting; the command gets what was chosen as a mapping.

    Args:
        without: names of settings that this command has no use for.
        groups: the settings class by the parameter that it replaces. A setting that two classes have is one option.
    """

    def decorate(command: Command) -> Command:
        names = {
            group: [declared.name for declared in offered_settings(settings) if declared.name not in without]
            for group, settings in groups.items()
        }
        parameters = _parameters(command, groups, names)

        def run(**given: Any) -> None:
            of_settings = {name for group in names.values() for name in group}
            chosen = {
                group: {name: given[name] for name in names[group] if given[name] is not None} for group in groups
            }
            command(**{name: value for name, value in given.items() if name not in of_settings}, **chosen)

        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
        run.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        return run

    return decorate


def chosen_value(settings: type, chosen: Chosen) -> Any:
    """The value of a settings class; chosen values that contradict each other are wrong usage."""
    try:
        return settings(**chosen)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _parameters(
    command: Command, groups: Mapping[str, type], names: Mapping[str, list[str]]
) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(command, include_extras=True)
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            parameters[name] = parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[name])
            continue
        for setting_name in names[name]:
            parameters.setdefault(setting_name, _parameter(groups[name], setting_name))
    return parameters


def _parameter(settings: type, name: str) -> inspect.Parameter:
    declared = setting_of(settings, name)
    kind = _type_of(settings, name)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if declared.varies else declared.default,
        annotation=Annotated[kind | None if declared.varies else kind, option(settings, name)],
    )


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, errors too.")]
Events = Annotated[
    bool,
    typer.Option("--events", help="Report progress and messages as JSON lines on stderr."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
Out = Annotated[Path, typer.Option("--out", help="Result folder to write.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the synthetic pair.")]
Kind = Annotated[str, option(FitSettings, "kind")]
Device = Annotated[str, option(FindOptions, "device")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help="What to detect in both volumes, one organ per prompt; may be repeated."),
]
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
InitialTransform = Annotated[
    Path | None,
    typer.Option(
        "--initial-transform",
        help="Linear ITK transform (.tfm, .txt, .h5), fixed to moving points: the expected orientation, where the "
        "regions do not determine it.",
    ),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        help="Calibration (.json) of 'tell2reg calibrate': the usual offset between these two kinds of scan.",
    ),
]
MovingPoints = Annotated[
    Path | None, typer.Option("--moving-points", help="Points of a plan on the moving volume, to propagate.")
]
AllPairs = Annotated[
    bool,
    typer.Option("--all-pairs", help="Use every pair in full: doubtful ones are neither rejected nor weighed down."),
]
FixedPoints = Annotated[Path | None, typer.Option("--fixed-points", help="True positions of these points, if known.")]
LabelNames = Annotated[
    Path | None,
    typer.Option(
        "--labels", help="Names of the labels of label maps: JSON, CSV, or a colour table of Slicer or ITK-SNAP."
    ),
]
RegionNames = Annotated[
    list[str] | None,
    typer.Option("--regions", help="Regions to use, by name: 'prostate,bladder'; may be repeated. Default: all."),
]
ResampleRegions = Annotated[
    bool, typer.Option("--resample-regions", help="Resample regions that are not on the voxel grid of their volume.")
]

_SERIES = "DICOM series of {}, if its folder contains several: number, description or UID."
Series = Annotated[str, typer.Option("--series", help=_SERIES.format("the volume"))]
FixedSeries = Annotated[str, typer.Option("--fixed-series", help=_SERIES.format("the fixed volume"))]
MovingSeries = Annotated[str, typer.Option("--moving-series", help=_SERIES.format("the moving volume"))]


def names_in(texts: list[str] | None) -> tuple[str, ...]:
    """The names in lists separated by commas or semicolons.

    >>> names_in(["prostate, bladder", "rectum"])
    ('prostate', 'bladder', 'rectum')
    """
    return tuple(name.strip() for text in texts or () for name in re.split("[,;]", text) if name.strip())
