"""The folder that `register --out` leaves (docs/result-folder.md).

The folder is written aside and moved into place when it is whole: an interrupted run leaves nothing half done.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.results.checksums import CHECKSUMS, check_files, write_checksums
from Tell2RegLib.results.record import record_of, trust_record
from Tell2RegLib.results.report import write_report
from Tell2RegLib.results.result import NOTICE, SCHEMA_VERSION, PairMetrics, RegistrationResult, Target
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.transform_files import read_field, write_field
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.space.volume import write_volume
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.support.complete_folder import complete_folder, contents_before
from Tell2RegLib.support.csv_cells import safe_cell
from Tell2RegLib.support.work_folders import NAME_LENGTH, Contents

FORWARD, BACKWARD = "fixed_to_moving.nrrd", "moving_to_fixed.nrrd"
RECORD = "result.json"
FILES = (
    FORWARD,
    BACKWARD,
    "moving_in_fixed.nrrd",
    "fixed_regions.seg.nrrd",
    "moving_regions.seg.nrrd",
    "moving_regions_in_fixed.seg.nrrd",
    "pairs.csv",
    "targets.csv",
    "targets_in_fixed.mrk.json",
    RECORD,
    "report.html",
    CHECKSUMS,
    "inputs",
)
"""Everything that a result folder may hold; `inputs` is left by the demo."""
DEMO_FILES = {
    "fixed": "fixed.nrrd",
    "moving": "moving.nrrd",
    "fixed regions": "fixed_regions.seg.nrrd",
    "moving regions": "moving_regions.seg.nrrd",
    "moving points": "plan_on_moving.mrk.json",
    "fixed points": "plan_true_places_on_fixed.mrk.json",
}
"""What the demo leaves in `inputs`, by the part each file plays."""


@dataclass(frozen=True)
class FolderFormat:
    """What a folder of results may hold; a folder with anything else is never replaced.

    Args:
        files: all of its files, as paths in the folder.
        record: the JSON file among them that marks the folder.
    """

    files: tuple[str, ...]
    record: str


RESULT_FORMAT = FolderFormat((*FILES, *(f"inputs{os.sep}{name}" for name in DEMO_FILES.values())), RECORD)


def save_result(result: RegistrationResult, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write the result folder; see `writing_folder` for what may be overwritten.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    with writing_folder(folder, overwrite=overwrite) as aside:
        write_result(result, aside)
    return Path(folder)


def write_result(result: RegistrationResult, folder: Path, step: Callable[[int, int], None] | None = None) -> None:
    """Write every file of the result into an existing folder."""
    jobs = _jobs(result, folder)
    for number, job in enumerate(jobs):
        if step:
            step(number, len(jobs))
        job()
    if step:
        step(len(jobs), len(jobs))


def _jobs(result: RegistrationResult, folder: Path) -> list[Callable[[], None]]:
    record = record_of(result)
    fitted = result.fitted
    jobs: list[Callable[[], None]] = [
        lambda: _write_regions(result, folder),
        lambda: _write_pairs(result.metrics, folder / "pairs.csv"),
        lambda: write_report(result, folder / "report.html"),
    ]
    if fitted is not None:
        jobs += [
            lambda: write_field(fitted.transform.fixed_to_moving, folder / FORWARD),
            lambda: write_field(fitted.transform.moving_to_fixed, folder / BACKWARD),
            lambda: write_volume(fitted.moving_in_fixed, folder / "moving_in_fixed.nrrd"),
        ]
    if result.targets:
        jobs.append(lambda: _write_targets(result.targets, folder))
    jobs.append(lambda: write_text(folder / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n"))
    jobs.append(lambda: write_checksums(folder))
    return jobs


# --- files ---


def _write_regions(result: RegistrationResult, folder: Path) -> None:
    tags = [_tags(pair) for pair in result.pairs]
    sides = {
        "fixed_regions": ([pair.fixed for pair in result.pairs], result.unpaired_fixed, result.fixed),
        "moving_regions": ([pair.moving for pair in result.pairs], result.unpaired_moving, result.moving),
    }
    for name, (regions, unpaired, volume) in sides.items():
        named = [_named(region, pair) for region, pair in zip(regions, result.pairs, strict=True)]
        all_regions = [*named, *unpaired]
        if all_regions:
            unpaired_tags = [{"Tell2Reg.Status": "unpaired"} for _ in unpaired]
            write_segmentation(all_regions, folder / f"{name}.seg.nrrd", grid=volume.grid, tags=[*tags, *unpaired_tags])
    if result.fitted is None:
        return
    moved = zip(result.fitted.moving_regions_in_fixed, result.pairs, tags, strict=True)
    warped_regions = [(_named(region, pair), tag) for region, pair, tag in moved if region is not None]
    if warped_regions:
        path = folder / "moving_regions_in_fixed.seg.nrrd"
        write_segmentation(
            [region for region, _ in warped_regions],
            path,
            grid=result.fixed.grid,
            tags=[tag for _, tag in warped_regions],
        )


def _named(region: Region, pair: RegionPair) -> Region:
    return replace(region, name=pair.name, color=pair.fixed.color)


def _tags(pair: RegionPair) -> dict[str, str]:
    tags = {"Tell2Reg.Status": "accepted" if pair.accepted else "rejected"}
    if pair.prompt:
        tags["Tell2Reg.Prompt"] = pair.prompt
    if pair.similarity is not None:
        tags["Tell2Reg.Similarity"] = f"{pair.similarity:.4f}"
    return tags


def _write_pairs(metrics: tuple[PairMetrics, ...], path: Path) -> None:
    names = list(PairMetrics.__dataclass_fields__)
    rows = [[_cell(getattr(metric, name)) for name in names] for metric in metrics]
    _write_csv(path, names, rows)


def _write_targets(targets: tuple[Target, ...], folder: Path) -> None:
    kinds = list(dict.fromkeys(kind for target in targets for kind in target.errors_mm))
    axes = ("left_mm", "posterior_mm", "superior_mm")
    header = ["name", *(f"{side}_{axis}" for side in ("moving", "fixed") for axis in axes)]
    trusts = [{**trust_record(t.trust), "reasons": " ".join(t.trust.reasons)} for t in targets]
    rows = [
        [target.name, *map(_cell, (*target.moving_lps_mm, *target.fixed_lps_mm))]
        + [_cell(target.errors_mm.get(kind)) for kind in kinds]
        + [_cell(value) for value in trust.values()]
        for target, trust in zip(targets, trusts, strict=True)
    ]
    _write_csv(folder / "targets.csv", [*header, *(f"error_mm_{kind}" for kind in kinds), *trusts[0]], rows)
    names = [target.name for target in targets]
    write_points(folder / "targets_in_fixed.mrk.json", names, np.array([target.fixed_lps_mm for target in targets]))


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def _write_csv(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([header, *([safe_cell(cell) for cell in row] for row in rows)])
    write_text(path, text.getvalue())


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written: {error.strerror or error}.") from error


# --- the folder ---


def check_folder(
    folder: str | Path,
    *,
    overwrite: bool = False,
    needed: Iterable[Path] = (),
    folder_format: FolderFormat = RESULT_FORMAT,
) -> Contents:
    """Check before a long run that its result can be written; missing parent folders are created.

    Args:
        folder: where the result is to be.
        overwrite: whether a result that is there already may be replaced.
        needed: the files and folders that the run reads: they must not lie in what is replaced.
        folder_format: what the folder may hold.

    Returns:
        The contents of an earlier result, which may be replaced; empty if there is none.

    Raises:
        OutputError: the folder holds a result and may not be overwritten, holds other files, or cannot be made.
    """
    folder = Path(folder)
    with _os_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"'{folder}' is a file; choose a folder for the result.")
        resolved = Path(os.path.realpath(folder))
        if resolved.is_symlink():
            raise OutputError(f"'{folder}' is a link that leads back to itself; choose another folder.")
        contents = contents_before(resolved)
        _check_content(folder, contents, overwrite, folder_format)
        if folder.is_mount():
            raise OutputError(f"'{folder}' is a disk of its own (a mount point); choose a folder inside it.")
        for path in needed:
            if resolved in (real := Path(os.path.realpath(path))).parents or resolved == real:
                raise OutputError(f"'{path}' lies in the result folder '{folder}', which is replaced; choose another.")
        resolved.parent.mkdir(parents=True, exist_ok=True)
        os.rmdir(tempfile.mkdtemp(prefix=f".{resolved.name[:NAME_LENGTH]}-", dir=resolved.parent))
    return contents


def _check_content(folder: Path, contents: Contents, overwrite: bool, folder_format: FolderFormat) -> None:
    foreign = sorted(set(contents) - set(folder_format.files))
    if contents and not foreign and not _is_result(folder / folder_format.record):
        foreign = sorted(contents)
    if foreign:
        listed = ", ".join(f"'{name}'" for name in foreign[:3])
        raise OutputError(f"The folder '{folder}' holds other files ({listed}); choose a new folder for the result.")
    if contents and not overwrite:
        raise OutputError(f"The folder '{folder}' holds a result already; choose another or add --overwrite.")


def _is_result(path: Path) -> bool:
    """Whether a file is the record of a result of Tell2Reg, which is the marker of these folders."""
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and record.get("notice") == NOTICE and isinstance(record.get("schema_version"), int)


@contextmanager
def writing_folder(
    folder: str | Path,
    *,
    overwrite: bool = False,
    needed: Iterable[Path] = (),
    contents: Contents | None = None,
    folder_format: FolderFormat = RESULT_FORMAT,
) -> Iterator[Path]:
    """Context with a temporary folder that replaces `folder` on success and is deleted on failure.

    Only a folder that holds nothing but a result, and is as it was before the run, is ever replaced.

    Args:
        folder, overwrite, needed, folder_format: see `check_folder`.
        contents: what `check_folder` returned at the start of the run, if this context begins later.

    Raises:
        OutputError: see `check_folder`; or the folder changed during the run, and the new result lies beside it.
    """
    folder = Path(folder)
    target = Path(os.path.realpath(folder))  # a link stays a link; what it leads to is replaced
    created_parents = [parent for parent in target.parents if not parent.exists()]
    try:
        if contents is None:
            contents = check_folder(folder, overwrite=overwrite, needed=needed, folder_format=folder_format)
        with _in_words_of(folder, target), complete_folder(target, contents) as aside, _in_words_of(folder, aside):
            yield aside
    except BaseException:
        for parent in created_parents:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def _in_words_of(folder: Path, actual: Path) -> Iterator[None]:
    """Call the actual folder in messages as the user does."""
    try:
        yield
    except OutputError as error:
        raise OutputError(str(error).replace(str(actual), str(folder))) from error


# --- reading back ---


def read_result_transform(folder: str | Path) -> Transform:
    """Read the transform of a result folder, with its inverse.

    Raises:
        InputError: no such folder, no transform in it, a file that is not as it was written, or the result of a later
            version of Tell2Reg.
    """
    folder = Path(folder)
    if not folder.is_dir():  # a killed run may have taken it away
        contents_before(Path(os.path.realpath(folder)))
    if not (folder / RECORD).is_file():
        raise InputError(f"'{folder}' is no result of 'tell2reg register': it holds no {RECORD}.")
    check_files(folder, [RECORD])
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        version, transform_record, reason = int(record.get("schema_version", 1)), record["transform"], record["reason"]
        kind, linear = (
            ("", np.eye(4))
            if transform_record is None
            else (
                KINDS[transform_record["kind"]].name,
                np.array(transform_record["linear_part_lps"], float).reshape(4, 4),
            )
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{folder / RECORD}' is damaged and cannot be read as a result.") from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"The result in '{folder}' has schema version {version}; this Tell2Reg reads results up to schema version "
            f"{SCHEMA_VERSION}. Update Tell2Reg."
        )
    if transform_record is None:
        raise InputError(f"The result in '{folder}' has no transform: {reason}")
    check_files(folder, [FORWARD, BACKWARD])
    return Transform(kind, read_field(folder / FORWARD), read_field(folder / BACKWARD), linear)
