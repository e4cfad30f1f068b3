"""Images in and out: every format that ITK reads, DICOM folders, and files that are whole or not there at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.space.image_headers import check_header, check_slices, check_whole, itk_errors_as

if TYPE_CHECKING:
    import SimpleITK as sitk

NIFTI_COLOURS = ("128", "2304")
"""NIfTI's data types RGB and RGBA: the bits of a value are those of all its components."""


NIFTI_HEADER = 352
"""Bytes before the values in a NIfTI file as ITK writes it."""


IMAGE_POSITION, IMAGE_ORIENTATION = "0020|0032", "0020|0037"
"""DICOM tags of where a slice lies and how it is turned."""


def read_image(path: str | Path) -> sitk.Image:
    """The SimpleITK image of a file or of a DICOM folder, as it is stored.

    Raises:
        InputError: missing or not an image.
        GeometryError: a spacing, an origin or places of slices that ITK would replace by others.
    """
    import SimpleITK as sitk

    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file '{path}'. Check the path.")
    if path.is_dir():
        return _read_dicom_folder(path)
    check_header(path)
    with itk_errors_as(f"'{path}' cannot be read as an image"):
        image = sitk.ReadImage(str(path))
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _check_nifti_is_whole(path, image)
    return image


def _check_nifti_is_whole(path: Path, image: sitk.Image) -> None:
    if not image.HasMetaDataKey("bitpix"):
        return
    values = image.GetNumberOfPixels()
    if image.GetMetaData("datatype") not in NIFTI_COLOURS:
        values *= image.GetNumberOfComponentsPerPixel()
    check_whole(path, int(float(image.GetMetaData("vox_offset"))) + values * int(image.GetMetaData("bitpix")) // 8)


def _read_dicom_folder(folder: Path) -> sitk.Image:
    import SimpleITK as sitk

    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if not series:
        raise InputError(f"The folder '{folder}' holds no DICOM images.")
    if len(series) > 1:
        raise InputError(
            f"The folder '{folder}' holds {len(series)} DICOM series, but one is needed. Put the series to use into "
            "a folder of its own."
        )
    with itk_errors_as(f"The DICOM series in '{folder}' cannot be read"):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0]))
        reader.MetaDataDictionaryArrayUpdateOn()
        image = reader.Execute()
    if len(reader.GetFileNames()) > 1:
        positions = _of_every_slice(reader, IMAGE_POSITION, 3, folder)
        check_slices(folder, positions, _of_every_slice(reader, IMAGE_ORIENTATION, 6, folder))
    return image


def _of_every_slice(reader: sitk.ImageSeriesReader, tag: str, count: int, folder: Path) -> list[list[float]]:
    """So many numbers of a DICOM tag from every slice."""
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
                f"The DICOM series in '{folder}' has slices that do not say where they lie ({tag.replace('|', ',')}). "
                "Leave them out, or use an image file with a geometry of its own."
            )
        rows.append(row)
    return rows


def write_image(image: sitk.Image, path: str | Path, *, compress: bool = True) -> None:
    """Write an image; the file's ending chooses the format.

    Raises:
        OutputError: the folder is missing or read-only, the disk is full, the ending is unknown. What was written by
            then is removed.
    """
    import SimpleITK as sitk

    path = Path(path)
    check_small_letters(path)
    with whole_file(path):
        sitk.WriteImage(image, str(path), useCompression=compress, compressionLevel=1)
        if path.name.lower().endswith((".nii", ".nii.gz")) and not _nifti_is_whole(path, image):
            raise RuntimeError("ITK writes NIfTI to a full disk without a word.")
        if compress and path.suffix.lower() == ".nrrd" and not _packed_is_whole(path, image):
            raise RuntimeError("ITK loses the end of a NRRD file on a full disk without a word.")


def check_small_letters(path: Path) -> None:
    """Raise where a file's ending has capitals with which ITK writes no file, or one of another name.

    Raises:
        OutputError: such an ending.
    """
    ending = "".join(re.findall(r"\.nii\.gz$|\.[^.]+$", path.name, re.IGNORECASE))
    if ending != ending.lower() and ending.lower() not in (".nrrd", ".nhdr"):
        raise OutputError(
            f"'{path}' cannot be written: use small letters for its ending, '{ending.lower()}' instead of '{ending}'."
        )


@contextmanager
def whole_file(path: Path, reserve: int = 0) -> Iterator[None]:
    """Let ITK or VTK write a file; where it fails, remove what it has written, and say so.

    Args:
        path: the file that the body of the `with` writes.
        reserve: so many bytes must be free: for writers that do not notice a full disk, or crash on it.

    Raises:
        OutputError: the folder is missing, the space too, or the body raised RuntimeError or OSError.
    """
    if not path.parent.is_dir():
        raise OutputError(f"'{path}' cannot be written: the folder '{path.parent}' does not exist.")
    data_files = [path.with_suffix(ending) for ending in (".raw", ".raw.gz", ".zraw")]
    files = [path, *(data_files if path.suffix.lower() in (".nhdr", ".mhd") else [])]
    before = [_stamp(file) for file in files]
    try:
        if reserve:
            _reserve(path.parent, reserve)
        yield
    except (RuntimeError, OSError) as error:
        for file, stamp in zip(files, before, strict=True):
            if file.is_file() and _stamp(file) != stamp:
                file.unlink()
        raise OutputError(
            f"'{path}' cannot be written. Check the file's ending, the free space and the folder's permissions."
        ) from error


def _reserve(folder: Path, size: int) -> None:
    """Raise OSError where so many bytes cannot be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as stream:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, size)
            else:
                for _ in range(0, size, 1 << 20):
                    stream.write(bytes(1 << 20))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # disks that cannot tell
            raise


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes whenever a file is written."""
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None


def _nifti_is_whole(path: Path, image: sitk.Image) -> bool:
    """Whether a NIfTI file just written holds all of the image; gzip ends with the size of what it holds."""
    values = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
    needed = NIFTI_HEADER + values * image.GetSizeOfPixelComponent()
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size >= needed
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4))
        return stream.read() == (needed % 2**32).to_bytes(4, "little")


def _packed_is_whole(path: Path, image: sitk.Image) -> bool:
    """Whether a compressed NRRD file just written ends with the size of the image's values, as gzip does."""
    needed = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        return stream.read() == (needed % 2**32).to_bytes(4, "little")
