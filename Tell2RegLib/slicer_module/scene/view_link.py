"""Two slice views that show corresponding positions of two patients.

Slicer links slice views by their absolute coordinates, which shows nothing of a patient who lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import qt
import vtk

from Tell2RegLib.slicer_module.scene.slice_view import SliceView
from Tell2RegLib.space.grid import Floats


@dataclass(frozen=True, eq=False)
class LinkedViews:
    """Two views and what connects them.

    Args:
        first, second: the views.
        first_to_second: rigid, 4 x 4 LPS, of the world that the first shows to that of the second.
        first_corners, second_corners: of the volume in each, (8, 3) LPS mm.
    """

    first: SliceView
    second: SliceView
    first_to_second: Floats
    first_corners: Floats
    second_corners: Floats


class ViewLink:
    """Lets either of two views follow the other: plane, pan and zoom.

    Args:
        active: whether the views are to follow now.
    """

    def __init__(self, active: Callable[[], bool]) -> None:
        self._active = active
        self._views: LinkedViews | None = None
        self._tags: list[tuple] = []
        self._following = False
        self._comeBack = qt.QTimer()
        self._comeBack.setSingleShot(True)
        self._comeBack.connect("timeout()", self._bringBack)

    def start(self, views: LinkedViews) -> None:
        """Link two views; the second one follows the first at once."""
        self.stop()
        self._views = views
        for node, slot in ((views.first.node, self._firstMoved), (views.second.node, self._secondMoved)):
            self._tags.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, slot)))
        self.align()

    def stop(self) -> None:
        """Unlink the views."""
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags, self._views = [], None
        self._comeBack.stop()

    def change(self, first_to_second: Floats) -> None:
        """Another correspondence; the views follow when they are next moved or aligned."""
        if self._views is not None:
            self._views = replace(self._views, first_to_second=first_to_second)

    def align(self) -> None:
        """The second view follows the first."""
        if self._views is not None:
            self._follow(secondFollows=True)

    def _firstMoved(self, _caller: Any = None, _event: Any = None) -> None:
        self._moved(first=True)

    def _secondMoved(self, _caller: Any = None, _event: Any = None) -> None:
        self._moved(first=False)

    def _moved(self, first: bool) -> None:
        views = self._views
        if views is None or self._following or not self._active():
            return
        if views.first.layers.linked or views.second.layers.linked:  # a person has pressed Slicer's own link
            return
        inFirst, inSecond = views.first.shows(views.first_corners), views.second.shows(views.second_corners)
        if (inSecond and not inFirst) if first else (inFirst and not inSecond):
            self._comeBack.start(0)  # not now: a slice node cannot be moved while it says that it was moved
        else:
            self._follow(secondFollows=first)

    def _bringBack(self) -> None:
        """A view that was sent to where it shows nothing comes back instead of taking the other one along."""
        views = self._views
        if views is None or not self._active():
            return
        inFirst, inSecond = views.first.shows(views.first_corners), views.second.shows(views.second_corners)
        if inFirst != inSecond:
            self._follow(secondFollows=inFirst)

    def _follow(self, secondFollows: bool) -> None:
        views = self._views
        if views is None:
            return
        self._following = True
        try:
            if secondFollows:
                views.second.go(views.first.position.through(views.first_to_second))
            else:
                second_to_first = np.linalg.inv(views.first_to_second).astype(float)
                views.first.go(views.second.position.through(second_to_first))
        finally:
            self._following = False
