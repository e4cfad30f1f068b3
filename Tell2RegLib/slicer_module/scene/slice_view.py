"""One slice view: the volumes in it, and the position that it shows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from Tell2RegLib.slicer_module.scene.coordinates import frame_from_matrix, from_scene, matrix_from_frame, to_scene
from Tell2RegLib.space.grid import Floats, apply_affine


@dataclass(frozen=True, eq=False)
class Position:
    """The position and orientation of a slice view.

    Args:
        slice_to_lps: 4 x 4, the plane.
        pan_mm: of the centre of the view within the plane.
        height_mm: of the view. Slicer keeps the height and adapts the width when a view is resized.
    """

    slice_to_lps: Floats
    pan_mm: tuple[float, float]
    height_mm: float

    def through(self, matrix_lps: Floats) -> Position:
        """The same view after a rigid map of the world, 4 x 4 LPS."""
        return Position(matrix_lps @ self.slice_to_lps, self.pan_mm, self.height_mm)

    def same(self, other: Position) -> bool:
        """Whether both positions are the same."""
        return (
            np.allclose(self.slice_to_lps, other.slice_to_lps)
            and np.allclose(self.pan_mm, other.pan_mm)
            and bool(np.isclose(self.height_mm, other.height_mm))
        )

    @property
    def centre_lps_mm(self) -> Floats:
        """The centre of the view, (3,)."""
        return apply_affine(self.slice_to_lps, np.array([*self.pan_mm, 0.0]))


@dataclass(frozen=True, eq=False)
class Layers:
    """The volumes of a slice view, by their IDs, and how Slicer blends and links them."""

    background: str
    foreground: str
    opacity: float
    linked: int
    hotLinked: int
    clipped: bool

    @property
    def volumes(self) -> tuple[str, ...]:
        """The IDs of the volumes."""
        return tuple(name for name in (self.background, self.foreground) if name)


class SliceView:
    """A slice view of the application.

    Args:
        widget: qMRMLSliceWidget.
    """

    def __init__(self, widget: Any) -> None:
        self._widget = widget

    @property
    def node(self) -> Any:
        """vtkMRMLSliceNode."""
        return self._widget.mrmlSliceNode()

    @property
    def composite(self) -> Any:
        """vtkMRMLSliceCompositeNode."""
        return self._widget.sliceLogic().GetSliceCompositeNode()

    # --- position ---

    @property
    def position(self) -> Position:
        """The position of the view."""
        node = self.node
        pan = node.GetXYZOrigin()
        return Position(frame_from_matrix(node.GetSliceToRAS()), (pan[0], pan[1]), node.GetFieldOfView()[1])

    def go(self, position: Position) -> None:
        """Move the view to a position."""
        node = self.node
        modified = node.StartModify()
        node.GetSliceToRAS().DeepCopy(matrix_from_frame(position.slice_to_lps))
        node.SetSliceOrigin(*position.pan_mm, 0.0)
        columns, rows, _ = node.GetDimensions()
        width, _, depth = node.GetFieldOfView()
        if columns and rows:
            width = position.height_mm * columns / rows
        node.SetFieldOfView(width, position.height_mm, depth)
        node.UpdateMatrices()
        node.EndModify(modified)

    def center(self, point_lps_mm: Floats) -> None:
        """Bring a point, (3,), to the centre of the view; zoom and orientation stay."""
        self.node.JumpSliceByCentering(*to_scene(point_lps_mm).tolist())

    def fit(self, volume: Any) -> None:
        """Show a whole volume, in its middle; the orientation stays."""
        columns, rows, _ = self.node.GetDimensions()
        self._widget.sliceLogic().FitSliceToVolume(volume, int(columns), int(rows))

    def shows(self, corners_lps_mm: Floats) -> bool:
        """Whether something of a box lies in the part of the plane that the view shows.

        Args:
            corners_lps_mm: of the box, (8, 3).
        """
        position = self.position
        corners = apply_affine(np.linalg.inv(position.slice_to_lps), corners_lps_mm)
        middle = np.array([*position.pan_mm, 0.0])
        width, height, _ = self.node.GetFieldOfView()
        half = np.array([width / 2, height / 2, 0.0])
        return bool(np.all(corners.min(axis=0) <= middle + half) and np.all(corners.max(axis=0) >= middle - half))

    # --- volumes ---

    @property
    def layers(self) -> Layers:
        """The volumes in the view."""
        node = self.composite
        return Layers(
            node.GetBackgroundVolumeID() or "",
            node.GetForegroundVolumeID() or "",
            node.GetForegroundOpacity(),
            node.GetLinkedControl(),
            node.GetHotLinkedControl(),
            bool(node.GetClipToBackgroundVolume()),
        )

    def showLayers(self, layers: Layers) -> None:
        """Show these volumes, as far as they are in the scene."""
        node, scene = self.composite, self.composite.GetScene()
        for name, setVolume in (
            (layers.background, node.SetBackgroundVolumeID),
            (layers.foreground, node.SetForegroundVolumeID),
        ):
            setVolume(name if name and scene.GetNodeByID(name) is not None else None)
        node.SetForegroundOpacity(layers.opacity)
        self.linkAs(layers)

    def linkAs(self, layers: Layers) -> None:
        """Let Slicer link and clip the view as these layers say."""
        node = self.composite
        node.SetLinkedControl(layers.linked)
        node.SetHotLinkedControl(layers.hotLinked)
        node.SetClipToBackgroundVolume(layers.clipped)

    def fill(self, background: Any, foreground: Any = None, opacity: float = 0.0) -> None:
        """Show one volume, or a second one over it, in the whole view, not linked by Slicer to another view."""
        below, above = ("" if volume is None else volume.GetID() for volume in (background, foreground))
        self.showLayers(Layers(below, above, opacity, 0, 0, False))

    @property
    def empty(self) -> bool:
        """Whether the view shows no volume of the scene."""
        scene = self.composite.GetScene()
        return not any(scene.GetNodeByID(name) for name in self.layers.volumes)


def corners_of(volume: Any) -> Floats:
    """The corners of a volume node's box along the world's axes, transforms included, (8, 3) LPS mm."""
    bounds = np.zeros(6)
    volume.GetRASBounds(bounds)
    return from_scene(list(itertools.product(*bounds.reshape(3, 2))))
