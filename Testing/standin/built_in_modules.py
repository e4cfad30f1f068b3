"""slicer.modules: the modules of Slicer itself, with their logic, and those that a test loads."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import slicer


class Modules(ModuleType):
    """slicer.modules: those that are loaded, by their names in small letters."""

    def __getattr__(self, name: str) -> Any:
        if name in BUILT_IN and slicer.app.moduleManager() is not None:
            module = BuiltInModule(*BUILT_IN[name])
            setattr(self, name, module)
            return module
        raise AttributeError(f"The stand-in for Slicer has no slicer.modules.{name}")


BUILT_IN = {
    "colors": ("Colors", "vtkMRMLColorLogic"),
    "markups": ("Markups", "vtkSlicerMarkupsLogic"),
    "models": ("Models", "vtkSlicerModelsLogic"),
    "plots": ("Plots", "vtkSlicerPlotsLogic"),
    "segmenteditor": ("SegmentEditor", ""),
    "segmentations": ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    "subjecthierarchy": ("SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    "tables": ("Tables", "vtkSlicerTablesLogic"),
    "terminologies": ("Terminologies", "vtkSlicerTerminologiesModuleLogic"),
    "texts": ("Texts", "vtkSlicerTextsLogic"),
    "transforms": ("Transforms", "vtkSlicerTransformLogic"),
    "volumes": ("Volumes", "vtkSlicerVolumesLogic"),
}


class BuiltInModule:
    """A module of Slicer itself: its logic, not its panel."""

    def __init__(self, name: str, logic: str) -> None:
        self.name, self.title, self.path = name, name, f"/built-in/{name}"
        self._logic = logic_of(logic) if logic else None
        self._panel = SegmentEditorPanel() if name == "SegmentEditor" else None

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> Any:
        return self._panel


class SegmentEditor:
    """What the Segment Editor edits."""

    def __init__(self) -> None:
        self._segmentation = self._volume = None
        self._segment = ""

    def setSegmentationNode(self, node: Any) -> None:
        self._segmentation, self._segment = node, ""

    def segmentationNode(self) -> Any:
        return self._segmentation

    def setSourceVolumeNode(self, node: Any) -> None:
        self._volume = node

    def sourceVolumeNode(self) -> Any:
        return self._volume

    def setCurrentSegmentID(self, name: str) -> None:
        if self._segmentation is None or self._segmentation.GetSegmentation().GetSegment(name) is None:
            raise AssertionError(f"The Segment Editor has no segment {name} to choose")
        self._segment = name

    def currentSegmentID(self) -> str:
        return self._segment


class SegmentEditorPanel:
    """The panel of the Segment Editor: no more than its editor."""

    def __init__(self) -> None:
        self.editor = SegmentEditor()

    def self(self) -> Any:
        return self


def logic_of(name: str) -> Any:
    """A logic that knows the scene and the application."""
    if name == "vtkMRMLColorLogic":
        return slicer.app._colors
    detected = getattr(slicer, name)
    logic = (getattr(detected, name) if isinstance(detected, ModuleType) else detected)()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetMRMLScene(slicer.mrmlScene)
    return logic
