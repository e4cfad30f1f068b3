"""Volumes from and to files: every format, DICOM series, and what is refused."""

from __future__ import annotations

import gzip
import locale
import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import GeometryError, InputError, OutputError
from Tell2RegLib.space import volume as v
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.image_headers import check_slices
from Testing.Python.space.images import image_on

# --- files ---


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha", ".mhd"])
def test_a_file_of_every_format_comes_back_in_its_place(
    ending: str, a_volume: v.Volume, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / f"a volume ü{ending}"
    v.write_volume(a_volume, path)
    back = v.read_volume(path)
    np.testing.assert_array_equal(back.array_kji, a_volume.array_kji)
    np.testing.assert_allclose(back.grid.corners_lps_mm(), a_volume.grid.corners_lps_mm(), atol=1e-4)
    assert back.name == path.name
    assert not caplog.records


def write_dicom(
    folder: Path, image: sitk.Image, series_uid: str = "1.2.826.0.1.3680043.2.1125.1", prefix: str = "IM"
) -> None:
    """A series as a scanner would leave it, with slices whose file names are in no order."""
    folder.mkdir(exist_ok=True)
    own_locale = locale.setlocale(locale.LC_ALL)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    direction = np.reshape(image.GetDirection(), (3, 3))
    for k in range(image.GetSize()[2]):
        piece = image[:, :, k]
        position = image.TransformIndexToPhysicalPoint((0, 0, k))
        tags = {
            "0008|0060": "MR",
            "0020|000e": series_uid,
            "0020|000d": "1.2.826.0.1.3680043.2.1125.9",
            "0008|0018": f"{series_uid}.{int.from_bytes(prefix.encode())}.{k + 1}",
            "0020|0032": "\\".join(f"{p:.6f}" for p in position),
            "0020|0037": "\\".join(f"{d:.9f}" for d in [*direction[:, 0], *direction[:, 1]]),
            "0020|0013": str(k),
            "0010|0010": "Nobody",
        }
        for tag, value in tags.items():
            piece.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{prefix}{(k * 5) % 7}_{series_uid[-1]}.dcm"))
        writer.Execute(piece)
    locale.setlocale(locale.LC_ALL, own_locale)  # GDCM writes in its own and leaves it


def dicom_grid() -> Grid:
    rotation = np.deg2rad(20)
    direction = (np.cos(rotation), 0, np.sin(rotation), 0, 1, 0, -np.sin(rotation), 0, np.cos(rotation))
    return Grid((5, 4, 6), (1.0, 2.0, 3.0), (10.0, 20.0, -30.0), direction)


def test_a_folder_with_one_dicom_series_is_a_volume(values_of: Callable, tmp_path: Path) -> None:
    grid = dicom_grid()
    write_dicom(tmp_path / "series", image_on(grid, values_of(grid, np.int16)))
    (tmp_path / "series" / "notes.txt").write_text("not an image")
    volume = v.read_volume(tmp_path / "series")
    np.testing.assert_array_equal(volume.array_kji, values_of(grid, np.int16))
    np.testing.assert_allclose(volume.grid.corners_lps_mm(), grid.corners_lps_mm(), atol=1e-3)
    assert volume.name == "series"


def without_slice(k: int) -> Callable[[sitk.Image], list[sitk.Image]]:
    return lambda image: [image[:, :, :k], image[:, :, k + 1 :]]


def moved(image: sitk.Image, by_lps_mm: tuple[float, float, float]) -> sitk.Image:
    image.SetOrigin(np.add(image.GetOrigin(), by_lps_mm).tolist())
    return image


def turned_to_axial(image: sitk.Image) -> sitk.Image:
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    return image


NO_STACKS = {
    "a slice is missing": (without_slice(2), r"5 slices.*slices 2 and 3 are 6 mm apart, but most are 3 mm"),
    "the last but one is missing": (without_slice(4), r"slices 4 and 5 are 6 mm apart"),
    "a slice is there twice": (lambda image: [image, moved(image[:, :, 2:3], (0, 0, 0.001))], "7 slices, and 1 of"),
    "slices are turned": (
        lambda image: [image[:, :, :5], turned_to_axial(image[:, :, 5:])],
        "6 slices that are not parallel",
    ),
    "the gantry is tilted": (
        lambda image: [moved(image[:, :, k : k + 1], (0, 0.5 * k, 0)) for k in range(6)],
        r"shifted sideways by 2\.5 mm",
    ),
}


@pytest.mark.parametrize(("parts_of", "message"), NO_STACKS.values(), ids=NO_STACKS.keys())
def test_a_dicom_series_that_is_no_regular_stack_is_refused(
    parts_of: Callable[[sitk.Image], list[sitk.Image]], message: str, values_of: Callable, tmp_path: Path
) -> None:
    """ITK itself spreads the slices evenly, wherever they lie."""
    parts = parts_of(image_on(dicom_grid(), values_of(dicom_grid(), np.int16)))
    for number, part in enumerate(parts):
        write_dicom(tmp_path / "series", part, prefix=f"P{number}")
    with pytest.raises(GeometryError, match=message) as error:
        v.read_volume(tmp_path / "series")
    assert "series" in str(error.value)


def test_what_a_dicom_series_says_of_the_patient_is_not_carried_into_files(values_of: Callable, tmp_path: Path) -> None:
    """docs/privacy.md"""
    write_dicom(tmp_path / "series", image_on(dicom_grid(), values_of(dicom_grid(), np.int16)))
    uid = b"1.2.826.0.1.3680043.2.1125"
    assert uid in next((tmp_path / "series").iterdir()).read_bytes()
    volume = v.read_volume(tmp_path / "series")
    for ending in (".nrrd", ".mha", ".nii"):
        v.write_volume(volume, tmp_path / f"volume{ending}")
        assert uid not in (tmp_path / f"volume{ending}").read_bytes()


TAGS = {"place": b"\x20\x00\x32\x00", "turn": b"\x20\x00\x37\x00"}


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS.keys())
@pytest.mark.parametrize("spoilt", ["missing", "no numbers"])
def test_dicom_slices_without_a_place_are_refused(tag: bytes, spoilt: str, values_of: Callable, tmp_path: Path) -> None:
    write_dicom(tmp_path, image_on(dicom_grid(), values_of(dicom_grid(), np.int16)))
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        at = content.index(tag)
        if spoilt == "missing":
            content = content[:at] + bytes([tag[0], 0, tag[2] - 2, 0]) + content[at + 4 :]
        else:
            content = content[: at + 8] + b"x" + content[at + 9 :]
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"without a position or orientation \(0020,003[27]\)"):
        v.read_volume(tmp_path)


def test_dicom_slices_of_two_sizes_are_refused(values_of: Callable, tmp_path: Path) -> None:
    image = image_on(dicom_grid(), values_of(dicom_grid(), np.int16))
    write_dicom(tmp_path, image[:, :, :3], prefix="A")
    write_dicom(tmp_path, image[:3, :, 3:], prefix="B")
    with pytest.raises(InputError, match="its slices differ in size"):
        v.read_volume(tmp_path)


@given(st.floats(0.3, 8), st.integers(2, 60), st.integers(2, 3))
def test_places_that_were_rounded_are_still_an_even_stack(gap: float, count: int, decimals: int) -> None:
    direction = np.reshape(dicom_grid().direction, (3, 3))
    positions = np.round(np.outer(np.arange(count) * gap, direction[:, 2]), decimals)
    check_slices(Path("series"), positions, np.tile([*direction[:, 0], *direction[:, 1]], (count, 1)))


def test_a_folder_with_two_dicom_series_lists_them_and_takes_the_chosen_one(
    values_of: Callable, tmp_path: Path
) -> None:
    image = image_on(dicom_grid(), values_of(dicom_grid(), np.int16))
    second = "1.2.826.0.1.3680043.2.1125.2"
    write_dicom(tmp_path, image)
    write_dicom(tmp_path, image + 7, second)
    with pytest.raises(InputError, match="contains 2 DICOM series, and one must be chosen.*1: 'no description', "):
        v.read_volume(tmp_path)
    with pytest.raises(InputError, match="'T2' is not exactly one of them"):
        v.read_volume(tmp_path, "T2")
    by_number = [v.read_volume(tmp_path, number).array_kji for number in ("1", "2")]
    assert np.ptp(by_number[1] - by_number[0]) == 0
    assert abs(int((by_number[1] - by_number[0]).flat[0])) == 7
    assert any(np.array_equal(v.read_volume(tmp_path, second).array_kji, array) for array in by_number)


def test_an_image_file_has_no_series_to_choose(values_of: Callable, tmp_path: Path) -> None:
    sitk.WriteImage(image_on(dicom_grid(), values_of(dicom_grid(), np.int16)), str(tmp_path / "a.nrrd"))
    with pytest.raises(InputError, match="no DICOM series to choose from"):
        v.read_volume(tmp_path / "a.nrrd", "2")


def test_a_folder_without_dicom_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match="contains no DICOM"):
        v.read_volume(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file '.*gone\.nii\.gz'"):
        v.read_volume(tmp_path / "gone.nii.gz")


UNREADABLE = {
    "text called .nii.gz": ("scan.nii.gz", b"this is a letter, not a scan\n" * 20),
    "text called .nrrd": ("scan.nrrd", b"this is a letter, not a scan\n" * 20),
    "a gzip of text": ("scan.nii.gz", gzip.compress(b"this is a letter, not a scan\n" * 20)),
    "nothing at all": ("scan.nii.gz", b""),
    "an unknown ending": ("scan.docx", b"PK\x03\x04"),
    "no ending": ("scan", b"\x00" * 400),
}


@pytest.mark.parametrize(("name", "content"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_no_image_is_named_in_one_short_message(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as an image") as message:
        v.read_volume(tmp_path / name)
    assert name in str(message.value)
    assert "\n" not in str(message.value)
    assert len(str(message.value)) < 400


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_that_was_cut_off_is_refused(ending: str, compressed: bool, tmp_path: Path) -> None:
    """ITK itself reads a cut-off NIfTI file, and fills it up with zeros."""
    path = tmp_path / f"scan{ending}"
    noise = np.random.default_rng(0).integers(1, 1000, (20, 20, 20)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path), useCompression=compressed)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read as an image|is truncated") as message:
        v.read_volume(path)
    assert path.name in str(message.value)


def test_a_nifti_that_is_not_packed_though_called_gz_is_read(tmp_path: Path, values_of: Callable) -> None:
    grid = Grid((4, 3, 2), (1, 2, 3))
    v.write_volume(v.Volume(values_of(grid), grid), tmp_path / "scan.nii")
    (tmp_path / "scan.nii").rename(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(v.read_volume(tmp_path / "scan.nii.gz").array_kji, values_of(grid))


def mha(spacing: str = "1 2 3", matrix: str = "1 0 0 0 1 0 0 0 1", origin: str = "0 0 0") -> bytes:
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        f"TransformMatrix = {matrix}\nOffset = {origin}\nElementSpacing = {spacing}\nDimSize = 4 3 2\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    return header.encode() + bytes(range(24))


def nrrd(directions: str = "(1,0,0) (0,2,0) (0,0,3)", spacings: str = "") -> bytes:
    position = (
        f"spacings: {spacings}\n"
        if spacings
        else f"space: left-posterior-superior\nspace directions: {directions}\nspace origin: (0,0,0)\n"
    )
    header = f"NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 4 3 2\n{position}encoding: raw\n\n"
    return header.encode() + bytes(range(24))


NAN = float("nan")


NO_SROW: list = []
"""No rows: the place is told by the spacing alone."""


def nifti(pixdim: tuple = (1.0, 2.0, 3.0), srow: list | None = None, order: str = "<") -> bytes:
    header = bytearray(352)
    struct.pack_into(f"{order}i", header, 0, 348)
    struct.pack_into(f"{order}8h", header, 40, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into(f"{order}2h", header, 70, 2, 8)  # unsigned char, 8 bits
    struct.pack_into(f"{order}8f", header, 76, 1.0, *pixdim, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into(f"{order}f", header, 108, 352.0)
    struct.pack_into(f"{order}2h", header, 252, 0, int(srow != NO_SROW))
    rows = srow or [[pixdim[0], 0, 0, 0], [0, pixdim[1], 0, 0], [0, 0, pixdim[2], 0]]
    struct.pack_into(f"{order}12f", header, 280, *[value for row in rows for value in row])
    header[344:348] = b"n+1\x00"
    return bytes(header) + bytes(range(24))


READ_AS_WRITTEN = {"scan.mha": mha(), "scan.nrrd": nrrd(), "scan.nii": nifti()}


@pytest.mark.parametrize(("name", "content"), READ_AS_WRITTEN.items(), ids=READ_AS_WRITTEN.keys())
def test_the_hand_written_headers_below_are_sound_before_they_are_spoilt(
    name: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    volume = v.read_volume(tmp_path / name)
    np.testing.assert_array_equal(volume.array_kji.ravel(), np.arange(24))
    np.testing.assert_allclose(volume.grid.spacing_mm, (1, 2, 3))


SPOILT = {
    "mha, spacing 0": ("scan.mha", mha(spacing="1 0 3")),
    "mha, spacing nan": ("scan.mha", mha(spacing="1 nan 3")),
    "mha, singular": ("scan.mha", mha(matrix="1 0 0 1 0 0 0 0 1")),
    "mha, no direction": ("scan.mha", mha(matrix="0 0 0 0 0 0 0 0 0")),
    "nrrd, spacing 0": ("scan.nrrd", nrrd(directions="(1,0,0) (0,0,0) (0,0,3)")),
    "nrrd, singular": ("scan.nrrd", nrrd(directions="(1,0,0) (2,0,0) (0,0,3)")),
    "nrrd, spacing nan": ("scan.nrrd", nrrd(directions="(1,0,0) (0,nan,0) (0,0,3)")),
    "nifti, singular": ("scan.nii", nifti(srow=[[1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 3, 0]])),
    "nifti, direction nan": ("scan.nii", nifti(srow=[[float("nan"), 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 0]])),
}


@pytest.mark.parametrize(("name", "content"), SPOILT.values(), ids=SPOILT.keys())
def test_a_header_that_cannot_be_placed_in_space_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as message:
        v.read_volume(tmp_path / name)
    assert "\n" not in str(message.value)
    assert name in str(message.value)


def test_a_packed_header_of_the_other_byte_order_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(nifti(pixdim=(1.0, 0.0, 3.0), order=">")))
    with pytest.raises(GeometryError, match="spacing 1 x 0 x 3 mm"):
        v.read_volume(tmp_path / "scan.nii.gz")


REPLACED_BY_ITK = {
    "nifti, 0": ("scan.nii", nifti(pixdim=(0.0, 2.0, 3.0), srow=NO_SROW), "spacing 0 x 2 x 3 mm"),
    "nifti, all 0": ("scan.nii", nifti(pixdim=(0.0, 0.0, 0.0), srow=NO_SROW), "spacing 0 x 0 x 0 mm"),
    "nifti, nan": ("scan.nii", nifti(pixdim=(1.0, NAN, 3.0), srow=NO_SROW), "spacing 1 x nan x 3 mm"),
    "nifti, negative": ("scan.nii", nifti(pixdim=(1.0, -2.0, 3.0)), "spacing 1 x -2 x 3 mm"),
    "mha, negative": ("scan.mha", mha(spacing="1 -2 3"), "spacing 1 x -2 x 3 mm"),
    "mha, no number": ("scan.mha", mha(spacing="1 two 3"), "spacing 1 x nan x 3 mm"),
    "mha, origin nan": ("scan.mha", mha(origin="nan 0 0"), "origin 'nan 0 0'"),
    "mha, origin infinite": ("scan.mha", mha(origin="0 -inf 0"), "origin '0 -inf 0'"),
    "nrrd, negative": ("scan.nrrd", nrrd(spacings="1 -2 3"), "spacing 1 x -2 x 3 mm"),
    "nrrd, unknown": ("scan.nrrd", nrrd(spacings="1 nan 3"), "spacing 1 x nan x 3 mm"),
}


@pytest.mark.parametrize(("name", "content", "message"), REPLACED_BY_ITK.values(), ids=REPLACED_BY_ITK.keys())
def test_what_itk_would_replace_without_a_word_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GeometryError, match=f"{name}' has the (voxel )?{message} in its header"):
        v.read_volume(tmp_path / name)


IN_WORDS = {
    "mha, no directions": ("scan.mha", mha(matrix="1 0 0 1 0 0 0 0 1"), "axes do not span space"),
    "nrrd, no directions": ("scan.nrrd", nrrd(directions="(1,0,0) (2,0,0) (0,0,3)"), "axes do not span space"),
    "nrrd, spacing 0": ("scan.nrrd", nrrd(directions="(1,0,0) (0,0,0) (0,0,3)"), "spacing must be positive"),
    "nrrd, spacings 0": ("scan.nrrd", nrrd(spacings="1 0 3"), "spacing 1 x 0 x 3 mm"),
    "mha, cut off": ("scan.mha", mha()[:-3], "values are missing or fewer"),
    "nrrd, cut off": ("scan.nrrd", nrrd()[:-3], "shorter than its header states"),
    "mhd without its values": ("scan.mhd", mha().replace(b"LOCAL", b"gone.raw"), "values is missing"),
    "nhdr without its values": (
        "scan.nhdr",
        nrrd().replace(b"raw\n", b"raw\ndata file: gone.raw\n"),
        "values is missing",
    ),
    "no image": ("scan.docx", b"PK\x03\x04", "Unable to determine ImageIO reader"),
}


@pytest.mark.parametrize(("name", "content", "message"), IN_WORDS.values(), ids=IN_WORDS.keys())
def test_what_itk_cannot_read_is_told_in_words(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        v.read_volume(tmp_path / name)


def test_a_nifti_with_another_handedness_is_where_its_header_says(tmp_path: Path) -> None:
    """RAS in the header, LPS in the library: x and y change sign; i runs to the patient's left here."""
    (tmp_path / "scan.nii").write_bytes(nifti(srow=[[-1, 0, 0, 10], [0, 2, 0, 20], [0, 0, 3, 30]]))
    grid = v.read_volume(tmp_path / "scan.nii").grid
    np.testing.assert_allclose(grid.index_to_lps([3, 0, 0]), [-10 + 3, -20, 30])
    np.testing.assert_allclose(grid.index_to_lps([0, 1, 1]), [-10, -20 - 2, 33])


def test_writing_into_a_missing_folder_says_so(a_volume: v.Volume, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder '.*nowhere' does not exist"):
        v.write_volume(a_volume, tmp_path / "nowhere" / "scan.nrrd")


def test_writing_with_an_unknown_ending_says_so(a_volume: v.Volume, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        v.write_volume(a_volume, tmp_path / "scan.docx")
