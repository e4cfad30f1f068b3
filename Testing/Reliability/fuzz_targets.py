"""What is fuzzed: small sound files of every format, how each is read, and which damage must never be accepted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.calibration.model import read_calibration
from Tell2RegLib.cases.table import read_cases
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.label_names import read_label_names
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.results.result_folder import read_result_transform
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import PointList, read_points, write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.surface_files import load_vtk, read_surface, write_surface
from Tell2RegLib.space.transform_files import read_linear_map, read_transform
from Tell2RegLib.space.volume import Volume, read_volume, write_volume
from Tell2RegLib.support.text_headers import read_text_header
from Tell2RegLib.worker import exchange, protocol

GRID = Grid((11, 9, 7), (1.0, 2.0, 3.0), (10.0, -20.0, 30.0))
PLY = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\nelement face 2\n"
PLY += "property list uchar int vertex_indices\nend_header\n0 0 0\n9.5 0 0\n0 8 0\n0 0 7\n3 0 1 2\n3 1 2 3\n"

Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Target:
    """A file, or a folder of files, that is damaged and read.

    Args:
        name: of the file or folder.
        read: reads it; returns its content.
        covered: for each file that may be damaged, by name, the first byte that a checksum covers; None for none.
        is_sized: whether a truncated file must be refused, unless its content is the same.
        error: whether only an error of this project may be raised; otherwise nothing may be raised.
        lines: whether the message of an error may have several lines.
    """

    name: str
    read: Read
    covered: Mapping[str, int | None]
    is_sized: bool = False
    error: bool = True
    lines: bool = False


def digest(content: Any) -> str:
    """A text that differs if the content does."""
    if isinstance(content, np.ndarray):
        data = np.ascontiguousarray(content)
        return f"{data.dtype}{data.shape}{hashlib.sha256(data.tobytes()).hexdigest()}"
    if isinstance(content, tuple | list):
        return ", ".join(map(digest, content))
    return repr(content)


# --- reading ---


def _volume(path: Path) -> Any:
    volume = read_volume(path)
    return volume.array_kji, volume.grid


def _regions(path: Path) -> Any:
    return [(region.name, region.start_kji, region.mask_kji) for region in read_regions(path)]


def _transform(path: Path) -> Any:
    transform = read_transform(path, GRID, GRID)
    return transform.fixed_to_moving.vectors_kji, transform.affine_lps


def _points(path: Path) -> Any:
    points = read_points(path)
    return points.names, points.points_lps_mm


def _surface(path: Path) -> Any:
    vtk = load_vtk()
    surface = read_surface(path, vtk)
    as_array = vtk.numpy_support.vtk_to_numpy
    return as_array(surface.GetPoints().GetData()), as_array(surface.GetPolys().GetConnectivityArray())


def _result(path: Path) -> Any:
    transform = read_result_transform(path)
    return transform.fixed_to_moving.vectors_kji, transform.moving_to_fixed.vectors_kji, transform.affine_lps


def _names(path: Path) -> Any:
    return sorted(read_label_names(path).items())


def _reply(path: Path) -> Any:
    points = exchange.read(PointList, path, protocol.RESULT)
    return points.names, points.points_lps_mm


def _request(path: Path) -> Any:
    return [protocol.parse_request(line) for line in path.read_bytes().splitlines(keepends=True)]


def _events(path: Path) -> Any:
    return [protocol.event(line) for line in path.read_bytes().splitlines(keepends=True)]


# --- the files ---


def make_targets(folder: Path) -> tuple[Target, ...]:
    """Write the sound files, and describe them."""
    targets = [*_images(folder), *_maps(folder), *_surfaces(folder), *_tables(folder), *_messages(folder)]
    return tuple(sorted(targets, key=lambda target: target.name))


def _scan() -> Volume:
    noise = np.random.default_rng(1).integers(0, 200, GRID.shape_kji)
    return Volume((noise + np.arange(GRID.size_xyz[0])).astype(np.int16), GRID)


def _images(folder: Path) -> list[Target]:
    image = sitk.GetImageFromArray(_scan().array_kji)
    targets = []
    for name in ("gz.nii.gz", "gz.nrrd", "z.mha", "gz.nhdr", "z.mhd"):
        write_volume(_scan(), folder / name)
        targets.append(_image_target(folder, name))
    for name in ("raw.nii", "raw.nrrd", "raw.mha", "raw.mhd", "a.gipl", "a.gipl.gz", "pair.hdr", "slices.vtk"):
        sitk.WriteImage(image, str(folder / name), useCompression=False)
        targets.append(_image_target(folder, name))
    (folder / "series").mkdir()
    for k in range(4):
        _write_dicom(folder / "series" / f"{k}.dcm", image[:, :, k], k)
    files = dict.fromkeys(("0.dcm", "1.dcm", "3.dcm"))
    mask = np.zeros(GRID.shape_kji, bool)
    mask[2:5, 3:6, 2:9] = True
    regions = [Region.from_mask(name, mask, GRID) for name in ("prostate", "bladder")]
    write_segmentation(regions, folder / "overlap.seg.nrrd")
    labels = _image_target(folder, "overlap.seg.nrrd")
    return [*targets, Target("series", _volume, files), replace(labels, read=_regions)]


def _image_target(folder: Path, name: str) -> Target:
    files = [file.name for file in folder.iterdir() if file.name.split(".")[0] == name.split(".")[0]]
    files = [name, *(file for file in files if file != name and file.endswith((".raw", ".raw.gz", ".zraw", ".img")))]
    if name.endswith((".nrrd", ".mha")) and name != "raw.nrrd" and name != "raw.mha":
        covered: dict[str, int | None] = {name: read_text_header(folder / name).size_bytes}
    else:
        covered = {file: 0 if file.endswith((".gz", ".zraw")) else None for file in files}
    return Target(name, _volume, covered, is_sized=True)


def _write_dicom(path: Path, piece: sitk.Image, k: int) -> None:
    tags = {"0008|0060": "MR", "0020|000e": "1.2.3.4", "0020|000d": "1.2.3.5", "0008|0018": f"1.2.3.6.{k}"}
    tags |= {"0020|0032": f"0\\0\\{3 * k}", "0020|0037": "1\\0\\0\\0\\1\\0", "0020|0013": str(k)}
    for tag, value in tags.items():
        piece.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(piece)


def _maps(folder: Path) -> list[Target]:
    affine = sitk.AffineTransform([1.1, 0, 0.2, 0, 0.9, 0, 0, 0.1, 1.0], [1, 2, 3], [4, 5, 6])
    vectors = np.random.default_rng(2).normal(size=(*GRID.shape_kji, 3)) * 0.1
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetOrigin(GRID.origin_lps_mm)
    image.SetSpacing(GRID.spacing_mm)
    targets = []
    for name in ("linear.tfm", "linear.h5", "linear.mat"):
        sitk.WriteTransform(affine, str(folder / name))
        targets.append(Target(name, read_linear_map, {name: None}))
    field = sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(sitk.Image(image))])
    for name in ("field.tfm", "field.h5"):
        sitk.WriteTransform(field, str(folder / name))
        targets.append(Target(name, _transform, {name: None}))
    from Tell2RegLib.space.transform_files import write_field

    write_field(DisplacementField(vectors.astype(np.float32), GRID), folder / "field.nii.gz")
    return [*targets, Target("field.nii.gz", _transform, {"field.nii.gz": 0}, is_sized=True)]


def _surfaces(folder: Path) -> list[Target]:
    vtk = load_vtk()
    (folder / "text.ply").write_text(PLY)
    surface = read_surface(folder / "text.ply", vtk)
    for ending in (".vtk", ".vtp", ".stl", ".ply", ".obj"):
        write_surface(surface, folder / f"surface{ending}", vtk)
    for name, method in {"text.vtk": "SetFileTypeToASCII", "text.stl": "SetFileTypeToASCII"}.items():
        writer = vtk.writers[Path(name).suffix]()
        getattr(writer, method)()
        writer.SetFileName(str(folder / name))
        writer.SetInputData(surface)
        writer.Write()
    sized = ("surface.vtp", "surface.stl", "surface.ply", "text.stl")
    names = (*sized, "text.ply", "surface.obj", "surface.vtk", "text.vtk")
    return [Target(name, _surface, {name: None}, is_sized=name in sized) for name in names]


def _tables(folder: Path) -> list[Target]:
    points = [[1.5, 2.0, -3.25], [4.0, 5.0, 6.0]]
    for name in ("plan.mrk.json", "plan.csv"):
        write_points(folder / name, ["base", "apex"], points)
    lines = ["# CoordinateSystem = LPS", "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"]
    lines += [f"{n},{x},{y},{z},0,0,0,1,1,1,0,core {n},," for n, (x, y, z) in enumerate(points)]
    (folder / "plan.fcsv").write_text("\n".join(lines) + "\n")
    (folder / "names.json").write_text(json.dumps({"1": "prostate", "2": "bladder"}))
    (folder / "names.ctbl").write_text(
        "# colours\n0 Background 0 0 0 0\n1 prostate 255 0 0 255\n2 bladder 0 255 0 255\n"
    )
    for name in ("fixed.nrrd", "moving.nrrd"):
        (folder / name).write_bytes((folder / "gz.nrrd").read_bytes())
    (folder / "cases.csv").write_text("case,patient,fixed,moving,smoothness\na,p1,fixed.nrrd,moving.nrrd,2\n")
    readers: dict[str, Read] = {"plan.mrk.json": _points, "plan.csv": _points, "plan.fcsv": _points}
    readers |= {"names.json": _names, "names.ctbl": _names}
    targets = [Target(name, read, {name: None}) for name, read in readers.items()]
    cases = Target("cases.csv", lambda path: repr(read_cases(path).cases), {"cases.csv": None}, lines=True)
    return [*targets, cases, *_records(folder)]


def _records(folder: Path) -> list[Target]:
    """A result folder and a calibration, each made once by `make_records`."""
    files = ("result.json", "fixed_to_moving.nrrd", "moving_to_fixed.nrrd", "SHA256SUMS")
    files = tuple(name for name in files if (folder / "result" / name).is_file())
    result = Target("result", _result, dict.fromkeys(files, 0), is_sized=True)
    calibration = Target("calibration.json", lambda path: repr(read_calibration(path)), {"calibration.json": None})
    return [result, calibration]


def make_records(folder: Path) -> None:
    """Register a small pair and write the result, and write a calibration."""
    from Tell2RegLib.calibration.model import write_calibration
    from Tell2RegLib.fitting import FitSettings
    from Tell2RegLib.results.result_folder import save_result
    from Tell2RegLib.workflows.register import register
    from Testing.Python.calibration.test_calibrate import a_calibration
    from Testing.Python.small import write_small_pair

    pair = write_small_pair(folder / "pair")
    fixed, moving = (read_volume(pair.inputs[f"--{side}"]) for side in ("fixed", "moving"))
    regions = {f"{side}_regions": read_regions(pair.inputs[f"--{side}-regions"]) for side in ("fixed", "moving")}
    save_result(register(fixed, moving, **regions, settings=FitSettings(kind="rigid")), folder / "result")
    write_calibration(a_calibration(), folder / "calibration.json")


def _messages(folder: Path) -> list[Target]:
    (folder / "reply").mkdir()
    exchange.write(PointList(("base", "apex"), np.eye(3)[:2]), folder / "reply", protocol.RESULT)
    request = {"task": "fit", "id": "7", "folder": "/tmp/run"}
    (folder / "request.jsonl").write_bytes(protocol.line(request) + protocol.line({"task": "cancel", "id": "7"}))
    events = [
        {"event": "ready", "protocol": 1, "version": "0.1.0", "pid": 7},
        {"event": "progress", "id": "7", "stage": "fit", "done": 1, "total": 4, "seconds_left": 2.5},
        {"event": "error", "id": "7", "kind": "InputError", "message": "a", "detail": ""},
    ]
    (folder / "events.jsonl").write_bytes(b"".join(map(protocol.line, events)))
    return [
        Target("reply", _reply, dict.fromkeys(("result.json", "result-0.npy"))),
        Target("request.jsonl", _request, {"request.jsonl": None}, error=False),
        Target("events.jsonl", _events, {"events.jsonl": None}, error=False),
    ]
