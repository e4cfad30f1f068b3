"""Warps files with a transform: volumes, label maps, segmentations, points, surface models.

Files are mapped from moving to fixed space, like a plan, or back with `inverse`. Positions in files are LPS
or RAS, depending on the format; here they are LPS mm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError, NothingFound, OutputError
from Tell2RegLib.region_sources.label_map import is_mask_folder, read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.point_files import read_points, write_points
from Tell2RegLib.space.ras import lps_from
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import read_volume, write_volume
from Tell2RegLib.support.complete_file import check_not_input, complete_file
from Tell2RegLib.workflows.apply_checks import is_label_map, warning_about_points, warning_about_volume

log = logging.getLogger(__name__)

POINT_ENDINGS = (".json", ".csv", ".fcsv")
MODEL_ENDINGS = (".vtk", ".vtp", ".stl", ".ply", ".obj")
SEGMENTATION_ENDING = ".seg.nrrd"
VOLUME_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
"""Formats that preserve the direction of the axes and every data type."""

SPACE = "SPACE"
"""Slicer's key for a model's coordinate system, in comments and in the field data of .vtp files."""


Warn = Callable[[str], None]
"""Reports a warning about a file, one sentence."""


def apply_file(
    transform: Transform,
    source: str | Path,
    target: str | Path,
    *,
    inverse: bool = False,
    nearest: bool | None = None,
    only: Sequence[str] = (),
    names: Mapping[int, str] | None = None,
    warn: Warn = log.warning,
) -> str:
    """Warp one file from moving to fixed space, or from fixed to moving with `inverse`.

    Args:
        transform: the transform of a registration.
        source: a volume, label map, `.seg.nrrd`, folder of masks, point list (.mrk.json or .json, .fcsv, .csv) or
            surface (.vtk, .vtp, .stl, .ply, .obj).
        target: the file to write; must differ from the source. Regions are written as `.seg.nrrd`.
        inverse: from fixed to moving instead.
        nearest: take the nearest voxel of a volume instead of interpolating; when None, of label maps.
        only: names of the regions to warp; all when empty.
        names: names of the labels of a label map, which is then warped as regions.
        warn: called with what does not fit: points or a volume elsewhere than the transform.

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
    job = _Job(transform.inverse if inverse else transform, source, target, "fixed" if inverse else "moving", warn)
    name = source.name.lower()
    if name.endswith(POINT_ENDINGS):
        return _apply_to_points(job)
    if name.endswith(MODEL_ENDINGS):
        return _apply_to_model(job.transform, source, target)
    if name.endswith(SEGMENTATION_ENDING) or is_mask_folder(source) or only or names is not None:
        return _apply_to_regions(job, only, names)
    return _apply_to_volume(job, nearest)


@dataclass(frozen=True)
class _Job:
    """One file to warp: `transform` maps from the `side` that the file belongs to."""

    transform: Transform
    source: Path
    target: Path
    side: str
    warn: Warn

    @property
    def grid(self) -> Grid:
        """Of the volume that the file belongs to."""
        return self.transform.moving_to_fixed.grid

    def say(self, warning: str) -> None:
        """Report a warning, unless it is empty."""
        if warning:
            self.warn(warning)


def _apply_to_points(job: _Job) -> str:
    points = read_points(job.source)
    job.say(warning_about_points(points.points_lps_mm, job.grid, job.side))
    moved = job.transform.inverse.apply_to_points(points.points_lps_mm)
    keeps = job.source.suffix.lower() == job.target.suffix.lower() == ".json"
    write_points(job.target, points.names, moved, template=job.source if keeps else None)
    return f"{len(points)} point(s) carried to '{job.target}'."


def _apply_to_regions(job: _Job, only: Sequence[str], names: Mapping[int, str] | None) -> str:
    if not job.target.name.lower().endswith(SEGMENTATION_ENDING):
        raise InputError(f"Regions are written as a segmentation: end '{job.target.name}' with {SEGMENTATION_ENDING}.")
    regions = read_regions(job.source, names=names, only=only)
    job.say(warning_about_volume(job.source.name, regions[0].grid, job.grid, job.side))
    warped_regions = [
        warped for warped in (warp_region(region, job.transform) for region in regions) if warped is not None
    ]
    if not warped_regions:
        raise NothingFound(f"No segment of '{job.source}' lands inside the volume it was to be carried to.")
    write_segmentation(warped_regions, job.target, grid=job.transform.fixed_to_moving.grid)
    lost_count = len(regions) - len(warped_regions)
    return f"{len(warped_regions)} segment(s) carried to '{job.target}'" + (
        f"; {lost_count} fell outside." if lost_count else "."
    )


def _apply_to_volume(job: _Job, nearest: bool | None) -> str:
    name = job.target.name.lower()
    volume = read_volume(job.source)
    are_labels = is_label_map(volume.array_kji)
    if are_labels and name.endswith(SEGMENTATION_ENDING):
        return _apply_to_regions(job, (), None)
    if not name.endswith(VOLUME_ENDINGS) or name.endswith(SEGMENTATION_ENDING):
        raise InputError(f"A volume can be written as {', '.join(VOLUME_ENDINGS)}, not as '{job.target.name}'.")
    job.say(warning_about_volume(job.source.name, volume.grid, job.grid, job.side))
    is_nearest = are_labels if nearest is None else nearest
    write_volume(job.transform.resample(volume, nearest=is_nearest), job.target)
    how = "linear" if not is_nearest else "nearest voxel" if nearest else "a label map: nearest voxel"
    return f"'{job.source.name}' resampled to '{job.target}' ({how})."


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
