"""Volumes: reading, writing, resampling, and the axial working grid with its 8-bit slices.

The only file of the library that converts between SimpleITK images and arrays (checked by a test).
Space is LPS mm, arrays are (k, j, i): docs/coordinates.md.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.image_files import read_image, write_image

if TYPE_CHECKING:
    import SimpleITK as sitk

log = logging.getLogger(__name__)

CLIP_PERCENTILES = (0.5, 99.5)
"""Intensity window of the 8-bit slices (docs/words-to-regions.md, "In each volume")."""


MAX_WORKING_VOXELS = 10**9
"""Maximum size of the working grid: a whole body at 0.5 mm."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image on a grid.

    Args:
        array_kji: values, (K, J, I), any real dtype; kept read-only, not copied.
        grid: the grid of the voxels.
        name: name used in messages and reports.

    Raises:
        GeometryError: the array's shape is not that of the grid.
    """

    array_kji: NDArray
    grid: Grid
    name: str = "volume"

    def __post_init__(self) -> None:
        if self.array_kji.shape != self.grid.shape_kji:
            raise GeometryError(
                f"The array of '{self.name}' has shape {self.array_kji.shape}, "
                f"but its grid needs {self.grid.shape_kji}."
            )
        view = self.array_kji.view()
        view.setflags(write=False)
        object.__setattr__(self, "array_kji", view)

    def with_array(self, array_kji: NDArray) -> Volume:
        """A volume with the same grid and name and other values (K, J, I)."""
        return replace(self, array_kji=array_kji)


# --- SimpleITK ---


def to_simpleitk(array_kji: NDArray, grid: Grid) -> sitk.Image:
    """A SimpleITK image of scalars (K, J, I) or vectors (K, J, I, C) on a grid; the values are copied."""
    import SimpleITK as sitk

    array = np.asarray(array_kji)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    elif array.dtype == np.float16:
        array = array.astype(np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(array), isVector=array.ndim == 4)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    return image


def grid_of(image: sitk.Image) -> Grid:
    """The grid of a 3-D SimpleITK image."""
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def array_of(image: sitk.Image) -> NDArray:
    """The values of an image as (K, J, I) or, with C components, (K, J, I, C); copied."""
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)


def from_simpleitk(image: sitk.Image, name: str = "volume") -> Volume:
    """Convert a SimpleITK image to a validated volume.

    The fourth axis of a 4-D image with one frame is removed. NaN and infinite values are replaced by the smallest
    finite value (logged).

    Raises:
        InputError: 2-D, several frames, several components per voxel, complex, empty, or without finite values.
        GeometryError: an unusable spacing or direction.
    """
    image = _as_3d_scalar(image, name)
    array = array_of(image)
    is_finite = True
    if array.dtype.kind == "f":
        is_finite = bool(np.isfinite(array).all())
        array = _finite(array, name)
    low, high = array.min(), array.max()
    if low == high:
        which = "voxel" if is_finite else "finite voxel"
        log.warning("'%s' is constant: every %s is %s. It shows no structures.", name, which, low)
    try:
        grid = grid_of(image)
    except GeometryError as error:
        raise GeometryError(f"'{name}' cannot be placed in space: {error}") from error
    return Volume(array, grid, name)


def _as_3d_scalar(image: sitk.Image, name: str) -> sitk.Image:
    if image.GetNumberOfPixels() == 0:
        raise InputError(f"'{name}' is empty: its size is {image.GetSize()}.")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        log.info("'%s' is 4-D with one frame; the frame is used.", name)
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise InputError(
            f"'{name}' is {image.GetDimension()}-D with size {image.GetSize()}, but a 3-D volume is needed."
            + (" Extract one frame and save it as a file." if image.GetDimension() == 4 else "")
        )
    if min(image.GetSize()) < 2:
        raise InputError(f"'{name}' is a single slice (size {image.GetSize()}), but a 3-D volume is needed.")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"'{name}' has {image.GetNumberOfComponentsPerPixel()} values per voxel (colour or vectors), but one is "
            "needed. Extract one component and save it as a file."
        )
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"'{name}' contains complex numbers. Save its magnitude and use that.")
    return image


def _finite(array: NDArray, name: str) -> NDArray:
    finite = np.isfinite(array)
    if finite.all():
        return array
    if not finite.any():
        raise InputError(f"'{name}' contains no finite value: every voxel is NaN or infinite.")
    lowest = array[finite].min()
    log.warning("'%s': %d NaN or infinite voxels were replaced by %g.", name, int((~finite).sum()), lowest)
    return np.where(finite, array, lowest)


# --- files ---


def read_volume(path: str | Path, series: str = "") -> Volume:
    """Read a volume from an image file (NIfTI, NRRD, MHA, ...) or a DICOM folder.

    Args:
        path: the file or folder.
        series: which DICOM series of a folder with several; see `read_image`.

    Raises:
        InputError: missing, not an image, or an image of another kind (see `from_simpleitk`).
    """
    path = Path(path)
    return from_simpleitk(read_image(path, series), path.name)


def write_volume(volume: Volume, path: str | Path) -> None:
    """Write a volume in the format given by the file's extension (see `write_image`)."""
    write_image(to_simpleitk(volume.array_kji, volume.grid), path)


# --- working grid ---


def working_grid(grid: Grid, spacing_mm: float = 1.0, slice_spacing_mm: float | None = None) -> Grid:
    """The grid of the slices that networks process: as axial as the volume's axes allow, isotropic in plane.

    The axes of the volume are permuted and flipped so that i, j, k point to Left, Posterior, Superior as closely as
    possible; an oblique volume stays oblique, so that slices have no empty corners.

    Args:
        grid: the volume's grid.
        spacing_mm: in-plane spacing (1 mm in docs/words-to-regions.md).
        slice_spacing_mm: distance between slices; when None, the larger of `spacing_mm` and the volume's spacing.

    Returns:
        A right-handed grid that covers the volume's voxels.

    Raises:
        GeometryError: a spacing that is not positive, or too fine for the memory.
    """
    if not spacing_mm > 0 or (slice_spacing_mm is not None and not slice_spacing_mm > 0):
        raise GeometryError(f"Working spacing must be positive, not {spacing_mm} and {slice_spacing_mm}.")
    matrix = grid.index_to_lps_matrix[:3, :3]
    axes = _closest_axes(matrix)
    directions = np.stack([np.sign(matrix[lps, axis]) * matrix[:, axis] for lps, axis in enumerate(axes)], axis=1)
    voxel_spacing = np.linalg.norm(directions, axis=0)
    if slice_spacing_mm is None:
        slice_spacing_mm = max(spacing_mm, float(voxel_spacing[2]))
    spacing = np.array([spacing_mm, spacing_mm, slice_spacing_mm])
    extent = (np.asarray(grid.size_xyz)[axes] - 1) * voxel_spacing
    size_float = np.round(extent / spacing) + 1
    _check_working_size(float(size_float.prod()), spacing_mm)
    size = size_float.astype(int)
    unit_directions = directions / voxel_spacing
    centre = grid.index_to_lps((np.asarray(grid.size_xyz) - 1) / 2)
    origin = centre - unit_directions @ (spacing * (size - 1) / 2)
    return Grid(tuple(size), tuple(spacing), tuple(origin), tuple(unit_directions.ravel()))  # type: ignore[arg-type]


def _check_working_size(voxels: float, spacing_mm: float) -> None:
    if voxels > MAX_WORKING_VOXELS:
        minimum_mm = spacing_mm * math.sqrt(voxels / MAX_WORKING_VOXELS)
        digit = 10.0 ** math.floor(math.log10(minimum_mm))
        raise GeometryError(
            f"At a spacing of {spacing_mm:g} mm the slices would have {voxels:.2g} voxels, but at most "
            f"{MAX_WORKING_VOXELS:.0e} are possible. Choose a spacing of {math.ceil(minimum_mm / digit) * digit:g} mm "
            "or "
            "more."
        )


def _closest_axes(matrix: NDArray) -> list[int]:
    """For each of x, y, z, the index of the voxel axis most nearly parallel to it (one to one)."""
    from scipy.optimize import linear_sum_assignment

    alignment = np.abs(matrix / np.linalg.norm(matrix, axis=0))
    return linear_sum_assignment(-alignment)[1].tolist()


def resample(volume: Volume, grid: Grid, *, nearest: bool = False) -> Volume:
    """Resample a volume to another grid; outside the volume, its smallest value."""
    import SimpleITK as sitk

    image = to_simpleitk(volume.array_kji, volume.grid)
    resampler = sitk.ResampleImageFilter()
    set_reference(resampler, grid)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampler.SetDefaultPixelValue(float(volume.array_kji.min()))
    return Volume(array_of(resampler.Execute(image)), grid, volume.name)


def set_reference(resampler: sitk.ResampleImageFilter, grid: Grid) -> None:
    """Set a grid as the output grid of a SimpleITK resampler."""
    resampler.SetSize(grid.size_xyz)
    resampler.SetOutputSpacing(grid.spacing_mm)
    resampler.SetOutputOrigin(grid.origin_lps_mm)
    resampler.SetOutputDirection(grid.direction)


def to_uint8(volume: Volume) -> Volume:
    """Scale intensities between the 0.5 and 99.5 percentiles to 0..255; 0 if constant."""
    array = volume.array_kji.astype(np.float32)
    low, high = np.percentile(array, CLIP_PERCENTILES)
    if high <= low:
        low, high = float(array.min()), float(array.max())
    scaled = (array - low) * (255.0 / (high - low)) if high > low else np.zeros_like(array)
    return volume.with_array(np.clip(np.round(scaled), 0, 255).astype(np.uint8))


def axial_slices(volume: Volume, spacing_mm: float = 1.0, slice_spacing_mm: float | None = None) -> Volume:
    """The volume on its working grid with 8-bit values; `array_kji[k]` is slice k as a network receives it."""
    return to_uint8(resample(volume, working_grid(volume.grid, spacing_mm, slice_spacing_mm)))
