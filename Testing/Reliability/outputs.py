"""The outputs that are attacked: for each, an old and a new content, how to write it and how to read it whole."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.results.checksums import CHECKSUMS, check_files
from Tell2RegLib.results.result_folder import check_folder, save_result
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import read_points, write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume, read_volume, write_volume

SHAPE_KJI = (40, 60, 50)
RESULTS = ("old.pickle", "new.pickle")
"""Two pickled results, made once by `make_results`."""


@dataclass(frozen=True)
class Output:
    """A kind of output.

    Args:
        name: of its file or folder.
        write: writes the old (0) or the new (1) content to a path; the path may hold an earlier output.
        content: the number of the whole content at a path.
    """

    name: str
    write: Callable[[int, Path], None]
    content: Callable[[Path], int]


def make_results(folder: Path) -> None:
    """Register a small pair, and keep the result twice, with different reasons."""
    from Tell2RegLib.fitting import FitSettings
    from Tell2RegLib.workflows.register import register
    from Testing.Python.small import write_small_pair

    pair = write_small_pair(folder / "pair")
    fixed, moving = (read_volume(pair.inputs[f"--{side}"]) for side in ("fixed", "moving"))
    regions = {f"{side}_regions": read_regions(pair.inputs[f"--{side}-regions"]) for side in ("fixed", "moving")}
    result = register(fixed, moving, **regions, settings=FitSettings(kind="rigid"))
    for number, name in enumerate(RESULTS):
        (folder / name).write_bytes(pickle.dumps(replace(result, reason=f"content {number}")))


def every_output(folder: Path) -> tuple[Output, ...]:
    """All kinds of output; `folder` holds what `make_results` made."""
    endings = (".nrrd", ".nii.gz", ".mha", ".mhd", ".nhdr")
    volumes = [Output(f"scan{ending}", _write_volume, _volume_in) for ending in endings]
    return (
        Output("result", _result_writer(folder), _result_in),
        *volumes,
        Output("plan.mrk.json", _write_points, _points_in),
        Output("plan.csv", _write_points, _points_in),
        Output("regions.seg.nrrd", _write_regions, _regions_in),
    )


def _grid() -> Grid:
    return Grid(SHAPE_KJI[::-1], (1.0, 2.0, 3.0))


def _write_volume(number: int, path: Path) -> None:
    noise = np.random.default_rng(number).integers(0, 1000, SHAPE_KJI)
    write_volume(Volume(noise.astype(np.int16), _grid()), path)


def _volume_in(path: Path) -> int:
    values = read_volume(path).array_kji
    for number in (0, 1):
        if np.array_equal(values, np.random.default_rng(number).integers(0, 1000, SHAPE_KJI)):
            return number
    raise ValueError(f"{path} holds values of no image")


def _write_points(number: int, path: Path) -> None:
    write_points(path, [f"point {n}" for n in range(3000)], np.full((3000, 3), float(number)))


def _points_in(path: Path) -> int:
    points = read_points(path).points_lps_mm
    if points.shape != (3000, 3) or points.min() != points.max():
        raise ValueError(f"{path} holds other points")
    return int(points[0, 0])


def _write_regions(number: int, path: Path) -> None:
    mask = np.random.default_rng(number).random(SHAPE_KJI) < 0.5
    write_segmentation([Region.from_mask(f"region {number}", mask, _grid())], path)


def _regions_in(path: Path) -> int:
    (region,) = read_regions(path)
    number = int(region.name.rpartition(" ")[2])
    expected = np.random.default_rng(number).random(SHAPE_KJI) < 0.5
    if region.volume_ml != Region.from_mask("", expected, _grid()).volume_ml:
        raise ValueError(f"{path} holds another region")
    return number


def _result_writer(folder: Path) -> Callable[[int, Path], None]:
    results = [pickle.loads((folder / name).read_bytes()) for name in RESULTS]

    def write(number: int, path: Path) -> None:
        save_result(results[number], path, overwrite=True)

    return write


def _result_in(path: Path) -> int:
    if not path.is_dir():
        check_folder(path)  # the next call, which puts back what a killed run took away
    listed = [line.split("  ", 1)[1] for line in (path / CHECKSUMS).read_text().splitlines()]
    check_files(path, listed)
    actual = {file.name for file in path.iterdir()}
    if actual != {*listed, CHECKSUMS}:
        raise ValueError(f"{path} holds {sorted(actual)}")
    record: dict[str, Any] = json.loads((path / "result.json").read_text())
    return int(record["reason"].rpartition(" ")[2])


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
