"""What is no regular file is refused in one sentence, in every place where a person names a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.calibration.model import read_calibration
from Tell2RegLib.cases.table import read_cases
from Tell2RegLib.errors import InputError, OutputError, Tell2RegError
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.label_names import read_label_names
from Tell2RegLib.results.result_folder import read_result_transform
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.space.transform_files import read_linear_map, read_transform
from Tell2RegLib.space.volume import Volume, read_volume, write_volume
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.support.regular_files import check_regular_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and links of POSIX")

GRID = Grid((4, 3, 2), (1.0, 2.0, 3.0))
READERS: dict[str, Callable[[Path], object]] = {
    "scan.nrrd": read_volume,
    "scan.nii.gz": read_volume,
    "scan.mhd": read_volume,
    "labels.seg.nrrd": read_regions,
    "plan.mrk.json": read_points,
    "plan.csv": read_points,
    "map.tfm": lambda path: read_transform(path, GRID, GRID),
    "map.h5": read_linear_map,
    "calibration.json": read_calibration,
    "cases.csv": read_cases,
    "names.json": read_label_names,
}


def loop(path: Path) -> None:
    path.symlink_to(path.name)


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo if hasattr(os, "mkfifo") else Path.touch, "is a pipe, but a file is needed"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device, but a file is needed"),
    "loop": (loop, "is a link that leads back to itself"),
    "dangling link": (lambda path: path.symlink_to("gone"), "There is no|no such file"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_refused_by_every_reader(name: str, kind: str, tmp_path: Path) -> None:
    make, sentence = NO_FILES[kind]
    make(tmp_path / name)
    with pytest.raises(InputError, match=sentence) as error:
        READERS[name](tmp_path / name)
    assert name in str(error.value)


@pytest.mark.parametrize("name", [name for name in READERS if "scan" not in name and "seg" not in name])
def test_a_folder_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="is a folder, but a file is needed"):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
def test_a_name_that_is_not_utf8_is_refused_before_simpleitk_ends_the_process(name: str, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff" + name.encode()))
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"\\xff.* is not UTF-8. Rename it"):
        READERS[name](path)


def test_a_name_with_a_nul_is_refused() -> None:
    with pytest.raises(InputError, match="contains a NUL character"):
        check_regular_file(Path("a\0b"))


def test_an_output_in_a_folder_that_is_not_utf8_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match="is not UTF-8"):
        write_volume(Volume(np.zeros(GRID.shape_kji), GRID), Path("scan.nrrd"))
    with pytest.raises(OutputError, match="is not UTF-8"):
        write_text(Path("notes.txt"), "")


def test_a_mask_in_a_folder_that_is_no_file_is_not_left_out_silently(tmp_path: Path) -> None:
    write_volume(Volume(np.ones(GRID.shape_kji, np.uint8), GRID), tmp_path / "a.nrrd")
    loop(tmp_path / "b.nrrd")
    with pytest.raises(InputError, match="'.*b.nrrd' is a link that leads back to itself"):
        read_regions(tmp_path)


def test_values_of_a_header_in_a_pipe_or_a_device_are_refused(tmp_path: Path) -> None:
    write_volume(Volume(np.zeros(GRID.shape_kji, "int16"), GRID), tmp_path / "scan.mhd")
    header = (tmp_path / "scan.mhd").read_text()
    os.mkfifo(tmp_path / "pipe.raw")
    for data in ("pipe.raw", "/dev/zero", "gone.raw"):
        lines = [f"ElementDataFile = {data}" if "ElementDataFile" in line else line for line in header.splitlines()]
        (tmp_path / "scan.mhd").write_text("\n".join(lines) + "\n")
        with pytest.raises(InputError):
            read_volume(tmp_path / "scan.mhd")


def test_a_result_in_place_of_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(Tell2RegError):
        read_result_transform(tmp_path)


def test_a_table_names_the_cell_with_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fixed.nrrd")
    (tmp_path / "cases.csv").write_text("case,fixed,moving\na,fixed.nrrd,loop.nrrd\n")
    loop(tmp_path / "loop.nrrd")
    with pytest.raises(InputError, match="'fixed' is 'fixed.nrrd', but '.*' is a pipe") as error:
        read_cases(tmp_path / "cases.csv")
    assert "'moving' is 'loop.nrrd', but" in str(error.value)
