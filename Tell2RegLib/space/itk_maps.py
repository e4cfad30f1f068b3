"""What an ITK transform file (.tfm, .txt, .h5, .hdf5, .mat) does to 3-D points.

Text files with linear transforms are checked here and read in this process; all others are read by another one.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.foreign_files import ItkMap, read_foreign_map
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.volume import array_of
from Tell2RegLib.support.reader_process import Reply
from Tell2RegLib.support.regular_files import check_regular_file

TEXT_ENDINGS = (".tfm", ".txt")
TEXT_BYTES = 1 << 16
"""Maximum size of a text file that is read in this process."""
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
HEADER = "#Insight Transform File V1.0"
LINEAR_PARAMETERS: dict[str, tuple[int, ...]] = {
    "AffineTransform": (12, 3),
    "MatrixOffsetTransformBase": (12, 3),
    "Rigid3DTransform": (12, 3),
    "Euler3DTransform": (6, 4, 3),
    "VersorRigid3DTransform": (6, 3),
    "Similarity3DTransform": (7, 3),
    "TranslationTransform": (3, 0),
}
"""Number of parameters and possible numbers of fixed parameters, by class of ITK."""
LATTICE_TRANSFORMS = ("DisplacementFieldTransform", "BSplineTransform")
"""Classes with a vector per node of a lattice: the fixed parameters start with its size."""
ADVICE = "Copy or export it again."


def read_itk_map(path: Path, grid: Grid | None) -> ItkMap:
    """Read an ITK transform file.

    Args:
        path: the file.
        grid: where a transform that is not linear is sampled; without one, it is only known not to be linear.

    Raises:
        InputError: missing, unreadable, or not a transform of 3-D points.
    """
    check_regular_file(path)
    return map_of(path, grid) if _is_linear_text(path) else read_foreign_map(path, grid)


def map_job(path: Path, grid: list[Any] | None) -> Reply:
    """`map_of` as a job of the other process."""
    itk_map = map_of(path, None if grid is None else Grid(*(tuple(values) for values in grid)))  # type: ignore[arg-type]
    matrix, affine = (None if part is None else part.tolist() for part in (itk_map.matrix, itk_map.affine))
    vectors = itk_map.vectors_kji
    data = b"" if vectors is None else np.ascontiguousarray(vectors, np.float32).tobytes()
    return Reply({"matrix": matrix, "affine": affine}, data)


def map_of(path: Path, grid: Grid | None) -> ItkMap:
    """Read an ITK transform file in this process.

    Raises:
        InputError: unreadable, or not a transform of 3-D points.
    """
    if path.suffix.lower() in TEXT_ENDINGS:
        _parts_of_text(path)
    try:
        itk = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be read as an ITK transform.") from error
    if itk.GetDimension() != 3:
        raise InputError(f"'{path}' maps {itk.GetDimension()}-D points, but 3-D is needed.")
    if itk.IsLinear():
        return ItkMap(_linear_matrix(itk))
    if grid is None:
        return ItkMap()
    try:
        return ItkMap(None, _sampled(itk, grid), _first_affine(itk))
    except RuntimeError as error:
        raise InputError(f"'{path}' cannot be used as a map of points. Check that the file is complete.") from error


def _sampled(itk: sitk.Transform, grid: Grid) -> np.ndarray:
    to_field = sitk.TransformToDisplacementFieldFilter()
    to_field.SetSize(grid.size_xyz)
    to_field.SetOutputSpacing(grid.spacing_mm)
    to_field.SetOutputOrigin(grid.origin_lps_mm)
    to_field.SetOutputDirection(grid.direction)
    to_field.SetOutputPixelType(sitk.sitkVectorFloat32)
    return array_of(to_field.Execute(itk))


def _linear_matrix(itk: sitk.Transform) -> Floats:
    origin = np.array(itk.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.array(itk.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)], axis=1)
    matrix[:3, 3] = origin
    return matrix


def _first_affine(itk: sitk.Transform) -> Floats | None:
    """The affine part of a composite as `to_sitk_transform` writes it."""
    if itk.GetTransformEnum() != sitk.sitkComposite:
        return None
    composite = sitk.CompositeTransform(itk)
    first = composite.GetNthTransform(0)
    return _linear_matrix(first) if first.IsLinear() else None


# --- transforms as text ---


def _is_linear_text(path: Path) -> bool:
    """Whether a text file holds one linear transform of a known class, and nothing else.

    Raises:
        InputError: the file is incomplete.
    """
    if path.suffix.lower() not in TEXT_ENDINGS or path.stat().st_size > TEXT_BYTES:
        return False
    parts = _parts_of_text(path)
    return len(parts) == 1 and parts[0] in LINEAR_PARAMETERS


def _parts_of_text(path: Path) -> list[str]:
    """The classes of the transforms in a text file, after their numbers of parameters were compared.

    Raises:
        InputError: no such file, or incomplete.
    """
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    if not lines or lines[0].strip() != HEADER:
        raise InputError(f"'{path}' cannot be read as an ITK transform: its first line is not '{HEADER}'.")
    fields = [line.partition(":") for line in lines[1:] if line.strip() and not line.startswith("#")]
    parts: list[str] = []
    while fields:
        names = [key for key, _, _ in fields[:3]]
        kind = re.sub("_(double|float)_3_3$", "", fields[0][2].strip())
        if names[0] == "Transform" and kind == "CompositeTransform":
            fields = fields[1:]
            continue
        if names != ["Transform", "Parameters", "FixedParameters"]:
            raise InputError(f"'{path}' is truncated or damaged: {_position(parts)} is incomplete. {ADVICE}")
        _check_counts(path, parts, kind, *(_numbers(text) for _, _, text in fields[1:3]))
        parts.append(kind)
        fields = fields[3:]
    return parts


def _check_counts(path: Path, parts: list[str], kind: str, parameters: list[float], fixed: list[float]) -> None:
    if not all(map(math.isfinite, [*parameters, *fixed])):
        raise InputError(f"'{path}' is damaged: {_position(parts)} contains what is no finite number. {ADVICE}")
    needed = LINEAR_PARAMETERS.get(kind)
    if kind in LATTICE_TRANSFORMS and len(fixed) == 18:
        needed = (3 * math.prod(int(size) for size in fixed[:3]), 18)
    counts = len(parameters), len(fixed)
    if needed is not None and (counts[0] != needed[0] or counts[1] not in needed[1:]):
        raise InputError(
            f"'{path}' is truncated or damaged: {_position(parts)} has {counts[0]} parameters and {counts[1]} fixed "
            f"ones, but {needed[0]} and {needed[1]} are needed. {ADVICE}"
        )


def _position(parts: list[str]) -> str:
    return f"transform {len(parts) + 1}"


def _numbers(text: str) -> list[float]:
    """The numbers in a line; NaN for a token that is not a plain decimal number."""
    return [float(token) if NUMBER.fullmatch(token) else math.nan for token in text.split()]
