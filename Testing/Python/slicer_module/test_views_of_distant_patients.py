"""Two patients side by side: both views show corresponding positions, wherever each lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from Testing.Python.slicer_module.eyes import Eyes, middle, put_away, segments_of_pair

pytestmark = pytest.mark.mrml


@dataclass(frozen=True)
class Far:
    """Two volumes, and the offset from a position of one to that of the other, RAS mm."""

    eyes: Eyes
    offset: np.ndarray

    def check(self) -> None:
        """Both views show something, at corresponding positions, equally zoomed and turned."""
        red, yellow = (self.eyes.seen(name) for name in ("Red", "Yellow"))
        assert np.allclose(yellow.centre - red.centre, self.offset, atol=1e-3)
        assert np.allclose(red.plane, yellow.plane)
        assert red.height == pytest.approx(yellow.height)
        assert not self.eyes.black("Red")
        assert not self.eyes.black("Yellow")


@pytest.fixture
def far(clinic, eyes) -> Far:
    """300 mm apart, nothing found yet."""
    put_away(clinic)
    eyes.settle()
    offset = middle(clinic.parameters.movingVolume) - middle(clinic.parameters.fixedVolume)
    return Far(eyes, offset)


@pytest.mark.parametrize("name", ["Red", "Yellow"])
def test_either_view_of_two_distant_patients_follows_the_other(far, name: str) -> None:
    far.check()
    far.eyes.wheel(name, 3)
    far.check()
    far.eyes.wheel(name, -1, zoom=True)
    far.eyes.wheel(name, 3, zoom=True)
    far.check()
    far.eyes.pan(name, 15, 25)
    far.check()
    for orientation in ("Sagittal", "Coronal", "Axial"):
        far.eyes.turn(name, orientation)
        far.check()
        far.eyes.wheel(name, -1)
        far.check()
    far.eyes.widget(name).sliceController().fitSliceToBackground()
    far.check()


def test_a_turn_of_the_wheel_after_a_jump_keeps_both_views_on_the_pair(clinic, far) -> None:
    clinic.find()
    clinic.select(2)
    row = clinic.logic.rows[2]
    centres = [np.array(node.GetSegmentCenter(segment)) for node, segment in segments_of_pair(clinic, row)]
    assert np.allclose(far.eyes.seen("Red").centre, centres[0], atol=1e-3)
    assert np.allclose(far.eyes.seen("Yellow").centre, centres[1], atol=1e-3)
    far = replace(far, offset=centres[1] - centres[0])
    far.check()
    for name in ("Red", "Yellow"):
        far.eyes.wheel(name, 1)
        far.check()
    for way in ("fade", "side"):
        clinic.press(getattr(clinic.ui, f"{way}Button"))
        far.eyes.settle()
    far.check()


def test_a_view_that_another_module_sends_into_the_void_comes_back(clinic, far) -> None:
    import slicer

    position = middle(clinic.parameters.fixedVolume) + (5, 5, 8)
    slicer.vtkMRMLSliceNode.JumpAllSlices(clinic.standin.scene, *position)
    far.eyes.settle()
    assert far.eyes.seen("Red").centre[2] == pytest.approx(position[2])
    far.check()


def test_an_initial_transform_says_which_positions_correspond(clinic, eyes) -> None:
    from Testing.Python.scene import TURNED, ras_of, vtk_matrix

    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    node.SetMatrixTransformToParent(vtk_matrix(ras_of(TURNED)))
    clinic.parameters.initialTransform = node
    eyes.settle()
    back = np.linalg.inv(ras_of(TURNED))
    eyes.wheel("Red", 2)
    expected = back @ [*eyes.seen("Red").centre, 1]
    assert np.allclose(eyes.seen("Yellow").centre, expected[:3], atol=1e-3)
    assert np.allclose(eyes.seen("Yellow").plane, back[:3, :3] @ eyes.seen("Red").plane, atol=1e-6)


def test_volumes_of_one_examination_are_shown_at_the_same_position(clinic, eyes) -> None:
    eyes.settle()
    eyes.wheel("Yellow", 2)
    assert eyes.seen("Red").like(eyes.seen("Yellow"))


def test_a_persons_own_link_is_left_alone(clinic, eyes) -> None:
    eyes.settle()
    before = eyes.seen("Yellow")
    eyes.turn("Red", "Axial")
    for name in ("Red", "Yellow"):
        eyes.widget(name).mrmlSliceCompositeNode().SetLinkedControl(1)
    eyes.node("Red").SetSliceOffset(eyes.node("Red").GetSliceOffset() + 7)
    assert eyes.seen("Yellow").like(before)
