"""In which views a display node is seen: the IDs of those views; no ID means all views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer


def viewIDsOf(display: Any) -> tuple[str, ...]:
    """The IDs of the views that a display node is confined to; empty for all views."""
    return tuple(display.GetViewNodeIDs() or ())


def setViewIDs(display: Any, viewIDs: Sequence[str]) -> None:
    """Confine a display node to these views, or show it in all when empty; one event, and only on a change."""
    if viewIDsOf(display) == tuple(viewIDs):
        return
    with slicer.util.NodeModify(display):
        display.RemoveAllViewNodeIDs()
        for name in viewIDs:
            display.AddViewNodeID(name)
