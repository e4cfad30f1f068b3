"""Transform nodes map points as the library and SimpleITK do, in both directions, also after they were saved."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.transform import Transform, to_sitk_transform
from Tell2RegLib.space.transform_files import read_field, write_field
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
from Testing.Python.scene import RAS_FROM_LPS, a_volume_node, moved_by, points_inside, reloaded, slicer, vtk

from Tell2RegLib.slicer_module.scene import transforms  # isort: skip
from Tell2RegLib.slicer_module.scene import volumes  # isort: skip

pytestmark = pytest.mark.mrml

ON_MOVING = apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)
EXACT_MM = 1e-4
CLOSE_MM = 0.01
BETWEEN_VOXELS_MM = 0.05
"""The forward field and its inverse are both linear between voxels of 2 mm, which is not quite the same map."""


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_transform(request: pytest.FixtureRequest) -> Transform:
    return a_wavy_transform(*request.param)


@pytest.fixture
def a_node(a_transform: Transform, a_scene):
    return transforms.grid_node_from_field(a_scene, a_transform.fixed_to_moving, "moving to fixed")


# --- displacement grids ---


def test_fixed_points_go_where_the_library_and_simpleitk_take_them(a_transform: Transform, a_node) -> None:
    points = points_inside(a_transform.fixed_to_moving.grid)
    moved = moved_by(a_node.GetTransformFromParent(), points)
    itk = to_sitk_transform(a_transform)
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=EXACT_MM)
    np.testing.assert_allclose(moved, [itk.TransformPoint(point) for point in points.tolist()], atol=EXACT_MM)


def test_moving_points_come_back_by_slicers_own_inverse(a_transform: Transform, a_node) -> None:
    points = points_inside(a_transform.fixed_to_moving.grid)
    back = moved_by(a_node.GetTransformToParent(), a_transform.apply_to_points(points))
    np.testing.assert_allclose(back, points, atol=CLOSE_MM)


def test_the_inverse_is_a_node_of_its_own_and_needs_no_solving(a_transform: Transform, a_scene) -> None:
    node = transforms.grid_node_from_field(a_scene, a_transform.moving_to_fixed, "fixed to moving")
    points = points_inside(a_transform.moving_to_fixed.grid)
    moved = moved_by(node.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.inverse.apply_to_points(points), atol=EXACT_MM)


def test_beyond_its_grid_a_node_goes_on_with_the_nearest_displacement(a_transform: Transform, a_node) -> None:
    field = a_transform.fixed_to_moving
    points = points_inside(field.grid) + 30
    assert field.grid.contains_index(field.grid.lps_to_index(points)).mean() < 0.1
    np.testing.assert_allclose(moved_by(a_node.GetTransformFromParent(), points), points + field.at(points), atol=1e-3)


def test_the_field_is_kept_as_float_point_scalars(a_transform: Transform, a_node) -> None:
    image = a_node.GetTransformFromParentAs("vtkOrientedGridTransform").GetDisplacementGrid()
    assert image.GetPointData().GetScalars().GetDataTypeAsString() == "float"
    assert image.GetNumberOfScalarComponents() == 3
    assert image.GetDimensions() == a_transform.fixed_to_moving.grid.size_xyz
    assert not a_node.GetTransformFromParent().GetInverseFlag()


def test_a_field_comes_back_out_of_its_node(a_transform: Transform, a_node) -> None:
    field = transforms.field_from_grid_node(a_node)
    np.testing.assert_array_equal(field.vectors_kji, a_transform.fixed_to_moving.vectors_kji)
    assert field.grid.same_space(a_transform.fixed_to_moving.grid, 1e-9)


def test_a_scaled_and_shifted_grid_comes_out_in_mm(a_transform: Transform, a_node) -> None:
    stored = a_node.GetTransformFromParentAs("vtkOrientedGridTransform")
    stored.SetDisplacementScale(0.5)
    stored.SetDisplacementShift(2.0)
    points = points_inside(a_transform.fixed_to_moving.grid)
    expected = moved_by(a_node.GetTransformFromParent(), points) - points
    np.testing.assert_allclose(transforms.field_from_grid_node(a_node).at(points), expected, atol=EXACT_MM)


def test_a_node_without_a_grid_from_its_parent_gives_no_field(a_scene, a_transform: Transform) -> None:
    with pytest.raises(InputError, match="'line' contains no displacement grid"):
        transforms.field_from_grid_node(a_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "line"))
    node = transforms.grid_node_from_field(a_scene, a_transform.fixed_to_moving, "turned round")
    node.Inverse()
    with pytest.raises(InputError, match="'turned round' contains no displacement grid from parent"):
        transforms.field_from_grid_node(node)


def test_a_node_is_filled_again(a_transform: Transform, a_node, a_scene) -> None:
    field = a_transform.fixed_to_moving
    nothing = DisplacementField(np.zeros_like(field.vectors_kji), field.grid)
    assert transforms.grid_node_from_field(a_scene, nothing, "nothing", a_node) is a_node
    np.testing.assert_allclose(moved_by(a_node.GetTransformFromParent(), LANDMARKS), LANDMARKS)
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLTransformNode") == 1


# --- what is put under the node ---


def test_a_moving_point_under_the_node_is_shown_in_fixed_space(a_transform: Transform, a_node, a_scene) -> None:
    markups = a_scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    for point in (ON_MOVING * RAS_FROM_LPS).tolist():
        markups.AddControlPoint(vtk.vtkVector3d(*point))
    markups.SetAndObserveTransformNodeID(a_node.GetID())
    world = np.array([markups.GetNthControlPointPositionWorld(n) for n in range(len(ON_MOVING))]) * RAS_FROM_LPS
    np.testing.assert_allclose(world, a_transform.inverse.apply_to_points(ON_MOVING), atol=BETWEEN_VOXELS_MM)
    np.testing.assert_allclose(world, LANDMARKS, atol=BETWEEN_VOXELS_MM)


def test_a_moving_volume_under_the_node_is_shown_where_its_points_are(a_transform: Transform, a_node, a_scene) -> None:
    """Hardened by Slicer, which resamples it."""
    kind = {id(a_wavy_transform(*pair)): pair[1] for pair in SIX_PAIRS}[id(a_transform)]
    volume = a_volume_node(a_scene, blob(moving_grid(kind), ON_MOVING[0], 3.0), moving_grid(kind))
    volume.SetAndObserveTransformNodeID(a_node.GetID())
    volume.HardenTransform()
    shown = volumes.volume_from_node(volume)
    np.testing.assert_allclose(centre_of_mass(shown.array_kji, shown.grid), LANDMARKS[0], atol=0.3)


# --- linear maps ---


def test_a_linear_node_shows_the_moving_volume_in_fixed_space(a_scene) -> None:
    node = transforms.linear_node_from_lps(a_scene, AFFINE, "affine")
    on_moving = apply_affine(AFFINE, LANDMARKS)
    np.testing.assert_allclose(moved_by(node.GetTransformToParent(), on_moving), LANDMARKS, atol=1e-6)
    np.testing.assert_allclose(moved_by(node.GetTransformFromParent(), LANDMARKS), on_moving, atol=1e-6)
    assert node.IsLinear()
    np.testing.assert_allclose(volumes.linear_lps_of(node) @ AFFINE, np.eye(4), atol=1e-9)


def test_a_flat_map_makes_no_linear_node(a_scene) -> None:
    with pytest.raises(GeometryError, match="invertible"):
        transforms.linear_node_from_lps(a_scene, np.diag([1.0, 1, 0, 1]), "flat")
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLTransformNode") == 0


# --- saved and opened again ---


def test_a_node_comes_back_from_a_saved_scene_as_it_was(a_transform: Transform, a_node, a_scene, tmp_path) -> None:
    fixed, moving = (a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("fixed", "moving"))
    transforms.set_references(a_node, fixed, moving)
    opened = reloaded(a_scene, tmp_path)
    again = opened.GetFirstNodeByName("moving to fixed")
    assert transforms.interpolate_linearly(again)
    points = points_inside(a_transform.fixed_to_moving.grid)
    moved = moved_by(again.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=EXACT_MM)
    field = transforms.field_from_grid_node(again)
    np.testing.assert_array_equal(field.vectors_kji, a_transform.fixed_to_moving.vectors_kji)
    roles = slicer.vtkMRMLTransformNode
    assert again.GetNodeReference(roles.GetFixedNodeReferenceRole()).GetName() == "fixed"
    assert again.GetNodeReference(roles.GetMovingNodeReferenceRole()).GetName() == "moving"


def stored(node, path, write: bool):
    storage = node.GetScene().AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(path))
    assert (storage.WriteData if write else storage.ReadData)(node) == 1
    return node


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".h5"])
def test_a_node_saved_to_a_file_is_read_back(a_transform: Transform, a_node, ending: str, a_scene, tmp_path) -> None:
    stored(a_node, tmp_path / f"t{ending}", write=True)
    again = stored(a_scene.AddNewNodeByClass("vtkMRMLTransformNode"), tmp_path / f"t{ending}", write=False)
    field = transforms.field_from_grid_node(again)
    np.testing.assert_array_equal(field.vectors_kji, a_transform.fixed_to_moving.vectors_kji)
    assert field.grid.same_space(a_transform.fixed_to_moving.grid)
    transforms.interpolate_linearly(again)
    points = points_inside(a_transform.fixed_to_moving.grid)
    moved = moved_by(again.GetTransformFromParent(), points)
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=1e-3)


def test_the_library_reads_what_slicer_saved_and_slicer_what_the_library_wrote(
    a_transform: Transform, a_node, a_scene, tmp_path
) -> None:
    actual = a_transform.fixed_to_moving
    stored(a_node, tmp_path / "slicer.nrrd", write=True)
    np.testing.assert_array_equal(read_field(tmp_path / "slicer.nrrd").vectors_kji, actual.vectors_kji)
    write_field(actual, tmp_path / "ours.nrrd")
    node = stored(a_scene.AddNewNodeByClass("vtkMRMLTransformNode"), tmp_path / "ours.nrrd", write=False)
    np.testing.assert_array_equal(transforms.field_from_grid_node(node).vectors_kji, actual.vectors_kji)


def test_simpleitk_reads_what_slicer_saved(a_transform: Transform, a_node, tmp_path) -> None:
    stored(a_node, tmp_path / "t.h5", write=True)
    itk = sitk.ReadTransform(str(tmp_path / "t.h5"))
    points = points_inside(a_transform.fixed_to_moving.grid)
    moved = [itk.TransformPoint(point) for point in points.tolist()]
    np.testing.assert_allclose(moved, a_transform.apply_to_points(points), atol=EXACT_MM)


def test_what_holds_no_grid_is_not_interpolated(a_scene) -> None:
    assert not transforms.interpolate_linearly(a_scene.AddNewNodeByClass("vtkMRMLLinearTransformNode"))
