"""`tell2reg regions`: regions of one volume, found by prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from Tell2RegLib.cli.options import Chosen, Debug, Events, Json, Overwrite, Series, takes_settings
from Tell2RegLib.cli.streams import printing
from Tell2RegLib.cli.terminal import (
    errors_as_exit_codes,
    print_json,
    print_notice,
    print_table,
    progress_of,
    stdout,
)
from Tell2RegLib.pipeline.find_options import PAIRING, FindOptions
from Tell2RegLib.support.progress import Progress
from Tell2RegLib.support.stages import FINDING_STAGES

if TYPE_CHECKING:
    from Tell2RegLib.pipeline.prompt_query import PromptQuery
    from Tell2RegLib.region_sources.source_result import SourceResult
    from Tell2RegLib.space.volume import Volume


log = logging.getLogger(__name__)


def loaded(bars: Progress, options: FindOptions, prompts: Sequence[str], volumes: Sequence[Volume]) -> PromptQuery:
    """The prompts for these volumes with their source, its networks loaded."""
    bars("models", 0, 1)
    query = options.query(prompts, volumes)
    bars("models", 1, 1)
    return query


def check_prompts(prompts: Sequence[str] | None) -> None:
    """Check the prompts before anything is read or loaded.

    Raises:
        InputError: an empty prompt, or several in one.
    """
    if prompts is not None:
        from Tell2RegLib.region_sources.prompts import cleaned_prompts

        cleaned_prompts(prompts)


@takes_settings(search=FindOptions, without=PAIRING)
def regions(
    *,
    volume: Annotated[Path, typer.Argument(help="Image file or DICOM folder.")],
    prompts: Annotated[
        list[str], typer.Option("--prompt", help="What to detect, one organ per prompt; may be repeated.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Segmentation to write (*.seg.nrrd).")],
    series: Series = "",
    search: Chosen,
    overwrite: Overwrite = False,
    as_json: Json = False,
    events: Events = False,
    debug: Debug = False,
) -> None:
    """Find regions in one volume from prompts and write them as a Slicer segmentation."""
    with errors_as_exit_codes(debug), progress_of(("read", "models", *FINDING_STAGES)) as bars:
        from Tell2RegLib.errors import InputError
        from Tell2RegLib.pipeline.find import find_regions
        from Tell2RegLib.region_sources.segmentation_file import write_segmentation
        from Tell2RegLib.region_sources.suitability import unsuited_warning
        from Tell2RegLib.space.volume import read_volume
        from Tell2RegLib.support.complete_file import check_free, check_not_input
        from Tell2RegLib.support.progress import ProgressTracker

        if not out.name.endswith(".seg.nrrd"):
            raise InputError(f"'{out}' is not a file name of a segmentation; end it with .seg.nrrd.")
        check_prompts(prompts)
        check_free(out, overwrite)
        check_not_input(out, [volume])
        bars("read", 0, 1)
        image = read_volume(volume, series)
        bars("read", 1, 1)
        query = loaded(bars, FindOptions(**search), prompts, [image])
        warning = unsuited_warning(query.source, [image])
        if warning:
            log.warning(warning)
        (result,) = find_regions(query.source, [image], query.prompts, tracker=ProgressTracker(bars), store=query.store)
        if result.regions:
            write_segmentation(result.regions, out, grid=image.grid)
    record = _record(result, out, warning)
    with printing(written=True):
        if as_json:
            print_json(record)
        elif not record["reason"]:
            _show(result, out, warning)
    if record["reason"]:
        end_without(record["reason"], debug)


def _show(result: SourceResult, out: Path, warning: str) -> None:
    if warning:
        stdout.print(f"Warning: {warning}", markup=False)
    rows = [[region.name, region.prompt, region.score, region.volume_ml] for region in result.regions]
    print_table("Regions", ["region", "prompt", "score", "ml"], rows)
    for sentence in result.sentences():
        stdout.print(sentence, markup=False)
    stdout.print(f"Written: {out}", markup=False)
    print_notice()


def _record(result: SourceResult, out: Path, warning: str) -> dict[str, Any]:
    return {
        "status": "ok" if result.regions else "nothing_found",
        "reason": "" if result.regions else result.nothing_found(advice=warning),
        "warnings": [warning] if warning else [],
        "output": str(out) if result.regions else None,
        "regions": [{"name": r.name, "prompt": r.prompt, "score": r.score, "ml": r.volume_ml} for r in result.regions],
        "messages": list(result.sentences()),
    }


def end_without(reason: str, debug: bool) -> None:
    """End with exit code 1 and the reason, although a record was printed."""
    from Tell2RegLib.errors import NothingFound

    with errors_as_exit_codes(debug):
        raise NothingFound(reason)
