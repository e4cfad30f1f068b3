"""What the files of images say about themselves where ITK reads on without a word, or says it in C++.

ITK puts 1 mm for a spacing of 0, 0 for an origin that is no number, flips an axis of negative spacing, fills a file
that was cut off with zeros and spreads the slices of a DICOM series evenly whatever their places. Here that is refused.
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

NIFTI_ENDINGS = (".nii", ".nii.gz", ".hdr", ".img")
META_ENDINGS = (".mha", ".mhd")
NRRD_ENDINGS = (".nrrd", ".nhdr")

META_SPACINGS = ("ElementSpacing", "ElementSize")
"""Where MetaImage files keep the spacing; the second counts where the first is missing."""
META_ORIGINS = ("Offset", "Position", "Origin")

MOST_LINES = 200
"""Of a header: what is looked for stands before."""

GAP_TOLERANCE, ROUNDING_MM = 0.01, 0.02
"""How far the gaps between DICOM slices may differ: a part of the gap, and what rounding to two decimals does."""

REASONS = {
    "determinant is 0": "the directions of its axes do not span space",
    "change spacing": "its voxel spacing must be positive on every axis",
    "axis .* spacing .* invalid": "its voxel spacing must be positive on every axis",
    "fread got only|expected .* bytes but received": "it is shorter than its header says; copy or download it again",
    "MetaImageIO.*File cannot be read": "it is damaged, or its values are missing or fewer than its header says",
    "does not fully contain the requested region|Size mismatch": "its slices are not of one size",
    "couldn't open .*data ?file": "the file with its values is missing",
}
"""Patterns in what ITK says, and the same for people."""


# --- ITK's own words ---


@contextmanager
def itk_errors_as(what: str) -> Iterator[None]:
    """ITK's exceptions are pages long: one sentence of them."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(f"{what}: {itk_reason(str(error))}.") from error


def itk_reason(text: str) -> str:
    """What an exception of ITK means, without a full stop.

    >>> itk_reason("itk.hxx:145:\\nITK ERROR: Image(0x5): Bad direction, determinant is 0. Refusing to change ...")
    'the directions of its axes do not span space'
    >>> itk_reason("ImageFileReader_Execute: a.cxx:99:\\nsitk::ERROR: The file is odd.\\n 0 0 1")
    'The file is odd'
    """
    for pattern, reason in REASONS.items():
        if re.search(pattern, text):
            return reason
    found = re.search(r"ERROR: *(?:\w+\(0x[0-9a-f]+\): *)?(.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (found[1] if found else lines[-1] if lines else "unknown reason").strip().rstrip(".:")


# --- spacing and origin ---


def check_header(path: Path) -> None:
    """Raise where the header of a NIfTI, MetaImage or NRRD file has a spacing or an origin that ITK would replace.

    Raises:
        GeometryError: a spacing that is not positive, or an origin that is not finite.
    """
    name = path.name.lower()
    if name.endswith(NIFTI_ENDINGS):
        _check_spacing(_nifti_spacing(path.with_suffix(".hdr") if name.endswith(".img") else path), path)
    elif name.endswith(META_ENDINGS):
        fields = _fields(path, "=", "ElementDataFile")
        _check_spacing(_numbers(next((fields[key] for key in META_SPACINGS if key in fields), "")), path)
        _check_origin([fields[key] for key in META_ORIGINS if key in fields], path)
    elif name.endswith(NRRD_ENDINGS):
        spacing = _numbers(_fields(path, ":", "").get("spacings", ""))
        _check_spacing(spacing if len(spacing) == 3 else [], path)  # of other axes than those of space it may be NaN


def _check_spacing(spacing: Sequence[float], path: Path) -> None:
    if not all(math.isfinite(value) and value > 0 for value in spacing):
        raise GeometryError(
            f"'{path}' has the voxel spacing {' x '.join(f'{value:g}' for value in spacing)} mm in its header, but it "
            "must be positive on every axis. Correct the header, or make the file again from its source."
        )


def _check_origin(origins: Sequence[str], path: Path) -> None:
    for origin in origins:
        if not np.isfinite(_numbers(origin)).all():
            raise GeometryError(
                f"'{path}' has the origin '{origin}' in its header, but finite numbers in mm are needed. Correct the "
                "header, or make the file again from its source."
            )


def _nifti_spacing(path: Path) -> list[float]:
    """Spacing of the spatial axes that have more than one voxel, as it is stored; empty where there is no header."""
    header = b""
    if path.is_file():
        with suppress(EOFError, zlib.error, gzip.BadGzipFile), _unpacked(path) as stream:
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


def _unpacked(path: Path) -> BinaryIO:
    return gzip.open(path) if _is_packed(path) else path.open("rb")  # type: ignore[return-value]


def _is_packed(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _fields(path: Path, separator: str, last: str) -> dict[str, str]:
    """Key and value of the lines of a header, up to the key that ends it."""
    fields = {}
    with path.open("rb") as stream:
        for _ in range(MOST_LINES):
            key, _, value = stream.readline(4096).decode("utf-8", "replace").partition(separator)
            if key.strip() == last:
                break
            fields[key.strip()] = value.strip()
    return fields


def _numbers(text: str) -> list[float]:
    """The numbers in a field; NaN for every word that is none."""
    values = []
    for word in text.split():
        try:
            values.append(float(word))
        except ValueError:
            values.append(math.nan)
    return values


# --- whole files ---


def check_whole(path: Path, needed: int) -> None:
    """Raise where a NIfTI file, packed or not, holds fewer bytes than it needs: ITK fills the rest with zeros.

    Raises:
        InputError: the file is cut off.
    """
    held = _unpacked_size(path) if _is_packed(path) else path.stat().st_size
    if held < needed:
        raise InputError(f"'{path}' is cut off: it holds {held} of {needed} bytes. Copy or download it again.")


def _unpacked_size(path: Path) -> int:
    """Bytes in a gzip file, up to where it breaks off."""
    size = 0
    with suppress(EOFError, zlib.error, gzip.BadGzipFile), gzip.open(path) as stream:
        while chunk := stream.read(1 << 20):
            size += len(chunk)
    return size


# --- DICOM series ---


def check_slices(folder: Path, positions_lps_mm: ArrayLike, orientations: ArrayLike) -> None:
    """Raise where the slices of a DICOM series, in the order of reading, are no regular stack.

    Args:
        folder: where they lie, for the message.
        positions_lps_mm: (N, 3), Image Position (Patient) of every slice; at least two.
        orientations: (N, 6), Image Orientation (Patient) of every slice.

    Raises:
        GeometryError: slices at one place, unequal gaps, slices that are turned or shifted sideways.
    """
    positions, orientations = np.asarray(positions_lps_mm, float), np.asarray(orientations, float)
    what = f"The DICOM series in '{folder}' has {len(positions)} slices"
    if not np.allclose(orientations, orientations[0], atol=1e-3):
        raise GeometryError(f"{what} that are not parallel. Put those of one direction into a folder of their own.")
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    along = positions @ normal
    gaps = np.diff(along)
    repeated = int((np.diff(np.sort(along)) < ROUNDING_MM).sum())
    if repeated:
        raise GeometryError(
            f"{what}, and {repeated} of them lie where another one lies already: copies, or several images in one "
            "series. Leave one slice for every place."
        )
    _check_gaps(what, gaps)
    sideways = np.linalg.norm(positions - positions[0] - np.outer(along - along[0], normal), axis=1).max()
    if sideways > GAP_TOLERANCE * np.ptp(along) + ROUNDING_MM:
        raise GeometryError(
            f"{what} that are shifted sideways against each other, by {sideways:.3g} mm from the first to the last, as "
            "with a tilted gantry. Straighten it first: load it in Slicer with 'Acquisition geometry regularization' "
            "and save the volume."
        )


def _check_gaps(what: str, gaps_mm: NDArray) -> None:
    usual = float(np.median(gaps_mm))
    off = np.abs(gaps_mm - usual)
    worst = int(off.argmax())
    if off[worst] > GAP_TOLERANCE * abs(usual) + ROUNDING_MM:
        raise GeometryError(
            f"{what} that are not evenly spaced: slices {worst + 1} and {worst + 2} are {abs(gaps_mm[worst]):.4g} mm "
            f"apart, but most are {abs(usual):.4g} mm. If slices are missing, copy the whole series again; if not, "
            "load it in Slicer with 'Acquisition geometry regularization' and save the volume."
        )
