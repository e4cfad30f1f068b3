"""The slice views: fixed and moving side by side or overlaid; the user's previous views are restored afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import qt
import slicer

from Tell2RegLib.slicer_module.scene import region_display
from Tell2RegLib.slicer_module.scene.slice_view import Layers, Position, SliceView, corners_of
from Tell2RegLib.slicer_module.scene.view_link import LinkedViews, ViewLink
from Tell2RegLib.space.grid import Floats, apply_affine

FIXED_VIEW, MOVING_VIEW = "Red", "Yellow"
LAYOUT_DELAY_MS = 250
"""Views of another layout get their sizes a moment later; a volume is fitted into them once more then."""
ORIENTATIONS = ("Axial", "Sagittal", "Coronal")


@dataclass(frozen=True, eq=False)
class _SavedViews:
    """The views as they were before the module changed them.

    Args:
        layout: its number.
        shown: names of the slice views in that layout.
        layers, positions: by the names of the views.
    """

    layout: int
    shown: tuple[str, ...]
    layers: dict[str, Layers]
    positions: dict[str, Position]


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Which position of the moving view belongs to one of the fixed view.

    Args:
        fixed_to_moving: rigid, 4 x 4 LPS.
        registered: whether the moving volume is shown in fixed space, where both positions are the same.
    """

    fixed_to_moving: Floats
    registered: bool = False
    moving: str = ""
    """ID of the moving volume."""

    def same(self, other: Correspondence) -> bool:
        """Whether both correspondences are the same."""
        return self.moving == other.moving and np.allclose(self.fixed_to_moving, other.fixed_to_moving)


class Views:
    """The slice views of the application.

    Args:
        layoutManager: slicer.app.layoutManager(); None where there are no views, as in scripts.
    """

    def __init__(self, layoutManager: Any) -> None:
        self._manager = layoutManager
        self._person: _SavedViews | None = None
        self._fixed = ""
        """ID of the fixed volume that the views were brought to last."""
        self._left: Position | None = None
        """Where the fixed view looked when a person's own views came back."""
        self._link = ViewLink(self._sideBySideIsShown)
        self._registered = False
        self._unregistered = Correspondence(np.eye(4))
        self._anchored: Floats | None = None
        """Its map through the two positions that were jumped to last."""

    # --- a person's own views ---

    def leave(self) -> bool:
        """Bring a person's own views back if each of them showed a volume; else the present images stay.

        Returns:
            Whether the person's own views are back.
        """
        if self._manager is None or self._person is None:
            return False
        person = self._person
        scene = slicer.mrmlScene
        if all(any(scene.GetNodeByID(name) for name in person.layers[view].volumes) for view in person.shown):
            self.restore()
            return True
        self._link.stop()
        self._person = None
        for name, layers in person.layers.items():
            self._view(name).linkAs(layers)
        return False

    def restore(self) -> None:
        """Restore the user's previous views."""
        self._link.stop()
        if self._manager is None or self._person is None:
            return
        person, self._person = self._person, None
        self._left = self._view(FIXED_VIEW).position
        self._manager.setLayout(person.layout)
        for name, layers in person.layers.items():
            self._view(name).showLayers(layers)
            self._view(name).go(person.positions[name])

    def forget(self) -> None:
        """Forget the stored views, when the scene changes: its volumes may have the same IDs."""
        self._fixed, self._left, self._anchored = "", None, None

    def _keep(self) -> None:
        """Store the user's views once, before they are changed."""
        if self._person is not None:
            return
        names = self.sliceNames
        self._person = _SavedViews(
            self._manager.layout,
            self._namesInLayout(),
            {name: self._view(name).layers for name in names},
            {name: self._view(name).position for name in names},
        )

    # --- what is shown ---

    def sideBySide(self, fixed: Any, moving: Any, correspondence: Correspondence) -> None:
        """Two views, fixed on the left, moving on the right, that follow each other."""
        if self._manager is None:
            return
        self._show(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView, fixed, fixed)
        self._view(MOVING_VIEW).fill(moving)
        self._registered = correspondence.registered
        if not self._registered and not correspondence.same(self._unregistered):
            self._unregistered, self._anchored = correspondence, None
        first, second = self._view(FIXED_VIEW), self._view(MOVING_VIEW)
        matrix = correspondence.fixed_to_moving if self._registered else self._map
        self._link.start(LinkedViews(first, second, matrix, corners_of(fixed), corners_of(moving)))

    def overlay(self, fixed: Any, background: Any, foreground: Any, opacity: float) -> None:
        """One view of fixed space, a volume over another.

        Args:
            fixed: the fixed volume, which says where the view looks.
        """
        if self._manager is None:
            return
        self._show(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView, fixed, background, foreground, opacity)

    def inSpace(self, fixed: Any) -> None:
        """The fixed volume in three planes through the middle of the view, and the 3D view turned to what it shows."""
        if self._manager is None:
            return
        self._show(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView, fixed, fixed)
        planes = [name for name in ORIENTATIONS if name != self._view(FIXED_VIEW).node.GetOrientation()]
        for name, orientation in zip((MOVING_VIEW, "Green"), planes, strict=False):
            if name not in self.sliceNames:
                continue
            self._view(name).fill(fixed)
            self._aside(name, orientation)
        self._manager.threeDWidget(0).threeDView().resetFocalPoint()

    def fade(self, opacity: float) -> None:
        """How much of the moving volume the one view shows."""
        if self._manager is not None:
            self._view(FIXED_VIEW).composite.SetForegroundOpacity(opacity)

    def flick(self) -> None:
        """Fixed instead of moving, or moving instead of fixed."""
        if self._manager is not None:
            self.fade(0.0 if self._view(FIXED_VIEW).layers.opacity > 0.5 else 1.0)

    def jump(self, fixedLps: Floats | None, movingLps: Floats | None) -> None:
        """Show a position of the fixed volume in its view, and the one of the moving volume that belongs to it.

        Unregistered volumes are linked by the two positions from then on.
        """
        if self._manager is None:
            return
        linked = self._sideBySideIsShown() and not self._registered
        if fixedLps is None and movingLps is not None:
            fixedLps = apply_affine(np.linalg.inv(self._map), movingLps) if linked else movingLps
        if fixedLps is None:
            return
        if linked and movingLps is not None:
            self._anchored = self._map.copy()
            self._anchored[:3, 3] += np.asarray(movingLps) - apply_affine(self._map, fixedLps)
            self._link.change(self._anchored)
        self._view(FIXED_VIEW).center(fixedLps)
        if self._sideBySideIsShown():
            self._link.align()
            return
        for name in self._namesInLayout():
            self._view(name).center(fixedLps)

    def jumpEverywhere(self, placeLps: Floats | None) -> None:
        """Show a position in every slice view."""
        if placeLps is not None:
            for name in self.sliceNames:
                self._view(name).center(placeLps)

    # --- where regions are drawn ---

    def showOnly(self, node: Any, name: str) -> None:
        """Draw a segmentation in one view, or with an empty name in all of them."""
        if node is not None and self._manager is not None:
            region_display.confine(node, self.idsOf([name] if name else ()))

    def idsOf(self, names: Iterable[str]) -> tuple[str, ...]:
        """The node IDs of these slice views."""
        known = () if self._manager is None else self._manager.sliceViewNames()
        return tuple(self._view(name).node.GetID() for name in names if name in known)

    @property
    def sliceNames(self) -> tuple[str, ...]:
        """The names of all slice views."""
        return () if self._manager is None else tuple(self._manager.sliceViewNames())

    @property
    def spaceIds(self) -> tuple[str, ...]:
        """The node IDs of the 3D views."""
        count = 0 if self._manager is None else self._manager.threeDViewCount
        return tuple(self._manager.threeDWidget(number).mrmlViewNode().GetID() for number in range(count))

    def namesWith(self, volume: Any) -> tuple[str, ...]:
        """The names of the slice views that show a volume."""
        if volume is None:
            return ()
        return tuple(name for name in self.sliceNames if volume.GetID() in self._view(name).layers.volumes)

    # --- parts ---

    def _show(self, layout: int, fixed: Any, background: Any, foreground: Any = None, opacity: float = 0.0) -> None:
        """Fill the fixed view in a layout; it looks where it looked, unless it shows nothing of the fixed volume."""
        self._link.stop()
        self._keep()
        view = self._view(FIXED_VIEW)
        known = fixed.GetID() in (self._fixed, *view.layers.volumes)
        if self._manager.layout != layout:
            self._manager.setLayout(layout)
        view.fill(background, foreground, opacity)
        if self._left is not None and self._fixed == fixed.GetID():
            view.go(self._left)
        if fixed.GetID() != self._fixed:
            self._fixed, self._anchored = fixed.GetID(), None
        self._left = None
        if not known or not view.shows(corners_of(fixed)):
            self._fit(fixed)
        for name in self.sliceNames:
            if self._view(name).empty:  # another layout would show black views
                self._view(name).fill(fixed)
                self._aside(name)

    def _fit(self, fixed: Any) -> None:
        view = self._view(FIXED_VIEW)
        view.fit(fixed)
        fitted = view.position

        def again() -> None:
            if self._fixed == fixed.GetID() and view.position.same(fitted):  # nobody has scrolled or zoomed since
                view.fit(fixed)

        qt.QTimer.singleShot(LAYOUT_DELAY_MS, again)

    def _aside(self, name: str, orientation: str = "") -> None:
        """Let a view look at the middle of the fixed view, in another plane."""
        view, position = self._view(name), self._view(FIXED_VIEW).position
        if orientation:
            view.node.SetOrientation(orientation)
        view.center(position.centre_lps_mm)
        view.go(replace(view.position, height_mm=position.height_mm))

    @property
    def _map(self) -> Floats:
        return self._unregistered.fixed_to_moving if self._anchored is None else self._anchored

    def _sideBySideIsShown(self) -> bool:
        return bool(self._manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)

    def _namesInLayout(self) -> tuple[str, ...]:
        nodes = self._manager.layoutLogic().GetViewNodes()
        names = {nodes.GetItemAsObject(index).GetLayoutName() for index in range(nodes.GetNumberOfItems())}
        return tuple(name for name in self.sliceNames if name in names)

    def _view(self, name: str) -> SliceView:
        return SliceView(self._manager.sliceWidget(name))
