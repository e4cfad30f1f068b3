"""What a person sees in the slice views, and the gestures that change it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

SIDE, ONE, FOUR = 29, 6, 3
"""Numbers of layouts: side by side, the red view alone, three slices and the 3D view."""
AWAY_MM = (0.0, 300.0, 300.0)
"""RAS, from one patient to another who lies elsewhere."""


@dataclass(frozen=True)
class Seen:
    """What a view shows, compared with what it showed before."""

    plane: np.ndarray
    centre: np.ndarray
    height: float

    def like(self, other: Seen) -> bool:
        return (
            np.allclose(self.plane, other.plane, atol=1e-3)
            and np.allclose(self.centre, other.centre, atol=1e-3)
            and abs(self.height - other.height) < 1e-3
        )


class Eyes:
    """The views of the clinic."""

    def __init__(self, clinic) -> None:
        self.clinic, self.manager = clinic, clinic.standin.app.layoutManager()

    def widget(self, name: str):
        return self.manager.sliceWidget(name)

    def node(self, name: str):
        return self.widget(name).mrmlSliceNode()

    def seen(self, name: str) -> Seen:
        """Directions of the view's axes, RAS of its middle, its height in mm."""
        node = self.node(name)
        matrix = np.array([[node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(3)])
        columns, rows, _ = node.GetDimensions()
        axes = np.array([[node.GetSliceToRAS().GetElement(row, column) for column in range(3)] for row in range(3)])
        return Seen(axes, matrix @ (columns / 2, rows / 2, 0, 1), node.GetFieldOfView()[1])

    def picture(self, name: str) -> np.ndarray:
        """The pixels of a view, as Slicer's own pipeline makes them, (rows, columns) of brightness."""
        from vtk.util.numpy_support import vtk_to_numpy

        connection = self.widget(name).sliceLogic().GetImageDataConnection()
        if connection is None:
            return np.zeros((1, 1))
        connection.GetProducer().Update()
        image = connection.GetProducer().GetOutputDataObject(0)
        pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*image.GetDimensions()[1::-1], -1)
        return pixels[..., :3].max(axis=-1).astype(float)

    def black(self, name: str) -> bool:
        return not self.picture(name).any()

    def layers(self, name: str) -> tuple[str, ...]:
        composite = self.widget(name).mrmlSliceCompositeNode()
        ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID())
        return tuple(self.clinic.standin.scene.GetNodeByID(item).GetName() for item in ids if item)

    def drawn(self, side: str, name: str) -> bool:
        """Whether the regions of a side are drawn in a view."""
        node = getattr(self.clinic.parameters, f"{side}Regions")
        display = node.GetDisplayNode()
        return bool(display.GetVisibility()) and display.IsDisplayableInView(self.node(name).GetID())

    # --- gestures ---

    def settle(self) -> None:
        """Views of another layout get their sizes."""
        self.clinic.standin.process_events()

    def wheel(self, name: str, turns: int, zoom: bool = False) -> None:
        """Turn the wheel over a view, with Ctrl pressed to zoom."""
        from Testing.standin.pythonqt import QtCore, QtGui

        pressed = QtCore.Qt.ControlModifier if zoom else QtCore.Qt.NoModifier
        position, none = QtCore.QPointF(100, 100), QtCore.QPoint()
        for _ in range(abs(turns)):
            angle = QtCore.QPoint(0, 120 if turns > 0 else -120)
            phase = QtCore.Qt.NoScrollPhase
            self._send(
                name, QtGui.QWheelEvent(position, position, none, angle, QtCore.Qt.NoButton, pressed, phase, False)
            )

    def pan(self, name: str, right: int, down: int) -> None:
        """Drag the picture with the middle button, by pixels."""
        from Testing.standin.pythonqt import QtCore, QtGui

        middle, none, start = QtCore.Qt.MiddleButton, QtCore.Qt.NoModifier, QtCore.QPointF(100, 100)
        end = start + QtCore.QPointF(right, down)
        for kind, position in ((QtCore.QEvent.MouseButtonPress, start), (QtCore.QEvent.MouseMove, end)):
            self._send(name, QtGui.QMouseEvent(kind, position, position, middle, middle, none))

    def turn(self, name: str, orientation: str) -> None:
        """Choose in the menu of orientations."""
        self.widget(name).sliceController().setSliceOrientation(orientation)

    def _send(self, name: str, event) -> None:
        self.clinic.standin.app.sendEvent(self.widget(name).sliceView(), event)


def put_away(clinic, offset_ras_mm=AWAY_MM) -> None:
    """Let the moving patient lie elsewhere."""
    from Testing.Python.scene import put_under

    matrix = np.eye(4)
    matrix[:3, 3] = np.array(offset_ras_mm) * (-1, -1, 1)
    put_under(clinic.parameters.movingVolume, matrix)


def look_around(eyes: Eyes, name: str = "Red", orientation: str = "Coronal") -> None:
    """Another plane, another slice, zoomed and moved aside."""
    eyes.turn(name, orientation)
    eyes.wheel(name, 2)
    eyes.wheel(name, 2, zoom=True)
    eyes.pan(name, 20, -12)


WAYS = ("side", "fade", "checkerboard", "flicker", "jacobian", "show3D")
SEEN_IN = {
    "side": (SIDE, {"Red": ("MR",), "Yellow": ("US",)}, {"fixed": ("Red",), "moving": ("Yellow",)}),
    "fade": (ONE, {"Red": ("MR", "US")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "checkerboard": (ONE, {"Red": ("US", "MR (checkerboard)")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "flicker": (ONE, {"Red": ("MR", "US")}, {"fixed": ("Red",), "moving": ("Red",)}),
    "jacobian": (ONE, {"Red": ("MR", "US to MR (volume change)")}, {"fixed": ("Red",), "moving": ()}),
    "show3D": (
        FOUR,
        {"Red": ("MR",), "Yellow": ("MR",), "Green": ("MR",)},
        {"fixed": ("Red", "Yellow", "Green"), "moving": ()},
    ),
}
"""By the names of the buttons: the layout, the volumes in its views, and the views with regions of each side."""


def every_pair(names: tuple[str, ...]) -> list[str]:
    """A walk in which every two different names follow each other, either way round."""
    left = {(a, b) for a, b in itertools.permutations(names, 2)}
    walk = [names[0]]
    while left:
        step = next((b for b in names if (walk[-1], b) in left), next(iter(left))[0])
        left.discard((walk[-1], step))
        walk.append(step)
    return walk


def middle(node) -> np.ndarray:
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1)


def segments_of_pair(clinic, row):
    return ((clinic.parameters.fixedRegions, row.fixed), (clinic.parameters.movingRegions, row.moving))


def enter(clinic, name: str) -> None:
    import slicer

    slicer.util.selectModule(name)
    clinic.standin.process_events()
