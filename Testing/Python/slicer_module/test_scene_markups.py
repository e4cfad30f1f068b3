"""Markups of every kind: points in the world, and copies carried where the library carries their points."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.transform import Transform
from Testing.Python.conftest import rotation
from Testing.Python.maps import AFFINE, LANDMARKS, SIX_PAIRS, a_wavy_transform, wave
from Testing.Python.scene import RAS_FROM_LPS, TURNED, a_new_scene, put_under, put_under_a_warp, reloaded, slicer, vtk

from Tell2RegLib.slicer_module.scene import markups  # isort: skip

pytestmark = pytest.mark.mrml

ON_MOVING = apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS)
NAMES = ("L base", "R apex", "", "målpunkt")
CLOSE_MM = 0.01
BY_CONTROL_POINTS = ("Fiducial", "Line", "Curve", "ClosedCurve", "Angle")
POINTS_NEEDED = {"Line": 2, "Angle": 3}


@pytest.fixture
def a_scene():
    return a_new_scene()


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_transform(request: pytest.FixtureRequest) -> Transform:
    return a_wavy_transform(*request.param)


def a_node(scene, kind: str = "Fiducial", points: np.ndarray = ON_MOVING):
    """Markups through these points, LPS, made without the library's door."""
    node = scene.AddNewNodeByClass(f"vtkMRMLMarkups{kind}Node", "plan")
    node.CreateDefaultDisplayNodes()
    for name, position in zip(NAMES, (points * RAS_FROM_LPS).tolist()[: POINTS_NEEDED.get(kind, 4)], strict=False):
        node.SetNthControlPointLabel(node.AddControlPoint(vtk.vtkVector3d(*position)), name)
    return node


def places(node) -> np.ndarray:
    count = node.GetNumberOfControlPoints()
    return np.array([node.GetNthControlPointPositionWorld(n) for n in range(count)]) * RAS_FROM_LPS


# --- points ---


def test_points_are_where_slicer_shows_them(a_scene) -> None:
    points = markups.points_of(a_node(a_scene))
    assert points.names == NAMES
    np.testing.assert_allclose(points.points_lps_mm, ON_MOVING, atol=1e-9)


@pytest.mark.parametrize("above", [lambda node: put_under(node, TURNED), put_under_a_warp], ids=["linear", "warp"])
def test_points_under_a_transform_are_where_slicer_shows_them(above, a_scene) -> None:
    node = a_node(a_scene)
    above(node)
    assert np.linalg.norm(places(node) - ON_MOVING, axis=1).min() > 0.1
    np.testing.assert_allclose(markups.points_of(node).points_lps_mm, places(node), atol=1e-9)


def test_points_that_were_never_placed_are_left_out(a_scene) -> None:
    node = a_node(a_scene)
    node.UnsetNthControlPointPosition(1)
    assert markups.points_of(node).names == (NAMES[0], NAMES[2], NAMES[3])
    node.RemoveAllControlPoints()
    assert len(markups.points_of(node)) == 0


def test_a_point_list_goes_into_the_scene_and_comes_back(a_scene) -> None:
    node = markups.fiducials_from_points(a_scene, PointList(NAMES, ON_MOVING), "targets")
    np.testing.assert_allclose(places(node), ON_MOVING, atol=1e-9)
    assert markups.points_of(node).names == NAMES
    assert node.GetName() == "targets"
    assert node.GetDisplayNode() is not None


# --- carried by their points ---


@pytest.mark.parametrize("kind", BY_CONTROL_POINTS)
def test_control_points_are_carried_as_the_library_carries_points(kind: str, a_transform: Transform, a_scene) -> None:
    node = a_node(a_scene, kind)
    before = places(node)
    copy = markups.propagate_markups(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    assert copy.GetClassName() == node.GetClassName()
    np.testing.assert_allclose(places(copy), a_transform.inverse.apply_to_points(before), atol=CLOSE_MM)
    np.testing.assert_allclose(places(copy), LANDMARKS[: len(before)], atol=0.05)
    np.testing.assert_array_equal(places(node), before)


def test_a_plan_under_transforms_is_carried_from_where_it_is_shown(a_transform: Transform, a_scene) -> None:
    node = a_node(a_scene, points=apply_affine(np.linalg.inv(TURNED), ON_MOVING))
    parent = put_under(node, TURNED)
    copy = markups.propagate_markups(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    np.testing.assert_allclose(places(copy), LANDMARKS, atol=0.05)
    assert copy.GetParentTransformNode() is None
    assert node.GetParentTransformNode() is parent


def test_everything_but_the_place_stays(a_scene) -> None:
    node = a_node(a_scene)
    node.SetNthControlPointDescription(0, "biopsy 1")
    node.SetNthControlPointSelected(1, False)
    node.SetNthControlPointLocked(2, True)
    node.SetNthControlPointVisibility(3, False)
    node.SetLocked(True)
    node.SetDescription("a plan")
    node.GetDisplayNode().SetSelectedColor(0.25, 0.5, 0.75)
    node.GetDisplayNode().SetGlyphScale(7.0)
    copy = markups.propagate_markups(node, lambda points: points + 1, a_scene, "carried")
    assert [copy.GetNthControlPointLabel(n) for n in range(4)] == list(NAMES)
    assert copy.GetNthControlPointDescription(0) == "biopsy 1"
    assert not copy.GetNthControlPointSelected(1)
    assert copy.GetNthControlPointLocked(2)
    assert not copy.GetNthControlPointVisibility(3)
    assert copy.GetLocked()
    assert copy.GetDescription() == "a plan"
    assert copy.GetDisplayNode() is not node.GetDisplayNode()
    assert copy.GetDisplayNode().GetSelectedColor() == (0.25, 0.5, 0.75)
    assert copy.GetDisplayNode().GetGlyphScale() == 7.0
    assert copy.GetName() == "carried"


def test_points_that_were_never_placed_stay_so(a_scene) -> None:
    node = a_node(a_scene)
    node.UnsetNthControlPointPosition(1)
    copy = markups.propagate_markups(node, lambda points: points + 1, a_scene, "carried")
    assert copy.GetNumberOfControlPoints() == 4
    np.testing.assert_allclose(markups.points_of(copy).points_lps_mm, ON_MOVING[[0, 2, 3]] + 1, atol=1e-9)


def test_markups_without_points_are_copied_too(a_scene) -> None:
    copy = markups.propagate_markups(
        a_scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode"), lambda points: points, a_scene, "nothing"
    )
    assert copy.GetNumberOfControlPoints() == 0


def test_a_carried_curve_is_measured_where_it_lands(a_scene) -> None:
    node = a_node(a_scene, "Line")
    copy = markups.propagate_markups(node, lambda points: 2 * points, a_scene, "carried")
    assert copy.GetLineLengthWorld() == pytest.approx(2 * node.GetLineLengthWorld())


def test_a_carried_plan_is_there_after_saving(a_scene, a_transform: Transform, tmp_path) -> None:
    node = a_node(a_scene)
    copy = markups.propagate_markups(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    opened = reloaded(a_scene, tmp_path)
    again = opened.GetFirstNodeByName("carried")
    np.testing.assert_allclose(places(again), places(copy), atol=1e-3)
    assert markups.points_of(again).names == NAMES


# --- planes and boxes ---

TURN = rotation((1, 2, -1), 50)
SIZE = np.array([12.0, 8.0, 5.0])
CENTRE = ON_MOVING[0]
RIGID = np.eye(4)
RIGID[:3, :3], RIGID[:3, 3] = rotation((3, -1, 2), 70), (5.0, -8.0, 13.0)


def a_box(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    node.CreateDefaultDisplayNodes()
    frame = vtk.vtkMatrix4x4()
    for row in range(3):
        frame.SetElement(row, 3, float(CENTRE[row] * RAS_FROM_LPS[row]))
        for column in range(3):
            frame.SetElement(row, column, float(TURN[row, column] * RAS_FROM_LPS[row]))
    node.SetAndObserveObjectToNodeMatrix(frame)
    node.SetSize(*SIZE)
    return node


def corners_of_box(node) -> np.ndarray:
    matrix, half = node.GetObjectToWorldMatrix(), np.array(node.GetSize()) / 2
    signs = [(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    corners = [matrix.MultiplyPoint([*(np.array(sign) * half), 1])[:3] for sign in signs]
    return np.array(corners) * RAS_FROM_LPS


def a_plane(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "plane")
    node.CreateDefaultDisplayNodes()
    node.SetPlaneType(slicer.vtkMRMLMarkupsPlaneNode.PlaneTypePointNormal)
    node.SetCenter(*(CENTRE * RAS_FROM_LPS))
    axes = TURN * RAS_FROM_LPS[:, None]
    node.SetAxes(*(axes[:, n].tolist() for n in range(3)))
    node.SetSizeMode(slicer.vtkMRMLMarkupsPlaneNode.SizeModeAbsolute)
    node.SetSize(12.0, 8.0)
    return node


def corners_of_plane(node) -> np.ndarray:
    axes = [[0.0] * 3 for _ in range(3)]
    node.GetAxesWorld(*axes)
    centre, (width, height) = np.array(node.GetCenterWorld()), node.GetSize()
    x, y = np.array(axes[0]), np.array(axes[1])
    corners = [centre + a * width / 2 * x + b * height / 2 * y for a in (-1, 1) for b in (-1, 1)]
    return np.array(corners) * RAS_FROM_LPS


FRAMES = {"box": (a_box, corners_of_box), "plane": (a_plane, corners_of_plane)}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("under", [False, True], ids=["free", "under a transform"])
def test_a_rigid_map_carries_every_corner(kind: str, under: bool, a_scene) -> None:
    make, corners_of = FRAMES[kind]
    node = make(a_scene)
    if under:
        put_under(node, TURNED)
    before = corners_of(node)
    copy = markups.propagate_markups(node, lambda points: apply_affine(RIGID, points), a_scene, "carried")
    np.testing.assert_allclose(corners_of(copy), apply_affine(RIGID, before), atol=1e-6)
    np.testing.assert_array_equal(corners_of(node), before)
    assert copy.GetParentTransformNode() is None


@pytest.mark.parametrize("kind", FRAMES)
def test_a_box_grows_with_the_map(kind: str, a_scene) -> None:
    make, corners_of = FRAMES[kind]
    node = make(a_scene)
    stretched = np.diag([*(TURN @ np.diag([1.5, 1.0, 1.0]) @ TURN.T).ravel()[[0, 4, 8]], 1.0])
    stretched[:3, :3] = TURN @ np.diag([1.5, 1.0, 1.0]) @ TURN.T
    copy = markups.propagate_markups(node, lambda points: apply_affine(stretched, points), a_scene, "carried")
    np.testing.assert_allclose(corners_of(copy), apply_affine(stretched, corners_of(node)), atol=1e-6)
    assert copy.GetSize()[0] == pytest.approx(18.0)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_smooth_map_carries_the_centre_exactly_and_the_corners_nearly(
    kind: str, a_transform: Transform, a_scene
) -> None:
    make, corners_of = FRAMES[kind]
    node, to_fixed = make(a_scene), a_transform.inverse.apply_to_points
    copy = markups.propagate_markups(node, to_fixed, a_scene, "carried")
    centre = np.array(copy.GetCenterWorld()) * RAS_FROM_LPS
    np.testing.assert_allclose(centre, to_fixed(CENTRE), atol=CLOSE_MM)
    assert np.linalg.norm(corners_of(copy) - to_fixed(corners_of(node)), axis=1).max() < 1.5


def test_a_plane_through_three_points_is_carried_by_them(a_transform: Transform, a_scene) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "plane")
    node.SetPlaneType(slicer.vtkMRMLMarkupsPlaneNode.PlaneType3Points)
    for position in (ON_MOVING[:3] * RAS_FROM_LPS).tolist():
        node.AddControlPoint(vtk.vtkVector3d(*position))
    copy = markups.propagate_markups(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    np.testing.assert_allclose(places(copy), LANDMARKS[:3], atol=0.05)
    a, b, c = places(copy)
    normal = np.cross(b - a, c - a) / np.linalg.norm(np.cross(b - a, c - a))
    assert abs(np.array(copy.GetNormalWorld()) * RAS_FROM_LPS @ normal) == pytest.approx(1, abs=1e-6)


def a_box_around(scene, points: np.ndarray):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    node.SetROIType(slicer.vtkMRMLMarkupsROINode.ROITypeBoundingBox)
    for name, position in zip(NAMES, (points * RAS_FROM_LPS).tolist(), strict=True):
        node.SetNthControlPointLabel(node.AddControlPoint(vtk.vtkVector3d(*position)), name)
    return node


def test_a_box_around_points_goes_around_the_carried_points(a_transform: Transform, a_scene) -> None:
    """As Slicer itself puts it around them."""
    node = a_box_around(a_scene, ON_MOVING)
    copy = markups.propagate_markups(node, a_transform.inverse.apply_to_points, a_scene, "carried")
    np.testing.assert_allclose(places(copy), LANDMARKS, atol=0.05)
    assert markups.points_of(copy).names == NAMES
    expected = a_box_around(a_scene, places(copy))
    np.testing.assert_allclose(copy.GetSize(), expected.GetSize(), atol=1e-6)


@pytest.mark.parametrize("kind", FRAMES)
def test_a_carried_frame_is_there_after_saving(kind: str, a_scene, a_transform: Transform, tmp_path) -> None:
    make, corners_of = FRAMES[kind]
    copy = markups.propagate_markups(make(a_scene), a_transform.inverse.apply_to_points, a_scene, "carried")
    opened = reloaded(a_scene, tmp_path)
    np.testing.assert_allclose(corners_of(opened.GetFirstNodeByName("carried")), corners_of(copy), atol=1e-3)
