"""Displays the user's segmentations in the views of their volumes, and hides them where the pairs are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import slicer

from Tell2RegLib.slicer_module.logic.input_checks import whyForeign
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode, byWords
from Tell2RegLib.slicer_module.scene.slice_views import FIXED_VIEW, MOVING_VIEW, Views
from Tell2RegLib.slicer_module.scene.view_ids import setViewIDs, viewIDsOf


@dataclass(frozen=True)
class _Display:
    """How a segmentation was shown before."""

    visible: int
    views: tuple[str, ...]


class SourceDisplay:
    """Changes the display of the chosen segmentations for as long as the panel's views are shown.

    Args:
        views: the panel's.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._before: dict[str, _Display] = {}

    def show(self, parameters: Tell2RegParameterNode) -> None:
        """Follow the choice; segmentations no longer chosen get their previous display back."""
        chosen = _chosen(parameters)
        for name in [name for name in self._before if name not in {node.GetID() for node, _, _ in chosen}]:
            self._restore(name)
        for node, view, isDrawn in chosen:
            self._remember(node)
            visible = self._before[node.GetID()].visible and not isDrawn
            if node.GetDisplayNode().GetVisibility() != visible:
                node.GetDisplayNode().SetVisibility(visible)
            self._views.showOnly(node, view if parameters.view == "side" else "")

    def release(self) -> None:
        """Restore their previous display."""
        for name in list(self._before):
            self._restore(name)

    def _remember(self, node: Any) -> None:
        display = node.GetDisplayNode()
        self._before.setdefault(node.GetID(), _Display(display.GetVisibility(), viewIDsOf(display)))

    def _restore(self, name: str) -> None:
        before, node = self._before.pop(name), slicer.mrmlScene.GetNodeByID(name)
        display = None if node is None else node.GetDisplayNode()
        if display is None:
            return
        display.SetVisibility(before.visible)
        setViewIDs(display, before.views)


def _chosen(parameters: Tell2RegParameterNode) -> list[tuple]:
    """The chosen segmentations with their view, and whether Tell2Reg draws the segments of that side itself."""
    if byWords(parameters):
        return []
    foreign = bool(whyForeign(parameters))
    sides = (
        (parameters.fixedSegmentation, FIXED_VIEW, parameters.fixedRegions),
        (parameters.movingSegmentation, MOVING_VIEW, parameters.movingRegions),
    )
    return [
        (node, view, regions is not None and not foreign)
        for node, view, regions in sides
        if node is not None and node.GetDisplayNode() is not None
    ]
