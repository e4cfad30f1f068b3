"""Detects that the scene is about to be saved, so that temporary display changes can be undone before.

Slicer has no event before it writes a scene. But first it gives every storage node a new file name, and a person who
saves has the dialog open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
import vtk

DIALOG = "qSlicerSaveDataDialog"
"""How the class of the dialog begins; Slicer shows its private class."""


class SaveWatch:
    """Calls `before` when the scene is about to be written, and `after` when that is over.

    Args:
        before: adds and removes no node.
        after: called from the event loop.
    """

    def __init__(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._before = before
        self._observed: list[tuple] = []
        self._storages: list[str] = []
        self.asking = False
        """Whether the dialog is open."""
        self._focusSlot = self._focusChanged  # one object, so that it can be disconnected
        self._over = qt.QTimer()
        self._over.setSingleShot(True)
        self._over.connect("timeout()", after)

    def watch(self, nodes: Sequence) -> None:
        """Listen to the scene and to what these nodes are stored by."""
        storages = [node.GetStorageNode() for node in nodes if node.GetStorageNode() is not None]
        names = [storage.GetID() for storage in storages]
        if self._observed and names == self._storages:
            return
        self.stop()
        scene, self._storages = slicer.mrmlScene, names
        self._observe(scene, scene.NodeAddedEvent, self._added)
        for storage in storages:
            self._observe(storage, vtk.vtkCommand.ModifiedEvent, self._saved)
        slicer.app.connect("focusChanged(QWidget*,QWidget*)", self._focusSlot)

    def stop(self) -> None:
        """Stop observing."""
        if not self._observed:
            return
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed, self._storages, self.asking = [], [], False
        slicer.app.disconnect("focusChanged(QWidget*,QWidget*)", self._focusSlot)
        self._over.stop()

    def _observe(self, node: Any, event: Any, slot: Callable[..., None]) -> None:
        self._observed.append((node, node.AddObserver(event, slot)))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _added(self, _caller: Any, _event: Any, node: Any) -> None:
        if node.IsA("vtkMRMLStorageNode"):
            self._saved()

    def _saved(self, _caller: Any = None, _event: Any = None) -> None:
        self._before()
        if not self.asking:
            self._over.start(0)

    def _focusChanged(self, _before: Any = None, _now: Any = None) -> None:
        dialog = slicer.app.activeModalWidget()
        asking = dialog is not None and dialog.className().startswith(DIALOG)
        if asking == self.asking:
            return
        self.asking = asking
        if asking:
            self._over.stop()
            self._before()
        else:
            self._over.start(0)
