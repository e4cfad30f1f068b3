"""Colours of propagated copies that distinguish them from the originals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slicer import vtkMRMLMarkupsNode, vtkMRMLModelNode, vtkMRMLSegmentationNode

CARRIED_COLOR, CARRIED_COLOR_INSTEAD = (0.1, 0.8, 1.0), (1.0, 0.75, 0.1)
"""Of carried markups and models; the second one where the original is much like the first."""
TOO_SIMILAR = 0.5
"""Distance of two RGB colours (0..1) below which they are considered similar."""


def recolor(copy: Any) -> None:
    """Give a propagated copy a colour different from that of its original."""
    if isinstance(copy, vtkMRMLSegmentationNode):
        segmentation = copy.GetSegmentation()
        for index in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(index)
            segment.SetColor(*paler(segment.GetColor()))
        return
    display = copy.GetDisplayNode()
    if display is None or not isinstance(copy, (vtkMRMLMarkupsNode, vtkMRMLModelNode)):
        return
    display.SetSelectedColor(*copyColor(display.GetSelectedColor()))
    display.SetColor(*copyColor(display.GetColor()))


def copyColor(original: Sequence[float]) -> tuple[float, float, float]:
    """The colour of a propagated copy, depending on that of its original."""
    return CARRIED_COLOR_INSTEAD if _distance(original, CARRIED_COLOR) < TOO_SIMILAR else CARRIED_COLOR


def paler(original: Sequence[float]) -> tuple[float, ...]:
    """Half way to white, or to black where that is too similar: segments keep their hue."""
    pale = tuple((part + 1.0) / 2 for part in original)
    return pale if _distance(original, pale) >= TOO_SIMILAR / 2 else tuple(part / 2 for part in original)


def _distance(first: Sequence[float], second: Sequence[float]) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)
