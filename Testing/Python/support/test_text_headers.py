"""Headers in text are read by one function, whichever of their fields is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space.image_headers import check_header
from Tell2RegLib.support.complete_file import data_files
from Tell2RegLib.support.text_headers import read_text_header

META = b"ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
NRRD = b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\n"


def test_a_header_ends_where_the_values_begin(tmp_path: Path) -> None:
    for name, header in {"a.mha": META + b"ElementDataFile = LOCAL\n", "a.nrrd": NRRD + b"\n"}.items():
        (tmp_path / name).write_bytes(header + b"type: int\nNDims = 9\n")
        read = read_text_header(tmp_path / name)
        assert read.size_bytes == len(header)
        assert {read.fields.get("NDims", "3"), read.fields.get("type", "uchar")} == {"3", "uchar"}


def test_of_a_repeated_field_the_last_counts_as_in_itk(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    spacings = b"ElementSpacing = 1 2 3\nElementSpacing = 4 5 6\n"
    path.write_bytes(META + spacings + b"ElementDataFile = LOCAL\n" + bytes(8))
    assert sitk.ReadImage(str(path)).GetSpacing() == (4, 5, 6)
    assert read_text_header(path).fields["ElementSpacing"] == "4 5 6"


def test_a_free_pair_of_nrrd_is_no_field(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(NRRD + b"type:=short\n\n")
    assert read_text_header(tmp_path / "a.nrrd").fields["type"] == "uchar"


@pytest.mark.parametrize("key", ["data file", "datafile"])
def test_both_spellings_of_nrrds_data_file_are_known(key: str, tmp_path: Path) -> None:
    (tmp_path / "values.raw").write_bytes(bytes(8))
    (tmp_path / "a.nhdr").write_bytes(NRRD + f"{key}: values.raw\n".encode())
    assert data_files(tmp_path / "a.nhdr") == [tmp_path / "values.raw"]


def test_a_field_that_is_not_utf8_can_be_printed_in_a_message(tmp_path: Path) -> None:
    (tmp_path / "a.mha").write_bytes(META + b"Offset = 1 2 \xff\nElementDataFile = LOCAL\n" + bytes(8))
    with pytest.raises(GeometryError, match=r"has the origin '1 2 \?' in its header"):
        check_header(tmp_path / "a.mha")
