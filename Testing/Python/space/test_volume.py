"""Volumes: hostile geometry and hostile files in, the working grid and its 8-bit slices out."""

from __future__ import annotations

import gzip
import locale
import logging
import re
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


def image_on(grid: Grid, array: np.ndarray, is_vector: bool = False) -> sitk.Image:
    """Made with SimpleITK alone, so that the library is compared with something else than itself."""
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    return image


@pytest.fixture
def a_volume(a_hostile_grid: Grid, values_of: Callable) -> v.Volume:
    return v.Volume(values_of(a_hostile_grid), a_hostile_grid, "a volume")


# --- values ---


def test_a_volume_refuses_an_array_that_is_not_on_its_grid(a_hostile_grid: Grid) -> None:
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\).*needs \(2, 3, 4\)"):
        v.Volume(np.zeros((4, 3, 2)), a_hostile_grid, "x")


def test_a_volume_cannot_be_changed_but_the_callers_array_can(a_hostile_grid: Grid, values_of: Callable) -> None:
    array = values_of(a_hostile_grid)
    volume = v.Volume(array, a_hostile_grid)
    with pytest.raises(ValueError, match="read-only"):
        volume.array_kji[0, 0, 0] = 1
    array[0, 0, 0] = 1


def test_other_values_keep_grid_and_name(a_volume: v.Volume) -> None:
    other = a_volume.with_array(np.zeros(a_volume.grid.shape_kji))
    assert (other.grid, other.name) == (a_volume.grid, a_volume.name)


# --- SimpleITK ---


def test_a_landmark_is_where_simpleitk_puts_it(a_hostile_grid: Grid) -> None:
    """One bright voxel off every axis of symmetry: any swap of axes or sign would move it."""
    array = np.zeros(a_hostile_grid.shape_kji, dtype=np.int16)
    array[1, 0, 3] = 1000
    image = v.to_simpleitk(array, a_hostile_grid)
    assert image[3, 0, 1] == 1000
    expected = a_hostile_grid.index_to_lps([3, 0, 1])
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((3, 0, 1)), expected)


def test_to_simpleitk_and_back_is_the_same(a_volume: v.Volume) -> None:
    back = v.from_simpleitk(v.to_simpleitk(a_volume.array_kji, a_volume.grid), a_volume.name)
    np.testing.assert_array_equal(back.array_kji, a_volume.array_kji)
    assert back.grid.same_space(a_volume.grid)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_every_kind_of_number_keeps_its_kind(dtype: str, values_of: Callable) -> None:
    grid = Grid((4, 3, 2), (1, 2, 3))
    array = values_of(grid, np.dtype(dtype)) % 100
    back = v.from_simpleitk(v.to_simpleitk(array, grid))
    assert back.array_kji.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back.array_kji, array)


@pytest.mark.parametrize(("dtype", "stored"), [("bool", "uint8"), ("float16", "float32")])
def test_numbers_itk_does_not_know_become_the_nearest_that_holds_them(dtype: str, stored: str) -> None:
    grid = Grid((4, 3, 2))
    array = (np.arange(24).reshape(grid.shape_kji) % 2).astype(dtype)
    back = v.array_of(v.to_simpleitk(array, grid))
    assert back.dtype == np.dtype(stored)
    np.testing.assert_array_equal(back, array)


def test_vectors_keep_their_components_in_order(a_hostile_grid: Grid) -> None:
    array = np.arange(24 * 3, dtype=np.float64).reshape(*a_hostile_grid.shape_kji, 3)
    image = v.to_simpleitk(array, a_hostile_grid)
    assert image.GetNumberOfComponentsPerPixel() == 3
    assert image[3, 0, 1] == tuple(array[1, 0, 3])
    np.testing.assert_array_equal(v.array_of(image), array)


def test_a_view_that_is_not_contiguous_is_stored_as_it_reads(a_hostile_grid: Grid, values_of: Callable) -> None:
    turned = np.asfortranarray(values_of(a_hostile_grid))[:, ::-1]
    np.testing.assert_array_equal(v.array_of(v.to_simpleitk(turned, a_hostile_grid)), turned)


# --- images of another kind ---

REFUSED = {
    "2-D": (sitk.Image(4, 3, sitk.sitkUInt8), "2-D"),
    "a single slice": (sitk.Image(4, 3, 1, sitk.sitkUInt8), "single slice"),
    "a single row": (sitk.Image(1, 3, 4, sitk.sitkUInt8), "single slice"),
    "several frames": (sitk.Image([4, 3, 2, 5], sitk.sitkUInt8), "4-D.*Extract one frame"),
    "colour": (sitk.Image([4, 3, 2], sitk.sitkVectorUInt8, 3), "3 values per voxel"),
    "complex": (sitk.Image(4, 3, 2, sitk.sitkComplexFloat32), "complex"),
    "empty": (sitk.Image(0, 0, 0, sitk.sitkUInt8), "empty"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_an_image_of_another_kind_is_refused_with_its_name_and_why(image: sitk.Image, message: str) -> None:
    with pytest.raises(InputError, match=f"(?s)'scan'.*{message}"):
        v.from_simpleitk(image, "scan")


def test_4d_with_one_frame_is_that_frame(a_hostile_grid: Grid, values_of: Callable) -> None:
    frame = image_on(a_hostile_grid, values_of(a_hostile_grid))
    volume = v.from_simpleitk(sitk.JoinSeries(frame))
    np.testing.assert_array_equal(volume.array_kji, values_of(a_hostile_grid))
    assert volume.grid.same_space(a_hostile_grid)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_number_become_the_lowest_and_are_logged(
    bad: float, a_hostile_grid: Grid, values_of: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    array = values_of(a_hostile_grid) - 7
    array[1, 1, 1] = bad
    volume = v.from_simpleitk(image_on(a_hostile_grid, array), "scan")
    assert volume.array_kji[1, 1, 1] == -7
    assert volume.array_kji.dtype == np.float32
    assert np.isfinite(volume.array_kji).all()
    assert "'scan': 1 NaN" in caplog.text


def test_nothing_but_nan_is_refused(a_hostile_grid: Grid) -> None:
    with pytest.raises(InputError, match="no finite value"):
        v.from_simpleitk(image_on(a_hostile_grid, np.full(a_hostile_grid.shape_kji, np.nan)))


def test_a_constant_volume_is_read_and_said_to_be_constant(
    a_hostile_grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    volume = v.from_simpleitk(image_on(a_hostile_grid, np.full(a_hostile_grid.shape_kji, 3, np.int16)), "scan")
    assert (volume.array_kji == 3).all()
    assert "'scan' is constant" in caplog.text
    assert (v.to_uint8(volume).array_kji == 0).all()


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


def test_a_folder_with_two_dicom_series_asks_for_one(values_of: Callable, tmp_path: Path) -> None:
    image = image_on(dicom_grid(), values_of(dicom_grid(), np.int16))
    write_dicom(tmp_path / "both", image)
    write_dicom(tmp_path / "both", image, "1.2.826.0.1.3680043.2.1125.2")
    with pytest.raises(InputError, match="contains 2 DICOM series.*separate folder"):
        v.read_volume(tmp_path / "both")


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
    "mhd without its values": ("scan.mhd", mha().replace(b"LOCAL", b"gone.raw"), "values are missing"),
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


# --- working grid ---

big = st.tuples(*[st.integers(2, 40)] * 3)
spacings = st.tuples(*[st.floats(0.3, 6)] * 3)
angles = st.tuples(*[st.floats(-0.6, 0.6)] * 3)


def turned(angles_rad: tuple, order: list[int], signs: tuple) -> np.ndarray:
    a, b, c = angles_rad
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (about_x @ about_y @ about_z)[:, order] * np.asarray(signs)


@given(big, spacings, angles, st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
def test_the_working_grid_is_axial_right_handed_and_isotropic_in_plane(
    size: tuple, spacing: tuple, tilt: tuple, order: list[int], signs: tuple
) -> None:
    grid = Grid(size, spacing, (10, 20, -30), tuple(turned(tilt, order, signs).ravel()))
    working = v.working_grid(grid)
    direction = np.reshape(working.direction, (3, 3))
    assert working.spacing_mm[0] == working.spacing_mm[1] == 1.0
    assert working.spacing_mm[2] >= 1.0
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    assert np.linalg.det(direction) == pytest.approx(1.0)
    own_columns = np.reshape(grid.direction, (3, 3))
    for column in direction.T:  # oblique volumes keep their own axes
        assert np.abs(own_columns.T @ column).max() == pytest.approx(1.0)


@given(big, spacings, angles, st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
def test_the_working_grid_covers_the_volume(
    size: tuple, spacing: tuple, tilt: tuple, order: list[int], signs: tuple
) -> None:
    grid = Grid(size, spacing, (10, 20, -30), tuple(turned(tilt, order, signs).ravel()))
    working = v.working_grid(grid)
    corners = working.lps_to_index(grid.corners_lps_mm())
    assert corners.min() >= -0.5 - 1e-6
    assert (corners.max(axis=0) <= np.asarray(working.size_xyz) - 0.5 + 1e-6).all()


def test_axes_of_the_working_grid_run_to_left_posterior_superior(a_hostile_grid: Grid) -> None:
    direction = np.reshape(v.working_grid(a_hostile_grid).direction, (3, 3))
    assert (np.diag(direction) > 0.5).all()


def test_an_axial_volume_at_working_spacing_is_its_own_working_grid() -> None:
    grid = Grid((20, 18, 9), (1, 1, 3), (10, 20, -30))
    assert v.working_grid(grid).same_space(grid)


def test_slice_spacing_is_the_volumes_own_unless_asked_otherwise() -> None:
    grid = Grid((20, 18, 9), (0.5, 0.5, 3), (10, 20, -30))
    assert v.working_grid(grid).spacing_mm == (1, 1, 3)
    assert v.working_grid(grid, 2.0, 1.5).spacing_mm == (2, 2, 1.5)
    assert v.working_grid(Grid((20, 18, 9), (1, 1, 0.2))).spacing_mm == (1, 1, 1)


@pytest.mark.parametrize(("plane", "slices"), [(0, None), (-1, None), (1, 0), (float("nan"), None)])
def test_a_working_spacing_that_is_not_positive_is_refused(plane: float, slices: float | None) -> None:
    with pytest.raises(GeometryError, match="positive"):
        v.working_grid(Grid((4, 3, 2)), plane, slices)


# --- resampling and slices ---


def test_resampling_is_what_simpleitk_resamples(a_volume: v.Volume) -> None:
    target = Grid((5, 6, 4), (0.7, 0.9, 1.1), a_volume.grid.origin_lps_mm)
    image = image_on(a_volume.grid, a_volume.array_kji)
    reference = image_on(target, np.zeros(target.shape_kji, np.uint8))
    expected = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, 0.0)
    np.testing.assert_allclose(v.resample(a_volume, target).array_kji, sitk.GetArrayFromImage(expected), atol=1e-4)


def test_a_landmark_stays_in_its_place_on_the_working_grid() -> None:
    """A blob in one corner of an oblique, left-handed volume has the same position in mm on the working grid."""
    grid = Grid(
        (40, 30, 20), (1, 1.5, 2), (10, 20, -30), tuple(turned((0.2, -0.3, 0.1), [1, 0, 2], (1, -1, 1)).ravel())
    )
    where = grid.index_to_lps([29, 9, 14])
    distance = np.linalg.norm(grid.voxel_centres_lps_mm() - where, axis=-1)
    axial = v.resample(v.Volume(np.exp(-((distance / 4) ** 2)).astype(np.float32), grid), v.working_grid(grid))
    weights = axial.array_kji / axial.array_kji.sum()
    centroid = (weights[..., None] * axial.grid.voxel_centres_lps_mm()).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(centroid, where, atol=0.1)


def test_outside_the_volume_is_its_lowest_value(a_volume: v.Volume) -> None:
    lower = a_volume.with_array(a_volume.array_kji - 50)
    far = Grid((3, 3, 3), (1, 1, 1), (500, 500, 500))
    assert (v.resample(lower, far).array_kji == -50).all()


def test_labels_resampled_to_the_nearest_stay_labels(a_hostile_grid: Grid) -> None:
    labels = v.Volume(
        np.random.default_rng(0).choice([0, 3, 9], a_hostile_grid.shape_kji).astype(np.uint8), a_hostile_grid
    )
    finer = v.working_grid(a_hostile_grid, 0.4)
    assert set(np.unique(v.resample(labels, finer, nearest=True).array_kji)) <= {0, 3, 9}


def test_8_bit_slices_span_the_middle_99_percent() -> None:
    values = np.linspace(-1000, 3000, 20 * 20 * 20).reshape(20, 20, 20)
    values[0, 0, 0], values[-1, -1, -1] = -1e6, 1e6
    eight = v.to_uint8(v.Volume(values, Grid((20, 20, 20)))).array_kji
    low, high = np.percentile(values, [0.5, 99.5])
    assert eight.dtype == np.uint8
    assert (eight[values <= low] == 0).all()
    assert (eight[values >= high] == 255).all()
    middle = (values > low) & (values < high)
    np.testing.assert_allclose(eight[middle], (values[middle] - low) / (high - low) * 255, atol=0.51)


def test_a_volume_that_is_almost_all_background_is_still_seen() -> None:
    values = np.zeros((20, 20, 20))
    values[10, 10, 10] = 8
    assert v.to_uint8(v.Volume(values, Grid((20, 20, 20)))).array_kji[10, 10, 10] == 255


def test_axial_slices_look_along_the_body_whatever_the_scan_direction() -> None:
    """A sagittal scan of a body whose values grow upwards: every axial slice is one grey, brighter than the last."""
    sagittal = Grid((24, 20, 16), (1, 1, 2), (5, 6, 7), (0, 0, 1, 1, 0, 0, 0, -1, 0))
    height = sagittal.voxel_centres_lps_mm()[..., 2]
    slices = v.axial_slices(v.Volume(height.astype(np.float32), sagittal))
    assert slices.array_kji.dtype == np.uint8
    assert slices.array_kji.shape == (20, 24, 31)
    assert (np.ptp(slices.array_kji, axis=(1, 2)) == 0).all()
    assert (np.diff(slices.array_kji[:, 0, 0].astype(int)) > 0).all()


@pytest.mark.parametrize(("spacing", "own_mm"), [(0.001, 2.0), (1e-5, 0.4), (1e-30, 2.0)])
def test_slices_too_fine_for_any_memory_are_refused_with_a_spacing_that_is_not(spacing: float, own_mm: float) -> None:
    grid = Grid((20, 18, 9), (own_mm,) * 3)
    with pytest.raises(
        GeometryError, match=f"At a spacing of {spacing:g} mm the slices would have .* voxels"
    ) as message:
        v.axial_slices(v.Volume(np.zeros(grid.shape_kji, np.float32), grid), spacing)
    advised = float(re.search(r"spacing of (\S+) mm or more", str(message.value))[1])  # type: ignore[index]
    assert np.prod(v.working_grid(grid, advised).size_xyz) <= v.MAX_WORKING_VOXELS


def test_reading_keeps_the_warning_for_the_log_not_for_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture, values_of: Callable
) -> None:
    grid = Grid((4, 3, 2))
    v.write_volume(v.Volume(values_of(grid), grid), tmp_path / "scan.nii.gz")
    v.read_volume(tmp_path / "scan.nii.gz")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
