"""Slicer's own MRML library moves points with our transform files as we do: both directions, on every kind of grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.transform_files import write_field, write_transform
from Testing.Python.maps import AFFINE, LANDMARKS, SIX_PAIRS, a_wavy_transform, an_affine_transform, wave

slicer = pytest.importorskip("slicer", reason="Slicer's MRML library: pip install -e .[slicer-tests]")
vtk = pytest.importorskip("vtk")
from vtk.util.numpy_support import numpy_to_vtk  # noqa: E402

pytestmark = pytest.mark.mrml

RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])
CLOSE_MM = 0.05
"""Slicer interpolates fields that it reads from files by cubic splines, we and ITK linearly."""

ON_MOVING = apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_transform(request: pytest.FixtureRequest) -> Transform:
    return a_wavy_transform(*request.param)


def random_points(grid: Grid, number: int = 200) -> np.ndarray:
    return grid.index_to_lps(np.random.default_rng(11).uniform(0, np.asarray(grid.size_xyz) - 1, (number, 3)))


def loaded(path: Path, scene, kind: str = "vtkMRMLTransformNode"):
    node = scene.AddNewNodeByClass(kind)
    storage = scene.AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    return node


def drawn_by_hand(field: DisplacementField, scene):
    """The node as the panel makes it: the field in RAS, in the point scalars of an image, from parent."""
    image = vtk.vtkImageData()
    image.SetDimensions(field.grid.size_xyz)
    image.SetSpacing(field.grid.spacing_mm)
    image.SetOrigin(RAS_FROM_LPS * field.grid.origin_lps_mm)
    vectors = np.ascontiguousarray(field.vectors_kji.reshape(-1, 3) * RAS_FROM_LPS, np.float32)
    image.GetPointData().SetScalars(numpy_to_vtk(vectors, deep=True))
    direction = np.eye(4)
    direction[:3, :3] = np.diag(RAS_FROM_LPS) @ np.reshape(field.grid.direction, (3, 3))
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(direction.ravel())
    grid_transform = slicer.vtkOrientedGridTransform()
    grid_transform.SetDisplacementGridData(image)
    grid_transform.SetGridDirectionMatrix(matrix)
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    node.SetAndObserveTransformFromParent(grid_transform)
    return node


def moved_by(transform_ras, points_lps_mm: np.ndarray) -> np.ndarray:
    moved = [transform_ras.TransformPoint(point) for point in (points_lps_mm * RAS_FROM_LPS).tolist()]
    return np.array(moved) * RAS_FROM_LPS


# --- the files ---


@pytest.mark.parametrize("kind", ["vtkMRMLTransformNode", "vtkMRMLGridTransformNode"])
@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".h5", ".tfm"])
def test_from_parent_of_a_loaded_file_takes_fixed_points_to_moving(
    a_transform: Transform, ending: str, kind: str, tmp_path: Path, a_scene
) -> None:
    write_transform(a_transform, tmp_path / f"fixed_to_moving{ending}")
    node = loaded(tmp_path / f"fixed_to_moving{ending}", a_scene, kind)
    points = random_points(a_transform.fixed_to_moving.grid)
    moved = moved_by(node.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=CLOSE_MM)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".h5"])
def test_to_parent_of_a_loaded_file_takes_moving_points_to_fixed(
    a_transform: Transform, ending: str, tmp_path: Path, a_scene
) -> None:
    """By VTK's own inversion: what markups under the node do."""
    write_transform(a_transform, tmp_path / f"fixed_to_moving{ending}")
    node = loaded(tmp_path / f"fixed_to_moving{ending}", a_scene)
    moved = moved_by(node.GetTransformToParent(), ON_MOVING)
    np.testing.assert_allclose(moved, a_transform.inverse.apply_to_points(ON_MOVING), atol=CLOSE_MM)
    np.testing.assert_allclose(moved, LANDMARKS, atol=CLOSE_MM)


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_the_other_direction_is_a_node_of_its_own(a_transform: Transform, ending: str, tmp_path: Path, a_scene) -> None:
    write_field(a_transform.moving_to_fixed, tmp_path / f"moving_to_fixed{ending}")
    node = loaded(tmp_path / f"moving_to_fixed{ending}", a_scene)
    points = a_transform.apply_to_points(random_points(a_transform.fixed_to_moving.grid))
    grid = a_transform.moving_to_fixed.grid
    # A spline needs a neighbour on both sides: one voxel inside.
    index = grid.lps_to_index(points)
    points = points[np.all((index > 1) & (index < np.asarray(grid.size_xyz) - 2), axis=-1)]
    assert len(points) > 50
    moved = moved_by(node.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.inverse.apply_to_points(points), atol=CLOSE_MM)


@pytest.mark.parametrize("ending", [".h5", ".tfm"])
def test_a_linear_map_is_linear_in_slicer_too(ending: str, tmp_path: Path, a_scene) -> None:
    transform = an_affine_transform("oblique", "left-handed")
    write_transform(transform, tmp_path / f"affine{ending}")
    node = loaded(tmp_path / f"affine{ending}", a_scene)
    assert node.IsLinear()
    far = LANDMARKS + 300
    moved = moved_by(node.GetTransformFromParent(), far)
    np.testing.assert_allclose(moved, transform.apply_to_points(far), atol=1e-3)
    np.testing.assert_allclose(moved_by(node.GetTransformToParent(), moved), far, atol=1e-3)


# --- nodes built in memory ---


def test_a_field_put_into_a_node_by_hand_takes_fixed_points_to_moving(a_transform: Transform, a_scene) -> None:
    node = drawn_by_hand(a_transform.fixed_to_moving, a_scene)
    points = random_points(a_transform.fixed_to_moving.grid)
    moved = moved_by(node.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=1e-3)


def test_a_field_put_into_a_node_by_hand_takes_moving_points_to_fixed(a_transform: Transform, a_scene) -> None:
    node = drawn_by_hand(a_transform.fixed_to_moving, a_scene)
    moved = moved_by(node.GetTransformToParent(), ON_MOVING)
    np.testing.assert_allclose(moved, a_transform.inverse.apply_to_points(ON_MOVING), atol=CLOSE_MM)


# --- markups under a node ---


@pytest.mark.parametrize("source", ["file", "hand"])
def test_markups_of_the_moving_patient_land_where_our_inverse_puts_them(
    a_transform: Transform, source: str, tmp_path: Path, a_scene
) -> None:
    write_transform(a_transform, tmp_path / "t.nrrd")
    node = (
        loaded(tmp_path / "t.nrrd", a_scene)
        if source == "file"
        else drawn_by_hand(a_transform.fixed_to_moving, a_scene)
    )
    markups = a_scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for point in (ON_MOVING * RAS_FROM_LPS).tolist():
        markups.AddControlPoint(vtk.vtkVector3d(*point))
    markups.SetAndObserveTransformNodeID(node.GetID())
    world = np.array([markups.GetNthControlPointPositionWorld(n) for n in range(len(ON_MOVING))]) * RAS_FROM_LPS
    np.testing.assert_allclose(world, a_transform.inverse.apply_to_points(ON_MOVING), atol=CLOSE_MM)
    np.testing.assert_allclose(world, LANDMARKS, atol=CLOSE_MM)
    markups.HardenTransform()
    hard = np.array([markups.GetNthControlPointPosition(n) for n in range(len(ON_MOVING))]) * RAS_FROM_LPS
    np.testing.assert_allclose(hard, world, atol=1e-6)
