"""Files of a plan in every format that `apply` reads: points, segmentations, surfaces."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.region_sources.label_map import write_segmentation
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume, write_volume
from Tell2RegLib.workflows.apply import MODEL_ENDINGS
from Testing.Python.maps import (
    AFFINE,
    LANDMARKS,
    blob,
    moving_grid,
)

vtk = pytest.importorskip("vtk", reason="reads and writes surfaces: pip install -e .[slicer-tests]")
from vtk.util.numpy_support import numpy_to_vtk  # noqa: E402

NAMES = ("L base", "R apex", "core", "bladder neck")
RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])


def fcsv(path: Path, points_lps_mm: np.ndarray, system: str = "LPS") -> Path:
    signs = RAS_FROM_LPS if system == "RAS" else np.ones(3)
    lines = [
        f"# CoordinateSystem = {system}",
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID",
    ]
    for number, (name, point) in enumerate(zip(NAMES, points_lps_mm * signs, strict=True)):
        x, y, z = point.tolist()
        lines.append(f"{number},{x},{y},{z},0,0,0,1,1,1,0,{name},,")
    path.write_text("\n".join(lines) + "\n")
    return path


def markups(path: Path, points_lps_mm: np.ndarray, system: str) -> Path:
    signs = RAS_FROM_LPS if system == "RAS" else np.ones(3)
    points = [
        {"id": str(number), "label": name, "position": (point * signs).tolist(), "description": f"core {number}"}
        for number, (name, point) in enumerate(zip(NAMES, points_lps_mm, strict=True))
    ]
    markup = {"type": "Fiducial", "coordinateSystem": system, "controlPoints": points, "display": {"opacity": 0.5}}
    path.write_text(json.dumps({"markups": [markup]}))
    return path


def point_file(path: Path, points_lps_mm: np.ndarray, system: str) -> Path:
    if path.name.endswith(".csv"):
        write_points(path, NAMES, points_lps_mm)
        return path
    return (fcsv if path.name.endswith(".fcsv") else markups)(path, points_lps_mm, system)


def balls(grid: Grid, centres: np.ndarray, radius_mm: float = 4.5) -> list[np.ndarray]:
    voxels = grid.voxel_centres_lps_mm()
    return [np.linalg.norm(voxels - centre, axis=-1) < radius_mm for centre in centres]


def surface_of(points: np.ndarray):
    """A tetrahedron: four corners that no turn or mirror takes into each other."""
    surface, cells, corners = vtk.vtkPolyData(), vtk.vtkCellArray(), vtk.vtkPoints()
    corners.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64), deep=True))
    for triangle in ((0, 1, 2), (0, 3, 1), (1, 3, 2), (0, 2, 3)):
        cells.InsertNextCell(3, triangle)
    surface.SetPoints(corners)
    surface.SetPolys(cells)
    return surface


WRITERS = {
    ".vtk": vtk.vtkPolyDataWriter,
    ".vtp": vtk.vtkXMLPolyDataWriter,
    ".stl": vtk.vtkSTLWriter,
    ".ply": vtk.vtkPLYWriter,
    ".obj": vtk.vtkOBJWriter,
}


def model_file(path: Path, points_lps_mm: np.ndarray, space: str = "") -> Path:
    """A surface as other programs write it; with `space`, as Slicer does."""
    surface = surface_of(points_lps_mm * (RAS_FROM_LPS if space == "RAS" else 1))
    writer = WRITERS[path.suffix]()
    if space and path.suffix == ".vtp":
        message = vtk.vtkStringArray()
        message.SetName("SPACE")
        message.InsertNextValue(space)
        surface.GetFieldData().AddArray(message)
    elif space and path.suffix == ".ply":
        writer.AddComment(f"SPACE={space}")
    elif space and path.suffix in (".vtk", ".stl"):
        writer.SetHeader(f"3D Slicer output. SPACE={space}")
    writer.SetFileName(str(path))
    writer.SetInputData(surface)
    assert writer.Write()
    if space and path.suffix == ".obj":
        path.write_text(f"#  3D Slicer output. SPACE={space}\n\n" + path.read_text())
    return path


def every_source(folder: Path) -> list[Path]:
    grid = moving_grid("flipped")
    plan = apply_affine(AFFINE, LANDMARKS)
    write_volume(Volume(blob(grid, plan[0]), grid), folder / "v.nrrd")
    write_segmentation([Region.from_mask("a", balls(grid, plan)[0], grid)], folder / "s.seg.nrrd")
    points = [point_file(folder / name, plan, "RAS") for name in ("p.mrk.json", "p.csv", "p.fcsv")]
    models = [model_file(folder / f"m{ending}", plan, "RAS") for ending in MODEL_ENDINGS]
    return [folder / "v.nrrd", folder / "s.seg.nrrd", *points, *models]
