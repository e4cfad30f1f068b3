"""The command `tell2reg`: options in, calls of the library, tables or JSON out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib.cli import models_commands
from Tell2RegLib.cli.apply_command import apply
from Tell2RegLib.cli.calibrate_command import calibrate
from Tell2RegLib.cli.command_group import CommandGroup
from Tell2RegLib.cli.options import (
    AllPairs,
    CalibrationFile,
    Chosen,
    Debug,
    Device,
    Events,
    Fixed,
    FixedPoints,
    FixedRegions,
    FixedSeries,
    InitialTransform,
    Json,
    Kind,
    LabelNames,
    Moving,
    MovingPoints,
    MovingRegions,
    MovingSeries,
    Out,
    Overwrite,
    Prompts,
    RegionNames,
    ResampleRegions,
    Seed,
    chosen_value,
    names_in,
    takes_settings,
)
from Tell2RegLib.cli.regions_command import check_prompts, end_without, loaded, regions
from Tell2RegLib.cli.result_tables import show_field, show_measures, show_result
from Tell2RegLib.cli.streams import flush_streams, prepare_streams, printing
from Tell2RegLib.cli.terminal import (
    errors_as_exit_codes,
    output,
    print_json,
    print_notice,
    print_table,
    progress_of,
    report_cancelled,
    stdout,
)
from Tell2RegLib.cli.validate_command import validate
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.progress import Progress
from Tell2RegLib.support.stages import REGION_STAGES, WORD_STAGES
from Tell2RegLib.support.threads import wait_passively
from Tell2RegLib.support.version import __version__

app = typer.Typer(
    cls=CommandGroup,
    help="Register two medical volumes from text prompts. For research use only, not for clinical use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models_commands.app, name="models")

ROLES = (
    *("fixed", "moving", "fixed regions", "moving regions", "moving points", "fixed points"),
    *("initial transform", "calibration"),
)
"""Roles of the input files of a registration."""


def _version(show_version: bool) -> None:
    if show_version:
        stdout.print(f"tell2reg {__version__}")
        raise typer.Exit


@app.callback()
def tell2reg(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Register two medical volumes from text prompts. For research use only, not for clinical use."""


@app.command()
def demo(
    out: Out = Path("tell2reg-demo"),
    seed: Seed = 7,
    prompts: Prompts = None,
    true_regions: Annotated[
        bool, typer.Option("--true-regions", help="Use the true regions of the pair instead of prompts.")
    ] = False,
    transform: Kind = FitSettings.kind,
    device: Device = FindOptions.device,
    overwrite: Overwrite = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Register a synthetic pair of pelves with known truth from prompts, and propagate its biopsy plan."""
    if true_regions and prompts:
        raise typer.BadParameter("--true-regions replaces the prompts: omit --prompt.")
    with errors_as_exit_codes(debug), progress_of(_stages("demo", not true_regions)) as bars:
        from Tell2RegLib.results.result_folder import write_result, writing_folder
        from Tell2RegLib.workflows.demo import PROMPTS, make_demo_pair, write_demo_pair
        from Tell2RegLib.workflows.register import register as run

        with writing_folder(out, overwrite=overwrite) as aside:
            bars("demo", 0, 1)
            pair = make_demo_pair(seed)
            files = write_demo_pair(pair, aside / "inputs")
            bars("demo", 1, 1)
            regions = (pair.fixed_regions, pair.moving_regions)
            by_words = {"prompts": prompts or PROMPTS, "models": "demo", "device": device, "true_regions": regions}
            region_files = {"fixed_regions": regions[0], "moving_regions": regions[1]}
            result = run(
                pair.fixed,
                pair.moving,
                settings=FitSettings(kind=transform, device=device),
                plan=pair.plan,
                plan_truth=pair.plan_truth,
                inputs=files,
                progress=bars,
                **(region_files if true_regions else by_words),  # type: ignore[arg-type]
            )
            write_result(result, aside, lambda done, total: bars("write", done, total))
    _show(result, out, as_json, debug)


@app.command()
@takes_settings(search=FindOptions, fit=FitSettings, trust=TrustSettings)
def register(
    *,
    fixed: Fixed,
    moving: Moving,
    out: Out,
    prompts: Prompts = None,
    fixed_regions: FixedRegions = None,
    moving_regions: MovingRegions = None,
    moving_points: MovingPoints = None,
    fixed_points: FixedPoints = None,
    initial_transform: InitialTransform = None,
    all_pairs: AllPairs = False,
    calibration: CalibrationFile = None,
    fixed_series: FixedSeries = "",
    moving_series: MovingSeries = "",
    region_names: RegionNames = None,
    labels: LabelNames = None,
    resample_regions: ResampleRegions = False,
    search: Chosen,
    fit: Chosen,
    trust: Chosen,
    overwrite: Overwrite = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Register two volumes from prompts, or from existing regions with the same names."""
    _check_either(prompts, fixed_regions, moving_regions)
    if initial_transform and calibration:
        raise typer.BadParameter("Give either --initial-transform or --calibration: both set the expected orientation.")
    files = (fixed, moving, fixed_regions, moving_regions, moving_points, fixed_points, initial_transform, calibration)
    given_files = {role: path for role, path in zip(ROLES, files, strict=True) if path is not None}
    settings = {
        "settings": FitSettings(**fit),
        "trust": chosen_value(TrustSettings, trust),
        "all_pairs": all_pairs,
    }
    if labels:
        given_files["label names"] = labels
    reading = {
        "series": {"fixed": fixed_series, "moving": moving_series},
        "regions": {"only": names_in(region_names), "resample": resample_regions},
    }
    with errors_as_exit_codes(debug), progress_of(_stages("read", bool(prompts))) as bars:
        check_prompts(prompts)
        run = (given_files, reading, prompts, FindOptions(**search), settings)
        result = _registered(bars, *run, (out, overwrite))
    _show(result, out, as_json, debug)


def _registered(
    bars: Progress,
    given_files: Mapping[str, Path],
    reading: Mapping[str, Any],
    prompts: Sequence[str] | None,
    search: FindOptions,
    settings: Mapping[str, Any],
    output: tuple[Path, bool],
) -> Any:
    """The result of a registration with `settings`, written to `output`.

    Args:
        reading: the DICOM series by side, and keyword arguments of `read_regions`.
        settings: keyword arguments of the library's `register`.
        output: the folder, and whether an earlier result there may be replaced.
    """
    from Tell2RegLib.space.foreign_files import prepare_reader

    prepare_reader(*given_files.values())
    from Tell2RegLib.results.result_folder import write_result, writing_folder
    from Tell2RegLib.workflows.register import register as run

    out, overwrite = output
    with writing_folder(out, overwrite=overwrite, needed=given_files.values()) as aside:
        contents = _read(bars, given_files, reading)
        contents |= _expected_offset(settings["settings"], given_files)
        if prompts:
            contents["query"] = loaded(bars, search, prompts, (contents["fixed"], contents["moving"]))
        result = run(inputs=given_files, progress=bars, **settings, **contents)
        write_result(result, aside, lambda done, total: bars("write", done, total))
    return result


def _expected_offset(settings: FitSettings, files: Mapping[str, Path]) -> dict[str, Any]:
    """The prior or the calibration that a file gives, as keyword arguments of the library's `register`."""
    from Tell2RegLib.calibration.model import read_calibration
    from Tell2RegLib.fitting.linear_prior import LinearPrior
    from Tell2RegLib.space.transform_files import read_linear_map

    if "calibration" in files:
        return {"calibration": read_calibration(files["calibration"])}
    if "initial transform" in files:
        return {"prior": LinearPrior.from_settings(settings, read_linear_map(files["initial transform"]))}
    return {}


app.command()(regions)
app.command()(validate)
app.command()(calibrate)


app.command()(apply)


@app.command()
def evaluate(
    transform: Annotated[Path, typer.Option("--transform", help="Result folder of 'register'.")],
    fixed_labels: Annotated[Path | None, typer.Option("--fixed-labels", help="Labels on the fixed volume.")] = None,
    moving_labels: Annotated[Path | None, typer.Option("--moving-labels", help="Labels on the moving volume.")] = None,
    fixed_points: Annotated[Path | None, typer.Option("--fixed-points", help="Landmarks, fixed.")] = None,
    moving_points: Annotated[Path | None, typer.Option("--moving-points", help="Landmarks, moving.")] = None,
    labels: LabelNames = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a transform against labels and landmarks."""
    with errors_as_exit_codes(debug):
        from Tell2RegLib.results.record import plain
        from Tell2RegLib.results.result_folder import read_result_transform
        from Tell2RegLib.workflows.evaluate import evaluate as run

        report = plain(
            run(
                read_result_transform(transform),
                fixed_labels=fixed_labels,
                moving_labels=moving_labels,
                fixed_points=fixed_points,
                moving_points=moving_points,
                label_names=labels,
            )
        )
    with printing():
        if as_json:
            print_json(report)
        else:
            _show_evaluation(report)


# --- what is shown, looked for and read ---


def _show_evaluation(report: Mapping[str, Any]) -> None:
    show_field(report["transform"])
    show_measures("Labels", "region", report.get("labels", []))
    if "points" in report:
        rows = [[row["name"], row["error_mm_before"], row["error_mm_after"]] for row in report["points"]]
        means = [sum(row[column] for row in rows) / len(rows) for column in (1, 2)]
        print_table("Landmarks", ["landmark", "error mm", "after"], [*rows, ["mean", *means]])
    for remark in report["remarks"]:
        stdout.print(remark, markup=False)
    print_notice()


def _show(result: Any, out: Path, as_json: bool, debug: bool) -> None:
    """Print the result, with --json on stdout even without pairs, which is also reported as a problem."""
    from Tell2RegLib.results.record import record_of

    record = record_of(result)
    with printing(written=True):
        if as_json:
            print_json({**record, "out": str(out)})
        elif result.status == "ok":
            show_result(record, out)
    if result.status != "ok":
        end_without(f"{result.reason} See the report in '{out}'.", debug)


def _stages(first: str, by_words: bool) -> tuple[str, ...]:
    return (first, *(WORD_STAGES if by_words else REGION_STAGES), "write")


def _check_either(prompts: list[str] | None, fixed_regions: Path | None, moving_regions: Path | None) -> None:
    if prompts and (fixed_regions or moving_regions):
        raise typer.BadParameter(
            "Give either prompts (--prompt) or regions (--fixed-regions, --moving-regions), not both."
        )
    if not prompts and not (fixed_regions and moving_regions):
        raise typer.BadParameter("Give --prompt, or both --fixed-regions and --moving-regions.")


def _read(bars: Progress, files: Mapping[str, Path], reading: Mapping[str, Any]) -> dict[str, Any]:
    from Tell2RegLib.region_sources.label_map import read_regions
    from Tell2RegLib.region_sources.label_names import read_label_names
    from Tell2RegLib.space.point_files import read_points
    from Tell2RegLib.space.volume import read_volume

    bars("read", 0, 4)
    fixed = read_volume(files["fixed"], reading["series"]["fixed"])
    bars("read", 1, 4)
    moving = read_volume(files["moving"], reading["series"]["moving"])
    bars("read", 2, 4)
    read: dict[str, Any] = {"fixed": fixed, "moving": moving}
    if "fixed regions" in files:
        names = read_label_names(files["label names"]) if "label names" in files else None
        read["fixed_regions"] = read_regions(files["fixed regions"], fixed.grid, names=names, **reading["regions"])
        bars("read", 3, 4)
        read["moving_regions"] = read_regions(files["moving regions"], moving.grid, names=names, **reading["regions"])
    for name, role in (("plan", "moving points"), ("plan_truth", "fixed points")):
        read[name] = read_points(files[role]) if role in files else None
    bars("read", 4, 4)
    return read


def main() -> None:
    """Entry point of the command."""
    wait_passively()
    prepare_streams()
    with output.of(sys.argv[1:]):
        try:
            app()
        except KeyboardInterrupt:  # before a command has begun
            raise SystemExit(report_cancelled()) from None
        finally:
            flush_streams()
