"""The command `tell2reg`: options in, calls of the library, tables or JSON out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from Tell2RegLib import __version__, models_cli
from Tell2RegLib.fitting.settings import KINDS, FitSettings
from Tell2RegLib.terminal import Bars, print_json, print_notice, print_table, stdout, told

app = typer.Typer(
    help="Register two medical volumes by regions that both have. For research use only, not for clinical use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models_cli.app, name="models")

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a problem.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the result that is there already.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the result.")]
Kind = Annotated[str, typer.Option("--transform", help=f"One of {', '.join(KINDS)}.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Smoothness = Annotated[float, typer.Option("--smoothness", help="Larger is stiffer.")]
Resolution = Annotated[float | None, typer.Option("--resolution", help="Finest lattice of the fit in mm.")]


def _version(wanted: bool) -> None:
    if wanted:
        stdout.print(f"tell2reg {__version__}")
        raise typer.Exit


@app.callback()
def tell2reg(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Register two medical volumes by regions that both have. For research use only, not for clinical use."""


@app.command()
def demo(
    out: Out = Path("tell2reg-demo"),
    seed: Annotated[int, typer.Option("--seed", help="Which synthetic pair.")] = 7,
    transform: Kind = FitSettings.kind,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Register a synthetic pair of pelves with a known warp and carry its biopsy plan over."""
    with told(debug), Bars() as bars:
        from Tell2RegLib.demo import make_demo_pair, write_demo_pair
        from Tell2RegLib.output import write_result, writing_folder
        from Tell2RegLib.pipeline import register as run

        settings = FitSettings(kind=transform, device=device)
        with writing_folder(out, overwrite=overwrite) as aside:
            bars("make", 0, 1)
            pair = make_demo_pair(seed)
            files = write_demo_pair(pair, aside / "inputs")
            bars("make", 1, 1)
            result = run(
                pair.fixed,
                pair.moving,
                fixed_regions=pair.fixed_regions,
                moving_regions=pair.moving_regions,
                settings=settings,
                plan=pair.plan,
                plan_truth=pair.plan_truth,
                inputs=files,
                progress=bars,
            )
            write_result(result, aside, lambda done, total: bars("write", done, total))
    _show(result, out, as_json)


@app.command()
def register(
    fixed: Annotated[Path, typer.Option("--fixed", help="Fixed volume: an image file or a DICOM folder.")],
    moving: Annotated[Path, typer.Option("--moving", help="Moving volume.")],
    fixed_regions: Annotated[
        Path, typer.Option("--fixed-regions", help="Label map, .seg.nrrd or folder of masks on the fixed volume.")
    ],
    moving_regions: Annotated[Path, typer.Option("--moving-regions", help="The same on the moving volume.")],
    out: Out,
    moving_points: Annotated[
        Path | None, typer.Option("--moving-points", help="A plan on the moving volume to carry over.")
    ] = None,
    fixed_points: Annotated[
        Path | None, typer.Option("--fixed-points", help="True places of the plan, where known.")
    ] = None,
    transform: Kind = FitSettings.kind,
    smoothness: Smoothness = 0.5,
    resolution: Resolution = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Register two volumes by the regions that both have under the same names."""
    with told(debug), Bars() as bars:
        from Tell2RegLib.errors import NothingFound
        from Tell2RegLib.output import write_result, writing_folder
        from Tell2RegLib.pipeline import register as run

        settings = FitSettings(kind=transform, smoothness=smoothness, resolution_mm=resolution, device=device)
        files = {
            "fixed": fixed,
            "moving": moving,
            "fixed regions": fixed_regions,
            "moving regions": moving_regions,
            "moving points": moving_points,
            "fixed points": fixed_points,
        }
        given = {role: path for role, path in files.items() if path is not None}
        with writing_folder(out, overwrite=overwrite, needed=given.values()) as aside:
            result = run(settings=settings, inputs=given, progress=bars, **_read(bars, given))
            write_result(result, aside, lambda done, total: bars("write", done, total))
        if result.status != "ok":
            raise NothingFound(f"{result.reason} The regions that were read are in '{out}'.")
    _show(result, out, as_json)


@app.command()
def apply(
    transform: Annotated[Path, typer.Option("--transform", help="Folder left by 'register'.")],
    source: Annotated[
        Path, typer.Option("--input", help="Volume, label map, .seg.nrrd, .mrk.json, .fcsv, .csv or surface model.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    inverse: Annotated[bool, typer.Option("--inverse", help="From fixed to moving space.")] = False,
    nearest: Annotated[bool, typer.Option("--nearest", help="Nearest voxel: for label maps.")] = False,
    overwrite: Overwrite = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Carry a file from moving to fixed space by a transform."""
    with told(debug):
        from Tell2RegLib.apply import apply_file
        from Tell2RegLib.errors import OutputError
        from Tell2RegLib.output import read_result_transform

        if out.exists() and not overwrite:
            raise OutputError(f"'{out}' exists already; choose another name or add --overwrite.")
        said = apply_file(read_result_transform(transform), source, out, inverse=inverse, nearest=nearest)
    if as_json:
        print_json({"status": "ok", "input": str(source), "output": str(out), "message": said})
    else:
        stdout.print(said, markup=False)
        print_notice()


@app.command()
def evaluate(
    transform: Annotated[Path, typer.Option("--transform", help="Folder left by 'register'.")],
    fixed_labels: Annotated[Path | None, typer.Option("--fixed-labels", help="Labels on the fixed volume.")] = None,
    moving_labels: Annotated[Path | None, typer.Option("--moving-labels", help="Labels on the moving volume.")] = None,
    fixed_points: Annotated[Path | None, typer.Option("--fixed-points", help="Landmarks, fixed.")] = None,
    moving_points: Annotated[Path | None, typer.Option("--moving-points", help="Landmarks, moving.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a transform against labels and landmarks."""
    with told(debug):
        from Tell2RegLib.evaluate import evaluate as run
        from Tell2RegLib.output import plain, read_result_transform

        report = plain(
            run(
                read_result_transform(transform),
                fixed_labels=fixed_labels,
                moving_labels=moving_labels,
                fixed_points=fixed_points,
                moving_points=moving_points,
            )
        )
    if as_json:
        print_json(report)
        return
    _show_field(report["transform"])
    for title, key in (("Labels", "labels"), ("Landmarks", "points")):
        if key in report:
            names = [name for name in report[key][0] if name != "fixed_lps_mm"]
            print_table(title, names, [[row[name] for name in names] for row in report[key]])
    print_notice()


# --- what is shown ---


def _show(result: Any, out: Path, as_json: bool) -> None:
    record = result.record()
    if as_json:
        print_json({**record, "out": str(out)})
        return
    columns = (
        "dice_before",
        "dice_after",
        "centroid_mm_before",
        "centroid_mm_after",
        "hd95_mm_before",
        "hd95_mm_after",
    )
    head = ("Dice", "after", "centroid mm", "after", "HD95 mm", "after")
    rows = [[pair["name"], *(pair[name] for name in columns)] for pair in record["pairs"]]
    print_table("Pairs", ["region", *head], rows)
    if record["targets"] and record["targets"][0]["error_mm"]:
        kinds = list(record["targets"][0]["error_mm"])
        rows = [[target["name"], *(target["error_mm"][kind] for kind in kinds)] for target in record["targets"]]
        means = [sum(row[n] for row in rows) / len(rows) for n in range(1, len(kinds) + 1)]
        print_table("Target error, mm", ["target", *kinds], [*rows, ["mean", *means]])
    _show_field(record["transform"])
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in record["timing_s"].items())
    stdout.print(f"Seconds: {seconds}")
    stdout.print(f"Report:  {out / 'report.html'}", markup=False)
    print_notice()


def _show_field(field: dict[str, Any]) -> None:
    error = field["inverse_error_mm"]
    inverse = f"mean {error['mean']:.3f} mm, max {error['max']:.2f} mm" if error["mean"] is not None else "unknown"
    stdout.print(
        f"Field:   {field['kind']}, {field['folding_percent']:.4g} % folded, largest displacement "
        f"{field['max_displacement_mm']:.1f} mm, inverse error {inverse}"
    )


def _read(bars: Bars, files: Mapping[str, Path]) -> dict[str, Any]:
    from Tell2RegLib.markups import read_points
    from Tell2RegLib.sources.label_map import read_regions
    from Tell2RegLib.volume import read_volume

    bars("read", 0, 4)
    fixed = read_volume(files["fixed"])
    bars("read", 1, 4)
    moving = read_volume(files["moving"])
    bars("read", 2, 4)
    fixed_regions = read_regions(files["fixed regions"], fixed.grid)
    bars("read", 3, 4)
    moving_regions = read_regions(files["moving regions"], moving.grid)
    plan, truth = (read_points(files[role]) if role in files else None for role in ("moving points", "fixed points"))
    bars("read", 4, 4)
    return {
        "fixed": fixed,
        "moving": moving,
        "fixed_regions": fixed_regions,
        "moving_regions": moving_regions,
        "plan": plan,
        "plan_truth": truth,
    }


def main() -> None:
    """Entry point of the command."""
    # Threads that wait by spinning make torch several times slower on a machine that has other work; must be set
    # before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


if __name__ == "__main__":
    main()
