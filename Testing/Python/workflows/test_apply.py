"""Carrying files: points, voxels and surfaces of one patient end up at the same place, both ways, in every format."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import NothingFound, OutputError, Tell2RegError
from Tell2RegLib.region_sources.label_map import read_regions, write_segmentation
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.point_files import read_points, write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume, read_volume, write_volume
from Tell2RegLib.workflows.apply import MODEL_ENDINGS, VOLUME_ENDINGS, apply_file
from Testing.Python.maps import (
    AFFINE,
    LANDMARKS,
    SIX_PAIRS,
    a_wavy_transform,
    blob,
    centre_of_mass,
    moving_grid,
    wave,
)

vtk = pytest.importorskip("vtk", reason="reads and writes surfaces: pip install -e .[slicer-tests]")
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("L base", "R apex", "core", "bladder neck")
RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_transform(request: pytest.FixtureRequest) -> Transform:
    return a_wavy_transform(*request.param)


@pytest.fixture(params=[False, True], ids=["to fixed", "to moving"])
def inverse(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def plan(inverse: bool) -> np.ndarray:
    """Four places in the space that files come from."""
    return LANDMARKS if inverse else apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)


@pytest.fixture
def landed(inverse: bool) -> np.ndarray:
    """Where they belong, by the formula that the fields were sampled from."""
    return apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS) if inverse else LANDMARKS


def source_grid(transform: Transform, inverse: bool) -> Grid:
    return (transform.fixed_to_moving if inverse else transform.moving_to_fixed).grid


# --- points ---


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


POINT_FILES = [
    ("plan.mrk.json", "LPS", "moved.mrk.json"),
    ("plan.mrk.json", "RAS", "moved.mrk.json"),
    ("plan.mrk.json", "RAS", "moved.csv"),
    ("plan.fcsv", "LPS", "moved.mrk.json"),
    ("plan.fcsv", "RAS", "moved.csv"),
    ("plan.csv", "LPS", "moved.csv"),
    ("plan.csv", "LPS", "moved.mrk.json"),
    ("plan.json", "RAS", "moved.json"),
    ("plan.json", "LPS", "moved.csv"),
]


@pytest.mark.parametrize(("name", "system", "target"), POINT_FILES)
def test_points_of_every_file_land_where_they_belong(
    a_transform: Transform,
    inverse: bool,
    plan: np.ndarray,
    landed: np.ndarray,
    name: str,
    system: str,
    target: str,
    tmp_path: Path,
) -> None:
    source = point_file(tmp_path / name, plan, system)
    message = apply_file(a_transform, source, tmp_path / target, inverse=inverse)
    moved = read_points(tmp_path / target)
    assert moved.names == NAMES
    np.testing.assert_allclose(moved.points_lps_mm, landed, atol=0.05)
    assert message.startswith("4 point(s) carried to")


def test_a_markups_file_keeps_everything_but_the_positions(tmp_path: Path) -> None:
    source = markups(tmp_path / "plan.mrk.json", LANDMARKS, "RAS")
    apply_file(a_wavy_transform("oblique", "flipped"), source, tmp_path / "moved.mrk.json")
    before, after = (json.loads(path.read_text())["markups"][0] for path in (source, tmp_path / "moved.mrk.json"))
    assert after["coordinateSystem"] == "RAS"
    assert after["display"] == {"opacity": 0.5}
    for old, new in zip(before["controlPoints"], after["controlPoints"], strict=True):
        assert old.pop("position") != new.pop("position")
        assert old == new


# --- volumes and segmentations ---


def test_a_bright_spot_lands_where_its_point_does(
    a_transform: Transform, inverse: bool, plan: np.ndarray, landed: np.ndarray, tmp_path: Path
) -> None:
    grid = source_grid(a_transform, inverse)
    for spot, position in zip(plan[:2], landed[:2], strict=True):
        write_volume(Volume(blob(grid, spot), grid), tmp_path / "spot.nrrd")
        apply_file(a_transform, tmp_path / "spot.nrrd", tmp_path / "moved.nii.gz", inverse=inverse)
        moved = read_volume(tmp_path / "moved.nii.gz")
        assert moved.grid.same_space(source_grid(a_transform, not inverse))
        np.testing.assert_allclose(centre_of_mass(moved.array_kji, moved.grid), position, atol=0.3)


def balls(grid: Grid, centres: np.ndarray, radius_mm: float = 4.5) -> list[np.ndarray]:
    voxels = grid.voxel_centres_lps_mm()
    return [np.linalg.norm(voxels - centre, axis=-1) < radius_mm for centre in centres]


def test_label_maps_and_segmentations_land_with_the_points(
    a_transform: Transform, inverse: bool, plan: np.ndarray, landed: np.ndarray, tmp_path: Path
) -> None:
    """Balls of a few voxels: their centres are known to a part of a voxel of 1.25 to 2.5 mm."""
    grid = source_grid(a_transform, inverse)
    masks = balls(grid, plan)
    labels = np.zeros(grid.shape_kji, np.uint16)
    for number, mask in enumerate(masks, 1):
        labels[mask & (labels == 0)] = 1000 * number
    write_volume(Volume(labels, grid), tmp_path / "labels.mha")
    apply_file(a_transform, tmp_path / "labels.mha", tmp_path / "moved.nrrd", inverse=inverse, nearest=True)
    moved = read_volume(tmp_path / "moved.nrrd")
    assert moved.array_kji.dtype == np.uint16
    assert set(np.unique(moved.array_kji)) == {0, 1000, 2000, 3000, 4000}

    regions = [Region.from_mask(name, mask, grid) for name, mask in zip(NAMES, masks, strict=True)]
    write_segmentation(regions, tmp_path / "plan.seg.nrrd")
    message = apply_file(a_transform, tmp_path / "plan.seg.nrrd", tmp_path / "moved.seg.nrrd", inverse=inverse)
    carried = read_regions(tmp_path / "moved.seg.nrrd")
    assert message.startswith("4 segment(s) carried to")
    assert [region.name for region in carried] == list(NAMES)
    for number, (region, position) in enumerate(zip(carried, landed, strict=True), 1):
        assert region.grid.same_space(moved.grid)
        np.testing.assert_allclose(region.points_lps_mm().mean(axis=0), position, atol=0.8)
        centre = centre_of_mass(moved.array_kji == 1000 * number, moved.grid)
        np.testing.assert_allclose(centre, position, atol=0.8)


@pytest.mark.parametrize("ending", VOLUME_ENDINGS)
def test_a_volume_is_written_in_every_format_that_keeps_directions(ending: str, tmp_path: Path) -> None:
    transform = a_wavy_transform("oblique and left-handed", "sagittal")
    grid = transform.moving_to_fixed.grid
    write_volume(Volume(blob(grid, apply_affine(AFFINE, LANDMARKS[0])), grid), tmp_path / "spot.nrrd")
    apply_file(transform, tmp_path / "spot.nrrd", tmp_path / f"moved{ending}")
    assert read_volume(tmp_path / f"moved{ending}").grid.same_space(transform.fixed_to_moving.grid)


# --- surfaces ---


def surface_of(points: np.ndarray):
    """A tetrahedron: four corners that no turn or mirror takes into each other."""
    surface, cells, corners = vtk.vtkPolyData(), vtk.vtkCellArray(), vtk.vtkPoints()
    corners.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64), deep=True))
    for triangle in ((0, 1, 2), (0, 3, 1), (1, 3, 2), (0, 2, 3)):
        cells.InsertNextCell(3, triangle)
    surface.SetPoints(corners)
    surface.SetPolys(cells)
    return surface


READERS = {
    ".vtk": vtk.vtkPolyDataReader,
    ".vtp": vtk.vtkXMLPolyDataReader,
    ".stl": vtk.vtkSTLReader,
    ".ply": vtk.vtkPLYReader,
    ".obj": vtk.vtkOBJReader,
}
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


def corners_of(path: Path) -> np.ndarray:
    """Each corner once, as the numbers stand in the file."""
    reader = READERS[path.suffix]()
    reader.SetFileName(str(path))
    reader.Update()
    return vtk_to_numpy(reader.GetOutput().GetPoints().GetData()).astype(np.float64)


def assert_same_corners(detected: np.ndarray, expected: np.ndarray, tolerance_mm: float) -> None:
    distances = np.linalg.norm(detected[:, None] - expected[None], axis=-1)
    assert len(detected) == len(expected)
    assert sorted(distances.argmin(axis=1)) == list(range(len(expected)))
    assert distances.min(axis=1).max() < tolerance_mm


@pytest.mark.parametrize("space", ["", "LPS", "RAS"])
@pytest.mark.parametrize("ending", MODEL_ENDINGS)
def test_the_corners_of_a_surface_land_where_points_do(
    a_transform: Transform,
    inverse: bool,
    plan: np.ndarray,
    landed: np.ndarray,
    ending: str,
    space: str,
    tmp_path: Path,
) -> None:
    source = model_file(tmp_path / f"plan{ending}", plan, space)
    message = apply_file(a_transform, source, tmp_path / f"moved{ending}", inverse=inverse)
    assert message.startswith("A surface of 4 points carried to")
    assert_same_corners(corners_of(tmp_path / f"moved{ending}"), landed, 0.05)


@pytest.mark.parametrize("target", MODEL_ENDINGS)
@pytest.mark.parametrize("source", MODEL_ENDINGS)
def test_a_surface_in_ras_becomes_one_in_lps_in_any_other_format(source: str, target: str, tmp_path: Path) -> None:
    """A reader that finds no word about the frame, or no way to write one, takes LPS."""
    plan = apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)
    model_file(tmp_path / f"plan{source}", plan, "RAS")
    transform = a_wavy_transform("oblique", "left-handed")
    apply_file(transform, tmp_path / f"plan{source}", tmp_path / f"moved{target}")
    assert_same_corners(corners_of(tmp_path / f"moved{target}"), LANDMARKS, 0.05)
    assert b"SPACE=RAS" not in (tmp_path / f"moved{target}").read_bytes()
    apply_file(transform, tmp_path / f"moved{target}", tmp_path / f"again{source}", inverse=True)
    assert_same_corners(corners_of(tmp_path / f"again{source}"), plan, 0.05)


def test_normals_of_the_old_shape_are_left_behind_and_other_values_stay(tmp_path: Path) -> None:
    surface = surface_of(LANDMARKS)
    thickness = numpy_to_vtk(np.array([1.0, 2.0, 3.0, 4.0]), deep=True)
    thickness.SetName("thickness")
    surface.GetPointData().AddArray(thickness)
    maker = vtk.vtkPolyDataNormals()
    maker.SetInputData(surface)
    maker.SplittingOff()
    maker.ComputeCellNormalsOn()
    writer = vtk.vtkXMLPolyDataWriter()
    writer.SetInputConnection(maker.GetOutputPort())
    writer.SetFileName(str(tmp_path / "plan.vtp"))
    writer.Write()
    apply_file(a_wavy_transform("oblique", "flipped"), tmp_path / "plan.vtp", tmp_path / "moved.vtp")
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "moved.vtp"))
    reader.Update()
    data = reader.GetOutput().GetPointData()
    assert data.GetNormals() is None
    assert reader.GetOutput().GetCellData().GetNormals() is None
    assert vtk_to_numpy(data.GetArray("thickness")).tolist() == [1, 2, 3, 4]
    assert reader.GetOutput().GetNumberOfPolys() == 4


# --- nothing of the user's is touched ---


def every_source(folder: Path) -> list[Path]:
    grid = moving_grid("flipped")
    plan = apply_affine(AFFINE, LANDMARKS)
    write_volume(Volume(blob(grid, plan[0]), grid), folder / "v.nrrd")
    write_segmentation([Region.from_mask("a", balls(grid, plan)[0], grid)], folder / "s.seg.nrrd")
    points = [point_file(folder / name, plan, "RAS") for name in ("p.mrk.json", "p.csv", "p.fcsv")]
    models = [model_file(folder / f"m{ending}", plan, "RAS") for ending in MODEL_ENDINGS]
    return [folder / "v.nrrd", folder / "s.seg.nrrd", *points, *models]


def test_no_source_is_ever_changed(tmp_path: Path) -> None:
    for source in every_source(tmp_path):
        before = source.read_bytes(), source.stat().st_mtime_ns
        target = f"out.{source.name.split('.', 1)[1]}".replace("fcsv", "csv")
        apply_file(a_wavy_transform("oblique", "flipped"), source, tmp_path / target)
        assert (source.read_bytes(), source.stat().st_mtime_ns) == before
        (tmp_path / target).unlink()


def test_a_file_is_never_written_over_itself(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for source in every_source(tmp_path):
        before = source.read_bytes()
        for target in (source, tmp_path / "sub" / ".." / source.name):
            with pytest.raises(OutputError, match="is the input itself"):
                apply_file(a_wavy_transform("oblique", "flipped"), source, target)
        assert source.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_to_the_file_is_the_file_itself(kind: str, tmp_path: Path) -> None:
    source = point_file(tmp_path / "p.csv", LANDMARKS, "LPS")
    link = tmp_path / "other.csv"
    link.symlink_to(source) if kind == "symbolic" else link.hardlink_to(source)
    with pytest.raises(OutputError, match="is the input itself"):
        apply_file(a_wavy_transform("oblique", "flipped"), source, link)


# --- errors ---


def refused(source: Path, target: Path, transform: Transform | None = None) -> str:
    """The one or two sentences that an unusable file gets; nothing is left behind."""
    before = set(target.parent.iterdir()) if target.parent.is_dir() else set()
    with pytest.raises(Tell2RegError) as caught:
        apply_file(transform or a_wavy_transform("oblique", "flipped"), source, target)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert message[-1] in ".!?"
    if target.parent.is_dir():
        assert set(target.parent.iterdir()) == before
    return message


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("v.nrrd", "s.seg.nrrd", "p.mrk.json", "p.fcsv", "m.vtk", "x"):
        assert "There is no file" in refused(tmp_path / name, tmp_path / "out.nrrd")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    for source in every_source(tmp_path):
        assert "does not exist" in refused(source, tmp_path / "none" / source.name)


@pytest.mark.parametrize("name", ["O.NII.GZ", "o.Nii.gz", "o.NII", "o.MHA", "o.mHd"])
def test_capitals_with_which_itk_writes_no_file_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    source = next(path for path in every_source(tmp_path) if path.name.endswith(".nrrd"))
    assert "use a lower-case extension" in refused(source, tmp_path / "out" / name)


def test_one_kind_of_file_is_not_written_as_another(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for source in every_source(tmp_path):
        for name in ("o.seg.nrrd", "o.nrrd", "o.csv", "o.stl", "o.tif", "o.vtk", "o.docx", "o"):
            volume, segmentation, points, model = (
                file.name.endswith(endings)
                for file in [Path(name)]
                for endings in (VOLUME_ENDINGS, ".seg.nrrd", (".csv", ".json"), MODEL_ENDINGS)
            )
            fits = {
                ".seg.nrrd": segmentation,
                ".nrrd": volume and not segmentation,
                ".json": points,
                ".csv": points,
                ".fcsv": points,
            }.get(".seg.nrrd" if source.name.endswith(".seg.nrrd") else source.suffix, model)
            if not fits:
                assert name in refused(source, tmp_path / "out" / name)


@pytest.mark.parametrize("name", ["v.nrrd", "v.nii.gz", "s.seg.nrrd", "p.mrk.json", "p.csv", "p.fcsv", "v.docx"])
@pytest.mark.parametrize(
    "content", [b"", b"shopping list\nmilk\n", bytes(range(256)) * 8], ids=["empty", "text", "bytes"]
)
def test_rubbish_is_told(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    target = f"out{''.join(Path(name).suffixes)}".replace(".docx", ".nrrd")
    assert name in refused(tmp_path / name, tmp_path / target)


@pytest.mark.parametrize("ending", MODEL_ENDINGS)
@pytest.mark.parametrize("content", [b"", b"shopping list\nmilk\n"], ids=["empty", "text"])
def test_rubbish_called_a_surface_is_told(ending: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"m{ending}").write_bytes(content)
    assert "holds no surface" in refused(tmp_path / f"m{ending}", tmp_path / f"out{ending}")


def test_a_segmentation_that_lands_outside_is_told(tmp_path: Path) -> None:
    far = Grid((6, 5, 4), (1, 2, 3), (5000, 0, 0))
    mask = np.zeros(far.shape_kji, bool)
    mask[1:3, 1:3, 1:4] = True
    write_segmentation([Region.from_mask("far", mask, far)], tmp_path / "far.seg.nrrd")
    with pytest.raises(NothingFound, match="No segment of .* lands inside"):
        apply_file(a_wavy_transform("oblique", "flipped"), tmp_path / "far.seg.nrrd", tmp_path / "out.seg.nrrd")
    assert not (tmp_path / "out.seg.nrrd").exists()


def test_segments_that_fall_outside_are_counted(tmp_path: Path) -> None:
    transform = a_wavy_transform("oblique", "flipped")
    grid = moving_grid("flipped").crop((0, 0, 0), (300, 32, 18))
    near = Region.from_mask("near", balls(grid, apply_affine(AFFINE, LANDMARKS))[0], grid)
    mask = np.zeros(grid.shape_kji, bool)
    mask[5:8, 5:8, 290:295] = True
    write_segmentation([near, Region.from_mask("far", mask, grid)], tmp_path / "s.seg.nrrd")
    message = apply_file(transform, tmp_path / "s.seg.nrrd", tmp_path / "out.seg.nrrd")
    assert message.startswith("1 segment(s) carried to")
    assert message.endswith("; 1 fell outside.")


@pytest.mark.parametrize("space", [" (2-D)", " (colour)"])
def test_an_image_that_is_no_volume_is_told(space: str, tmp_path: Path) -> None:
    array = np.zeros((5, 4, 3) if "colour" in space else (5, 4), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector="colour" in space), str(tmp_path / "v.nrrd"))
    assert "3-D volume is needed" in refused(tmp_path / "v.nrrd", tmp_path / "out.nrrd")


CARRY_TO_A_FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
from Tell2RegLib.workflows.apply import apply_file
from Tell2RegLib.errors import OutputError
from Testing.Python.maps import an_affine_transform
transform = an_affine_transform("oblique", "flipped")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
told = {}
for name in sys.argv[2:]:
    source = Path(sys.argv[1]) / name
    target = source.parent / "out" / name
    try:
        told[name] = apply_file(transform, source, target)
    except OutputError as error:
        told[name] = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes to try this with")
def test_a_full_disk_is_told_for_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    names = [path.name for path in every_source(tmp_path) if path.suffix != ".fcsv"]
    done = subprocess.run(
        [sys.executable, "-c", CARRY_TO_A_FULL_DISK, str(tmp_path), *names], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout.splitlines()[-1])
    assert set(reports) == set(names)
    for name, message in reports.items():
        assert "cannot be written" in message, f"{name}: {message}"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes to try this with")
def test_a_full_disk_leaves_every_earlier_file_as_it_was(tmp_path: Path) -> None:
    names = [path.name for path in every_source(tmp_path) if path.suffix != ".fcsv"]
    names += [f"v{ending}" for ending in VOLUME_ENDINGS]
    for ending in VOLUME_ENDINGS:
        write_volume(read_volume(tmp_path / "v.nrrd"), tmp_path / f"v{ending}")
    shutil.copytree(tmp_path, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    code = [sys.executable, "-c", CARRY_TO_A_FULL_DISK, str(tmp_path), *names]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True)
    assert all("cannot be written" in message for message in json.loads(done.stdout.splitlines()[-1]).values())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
