"""Files that another process reads, because their formats are too complex to be checked beforehand.

DICOM, unusual images, HDF5 and surfaces: a damaged one can crash the library that reads it. Images with a plain header
(`plain_headers`) and linear transforms in text are read in this process.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import ResourceError, Tell2RegError
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.image_headers import itk_errors_as
from Tell2RegLib.space.plain_headers import has_plain_header
from Tell2RegLib.support.complete_file import analyze_values, data_files
from Tell2RegLib.support.reader_process import Limits, ReaderProcess
from Tell2RegLib.support.regular_files import check_file_or_folder

if TYPE_CHECKING:
    import SimpleITK as sitk

MODEL_ENDINGS = (".vtk", ".vtp", ".stl", ".ply", ".obj")
MAP_ENDINGS = (".h5", ".hdf5", ".mat")
OTHER_ENDINGS = (".json", ".csv", ".fcsv", ".tfm", ".txt")
"""Endings of surfaces, of transforms, and of files that this process reads."""
_READER = ReaderProcess("Tell2RegLib.space.reader_jobs")


@dataclass(frozen=True, eq=False)
class ItkMap:
    """What an ITK transform does to 3-D points.

    Args:
        matrix: 4 x 4, LPS mm, of a linear one; None otherwise.
        vectors_kji: displacements (K, J, I, 3), LPS mm, on the grid that was asked for; None of a linear one, or
            without a grid.
        affine: 4 x 4, the first part of a composite, if it is linear.
    """

    matrix: Floats | None = None
    vectors_kji: NDArray | None = None
    affine: Floats | None = None


def prepare_reader(*paths: Path) -> None:
    """Start the other process if it will read one of these files, so that it is ready when its turn comes."""
    for path in paths:
        if job := _job_of(path):
            with suppress(Tell2RegError):
                _READER.prepare(job)
            return


def _job_of(path: Path) -> str:
    """The job that reads a file; "" if this process does, or if it is not there."""
    name = path.name.lower()
    with suppress(Tell2RegError, OSError):
        check_file_or_folder(path)
        if name.endswith(MODEL_ENDINGS):
            return "surface"
        if name.endswith(MAP_ENDINGS):
            return "transform"
        return "" if name.endswith(OTHER_ENDINGS) or has_plain_header(path) else "image"
    return ""


def read_foreign_image(path: Path, series: str = "") -> sitk.Image:
    """Read an image file or a DICOM folder in the other process; its metadata stay there, except those of NRRD.

    Args:
        path: the file or folder.
        series: which DICOM series, see `read_image`.

    Raises:
        InputError: it is no image, or cannot be read within the limits.
    """
    import SimpleITK as sitk

    with _transfer_folder() as folder:
        target = Path(folder) / "image.nrrd"
        _READER.read("image", path, Limits.of(_size(path)), target=str(target), series=series)
        with itk_errors_as(f"'{path}' cannot be read as an image"):
            return sitk.ReadImage(str(target))


def read_foreign_map(path: Path, grid: Grid | None) -> ItkMap:
    """Read an ITK transform in the other process.

    Args:
        path: the file.
        grid: where a transform that is not linear is sampled.

    Raises:
        InputError: it is no transform of 3-D points, or cannot be read within the limits.
    """
    fields = None if grid is None else [grid.size_xyz, grid.spacing_mm, grid.origin_lps_mm, grid.direction]
    reply = _READER.read("transform", path, Limits.of(_size(path)), grid=fields)
    matrix, affine = (_matrix(reply.values[name]) for name in ("matrix", "affine"))
    vectors = None
    if reply.data and grid is not None:
        vectors = np.frombuffer(reply.data, np.float32).reshape(*grid.shape_kji, 3)
    return ItkMap(matrix, vectors, affine)


def read_foreign_surface(path: Path) -> bytes:
    """Read a surface in the other process; returns it as the content of a .vtp file.

    Raises:
        InputError: it is no surface, damaged, or cannot be read within the limits.
    """
    return _READER.read("surface", path, Limits.of(_size(path))).data


def _matrix(values: Any) -> Floats | None:
    return None if values is None else np.array(values, np.float64).reshape(4, 4)


def _size(path: Path) -> int:
    """Bytes of a file and of those that hold its values, or of the files of a DICOM folder."""
    if path.is_dir():
        files = [entry for entry in path.iterdir() if entry.is_file()]
    else:
        files = [path, *data_files(path), *analyze_values(path)]
    return sum(file.stat().st_size for file in files)


def _transfer_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="tell2reg-read-")
    except OSError as error:
        raise ResourceError(
            f"There is no room for temporary files ({error.strerror or error}). Free some space in "
            f"'{tempfile.gettempdir()}', or name another folder in the variable TMPDIR."
        ) from error
