"""What the slice views show: fixed and moving side by side, faded, as a checkerboard or in turn; jumps; the user's own
layout again when he leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import qt
import SimpleITK as sitk
import slicer

from Tell2RegLib.grid import Floats
from Tell2RegLib.module.mrml_space import SIGNS, array_from_matrix, matrix_from_array
from Tell2RegLib.module.mrml_volumes import volume_from_node, volume_to_node
from Tell2RegLib.transform import Transform
from Tell2RegLib.volume import Volume, array_of, to_simpleitk

FIXED_VIEW, MOVING_VIEW = "Red", "Yellow"
LAID_OUT_MS = 250
"""Views of another layout get their sizes a moment later; before that a volume cannot be fitted into them."""
SQUARES = 6
"""Squares of the checkerboard along the longest axis."""


@dataclass(frozen=True)
class _Kept:
    """The user's own views."""

    layout: int
    slices: tuple[tuple[str, Floats, str, str, float, int, int], ...]
    """Per view: name, slice to RAS, background, foreground, opacity, linked, hot-linked."""


class Views:
    """The slice views of the application.

    Args:
        layoutManager: slicer.app.layoutManager(); None where there are no views, as in scripts.
    """

    def __init__(self, layoutManager) -> None:
        self._manager = layoutManager
        self._kept: _Kept | None = None

    # --- the user's own layout ---

    def keep(self) -> None:
        """Remember layout and volumes of the views, once, before they are changed."""
        if self._manager is None or self._kept is not None:
            return
        slices = []
        for name in self._manager.sliceViewNames():
            composite, node = self._composite(name), self._slice(name)
            volumes = (composite.GetBackgroundVolumeID() or "", composite.GetForegroundVolumeID() or "")
            linked = (composite.GetLinkedControl(), composite.GetHotLinkedControl())
            place = array_from_matrix(node.GetSliceToRAS())
            slices.append((name, place, *volumes, composite.GetForegroundOpacity(), *linked))
        self._kept = _Kept(self._manager.layout, tuple(slices))

    def restore(self) -> None:
        """Give the user his layout and volumes back."""
        if self._manager is None or self._kept is None:
            return
        kept, self._kept = self._kept, None
        self._manager.setLayout(kept.layout)
        for name, place, background, foreground, opacity, linked, hot in kept.slices:
            composite, scene = self._composite(name), slicer.mrmlScene
            composite.SetBackgroundVolumeID(background if scene.GetNodeByID(background) else None)
            composite.SetForegroundVolumeID(foreground if scene.GetNodeByID(foreground) else None)
            composite.SetForegroundOpacity(opacity)
            composite.SetLinkedControl(linked)
            composite.SetHotLinkedControl(hot)
            self._slice(name).GetSliceToRAS().DeepCopy(matrix_from_array(place))
            self._slice(name).UpdateMatrices()

    # --- what is shown ---

    def sideBySide(self, fixed, moving) -> None:
        """Two linked axial views, fixed on the left, moving on the right."""
        if self._manager is None:
            return
        self.keep()
        self._layout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
        for name, node in ((FIXED_VIEW, fixed), (MOVING_VIEW, moving)):
            self._fill(name, node, None, 0.0)
            self._slice(name).SetOrientation("Axial")
        self._link(True)

    def overlay(self, fixed, moving, opacity: float) -> None:
        """One view, the moving volume over the fixed one."""
        if self._manager is None:
            return
        self.keep()
        self._layout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
        self._fill(FIXED_VIEW, fixed, moving, opacity)
        self._slice(FIXED_VIEW).SetOrientation("Axial")
        self._link(False)

    def inSpace(self) -> None:
        """Three slices and the 3D view, turned to what is there."""
        if self._manager is None:
            return
        self.keep()
        self._layout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._slice(MOVING_VIEW).SetOrientation("Sagittal")
        self._manager.threeDWidget(0).threeDView().resetFocalPoint()

    def fade(self, opacity: float) -> None:
        """How much of the moving volume the one view shows."""
        if self._manager is not None:
            self._composite(FIXED_VIEW).SetForegroundOpacity(opacity)

    def flick(self) -> None:
        """Fixed instead of moving, or moving instead of fixed."""
        if self._manager is not None:
            composite = self._composite(FIXED_VIEW)
            composite.SetForegroundOpacity(0.0 if composite.GetForegroundOpacity() > 0.5 else 1.0)

    def jump(self, fixedLps: Floats | None, movingLps: Floats | None) -> None:
        """Show a place of the fixed volume in its view, and one of the moving volume in its own."""
        if self._manager is None:
            return
        for name, place in ((FIXED_VIEW, fixedLps), (MOVING_VIEW, movingLps)):
            if place is not None and name in self._manager.sliceViewNames():
                self._slice(name).JumpSliceByCentering(*(np.asarray(place) * SIGNS).tolist())

    def showOnly(self, node, name: str) -> None:
        """Show a segmentation in one view, or with an empty name in all of them."""
        display = None if node is None else node.GetDisplayNode()
        if display is None or self._manager is None:
            return
        display.RemoveAllViewNodeIDs()
        if name:
            display.AddViewNodeID(self._slice(name).GetID())

    # --- parts ---

    def _layout(self, layout: int) -> None:
        if self._manager.layout != layout:
            self._manager.setLayout(layout)
            for name in (FIXED_VIEW, MOVING_VIEW):
                self._fitLater(name)

    def _fill(self, name: str, background, foreground, opacity: float) -> None:
        composite = self._composite(name)
        changed = composite.GetBackgroundVolumeID() != (background.GetID() if background else None)
        composite.SetBackgroundVolumeID(background.GetID() if background else None)
        composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        composite.SetForegroundOpacity(opacity)
        if changed and background is not None:
            self._fitLater(name)

    def _fitLater(self, name: str) -> None:
        qt.QTimer.singleShot(LAID_OUT_MS, lambda: self._fit(name))

    def _fit(self, name: str) -> None:
        if name not in self._manager.sliceViewNames():
            return
        logic = self._manager.sliceWidget(name).sliceLogic()
        logic.FitSliceToBackground()
        if name == MOVING_VIEW:  # the same slice as beside it
            logic.SetSliceOffset(self._manager.sliceWidget(FIXED_VIEW).sliceLogic().GetSliceOffset())

    def _link(self, linked: bool) -> None:
        for name in (FIXED_VIEW, MOVING_VIEW):
            if name in self._manager.sliceViewNames():
                self._composite(name).SetLinkedControl(int(linked))
                self._composite(name).SetHotLinkedControl(int(linked))

    def _composite(self, name: str):
        return self._manager.sliceWidget(name).sliceLogic().GetSliceCompositeNode()

    def _slice(self, name: str):
        return self._manager.sliceWidget(name).mrmlSliceNode()


def checkerboardNode(scene, fixed, moving, transform: Transform | None, name: str, node=None):
    """A volume that shows fixed and moving in turn, square by square; the moving one brought by `transform`.

    Args:
        fixed, moving: volume nodes.
        transform: fixed to moving; None leaves the moving volume where it lies.
        node: to be filled again; a new one when None.
    """
    ours, theirs = volume_from_node(fixed), volume_from_node(moving)
    moved = _asItLies(theirs, ours) if transform is None else transform.resample(theirs, grid=ours.grid)
    squares = _squares(ours)
    board = np.where(squares, _scaled(moved.array_kji), _scaled(ours.array_kji)).astype(np.float32)
    return volume_to_node(scene, Volume(board, ours.grid, name), name, node)


def _asItLies(moving: Volume, fixed: Volume) -> Volume:
    image, onto = (to_simpleitk(volume.array_kji, volume.grid) for volume in (moving, fixed))
    least = float(moving.array_kji.min())
    return Volume(array_of(sitk.Resample(image, onto, sitk.Transform(), sitk.sitkLinear, least)), fixed.grid)


def _squares(volume: Volume):
    """Bool (K, J, I): squares of equal size in mm within each slice, in turn."""
    size, spacing = np.array(volume.grid.size_xyz), np.array(volume.grid.spacing_mm)
    side = (size * spacing)[:2].max() / SQUARES
    i, j = (np.floor(np.arange(size[axis]) * spacing[axis] / side).astype(int) for axis in (0, 1))
    return np.broadcast_to((i[None, :] + j[:, None]) % 2 == 1, volume.grid.shape_kji)


def _scaled(values_kji):
    """To 0..100 between the 1st and the 99th percentile, so that both volumes look alike in brightness."""
    low, high = np.percentile(values_kji, (1, 99))
    return np.clip((values_kji - low) / max(high - low, 1e-6), 0, 1) * 100
