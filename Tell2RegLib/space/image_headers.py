"""Checks image files for errors that ITK repairs silently, and turns ITK's exceptions into one sentence.

ITK replaces a spacing of 0 by 1 mm and a non-numeric origin by 0, flips axes of negative spacing, pads truncated files
with zeros, and spaces the slices of a DICOM series evenly whatever their positions. These checks reject such files.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.support.system_memory import is_allocation_failure
from Tell2RegLib.support.text_headers import META_ENDINGS, NRRD_ENDINGS, read_text_header

NIFTI_ENDINGS = (".nii", ".nii.gz", ".hdr", ".img")

META_SPACINGS = ("ElementSpacing", "ElementSize")
"""MetaImage fields of the spacing; the second is used if the first is missing."""
META_ORIGINS = ("Offset", "Position", "Origin")

GAP_TOLERANCE, ROUNDING_MM = 0.01, 0.02
"""Tolerance of the gaps between DICOM slices: a fraction of the gap, plus the effect of rounding to two decimals."""

REASONS = {
    "determinant is 0": "the directions of its axes do not span space",
    "change spacing": "its voxel spacing must be positive on every axis",
    "axis .* spacing .* invalid": "its voxel spacing must be positive on every axis",
    "fread got only|expected .* bytes but received": "it is shorter than its header states; copy or download it again",
    "MetaImageIO.*File cannot be read": "it is damaged, or its values are missing or fewer than its header states",
    "does not fully contain the requested region|Size mismatch": "its slices differ in size",
    "bzip2 encoding not available": "its compression, bzip2, is not supported; save it with gzip or uncompressed",
    "couldn't open .*data ?file": "the file with its values is missing",
}
"""Patterns in ITK's messages, and plain explanations."""


# --- messages of ITK ---


@contextmanager
def itk_errors_as(problem: str) -> Iterator[None]:
    """Raise ITK's exceptions, which are pages long, as an `InputError` with one sentence: "`problem`: reason"."""
    try:
        yield
    except RuntimeError as error:
        if is_allocation_failure(error):
            raise MemoryError(problem) from error
        raise InputError(f"{problem}: {itk_reason(str(error))}.") from error


def itk_reason(text: str) -> str:
    """The reason in the text of an ITK exception, without a full stop.

    >>> itk_reason("itk.hxx:145:\\nITK ERROR: Image(0x5): Bad direction, determinant is 0. Refusing to change ...")
    'the directions of its axes do not span space'
    >>> itk_reason("ImageFileReader_Execute: a.cxx:99:\\nsitk::ERROR: The file is odd.\\n 0 0 1")
    'The file is odd'
    """
    for pattern, reason in REASONS.items():
        if re.search(pattern, text):
            return reason
    match = re.search(r"ERROR: *(?:\w+\(0x[0-9a-f]+\): *)?(.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (match[1] if match else lines[-1] if lines else "unknown reason").strip().rstrip(".:")


# --- spacing and origin ---


def check_header(path: Path) -> None:
    """Reject a NIfTI, MetaImage or NRRD header with a spacing or an origin that ITK would silently replace.

    Raises:
        GeometryError: a spacing that is not positive, or an origin that is not finite.
    """
    name = path.name.lower()
    if name.endswith(NIFTI_ENDINGS):
        _check_spacing(_nifti_spacing(path.with_suffix(".hdr") if name.endswith(".img") else path), path)
    elif name.endswith(META_ENDINGS):
        fields = read_text_header(path).fields
        _check_spacing(_numbers(next((fields[key] for key in META_SPACINGS if key in fields), "")), path)
        _check_origin([fields[key] for key in META_ORIGINS if key in fields], path)
    elif name.endswith(NRRD_ENDINGS):
        spacing = _numbers(read_text_header(path).fields.get("spacings", ""))
        _check_spacing(spacing if len(spacing) == 3 else [], path)  # of non-spatial axes it may be NaN


def _check_spacing(spacing: Sequence[float], path: Path) -> None:
    if not all(math.isfinite(value) and value > 0 for value in spacing):
        raise GeometryError(
            f"'{path}' has the voxel spacing {' x '.join(f'{value:g}' for value in spacing)} mm in its header, but it "
            "must be positive on every axis. Correct the header, or recreate the file from its source."
        )


def _check_origin(origins: Sequence[str], path: Path) -> None:
    for origin in origins:
        if not np.isfinite(_numbers(origin)).all():
            printable = origin[:80].encode("utf-8", "replace").decode("utf-8")
            raise GeometryError(
                f"'{path}' has the origin {printable!r} in its header, but finite numbers in mm are needed. Correct "
                "the header, or recreate the file from its source."
            )


def _nifti_spacing(path: Path) -> list[float]:
    """Stored spacing of the spatial axes with more than one voxel; empty without a header."""
    header = b""
    if path.is_file():
        with suppress(EOFError, zlib.error, gzip.BadGzipFile), _open_unzipped(path) as stream:
            header = stream.read(352)
    if len(header) < 352:
        return []
    for order in "<>":
        for size, dims, sizes_at, spacings, spacings_at in ((348, "8h", 40, "8f", 76), (540, "8q", 16, "8d", 104)):
            if struct.unpack_from(f"{order}i", header)[0] == size:
                count, *sizes = struct.unpack_from(order + dims, header, sizes_at)
                values = struct.unpack_from(order + spacings, header, spacings_at)[1:4]
                return [value for value, n in list(zip(values, sizes, strict=False))[: max(count, 0)] if n > 1]
    return []


def _open_unzipped(path: Path) -> BinaryIO:
    return gzip.open(path) if _is_gzipped(path) else path.open("rb")  # type: ignore[return-value]


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _numbers(text: str) -> list[float]:
    """The numbers in a field; NaN for a token that is not a number."""
    values = []
    for token in text.split():
        try:
            values.append(float(token))
        except ValueError:
            values.append(math.nan)
    return values


# --- DICOM series ---


def check_slices(folder: Path, positions_lps_mm: ArrayLike, orientations: ArrayLike) -> None:
    """Reject a DICOM series whose slices, in reading order, do not form a regular stack.

    Args:
        folder: the folder of the series, for the message.
        positions_lps_mm: (N, 3), Image Position (Patient) of every slice; at least two.
        orientations: (N, 6), Image Orientation (Patient) of every slice.

    Raises:
        GeometryError: duplicate positions, unequal gaps, or slices that are rotated or shifted sideways.
    """
    positions, orientations = np.asarray(positions_lps_mm, float), np.asarray(orientations, float)
    subject = f"The DICOM series in '{folder}' has {len(positions)} slices"
    if not np.allclose(orientations, orientations[0], atol=1e-3):
        raise GeometryError(
            f"{subject} that are not parallel. Copy the slices of one direction into a separate folder."
        )
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    positions_along_normal = positions @ normal
    gaps = np.diff(positions_along_normal)
    duplicate_count = int((np.diff(np.sort(positions_along_normal)) < ROUNDING_MM).sum())
    if duplicate_count:
        raise GeometryError(
            f"{subject}, and {duplicate_count} of them share their position with another one: duplicates, or several "
            "images in one series. Keep one slice per position."
        )
    _check_gaps(subject, gaps)
    shift_mm = np.linalg.norm(
        positions - positions[0] - np.outer(positions_along_normal - positions_along_normal[0], normal), axis=1
    ).max()
    if shift_mm > GAP_TOLERANCE * np.ptp(positions_along_normal) + ROUNDING_MM:
        raise GeometryError(
            f"{subject} that are shifted sideways by {shift_mm:.3g} mm from the first to the last, as with a tilted "
            "gantry. Straighten the series first: load it in Slicer with 'Acquisition geometry regularization' and "
            "save "
            "the volume."
        )


def _check_gaps(subject: str, gaps_mm: NDArray) -> None:
    typical_gap_mm = float(np.median(gaps_mm))
    deviation = np.abs(gaps_mm - typical_gap_mm)
    worst_gap = int(deviation.argmax())
    if deviation[worst_gap] > GAP_TOLERANCE * abs(typical_gap_mm) + ROUNDING_MM:
        raise GeometryError(
            f"{subject} that are not evenly spaced: slices {worst_gap + 1} and {worst_gap + 2} are "
            f"{abs(gaps_mm[worst_gap]):.4g} mm "
            f"apart, but most are {abs(typical_gap_mm):.4g} mm. If slices are missing, copy the whole series again; if "
            "not, "
            "load it in Slicer with 'Acquisition geometry regularization' and save the volume."
        )
