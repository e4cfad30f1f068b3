"""Compares the length of image files with what their headers need; ITK pads truncated ones with zeros or noise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.plain_headers import nifti_bytes
from Tell2RegLib.support.complete_file import analyze_values

if TYPE_CHECKING:
    import SimpleITK as sitk

NIFTI_ENDINGS = (".nii", ".nii.gz")
NIFTI_COLOURS = ("128", "2304")
"""NIfTI's data types RGB and RGBA, for which `bitpix` counts the bits of all components."""
GIPL_HEADER_BYTES = 256
VTK_HEADER = re.compile(
    rb"# vtk DataFile.*?\n(?:SCALARS[^\n]*\n *LOOKUP_TABLE|VECTORS|TENSORS|COLOR_SCALARS)[^\n]*\n", re.DOTALL
)
VTK_HEADER_BYTES = 1 << 16


def check_nifti_length(path: Path, unpacked_bytes: Mapping[Path, int]) -> None:
    """Reject a truncated NIfTI file with a plain header, before ITK needs memory for its values.

    Args:
        path: the image.
        unpacked_bytes: lengths of compressed files, uncompressed.

    Raises:
        InputError: the file is truncated.
    """
    if path.name.lower().endswith(NIFTI_ENDINGS):
        check_not_truncated(path, unpacked_bytes.get(path, path.stat().st_size), nifti_bytes(path) or 0)


def check_length(path: Path, image: sitk.Image, unpacked_bytes: Mapping[Path, int]) -> None:
    """Reject a NIfTI, Analyze, GIPL or VTK image that is shorter than it must be.

    Args:
        path: the image.
        image: as ITK read it.
        unpacked_bytes: lengths of compressed files, uncompressed.

    Raises:
        InputError: the file is truncated.
    """
    name, values = path.name.lower(), next(iter(analyze_values(path)), path)
    actual_bytes = unpacked_bytes.get(values, values.stat().st_size)
    if name.endswith((*NIFTI_ENDINGS, ".hdr")) and image.HasMetaDataKey("bitpix"):
        check_not_truncated(values, actual_bytes, _nifti_length(image))
    value_bytes = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    if name.endswith((".gipl", ".gipl.gz")):
        check_not_truncated(path, actual_bytes, GIPL_HEADER_BYTES + value_bytes)
    if name.endswith(".vtk"):
        _check_vtk(path, image, value_bytes)


def _nifti_length(image: sitk.Image) -> int:
    value_count = image.GetNumberOfPixels()
    if image.GetMetaData("datatype") not in NIFTI_COLOURS:
        value_count *= image.GetNumberOfComponentsPerPixel()
    return int(float(image.GetMetaData("vox_offset"))) + value_count * int(image.GetMetaData("bitpix")) // 8


def _check_vtk(path: Path, image: sitk.Image, value_bytes: int) -> None:
    with path.open("rb") as stream:
        start = stream.read(VTK_HEADER_BYTES)
    header = VTK_HEADER.match(start)
    if header is None:
        raise InputError(f"'{path}' cannot be read as an image: its header has no values.")
    if b"\nBINARY" in header[0]:
        check_not_truncated(path, path.stat().st_size, header.end() + value_bytes)
        return
    needed = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel()
    count = len(path.read_bytes()[header.end() :].split())
    if count < needed:
        raise InputError(f"'{path}' is truncated: it contains {count} of {needed} values. Copy or download it again.")


def check_not_truncated(path: Path, actual_bytes: int, needed_bytes: int) -> None:
    """Reject a file with fewer bytes, uncompressed, than needed.

    Raises:
        InputError: the file is truncated.
    """
    if actual_bytes < needed_bytes:
        raise InputError(
            f"'{path}' is truncated: it contains {actual_bytes} of {needed_bytes} bytes. Copy or download it again."
        )
