"""Observes the transforms above the chosen volumes: a panel must notice when a volume is moved or hardened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import slicer


class VolumeWatch:
    """Calls a function when a chosen volume is put under another transform, or that transform changes.

    Args:
        observer: something with addObserver and removeObserver of slicer.util.VTKObservationMixin.
        moved: what to call, with the caller and the event.
    """

    def __init__(self, observer: Any, moved: Callable[..., None]) -> None:
        self._observer, self._moved = observer, moved
        self.nodes: tuple[Any, ...] = ()

    def follow(self, nodes: Sequence[Any]) -> None:
        """Observe exactly these nodes; None is ignored."""
        watchedNodes = tuple(dict.fromkeys(node for node in nodes if node is not None))
        if watchedNodes == self.nodes:
            return
        event = slicer.vtkMRMLTransformableNode.TransformModifiedEvent
        for node in self.nodes:
            if node not in watchedNodes:
                self._observer.removeObserver(node, event, self._moved)
        for node in watchedNodes:
            if node not in self.nodes:
                self._observer.addObserver(node, event, self._moved)
        self.nodes = watchedNodes
