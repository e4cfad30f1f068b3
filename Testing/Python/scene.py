"""What the tests of the scene share: nodes on hostile grids under parent transforms, and points through transforms."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Testing.Python.conftest import rotation

slicer = pytest.importorskip("slicer", reason="Slicer's MRML library: pip install -e .[slicer-tests]")
vtk = pytest.importorskip("vtk")
from vtk.util.numpy_support import numpy_to_vtk  # noqa: E402

from Tell2RegLib.slicer_module.scene.labelmaps import labelmap_of  # noqa: E402

RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])

TURNED = np.eye(4)
TURNED[:3, :3], TURNED[:3, 3] = rotation((2, -1, 3), 35), (11.0, -23.0, 37.0)
"""A rigid map of LPS without any symmetry."""
MIRRORED = TURNED @ np.diag([-1.0, 1.0, 1.0, 1.0])
SHEARED = TURNED.copy()
SHEARED[0, 1] += 0.2


def a_new_scene():
    """A scene that can save and open markups, as in Slicer, where their module has registered its classes."""
    scene = slicer.vtkMRMLScene()
    application, logic = slicer.vtkMRMLApplicationLogic(), slicer.vtkSlicerMarkupsLogic()
    application.SetMRMLScene(scene)
    logic.SetMRMLScene(scene)
    logic.SetMRMLScene(None)
    return scene


def vtk_matrix(array_4x4: np.ndarray):
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(array_4x4.ravel().tolist())
    return matrix


def ras_of(matrix_lps: np.ndarray) -> np.ndarray:
    flip = np.diag([*RAS_FROM_LPS, 1.0])
    return flip @ matrix_lps @ flip


def a_volume_node(scene, values_kji: np.ndarray, grid: Grid, name: str = "MR", kind: str = "vtkMRMLScalarVolumeNode"):
    """Made without the library's door, so that it can be compared with it."""
    image = vtk.vtkImageData()
    image.SetDimensions(grid.size_xyz)
    image.GetPointData().SetScalars(numpy_to_vtk(values_kji.ravel(), deep=True))
    node = scene.AddNewNodeByClass(kind, name)
    node.SetAndObserveImageData(image)
    node.SetIJKToRASMatrix(vtk_matrix(np.diag([*RAS_FROM_LPS, 1.0]) @ grid.index_to_lps_matrix))
    return node


def put_under(node, matrix_lps: np.ndarray, name: str = "parent"):
    """A linear transform above a node."""
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    transform.SetMatrixTransformToParent(vtk_matrix(ras_of(matrix_lps)))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def put_under_a_warp(node):
    """A transform above a node that is not linear."""
    warp = vtk.vtkThinPlateSplineTransform()
    points = [vtk.vtkPoints(), vtk.vtkPoints()]
    for position in np.random.default_rng(1).uniform(-50, 50, (8, 3)):
        points[0].InsertNextPoint(position)
        points[1].InsertNextPoint(position + np.sin(position))
    warp.SetSourceLandmarks(points[0])
    warp.SetTargetLandmarks(points[1])
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    transform.SetAndObserveTransformToParent(warp)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def moved_by(transform_ras, points_lps_mm: np.ndarray) -> np.ndarray:
    """Points through a VTK transform."""
    moved = [transform_ras.TransformPoint(point) for point in (points_lps_mm * RAS_FROM_LPS).tolist()]
    return np.array(moved) * RAS_FROM_LPS


def edit(node, segment_id: str, region: Region) -> None:
    """Give a segment other voxels, as the Segment Editor does."""
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(labelmap_of(region), node, segment_id)


def draw(node, region: Region) -> str:
    """A new segment, as drawn by a person in the Segment Editor; its ID."""
    segment_id = node.GetSegmentation().AddEmptySegment("", region.name)
    edit(node, segment_id, region)
    return segment_id


def points_inside(grid: Grid, number: int = 200) -> np.ndarray:
    return grid.index_to_lps(np.random.default_rng(11).uniform(0, np.asarray(grid.size_xyz) - 1, (number, 3)))


def reloaded(scene, folder):
    """The scene after it was saved as .mrb and opened again, in another scene."""
    with_room_for_bundles(scene, folder)
    assert scene.WriteToMRB(str(folder / "scene.mrb"))
    again = with_room_for_bundles(a_new_scene(), folder)
    assert again.ReadFromMRB(str(folder / "scene.mrb"))
    return again


def with_room_for_bundles(scene, folder):
    """Slicer gives every scene a folder in which bundles are packed."""
    cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(str(folder))
    manager.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    return scene
