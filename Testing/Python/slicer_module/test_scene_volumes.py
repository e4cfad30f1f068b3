"""Volumes between scene and library: where their voxels lie in the world, and which nodes are refused and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS, rotation
from Testing.Python.scene import (
    MIRRORED,
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

from Tell2RegLib.slicer_module.scene import volumes  # isort: skip

pytestmark = pytest.mark.mrml


@pytest.fixture
def a_node(a_scene, a_hostile_grid: Grid, values_of):
    return a_volume_node(a_scene, values_of(a_hostile_grid, np.int16), a_hostile_grid)


def world_places(node) -> np.ndarray:
    """LPS mm of every voxel (K, J, I, 3), as Slicer itself computes them."""
    matrix, to_world = vtk.vtkMatrix4x4(), vtk.vtkGeneralTransform()
    node.GetIJKToRASMatrix(matrix)
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, to_world)
    positions = np.empty((*node.GetImageData().GetDimensions()[::-1], 3))
    for k, j, i in np.ndindex(positions.shape[:3]):
        positions[k, j, i] = to_world.TransformPoint(matrix.MultiplyPoint([i, j, k, 1])[:3])
    return positions * RAS_FROM_LPS


# --- scene -> library ---


def test_a_volume_lies_where_its_node_lies(a_node, a_hostile_grid: Grid, values_of) -> None:
    volume = volumes.volume_from_node(a_node)
    np.testing.assert_allclose(volume.grid.voxel_centres_lps_mm(), a_hostile_grid.voxel_centres_lps_mm(), atol=1e-9)
    np.testing.assert_array_equal(volume.array_kji, values_of(a_hostile_grid))
    assert (volume.name, volume.array_kji.dtype) == ("MR", np.int16)


@pytest.mark.parametrize("parent", [TURNED, MIRRORED], ids=["turned", "mirrored"])
def test_linear_transforms_above_are_folded_into_the_grid(a_node, parent: np.ndarray) -> None:
    grandparent = put_under(put_under(a_node, parent), TURNED, "grandparent")
    volume = volumes.volume_from_node(a_node)
    np.testing.assert_allclose(volume.grid.voxel_centres_lps_mm(), world_places(a_node), atol=1e-6)
    assert a_node.GetParentTransformNode().GetParentTransformNode() is grandparent


@settings(max_examples=30)
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    degrees=st.floats(-180, 180),
    shift=st.tuples(*[st.floats(-300, 300)] * 3),
    mirror=st.booleans(),
    kind=st.sampled_from(sorted(HOSTILE_GRIDS)),
)
def test_any_rigid_parent_is_folded_in(axis: tuple, degrees: float, shift: tuple, mirror: bool, kind: str) -> None:
    grid, scene, parent = HOSTILE_GRIDS[kind], slicer.vtkMRMLScene(), np.eye(4)
    parent[:3, :3], parent[:3, 3] = rotation(axis, degrees) @ np.diag([1, 1, -1 if mirror else 1]), shift
    node = a_volume_node(scene, np.arange(24, dtype=np.int16), grid)
    put_under(node, parent)
    np.testing.assert_allclose(volumes.grid_of_node(node).voxel_centres_lps_mm(), world_places(node), atol=1e-6)


def test_an_initial_transform_comes_on_top_of_those_above(a_node) -> None:
    put_under(a_node, TURNED)
    volume = volumes.volume_from_node(a_node, MIRRORED)
    expected = apply_affine(MIRRORED, world_places(a_node))
    np.testing.assert_allclose(volume.grid.voxel_centres_lps_mm(), expected, atol=1e-6)


def test_the_initial_transform_of_a_transform_node_is_what_it_does_to_a_volume(a_node) -> None:
    before = world_places(a_node)
    parent = put_under(a_node, TURNED)
    put_under(parent, MIRRORED, "above")
    np.testing.assert_allclose(apply_affine(volumes.linear_lps_of(parent), before), world_places(a_node), atol=1e-6)


def test_a_volume_is_a_copy(a_node) -> None:
    volume = volumes.volume_from_node(a_node)
    slicer.util.arrayFromVolume(a_node)[:] = 0
    assert volume.array_kji.max() > 0


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_voxels_keep_their_type(dtype: str, a_scene, values_of) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    node = a_volume_node(a_scene, np.clip(values_of(grid), 0, 100).astype(dtype), grid)
    assert volumes.volume_from_node(node).array_kji.dtype == np.dtype(dtype)


def test_an_image_that_does_not_start_at_zero_lies_where_slicer_shows_it(a_node, a_hostile_grid: Grid) -> None:
    clip = vtk.vtkExtractVOI()
    clip.SetInputData(a_node.GetImageData())
    clip.SetVOI(1, 3, 0, 2, 0, 1)
    clip.Update()
    a_node.GetImageData().DeepCopy(clip.GetOutput())
    assert a_node.GetImageData().GetExtent()[0] == 1
    grid = volumes.grid_of_node(a_node)
    np.testing.assert_allclose(grid.origin_lps_mm, a_hostile_grid.index_to_lps([1, 0, 0]), atol=1e-9)
    assert grid.size_xyz == (3, 3, 2)


# --- what cannot be used ---


def test_no_volume_is_asked_for() -> None:
    assert volumes.why_unusable(None) == "Choose a volume."


def test_a_usable_volume_has_nothing_against_it(a_node) -> None:
    assert volumes.why_unusable(a_node) == ""


def test_a_volume_without_voxels_is_refused(a_scene) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "new")
    assert volumes.why_unusable(node).startswith("'new' contains no voxels yet.")
    node.SetAndObserveImageData(vtk.vtkImageData())
    assert volumes.why_unusable(node).startswith("'new' contains no voxels yet.")
    with pytest.raises(InputError, match="contains no voxels"):
        volumes.volume_from_node(node)


def test_what_is_no_volume_is_refused(a_scene) -> None:
    assert "is not a volume" in volumes.why_unusable(a_scene.AddNewNodeByClass("vtkMRMLModelNode", "a model"))


def test_a_label_map_is_no_image(a_scene, values_of) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    node = a_volume_node(a_scene, values_of(grid, np.int16), grid, "labels", "vtkMRMLLabelMapVolumeNode")
    assert volumes.why_unusable(node) == "'labels' is a label map. Choose the image that it was drawn on."


def test_a_single_slice_is_refused(a_scene) -> None:
    grid = Grid((5, 4, 1), (1, 2, 3))
    node = a_volume_node(a_scene, np.arange(20, dtype=np.int16), grid, "X-ray")
    assert volumes.why_unusable(node) == "'X-ray' is a single slice (5 x 4 x 1). Choose a 3-D volume."


def test_colours_are_refused(a_scene) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 3, 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(image)
    assert volumes.why_unusable(node).startswith("'photo' has 3 values per voxel")


@pytest.mark.parametrize(("value", "word"), [(7.0, "constant"), (np.nan, "no finite value")])
def test_nothing_to_be_seen_is_refused(value: float, word: str, a_scene) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    node = a_volume_node(a_scene, np.full(grid.shape_kji, value), grid, "flat")
    assert word in volumes.why_unusable(node)


def test_some_nan_become_the_smallest_value(a_scene, values_of) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    values = values_of(grid) + 5
    values[1, 2, 3] = np.nan
    node = a_volume_node(a_scene, values, grid)
    assert volumes.why_unusable(node) == ""
    assert volumes.volume_from_node(node).array_kji[1, 2, 3] == 5


def test_a_warp_above_is_refused_by_name(a_node) -> None:
    put_under(put_under_a_warp(a_node), TURNED, "above")
    assert volumes.why_unusable(a_node).startswith(
        "'MR' is under 'warp', and that transform or one of its parents is not linear"
    )
    with pytest.raises(InputError, match="take it out of the transform"):
        volumes.volume_from_node(a_node)


def test_a_warp_is_no_initial_transform(a_node) -> None:
    with pytest.raises(InputError, match="'warp' or one of its parents is not linear"):
        volumes.linear_lps_of(put_under_a_warp(a_node))


def test_shear_above_is_refused(a_node) -> None:
    put_under(a_node, SHEARED)
    assert "'MR' cannot be used under its transform" in volumes.why_unusable(a_node)
    with pytest.raises(GeometryError, match="shears the voxels"):
        volumes.grid_of_node(a_node)


# --- overlap ---


def test_volumes_overlap_where_their_boxes_meet_in_the_world(a_scene, a_node, values_of) -> None:
    oblique_volume = a_volume_node(a_scene, values_of(HOSTILE_GRIDS["oblique"]), HOSTILE_GRIDS["oblique"], "other")
    assert volumes.volumes_overlap(a_node, oblique_volume)
    far = np.eye(4)
    far[1, 3] = 40
    put_under(oblique_volume, far)
    assert not volumes.volumes_overlap(a_node, oblique_volume)


def test_boxes_that_meet_by_half_a_voxel_overlap() -> None:
    item, shifted_grid = (Grid((4, 4, 4), origin_lps_mm=(x, 0, 0)) for x in (0, 3.9))
    assert volumes.grids_overlap(item, shifted_grid)
    assert not volumes.grids_overlap(item, Grid((4, 4, 4), origin_lps_mm=(4.1, 0, 0)))


# --- library -> scene ---


def test_a_volume_goes_into_the_scene_and_comes_back(a_scene, a_hostile_grid: Grid, values_of) -> None:
    volume = Volume(values_of(a_hostile_grid, np.int16), a_hostile_grid)
    node = volumes.volume_to_node(a_scene, volume, "a volume")
    np.testing.assert_allclose(world_places(node), a_hostile_grid.voxel_centres_lps_mm(), atol=1e-9)
    back = volumes.volume_from_node(node)
    np.testing.assert_array_equal(back.array_kji, volume.array_kji)
    assert back.grid.same_space(volume.grid, 1e-9)
    assert node.GetDisplayNode() is not None


def test_a_node_is_filled_again(a_scene, values_of) -> None:
    first, second = HOSTILE_GRIDS["oblique"], HOSTILE_GRIDS["sagittal"]
    node = volumes.volume_to_node(a_scene, Volume(values_of(first), first), "one")
    again = volumes.volume_to_node(a_scene, Volume(values_of(second, np.int16), second), "two", node)
    assert again is node
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
    assert volumes.volume_from_node(node).grid.same_space(second)


@pytest.mark.parametrize("dtype", [np.bool_, np.float16, ">i2"])
def test_voxels_of_types_that_vtk_lacks_go_in_too(dtype, a_scene, values_of) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    values = (values_of(grid) > 110).astype(dtype)
    node = volumes.volume_to_node(a_scene, Volume(values, grid), "mask")
    np.testing.assert_array_equal(volumes.volume_from_node(node).array_kji, values.astype(float))


# --- copies to look at ---


def test_a_copy_to_look_at_shares_the_voxels_and_stands_in_the_world(a_scene, a_node) -> None:
    put_under(a_node, TURNED)
    own_matrix, after = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    a_node.GetIJKToRASMatrix(own_matrix)
    copy = volumes.view_copy(a_scene, a_node)
    assert copy.GetImageData() is a_node.GetImageData()
    assert copy.GetParentTransformNode() is None
    np.testing.assert_allclose(world_places(copy), world_places(a_node), atol=1e-6)
    a_node.GetIJKToRASMatrix(after)
    assert [after.GetElement(r, c) for r in range(4) for c in range(4)] == [
        own_matrix.GetElement(r, c) for r in range(4) for c in range(4)
    ]


def test_a_copy_has_the_users_window_and_a_display_of_its_own(a_scene, a_node) -> None:
    a_node.CreateDefaultDisplayNodes()
    a_node.GetDisplayNode().SetAutoWindowLevel(False)
    a_node.GetDisplayNode().SetWindowLevel(120, 60)
    copy = volumes.view_copy(a_scene, a_node)
    assert copy.GetDisplayNode() is not a_node.GetDisplayNode()
    assert (copy.GetDisplayNode().GetWindow(), copy.GetDisplayNode().GetLevel()) == (120, 60)
    assert not copy.GetDisplayNode().GetAutoWindowLevel()
    assert copy.GetDisplayNode().GetColorNodeID() == a_node.GetDisplayNode().GetColorNodeID()
    copy.GetDisplayNode().SetWindowLevel(10, 5)
    assert a_node.GetDisplayNode().GetWindow() == 120


def test_a_copy_follows_when_it_is_brought_up_to_date(a_scene, a_node, values_of) -> None:
    copy = volumes.view_copy(a_scene, a_node)
    copy.GetDisplayNode().SetAutoWindowLevel(False)
    copy.GetDisplayNode().SetWindowLevel(10, 5)
    put_under(a_node, TURNED)
    image = vtk.vtkImageData()
    image.DeepCopy(a_node.GetImageData())
    a_node.SetAndObserveImageData(image)
    assert volumes.view_copy(a_scene, a_node, copy) is copy
    assert copy.GetImageData() is image
    assert copy.GetDisplayNode().GetWindow() == 10
    np.testing.assert_allclose(world_places(copy), world_places(a_node), atol=1e-6)


def test_a_copy_is_told_from_a_users_volume_and_is_not_saved(a_scene, a_node, tmp_path) -> None:
    copy = volumes.view_copy(a_scene, a_node)
    assert copy.GetNodeReference(volumes.COPY_OF) is a_node
    assert a_node.GetNodeReference(volumes.COPY_OF) is None
    assert reloaded(a_scene, tmp_path).GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1
