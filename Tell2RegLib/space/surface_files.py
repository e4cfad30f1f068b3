"""Reads and writes surface models: .vtk, .vtp, .stl, .ply, .obj.

VTK reads the file of a person in another process (`foreign_files`), after and before checks of our own; this process
gets what it read. Slicer writes SPACE=RAS or SPACE=LPS into a model's file; without it, LPS is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.foreign_files import MODEL_ENDINGS, read_foreign_surface
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.ras import lps_from
from Tell2RegLib.space.surface_lengths import check_lengths
from Tell2RegLib.support.complete_file import complete_file
from Tell2RegLib.support.reader_process import Reply
from Tell2RegLib.support.regular_files import check_regular_file

__all__ = ["MODEL_ENDINGS", "load_vtk", "points_lps_mm", "read_surface", "write_surface"]

SPACE = "SPACE"
"""Slicer's key for a model's coordinate system, in comments and in the field data of .vtp files."""
MAX_COORDINATE_MM = 1e6
"""A kilometre; larger coordinates are damaged."""


class Vtk:
    """The VTK classes that read and write surfaces; no rendering library is loaded."""

    def __init__(self) -> None:
        from vtkmodules import vtkCommonCore, vtkIOGeometry, vtkIOLegacy, vtkIOPLY, vtkIOXML
        from vtkmodules.util import numpy_support

        self.numpy_support = numpy_support
        self.Points = vtkCommonCore.vtkPoints
        self.StringArray = vtkCommonCore.vtkStringArray
        self.readers: dict[str, Callable] = {
            ".vtk": vtkIOLegacy.vtkPolyDataReader,
            ".vtp": vtkIOXML.vtkXMLPolyDataReader,
            ".stl": vtkIOGeometry.vtkSTLReader,
            ".ply": vtkIOPLY.vtkPLYReader,
            ".obj": vtkIOGeometry.vtkOBJReader,
        }
        self.writers: dict[str, Callable] = {
            ".vtk": vtkIOLegacy.vtkPolyDataWriter,
            ".vtp": vtkIOXML.vtkXMLPolyDataWriter,
            ".stl": vtkIOGeometry.vtkSTLWriter,
            ".ply": vtkIOPLY.vtkPLYWriter,
            ".obj": vtkIOGeometry.vtkOBJWriter,
        }


def load_vtk() -> Vtk:
    """VTK's classes.

    Raises:
        InputError: VTK is not installed.
    """
    try:
        return Vtk()
    except ImportError as error:
        raise InputError(f"Surface models need the package vtk, which cannot be loaded: {error}.") from error


# --- reading ---


def read_surface(path: Path, vtk: Vtk) -> Any:
    """Read a surface as vtkPolyData.

    Raises:
        InputError: missing, no surface, or damaged.
    """
    check_regular_file(path)
    content = read_foreign_surface(path)
    reader = vtk.readers[".vtp"]()
    reader.ReadFromInputStringOn()
    reader.SetInputString(content.decode("utf-8"))
    reader.Update()
    return reader.GetOutput()


def surface_job(path: Path) -> Reply:
    """Read a surface with VTK, and return it as the content of a .vtp file: a job of the other process.

    Raises:
        InputError: no surface, or damaged.
    """
    check_lengths(path)
    vtk = load_vtk()
    reader = vtk.readers[path.suffix.lower()]()
    errors = collected_errors(reader)
    reader.SetFileName(str(path))
    reader.Update()
    surface = reader.GetOutput()
    if errors or surface is None or surface.GetNumberOfPoints() == 0:
        raise InputError(f"'{path}' holds no surface that can be read.")
    _check_surface(surface, path, vtk)
    writer = vtk.writers[".vtp"]()
    writer.SetDataModeToBinary()
    writer.SetCompressorTypeToNone()
    writer.WriteToOutputStringOn()
    writer.SetInputData(surface)
    writer.Write()
    return Reply({}, writer.GetOutputString().encode("utf-8"))


def _check_surface(surface: Any, path: Path, vtk: Vtk) -> None:
    """Refuse coordinates, corners and values that no surface can have."""
    point_count, as_array = surface.GetNumberOfPoints(), vtk.numpy_support.vtk_to_numpy
    points: Floats = as_array(surface.GetPoints().GetData()).astype(np.float64)
    if not np.isfinite(points).all() or np.abs(points).max() > MAX_COORDINATE_MM:
        number = int(np.flatnonzero(~(np.abs(points) <= MAX_COORDINATE_MM).all(axis=1))[0])
        position = ", ".join(f"{value:g}" for value in points[number])
        raise InputError(
            f"'{path}' is damaged: point {number + 1} of {point_count} is at ({position}) mm. Copy or export it again."
        )
    for cells in (surface.GetVerts(), surface.GetLines(), surface.GetPolys(), surface.GetStrips()):
        corners = as_array(cells.GetConnectivityArray()) if cells.GetNumberOfCells() else np.zeros(0, int)
        if corners.size and (corners.min() < 0 or corners.max() >= point_count):
            wrong = corners.min() if corners.min() < 0 else corners.max()
            raise InputError(
                f"'{path}' is damaged: a face refers to point {wrong + 1} of {point_count}. Copy or export it again."
            )
        offsets = as_array(cells.GetOffsetsArray()) if cells.GetNumberOfCells() else np.zeros(1, int)
        if offsets[0] != 0 or (np.diff(offsets) < 0).any() or offsets[-1] != corners.size:
            raise InputError(f"'{path}' is damaged: its faces have no valid corners. Copy or export it again.")
    for attributes, count in (
        (surface.GetPointData(), point_count),
        (surface.GetCellData(), surface.GetNumberOfCells()),
    ):
        for number in range(attributes.GetNumberOfArrays()):
            array = attributes.GetAbstractArray(number)
            if array.GetNumberOfTuples() != count:
                raise InputError(
                    f"'{path}' is damaged: '{array.GetName()}' has {array.GetNumberOfTuples()} values, but {count} are "
                    "needed. Copy or export it again."
                )


def collected_errors(algorithm: Any) -> list[str]:
    """Collect the errors of a VTK reader or writer and of its executive, instead of printing them."""
    errors: list[str] = []
    for speaker in (algorithm, algorithm.GetExecutive()):
        speaker.AddObserver("ErrorEvent", lambda *_: errors.append("error"))
    return errors


def points_lps_mm(source: Path, surface: Any, vtk: Vtk) -> Floats:
    """The points (P, 3) of a surface that was read from a file, LPS mm."""
    points = vtk.numpy_support.vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
    return lps_from(_system(source, surface), points)


def _system(source: Path, surface: Any) -> str:
    """The coordinate system of a file and the surface that was read from it: "LPS" or "RAS"."""
    field = surface.GetFieldData().GetAbstractArray(SPACE)
    if field is not None and field.GetNumberOfValues() == 1:
        ras = str(field.GetValue(0)) == "RAS"
    else:
        with source.open("rb") as stream:
            ras = f"{SPACE}=RAS".encode() in stream.read(4096)
    return "RAS" if ras else "LPS"


# --- writing ---


def write_surface(surface: Any, target: Path, vtk: Vtk) -> None:
    """Write a surface in LPS, and record that where the format allows it.

    Raises:
        OutputError: it cannot be written.
    """
    space = vtk.StringArray()
    space.SetName(SPACE)
    space.InsertNextValue("LPS")
    surface.GetFieldData().RemoveArray(SPACE)
    if target.suffix.lower() == ".vtp":
        surface.GetFieldData().AddArray(space)
    writer = vtk.writers[target.suffix.lower()]()
    errors = collected_errors(writer)
    if target.suffix.lower() in (".vtk", ".stl"):
        writer.SetHeader(f"Tell2Reg {SPACE}=LPS")
        writer.SetFileTypeToBinary()
    elif target.suffix.lower() == ".ply":
        writer.AddComment(f"{SPACE}=LPS")
    writer.SetInputData(surface)
    # VTK writes some formats on a full disk without a word, and crashes on others; as text a number is longest.
    with complete_file(target, reserve_bytes=4096 + 3 * 1024 * surface.GetActualMemorySize()) as new:
        writer.SetFileName(str(new))
        if not writer.Write() or errors or not new.is_file():
            raise RuntimeError("VTK could not write.")
