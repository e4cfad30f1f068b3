"""Draws Tell2Reg's regions: accepted pairs in their colours, the others as thin grey outlines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import slicer

from Tell2RegLib.slicer_module.scene.pair_decisions import Rows
from Tell2RegLib.slicer_module.scene.segmentations import FILL
from Tell2RegLib.slicer_module.scene.view_ids import setViewIDs

GREY = (0.65, 0.65, 0.65)
"""Colour of regions that the fit does not use."""
UNUSED_OUTLINE, UNUSED_SURFACE = 0.5, 0.25
"""Opacity of the outline and of the surface of such regions."""
SELECTED_FILL = 2 * FILL
"""Opacity of the fill of the selected pair; that of the other ones is FILL."""


def drawIn(node: Any, viewIDs: Sequence[str] | None) -> None:
    """Draw a segmentation in these views.

    Args:
        node: vtkMRMLSegmentationNode, or None.
        viewIDs: node IDs of the views; empty for all views, None for none.
    """
    display = None if node is None else node.GetDisplayNode()
    if display is None:
        return
    with slicer.util.NodeModify(display):
        display.SetVisibility(viewIDs is not None)
        confine(node, viewIDs or ())


def confine(node: Any, viewIDs: Sequence[str]) -> None:
    """Let a segmentation be seen in these views only, with none given in all; hidden ones stay hidden."""
    display = node.GetDisplayNode()
    if display is not None:
        setViewIDs(display, viewIDs)


def paint(node: Any, rows: Rows, side: str, selected: Collection[int] = ()) -> None:
    """Draw every segment as its pair was decided.

    Args:
        node: the segmentation of one side, or None.
        side: "fixed" or "moving".
        selected: numbers of the selected pairs.
    """
    display = None if node is None else node.GetDisplayNode()
    if display is None:
        return
    paired = {getattr(row, side): row for row in rows}
    with slicer.util.NodeModify(display):
        display.SetOpacity2DFill(SELECTED_FILL)
        for segment in segmentIDs(node):
            row = paired.get(segment)
            used = row is not None and row.accepted
            emphasized = row is not None and row.number in selected
            _paintSegment(display, segment, used, emphasized)


def _paintSegment(display: Any, segment: str, used: bool, emphasized: bool) -> None:
    display.SetSegmentVisibility2DFill(segment, used)
    display.SetSegmentOpacity2DFill(segment, 1.0 if emphasized else FILL / SELECTED_FILL)
    display.SetSegmentOpacity2DOutline(segment, 1.0 if used or emphasized else UNUSED_OUTLINE)
    display.SetSegmentOpacity3D(segment, 1.0 if used else UNUSED_SURFACE)
    if used:
        display.UnsetSegmentOverrideColor(segment)
    else:
        display.SetSegmentOverrideColor(segment, *GREY)


def reveal(node: Any, segments: Collection[str] | None = None) -> None:
    """Show segments that are hidden: Slicer hides some when a second scene is opened.

    Args:
        node: vtkMRMLSegmentationNode, or None.
        segments: their IDs; None for all.
    """
    display = None if node is None else node.GetDisplayNode()
    if display is None:
        return
    with slicer.util.NodeModify(display):
        for segment in segmentIDs(node):
            if segments is None or segment in segments:
                display.SetSegmentVisibility(segment, True)
                display.SetSegmentVisibility2DOutline(segment, True)
                display.SetSegmentVisibility3D(segment, True)


def segmentIDs(node: Any) -> tuple[str, ...]:
    """The IDs of the segments of a vtkMRMLSegmentationNode."""
    segmentation = node.GetSegmentation()
    return tuple(segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments()))
