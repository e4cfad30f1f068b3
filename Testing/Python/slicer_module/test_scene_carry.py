"""Models and volumes of a plan, carried where the library carries their points; the originals stay."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume
from Testing.Python.maps import AFFINE, LANDMARKS, SIX_PAIRS, a_wavy_transform, blob, centre_of_mass, moving_grid, wave
from Testing.Python.scene import (
    RAS_FROM_LPS,
    SHEARED,
    TURNED,
    a_volume_node,
    put_under,
    put_under_a_warp,
    reloaded,
    slicer,
    vtk,
)

from Tell2RegLib.slicer_module.scene import propagated_models as carrying  # isort: skip
from Tell2RegLib.slicer_module.scene.volumes import volume_from_node  # isort: skip
from vtk.util.numpy_support import vtk_to_numpy  # isort: skip

pytestmark = pytest.mark.mrml

ON_MOVING = apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def a_transform(a_pair: tuple[str, str]) -> Transform:
    return a_wavy_transform(*a_pair)


# --- models ---


def a_model(scene, centre: np.ndarray = ON_MOVING[0], double: bool = False):
    source = vtk.vtkSphereSource()
    source.SetCenter(*(centre * RAS_FROM_LPS))
    source.SetRadius(6)
    source.SetOutputPointsPrecision(vtk.vtkAlgorithm.DOUBLE_PRECISION if double else vtk.vtkAlgorithm.SINGLE_PRECISION)
    source.Update()
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    node.SetAndObservePolyData(source.GetOutput())
    node.CreateDefaultDisplayNodes()
    return node


def vertices(node) -> np.ndarray:
    """LPS mm, in the node's own space."""
    return vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).astype(float) * RAS_FROM_LPS


@pytest.mark.parametrize("double", [False, True], ids=["float", "double"])
def test_every_vertex_goes_where_the_library_takes_it(double: bool, a_transform: Transform, a_scene) -> None:
    node = a_model(a_scene, double=double)
    before = vertices(node)
    copy = carrying.propagate_model(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    np.testing.assert_allclose(vertices(copy), a_transform.inverse.apply_to_points(before), atol=1e-4)
    np.testing.assert_array_equal(vertices(node), before)
    assert copy.GetPolyData().GetNumberOfPolys() == node.GetPolyData().GetNumberOfPolys()
    assert copy.GetPolyData().GetPoints().GetDataType() == node.GetPolyData().GetPoints().GetDataType()


@pytest.mark.parametrize("above", [lambda node: put_under(node, TURNED), put_under_a_warp], ids=["linear", "warp"])
def test_a_model_under_a_transform_is_carried_from_where_it_is_shown(above, a_scene) -> None:
    node = a_model(a_scene)
    to_world = vtk.vtkGeneralTransform()
    above(node).GetTransformToWorld(to_world)
    shown = np.array([to_world.TransformPoint(p) for p in (vertices(node) * RAS_FROM_LPS).tolist()]) * RAS_FROM_LPS
    copy = carrying.propagate_model(node, lambda points: points + [1, 2, 3], a_scene, "carried")
    np.testing.assert_allclose(vertices(copy), shown + [1, 2, 3], atol=1e-4)
    assert copy.GetParentTransformNode() is None


def test_a_carried_model_looks_like_the_one_it_came_from(a_scene) -> None:
    node = a_model(a_scene)
    node.GetDisplayNode().SetColor(0.25, 0.5, 0.75)
    node.GetDisplayNode().SetOpacity(0.5)
    values = vtk.vtkFloatArray()
    values.SetName("dose")
    values.SetNumberOfTuples(node.GetPolyData().GetNumberOfPoints())
    values.Fill(3)
    node.GetPolyData().GetPointData().AddArray(values)
    copy = carrying.propagate_model(node, lambda points: 2 * points, a_scene, "carried")
    assert copy.GetDisplayNode() is not node.GetDisplayNode()
    assert copy.GetDisplayNode().GetColor() == (0.25, 0.5, 0.75)
    assert copy.GetDisplayNode().GetOpacity() == 0.5
    assert copy.GetPolyData().GetPointData().GetArray("dose").GetValue(0) == 3
    assert copy.GetName() == "carried"


def test_normals_are_those_of_the_new_shape(a_scene) -> None:
    flat = np.diag([1.0, 1.0, 0.2, 1.0])
    node = a_model(a_scene, np.zeros(3))
    copy = carrying.propagate_model(node, lambda points: apply_affine(flat, points), a_scene, "carried")
    normals = vtk_to_numpy(copy.GetPolyData().GetPointData().GetNormals()) * RAS_FROM_LPS
    expected = vertices(copy) * [1, 1, 25]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.median(np.sum(normals * expected, axis=1)) > 0.95


def test_a_model_without_a_surface_is_refused(a_scene) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLModelNode", "empty")
    with pytest.raises(InputError, match="'empty' contains no surface"):
        carrying.propagate_model(node, lambda points: points, a_scene, "carried")


# --- volumes ---


def test_a_volume_is_carried_as_the_library_resamples_it(
    a_pair: tuple[str, str], a_transform: Transform, a_scene
) -> None:
    grid = moving_grid(a_pair[1])
    values = blob(grid, ON_MOVING[0])
    copy = carrying.propagate_volume(a_volume_node(a_scene, values, grid), a_transform, a_scene, "carried")
    shown = volume_from_node(copy)
    np.testing.assert_allclose(shown.array_kji, a_transform.resample(Volume(values, grid)).array_kji, atol=1e-3)
    assert shown.grid.same_space(a_transform.fixed_to_moving.grid, 1e-6)
    np.testing.assert_allclose(centre_of_mass(shown.array_kji, shown.grid), LANDMARKS[0], atol=0.3)


def test_a_volume_under_a_transform_is_carried_from_where_it_is_shown(
    a_pair: tuple[str, str], a_transform: Transform, a_scene
) -> None:
    grid = moving_grid(a_pair[1])
    node = a_volume_node(a_scene, blob(grid, ON_MOVING[1]), grid.moved_by(np.linalg.inv(TURNED)))
    put_under(node, TURNED)
    shown = volume_from_node(carrying.propagate_volume(node, a_transform, a_scene, "carried"))
    np.testing.assert_allclose(centre_of_mass(shown.array_kji, shown.grid), LANDMARKS[1], atol=0.3)


def test_labels_stay_labels(a_pair: tuple[str, str], a_transform: Transform, a_scene) -> None:
    grid = moving_grid(a_pair[1])
    values = np.where(blob(grid, ON_MOVING[0], 6.0) > 500, 7, 0).astype(np.uint8)
    node = a_volume_node(a_scene, values, grid, "labels", "vtkMRMLLabelMapVolumeNode")
    copy = carrying.propagate_volume(node, a_transform, a_scene, "carried")
    assert copy.GetClassName() == "vtkMRMLLabelMapVolumeNode"
    assert set(np.unique(slicer.util.arrayFromVolume(copy))) == {0, 7}


def test_a_carried_volume_has_the_same_window_and_can_go_onto_another_grid(a_scene) -> None:
    transform, fine = a_wavy_transform("oblique", "flipped"), Grid((20, 21, 22), origin_lps_mm=tuple(LANDMARKS[0] - 10))
    grid = moving_grid("flipped")
    node = a_volume_node(a_scene, blob(grid, ON_MOVING[0]), grid)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(120, 60)
    copy = carrying.propagate_volume(node, transform, a_scene, "carried", grid=fine)
    assert volume_from_node(copy).grid.same_space(fine)
    assert (copy.GetDisplayNode().GetWindow(), copy.GetDisplayNode().GetLevel()) == (120, 60)


def test_volumes_that_cannot_be_carried_are_refused(a_scene) -> None:
    transform, grid = a_wavy_transform("oblique", "flipped"), moving_grid("flipped")
    with pytest.raises(InputError, match="'new' cannot be propagated"):
        carrying.propagate_volume(a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "new"), transform, a_scene, "c")
    node = a_volume_node(a_scene, blob(grid, ON_MOVING[0]), grid)
    put_under(node, SHEARED)
    with pytest.raises(GeometryError, match="'MR' cannot be used under its transform"):
        carrying.propagate_volume(node, transform, a_scene, "c")
    put_under_a_warp(node)
    with pytest.raises(InputError, match="'MR' is under 'warp'"):
        carrying.propagate_volume(node, transform, a_scene, "c")
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


def test_what_was_carried_is_there_after_saving(a_scene, tmp_path) -> None:
    transform, grid = a_wavy_transform("oblique", "flipped"), moving_grid("flipped")
    model = carrying.propagate_model(a_model(a_scene), transform.inverse.apply_to_points, a_scene, "carried model")
    volume = carrying.propagate_volume(
        a_volume_node(a_scene, blob(grid, ON_MOVING[0]), grid), transform, a_scene, "carried volume"
    )
    opened = reloaded(a_scene, tmp_path)
    np.testing.assert_allclose(vertices(opened.GetFirstNodeByName("carried model")), vertices(model), atol=1e-3)
    again = volume_from_node(opened.GetFirstNodeByName("carried volume"))
    np.testing.assert_allclose(again.array_kji, volume_from_node(volume).array_kji)
    assert again.grid.same_space(volume_from_node(volume).grid)
