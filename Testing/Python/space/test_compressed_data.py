"""A flipped bit in compressed values is found in every format with a checksum, before ITK reads other voxels."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume, read_volume, write_volume

NAMES = ("scan.nii.gz", "scan.nrrd", "scan.nhdr", "scan.mha", "scan.mhd")


def a_volume() -> Volume:
    """Smooth with some noise, as scans are: values that compress."""
    k, j, i = np.meshgrid(np.arange(9), np.arange(10), np.arange(11), indexing="ij")
    noise = np.random.default_rng(1).integers(0, 9, (9, 10, 11))
    return Volume((100 * k + 10 * j + i + noise).astype(np.int16), Grid((11, 10, 9), (1.0, 2.0, 3.0)))


def file_of_values(path: Path) -> Path:
    """The file with the values of a newly written image."""
    return next((file for file in path.parent.iterdir() if file != path), path)


def values_begin(data: bytes) -> int:
    """Where the compressed values begin in a file with a text header in front of them."""
    marks = {b"NRRD": b"\n\n", b"Obje": b"ElementDataFile = LOCAL\n"}
    mark = marks.get(data[:4], b"")
    return data.index(mark) + len(mark)


@pytest.mark.parametrize("name", NAMES)
def test_no_flipped_bit_of_the_values_changes_a_voxel_silently(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_volume(a_volume(), path)
    file = file_of_values(path)
    whole = file.read_bytes()
    begin = values_begin(whole)
    random = np.random.default_rng(2)
    for position in random.integers(begin, len(whole), 60):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(random.integers(8))
        file.write_bytes(flipped)
        try:
            values = read_volume(path).array_kji
        except InputError:
            continue
        np.testing.assert_array_equal(values, a_volume().array_kji)  # a flag or a date in the header of the stream


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_checksum_is_told_in_words(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_volume(a_volume(), path)
    file = file_of_values(path)
    data = bytearray(file.read_bytes())
    data[-2 if name in ("scan.mha", "scan.mhd") else -6] ^= 1  # gzip ends with checksum and length
    file.write_bytes(data)
    with pytest.raises(InputError, match=f"{name}' is damaged: the checksum of its compressed values does not match"):
        read_volume(path)


def mha(values: bytes, size: int | None = None, dims: str = "4 3 2") -> bytes:
    stream = zlib.compress(values)
    header = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nCompressedData = True\nDimSize = {dims}\n"
    header += f"CompressedDataSize = {size or len(stream)}\nElementSpacing = 1 2 3\nElementType = MET_UCHAR\n"
    return header.encode() + b"ElementDataFile = LOCAL\n" + stream


def nrrd(stream: bytes, encoding: str = "gzip") -> bytes:
    header = "NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 4 3 2\nspace: left-posterior-superior\n"
    header += f"space directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (0,0,0)\nencoding: {encoding}\ntype:=other\n\n"
    return header.encode() + stream


VALUES = bytes(range(24))
SOUND = {
    "scan.mha": mha(VALUES),
    "scan.nrrd": nrrd(gzip.compress(VALUES)),
    "members.nrrd": nrrd(gzip.compress(VALUES) + gzip.compress(b"") + bytes(8)),
}


@pytest.mark.parametrize("name", SOUND)
def test_hand_written_files_are_read_before_they_are_spoilt(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(SOUND[name])
    assert read_volume(tmp_path / name).array_kji.tobytes() == VALUES


SPOILT = {
    "fewer values": ("a.mha", mha(VALUES[:-1]), "contains 23 bytes of values, but its header needs 24"),
    "more values": ("a.mha", mha(VALUES + b"x"), "contains 25 bytes of values, but its header needs 24"),
    "another size in the header": ("a.mha", mha(VALUES, dims="4 3 3"), "but its header needs 36"),
    "a shorter stream": ("a.mha", mha(VALUES, size=9), "but its header states 9"),
    "no end": ("a.mha", mha(VALUES)[:-2], "is truncated: its compressed values have no end"),
    "fewer values of gzip": ("a.nrrd", nrrd(gzip.compress(VALUES[:-1])), "contains 23 bytes of values"),
    "no end of gzip": ("a.nrrd", nrrd(gzip.compress(VALUES)[:-2]), "is truncated"),
    "bzip2": ("a.nrrd", nrrd(bz2.compress(VALUES), "bzip2"), "bzip2, is not supported; save it with gzip"),
    "a bomb": ("a.mha", mha(bytes(1 << 26)), "is damaged"),
}


@pytest.mark.parametrize(("name", "content", "message"), SPOILT.values(), ids=SPOILT)
def test_values_of_another_length_are_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_volume(tmp_path / name)
