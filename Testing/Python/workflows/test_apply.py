"""Carrying files: points, voxels and surfaces of one patient end up at the same place, both ways, in every format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.region_sources.label_map import read_regions, write_segmentation
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.point_files import read_points
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
    wave,
)
from Testing.Python.workflows.plan_files import NAMES, balls, markups, model_file, point_file, surface_of

vtk = pytest.importorskip("vtk", reason="reads and writes surfaces: pip install -e .[slicer-tests]")
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy  # noqa: E402


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


READERS = {
    ".vtk": vtk.vtkPolyDataReader,
    ".vtp": vtk.vtkXMLPolyDataReader,
    ".stl": vtk.vtkSTLReader,
    ".ply": vtk.vtkPLYReader,
    ".obj": vtk.vtkOBJReader,
}


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
