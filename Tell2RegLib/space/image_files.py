"""Reads and writes images: all formats of ITK and DICOM folders; a file is written completely or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.errors import GeometryError, InputError, OutputError
from Tell2RegLib.space.compressed_data import check_compressed_values
from Tell2RegLib.space.dicom_series import choose_series
from Tell2RegLib.space.foreign_files import read_foreign_image
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.image_headers import check_header, check_slices, itk_errors_as
from Tell2RegLib.space.image_lengths import check_length, check_nifti_length
from Tell2RegLib.space.plain_headers import has_plain_header
from Tell2RegLib.support.complete_file import complete_file
from Tell2RegLib.support.reader_process import Reply
from Tell2RegLib.support.regular_files import check_file_or_folder
from Tell2RegLib.support.text_headers import NRRD_ENDINGS

if TYPE_CHECKING:
    import SimpleITK as sitk

NIFTI_HEADER = 352
"""Bytes before the values in a NIfTI file as ITK writes it."""


IMAGE_POSITION, IMAGE_ORIENTATION = "0020|0032", "0020|0037"
"""DICOM tags of Image Position (Patient) and Image Orientation (Patient)."""


def read_image(path: str | Path, series: str = "") -> sitk.Image:
    """Read an image file or a DICOM folder as a SimpleITK image, with its stored values.

    Args:
        path: the file or folder.
        series: which series of a folder with several: its number in the list that the error gives, its description or
            its UID.

    Raises:
        InputError: missing, several series and none chosen, not an image, or damaged (the checksum of compressed values
            does not match).
        GeometryError: a spacing, an origin or slice positions that ITK would silently replace.
    """
    path = Path(path)
    check_file_or_folder(path)
    if path.is_dir():
        _check_entries(path)
    elif series:
        raise InputError(f"'{path}' is a file, which has no DICOM series to choose from.")
    if path.is_dir() or not has_plain_header(path):
        return read_foreign_image(path, series)
    return _read_here(path)


def image_job(path: Path, target: str, series: str) -> Reply:
    """Read an image as `read_image` does and write it to `target`: a job of the process that reads foreign files.

    Raises:
        InputError: see `read_image`.
    """
    import SimpleITK as sitk

    image = _read_dicom_folder(path, series) if path.is_dir() else _read_here(path)
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"'{path}' contains complex numbers. Save its magnitude and use that.")
    if image.GetDimension() == 3:
        _check_grid(image, path)
    if not path.name.lower().endswith(NRRD_ENDINGS):  # those of DICOM name the patient
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
    sitk.WriteImage(image, target, useCompression=False)
    return Reply({})


def _check_grid(image: sitk.Image, path: Path) -> None:
    try:
        Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    except GeometryError as error:
        raise GeometryError(f"'{path}' cannot be placed in space: {error}") from error


def _read_here(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    check_header(path)
    sizes = check_compressed_values(path)
    check_nifti_length(path, sizes)
    with itk_errors_as(f"'{path}' cannot be read as an image"):
        image = sitk.ReadImage(str(path))
    check_length(path, image, sizes)
    return image


def _check_entries(folder: Path) -> None:
    """Refuse a folder with anything that GDCM, which opens every file, could not open."""
    for entry in folder.iterdir():
        check_file_or_folder(entry)


def _read_dicom_folder(folder: Path, series: str) -> sitk.Image:
    import SimpleITK as sitk

    series_ids = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series_ids:
        raise InputError(f"The folder '{folder}' contains no DICOM images.")
    series_id = choose_series(folder, series_ids, series) if series or len(series_ids) > 1 else series_ids[0]
    with itk_errors_as(f"The DICOM series in '{folder}' cannot be read"):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_id))
        reader.MetaDataDictionaryArrayUpdateOn()
        image = reader.Execute()
    if len(reader.GetFileNames()) > 1:
        positions = _tag_of_every_slice(reader, IMAGE_POSITION, 3, folder)
        check_slices(folder, positions, _tag_of_every_slice(reader, IMAGE_ORIENTATION, 6, folder))
    return image


def _tag_of_every_slice(reader: sitk.ImageSeriesReader, tag: str, count: int, folder: Path) -> list[list[float]]:
    """The `count` numbers of a DICOM tag, for every slice."""
    rows = []
    for k in range(len(reader.GetFileNames())):
        try:
            row = (
                [float(value) for value in reader.GetMetaData(k, tag).split("\\")]
                if reader.HasMetaDataKey(k, tag)
                else []
            )
        except ValueError:
            row = []
        if len(row) != count:
            raise InputError(
                f"The DICOM series in '{folder}' has slices without a position or orientation "
                f"({tag.replace('|', ',')}). "
                "Remove them, or use an image file that contains its geometry."
            )
        rows.append(row)
    return rows


def write_image(image: sitk.Image, path: str | Path, *, compress: bool = True) -> None:
    """Write an image in the format given by the file's extension.

    Raises:
        OutputError: the folder is missing or read-only, the disk is full, or the extension is unknown; an earlier file
            stays as it was.
    """
    import SimpleITK as sitk

    path = Path(path)
    check_lower_case_ending(path)
    with complete_file(path) as new:
        sitk.WriteImage(image, str(new), useCompression=compress, compressionLevel=1)
        if path.name.lower().endswith((".nii", ".nii.gz")) and not _is_complete_nifti(new, image):
            raise RuntimeError("ITK writes NIfTI to a full disk without an error.")
        if compress and path.suffix.lower() == ".nrrd" and not _is_complete_gzip(new, image):
            raise RuntimeError("ITK truncates a NRRD file on a full disk without an error.")


def check_lower_case_ending(path: Path) -> None:
    """Reject a file extension in capitals, for which ITK writes no file or one with another name.

    Raises:
        OutputError: such an extension.
    """
    ending = "".join(re.findall(r"\.nii\.gz$|\.[^.]+$", path.name, re.IGNORECASE))
    if ending != ending.lower() and ending.lower() not in (".nrrd", ".nhdr"):
        raise OutputError(
            f"'{path}' cannot be written: use a lower-case extension, '{ending.lower()}' instead of '{ending}'."
        )


def _is_complete_nifti(path: Path, image: sitk.Image) -> bool:
    """Whether a newly written NIfTI file contains the whole image; gzip files end with the uncompressed size."""
    value_count = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
    needed_bytes = NIFTI_HEADER + value_count * image.GetSizeOfPixelComponent()
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size >= needed_bytes
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4))
        return stream.read() == (needed_bytes % 2**32).to_bytes(4, "little")


def _is_complete_gzip(path: Path, image: sitk.Image) -> bool:
    """Whether a newly written, compressed NRRD file ends with the size of the image's values, as gzip data does."""
    needed_bytes = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        return stream.read() == (needed_bytes % 2**32).to_bytes(4, "little")
