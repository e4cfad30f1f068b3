"""Warps files with a transform: volumes, label maps, segmentations, points, surface models.

Files are mapped from moving to fixed space, like a plan, or back with `inverse`. Positions in files are LPS
or RAS, depending on the format; here they are LPS mm.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError, NothingFound, OutputError
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.point_files import read_points, write_points
from Tell2RegLib.space.ras import lps_from
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import read_volume, write_volume
from Tell2RegLib.support.complete_file import check_not_input, complete_file

POINT_ENDINGS = (".json", ".csv", ".fcsv")
MODEL_ENDINGS = (".vtk", ".vtp", ".stl", ".ply", ".obj")
SEGMENTATION_ENDING = ".seg.nrrd"
VOLUME_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
"""Formats that preserve the direction of the axes and every data type."""

SPACE = "SPACE"
"""Slicer's key for a model's coordinate system, in comments and in the field data of .vtp files."""


def apply_file(
    transform: Transform, source: str | Path, target: str | Path, *, inverse: bool = False, nearest: bool = False
) -> str:
    """Warp one file from moving to fixed space, or from fixed to moving with `inverse`.

    Args:
        transform: the transform of a registration.
        source: a volume, label map, `.seg.nrrd`, point list (.mrk.json or .json, .fcsv, .csv) or surface (.vtk, .vtp,
            .stl, .ply, .obj).
        target: the file to write; must differ from the source.
        inverse: from fixed to moving instead.
        nearest: use nearest-neighbour instead of linear interpolation for a volume (label maps).

    Returns:
        One sentence that describes what was done.

    Raises:
        InputError: a file that cannot be read, or one kind of file to be written as another.
        OutputError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    if not source.exists():
        raise InputError(f"There is no file '{source}'. Check the path.")
    check_not_input(target, [source])
    if not target.parent.is_dir():
        raise OutputError(f"'{target}' cannot be written: the folder '{target.parent}' does not exist.")
    applied_transform = transform.inverse if inverse else transform
    name = source.name.lower()
    if name.endswith(POINT_ENDINGS):
        return _apply_to_points(applied_transform, source, target)
    if name.endswith(MODEL_ENDINGS):
        return _apply_to_model(applied_transform, source, target)
    if name.endswith(SEGMENTATION_ENDING):
        return _apply_to_segmentation(applied_transform, source, target)
    return _apply_to_volume(applied_transform, source, target, nearest)


def _apply_to_points(transform: Transform, source: Path, target: Path) -> str:
    points = read_points(source)
    moved = transform.inverse.apply_to_points(points.points_lps_mm)
    keeps = source.suffix.lower() == target.suffix.lower() == ".json"
    write_points(target, points.names, moved, template=source if keeps else None)
    return f"{len(points)} point(s) carried to '{target}'."


def _apply_to_segmentation(transform: Transform, source: Path, target: Path) -> str:
    regions = read_regions(source)
    warped_regions = [warped for warped in (warp_region(region, transform) for region in regions) if warped is not None]
    if not warped_regions:
        raise NothingFound(f"No segment of '{source}' lands inside the volume it was to be carried to.")
    write_segmentation(warped_regions, target, grid=transform.fixed_to_moving.grid)
    lost_count = len(regions) - len(warped_regions)
    return f"{len(warped_regions)} segment(s) carried to '{target}'" + (
        f"; {lost_count} fell outside." if lost_count else "."
    )


def _apply_to_volume(transform: Transform, source: Path, target: Path, nearest: bool) -> str:
    name = target.name.lower()
    if not name.endswith(VOLUME_ENDINGS) or name.endswith(SEGMENTATION_ENDING):
        raise InputError(f"A volume can be written as {', '.join(VOLUME_ENDINGS)}, not as '{target.name}'.")
    write_volume(transform.resample(read_volume(source), nearest=nearest), target)
    return f"'{source.name}' resampled to '{target}' ({'nearest voxel' if nearest else 'linear'})."


# --- surface models ---


def _apply_to_model(transform: Transform, source: Path, target: Path) -> str:
    if not target.name.lower().endswith(MODEL_ENDINGS):
        raise InputError(f"A surface model can be written as {', '.join(MODEL_ENDINGS)}, not as '{target.name}'.")
    vtk = _vtk()
    surface = _read_surface(source, vtk)
    system = _system(source, surface)
    map_to_source = transform.inverse.apply_to_points
    points = vtk.numpy_support.vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
    moved: Floats = map_to_source(lps_from(system, points))
    fresh = vtk.Points()
    fresh.SetData(vtk.numpy_support.numpy_to_vtk(np.ascontiguousarray(moved, np.float32), deep=True))
    surface.SetPoints(fresh)
    # Normals belong to the old shape.
    surface.GetPointData().SetNormals(None)
    surface.GetCellData().SetNormals(None)
    _write_surface(surface, target, vtk)
    return f"A surface of {len(points)} points carried to '{target}'."


class _Vtk:
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


def _vtk() -> _Vtk:
    try:
        return _Vtk()
    except ImportError as error:
        raise InputError(f"Surface models need the package vtk, which cannot be loaded: {error}.") from error


def _read_surface(source: Path, vtk: _Vtk) -> Any:
    reader = vtk.readers[source.suffix.lower()]()
    errors = _collected_errors(reader)
    reader.SetFileName(str(source))
    reader.Update()
    surface = reader.GetOutput()
    if errors or surface is None or surface.GetNumberOfPoints() == 0:
        raise InputError(f"'{source}' holds no surface that can be read.")
    return surface


def _collected_errors(algorithm: Any) -> list[str]:
    """Collect the errors of a VTK reader or writer and of its executive, instead of printing them."""
    errors: list[str] = []
    for speaker in (algorithm, algorithm.GetExecutive()):
        speaker.AddObserver("ErrorEvent", lambda *_: errors.append("error"))
    return errors


def _write_surface(surface: Any, target: Path, vtk: _Vtk) -> None:
    """Write in LPS, and record that where the format allows it."""
    space = vtk.StringArray()
    space.SetName(SPACE)
    space.InsertNextValue("LPS")
    surface.GetFieldData().RemoveArray(SPACE)
    if target.suffix.lower() == ".vtp":
        surface.GetFieldData().AddArray(space)
    writer = vtk.writers[target.suffix.lower()]()
    errors = _collected_errors(writer)
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


def _system(source: Path, surface: Any) -> str:
    """The file's coordinate system: Slicer writes SPACE=RAS or SPACE=LPS into a model's file, and means LPS without."""
    field = surface.GetFieldData().GetAbstractArray(SPACE)
    if field is not None and field.GetNumberOfValues() == 1:
        ras = str(field.GetValue(0)) == "RAS"
    else:
        with source.open("rb") as stream:
            ras = f"{SPACE}=RAS".encode() in stream.read(4096)
    return "RAS" if ras else "LPS"
