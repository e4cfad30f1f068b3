"""Files that `make fuzz` found: each crashed this process, held it for ever, or was read with other content."""

from __future__ import annotations

import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.cases.table import read_cases
from Tell2RegLib.errors import InputError
from Tell2RegLib.space import image_files
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.plain_headers import has_plain_header
from Tell2RegLib.space.volume import Volume, read_volume, write_volume

FOLDER = Path(__file__).parent / "damaged"
CRASHES = sorted(path.name for path in FOLDER.glob("crash-*"))
SILENT = {
    "no-gzip-1688.nhdr": "is damaged: the checksum of its compressed values does not match",
    "truncated-469.vtk": r"is truncated: it contains 492 of \d+ bytes",
    "truncated-617.hdr": r"truncated-617\.img' is truncated: it contains 542 of 1386 bytes",
    "truncated-1680.gipl": "is truncated: it contains 674 of 1642 bytes",
}
A_GRID = Grid((4, 3, 2), (1.0, 2.0, 3.0))


def test_the_files_are_there() -> None:
    assert len(CRASHES) == 9
    assert all((FOLDER / name).is_file() for name in SILENT)


@pytest.mark.parametrize("name", CRASHES)
def test_a_header_that_crashes_itk_is_read_in_the_other_process(name: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "damaged")
    path = tmp_path / "damaged" / name
    assert not has_plain_header(path)
    with pytest.raises(InputError) as error:
        read_volume(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_direction_with_which_itk_never_ends_is_not_plain() -> None:
    assert not has_plain_header(FOLDER / "endless-5439.mha")


@pytest.mark.parametrize(("name", "message"), SILENT.items())
def test_values_that_itk_makes_up_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_volume(FOLDER / name)


def test_a_size_that_no_memory_holds_is_refused_before_itk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_volume(Volume(np.ones(A_GRID.shape_kji, np.int16), A_GRID), tmp_path / "scan.nii")
    header = bytearray((tmp_path / "scan.nii").read_bytes())
    struct.pack_into("<3h", header, 42, 10000, 10000, 10000)
    (tmp_path / "scan.nii").write_bytes(header)
    monkeypatch.setattr(image_files, "itk_errors_as", None)
    needed = 352 + 2 * 10000**3
    with pytest.raises(
        InputError, match=f"is truncated: it contains {352 + 2 * math.prod(A_GRID.size_xyz)} of {needed}"
    ):
        read_volume(tmp_path / "scan.nii")


def header_with(path: Path, key: str, value: bytes) -> Path:
    """An image with another field in its header."""
    write_volume(Volume(np.ones(A_GRID.shape_kji, np.int16), A_GRID), path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(
        b"\n".join(key.encode() + b" = " + value if line.startswith(key.encode()) else line for line in lines)
    )
    return path


def test_a_data_file_with_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as error:
        read_volume(header_with(tmp_path / "scan.mhd", "ElementDataFile", b"A" * 5000))
    assert len(str(error.value)) < 900


def test_an_origin_of_any_bytes_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has the origin '1 ") as error:
        read_volume(header_with(tmp_path / "scan.mha", "Offset", b"1 \x0b\x85\xff 3" + 3000 * b"x"))
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 900


def test_a_column_with_a_name_of_any_length_is_told_shortened(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(f"case,fixed,{'A' * 70000}\na,b,c\n")
    with pytest.raises(InputError, match="There is no column 'moving'") as error:
        read_cases(tmp_path / "cases.csv")
    assert len(str(error.value)) < 900
