"""What a person sees: where a slice view stands, what is drawn in it, what the panel says; and pictures of it all."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from Testing.Slicer.events import process

PICTURES_VARIABLE = "TELL2REG_PICTURES"
"""Environment variable: the folder that takes pictures of the screen, by ImageMagick; without it none are taken."""
FIXED, MOVING = "Red", "Yellow"
"""The views of the two volumes."""


@dataclass(frozen=True)
class Place:
    """Where a slice view stands.

    Args:
        offset_mm: of the slice along its normal.
        span_mm: what is seen of the slice, along its shorter side.
        pixel_mm: the size of a pixel of the screen.
        normal: of the slice, RAS.
    """

    offset_mm: float
    span_mm: float
    pixel_mm: float
    normal: tuple[float, float, float]

    def differences(self, other: Place) -> str:
        """What of another place is not as here, in words; empty when all is."""
        sentences = []
        if abs(self.offset_mm - other.offset_mm) > 0.5:
            sentences.append(f"the slice went from {self.offset_mm:.1f} to {other.offset_mm:.1f} mm")
        factors = (other.span_mm / self.span_mm, other.pixel_mm / self.pixel_mm)
        if not any(0.9 < factor < 1.11 for factor in factors):  # a view of another size can keep one of the two only
            sentences.append(f"what is seen went from {self.span_mm:.0f} to {other.span_mm:.0f} mm")
        if np.dot(self.normal, other.normal) < 0.999:
            sentences.append(f"the slice turned from {self.normal} to {other.normal}")
        return ", ".join(sentences)


def widgetOf(view: str) -> Any:
    """The slice widget of a view."""
    return slicer.app.layoutManager().sliceWidget(view)


def placeOf(view: str) -> Place:
    """Where a slice view stands now."""
    node = widgetOf(view).mrmlSliceNode()
    toRas = node.GetSliceToRAS()
    normal = tuple(round(toRas.GetElement(axis, 2), 6) + 0.0 for axis in range(3))
    across, pixels = node.GetFieldOfView(), node.GetDimensions()
    return Place(widgetOf(view).sliceLogic().GetSliceOffset(), min(across[:2]), across[0] / pixels[0], normal)


def shownViews() -> list[str]:
    """The slice views of the present layout."""
    names = slicer.app.layoutManager().sliceViewNames()
    nodes = slicer.app.layoutManager().layoutLogic().GetViewNodes()
    shown = {nodes.GetItemAsObject(index).GetLayoutName() for index in range(nodes.GetNumberOfItems())}
    return [name for name in names if name in shown]


def volumeIn(view: str, layer: str = "Background") -> Any:
    """The volume in the background or the foreground of a view; None when there is none."""
    composite = widgetOf(view).sliceLogic().GetSliceCompositeNode()
    name = getattr(composite, f"Get{layer}VolumeID")()
    return slicer.mrmlScene.GetNodeByID(name) if name else None


def isBlank(view: str) -> str:
    """Why nothing of a volume is seen in a view; empty when something is."""
    volume, logic = volumeIn(view), widgetOf(view).sliceLogic()
    if volume is None:
        return f"{view} shows no volume"
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    box = np.array(np.meshgrid(bounds[:2], bounds[2:4], bounds[4:])).reshape(3, -1)
    along = np.dot(placeOf(view).normal, box)
    offset = logic.GetSliceOffset()
    if not along.min() - 0.5 <= offset <= along.max() + 0.5:
        return (
            f"{view} stands at {offset:.1f} mm, '{volume.GetName()}' lies from {along.min():.1f} to {along.max():.1f}"
        )
    return "" if _brightness(view) > 2.0 else f"{view} is black"


def _brightness(view: str) -> float:
    """The brightest percent of a view's pixels, 0..255; bright on the stand-in, which renders nothing."""
    sliceView = widgetOf(view).sliceView()
    if not hasattr(sliceView, "renderWindow"):
        return 255.0
    sliceView.forceRender()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(sliceView.renderWindow())
    grab.ReadFrontBufferOff()
    grab.Update()
    pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
    return float(np.percentile(pixels.max(axis=1), 99))


def isDrawn(node: Any, view: str) -> bool:
    """Whether a segmentation or markups node is drawn in a view."""
    display = None if node is None else node.GetDisplayNode()
    if display is None or not display.GetVisibility():
        return False
    return bool(display.IsDisplayableInView(widgetOf(view).mrmlSliceNode().GetID()))


def segmentsDrawn(node: Any, view: str) -> set[str]:
    """The IDs of the segments that are drawn in a view."""
    if not isDrawn(node, view):
        return set()
    display, segmentation = node.GetDisplayNode(), node.GetSegmentation()
    every = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    return {name for name in every if display.GetSegmentVisibility(name)}


def pointsDrawn(view: str) -> dict[str, np.ndarray]:
    """The places, (N, 3) RAS mm, of the point lists that are drawn in a view, by name."""
    lists = [node for node in slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") if isDrawn(node, view)]
    return {node.GetName(): points(node) for node in lists}


def sees(widget: Any, text: str) -> bool:
    """Whether a sentence with these words stands in that part of the panel that is on the screen."""
    labels = widget.parent.findChildren("QLabel")
    return any(text in label.text and label.visible and not label.visibleRegion().isEmpty() for label in labels)


def rowsCutOff(table: Any) -> list[str]:
    """The rows of a table that cannot be scrolled wholly into sight, or lie under another widget."""
    cut = []
    for line in range(table.rowCount):
        item = table.item(line, 0)
        table.scrollToItem(item)
        process(1)
        rect = table.visualItemRect(item)
        corners = [table.viewport().mapToGlobal(point) for point in (rect.topLeft(), rect.bottomLeft())]
        hits = [qt.QApplication.widgetAt(qt.QPoint(corner.x() + 3, corner.y())) for corner in corners]
        if any(hit is None or not (hit == table.viewport() or table.isAncestorOf(hit)) for hit in hits):
            cut.append(f"row {line + 1} of {table.objectName}")
    return cut


def points(node: Any) -> np.ndarray:
    """World positions of a markups node's points, (N, 3) RAS."""
    return np.array(slicer.util.arrayFromMarkupsControlPoints(node, world=True))


def tableTexts(table: Any) -> list[list[str]]:
    """The texts of a table's rows."""
    return [[table.item(line, column).text() for column in range(table.columnCount)] for line in range(table.rowCount)]


def colors(table: Any, column: int) -> list[str]:
    """The background colours of a column."""
    return [table.item(line, column).background().color().name() for line in range(table.rowCount)]


def choosable(kind: str) -> list[Any]:
    """The nodes of a class that selectors offer."""
    return [node for node in slicer.util.getNodesByClass(kind) if not node.GetHideFromEditors()]


def pictures() -> Callable[[str], None]:
    """Takes a picture of the screen by its name, into the folder of the environment variable; nothing without one."""
    folder = os.environ.get(PICTURES_VARIABLE)
    if not folder:
        return lambda name: None
    Path(folder).mkdir(parents=True, exist_ok=True)

    def take(name: str) -> None:
        process(10)
        slicer.util.forceRenderAllViews()
        process(10)
        subprocess.run(["import", "-window", "root", str(Path(folder) / f"{name}.png")], check=True, timeout=60)

    return take
