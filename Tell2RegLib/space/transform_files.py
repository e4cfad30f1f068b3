"""Reads and writes transform files, compatible with ITK, SimpleITK and Slicer.

Displacement fields: .nrrd, .nhdr, .nii, .nii.gz, .mha, .mhd, vectors in LPS mm. NRRD files have the displacement intent
(1006) and are marked as resampling fields; NIfTI files have the vector intent (1007), which ITK, ANTs and Slicer
interpret as LPS. ITK transforms: .h5, .hdf5, .tfm, .txt.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.image_files import check_lower_case_ending, read_image, write_image
from Tell2RegLib.space.inversion import invert_field
from Tell2RegLib.space.itk_maps import read_itk_map
from Tell2RegLib.space.transform import Transform, affine_transform, invertible, to_sitk_transform
from Tell2RegLib.space.volume import array_of, grid_of, to_simpleitk
from Tell2RegLib.support.complete_file import complete_file

FIELD_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
ITK_ENDINGS = (".h5", ".hdf5", ".tfm", ".txt")
DISPLACEMENT_INTENT = "1006"


def write_field(field: DisplacementField, path: str | Path) -> None:
    """Write a displacement field as a vector image, marked as a displacement field.

    Raises:
        OutputError: the extension is not one of `FIELD_ENDINGS`, or the file cannot be written.
    """
    _check_ending(path, FIELD_ENDINGS)
    image = to_simpleitk(field.vectors_kji, field.grid)
    if str(path).lower().endswith((".nrrd", ".nhdr")):
        image.SetMetaData("intent_code", DISPLACEMENT_INTENT)
        image.SetMetaData("displacement field type", "resampling")
    write_image(image, path)


def read_field(path: str | Path) -> DisplacementField:
    """Read a displacement field (mm, LPS) from an image of three components per voxel.

    Raises:
        InputError: missing, not an image, or not such a field.
    """
    image = read_image(path)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 3:
        raise InputError(
            f"'{path}' is not a displacement field: it is {image.GetDimension()}-D with "
            f"{image.GetNumberOfComponentsPerPixel()} value(s) per voxel, but 3-D with 3 values is needed."
        )
    return DisplacementField(array_of(image).astype(np.float32), grid_of(image))


def write_transform(transform: Transform, path: str | Path) -> None:
    """Write the fixed-to-moving map as a displacement field or an ITK transform, depending on the extension.

    Raises:
        OutputError: an unknown extension, or the file cannot be written.
    """
    path = Path(path)
    _check_ending(path, FIELD_ENDINGS + ITK_ENDINGS)
    if path.name.lower().endswith(FIELD_ENDINGS):
        write_field(transform.fixed_to_moving, path)
        return
    # HDF5 crashes the process when the disk fills up.
    reserve = transform.fixed_to_moving.vectors_kji.size * 8 if path.suffix.lower() in (".h5", ".hdf5") else 0
    with complete_file(path, reserve) as new:
        itk = to_sitk_transform(transform)
        sitk.WriteTransform(itk, str(new))
        if path.suffix.lower() in (".tfm", ".txt") and not _is_complete_text(new, itk):
            raise RuntimeError("ITK writes text to a full disk without an error.")


def read_transform(path: str | Path, fixed_grid: Grid, moving_grid: Grid) -> Transform:
    """Read a fixed-to-moving map from a field or an ITK transform file and compute its inverse.

    Args:
        path: a file of `FIELD_ENDINGS` or `ITK_ENDINGS`.
        fixed_grid: the grid of the forward field; the field of a file keeps the file's grid.
        moving_grid: the grid of the inverse.

    Raises:
        InputError: missing, unreadable, or not a map of 3-D points.
    """
    path = Path(path)
    if path.name.lower().endswith(FIELD_ENDINGS):
        field = read_field(path)
        affine = invertible(fit_affine(field))
        return Transform("ddf", field, invert_field(field, moving_grid, affine), affine)
    itk_map = read_itk_map(path, fixed_grid)
    if itk_map.matrix is not None:
        return affine_transform("affine", itk_map.matrix, fixed_grid, moving_grid)
    field = DisplacementField(itk_map.vectors_kji, fixed_grid)  # type: ignore[arg-type]
    affine = invertible(fit_affine(field) if itk_map.affine is None else itk_map.affine)
    return Transform("ddf", field, invert_field(field, moving_grid, affine), affine)


def read_linear_map(path: str | Path) -> Floats:
    """Read a linear ITK transform, fixed to moving points, as a matrix (4 x 4, LPS mm).

    Raises:
        InputError: missing, unreadable, or not a linear map of 3-D points that can be inverted.
    """
    matrix = read_itk_map(Path(path), None).matrix
    if matrix is None:
        raise InputError(f"'{path}' is not linear. Give a rigid or affine transform.")
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise InputError(f"'{path}' cannot be inverted. Give an invertible rigid or affine transform.")
    return matrix


def fit_affine(field: DisplacementField) -> Floats:
    """The least-squares affine map (4 x 4, LPS) of a field, over every fourth voxel per axis."""
    step = tuple(slice(None, None, 4 if n > 8 else 1) for n in field.grid.shape_kji)
    k, j, i = np.meshgrid(*(np.arange(n)[s] for n, s in zip(field.grid.shape_kji, step, strict=True)), indexing="ij")
    points = field.grid.index_to_lps(np.stack([i, j, k], axis=-1)).reshape(-1, 3)
    shifts = field.vectors_kji[step].reshape(-1, 3).astype(np.float64)
    centre = points.mean(axis=0)
    # Fitted to displacements, not positions: along an axis of one voxel, the map is then the identity.
    linear, *_ = np.linalg.lstsq(points - centre, shifts - shifts.mean(axis=0), rcond=None)
    matrix = np.eye(4)
    matrix[:3, :3] += linear.T
    matrix[:3, 3] = shifts.mean(axis=0) - linear.T @ centre
    return matrix


def _check_ending(path: str | Path, endings: tuple[str, ...]) -> None:
    check_lower_case_ending(Path(path))
    if not Path(path).name.lower().endswith(endings):
        raise OutputError(f"'{path}' does not have the extension of a transform file. Use one of {', '.join(endings)}.")


def _is_complete_text(path: Path, itk: sitk.Transform) -> bool:
    """Whether a text file contains all transforms; each ends with a line of fixed parameters."""
    transform_count = 1
    if itk.GetTransformEnum() == sitk.sitkComposite:
        transform_count = sitk.CompositeTransform(itk).GetNumberOfTransforms()
    line, parameter_lines = b"", 0
    with path.open("rb") as stream:
        for line in stream:
            parameter_lines += line.startswith(b"FixedParameters:")
    return parameter_lines == transform_count and line.endswith(b"\n")
