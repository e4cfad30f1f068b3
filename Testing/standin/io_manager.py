"""The application's manager of files: which kind a file is, reading into the scene and writing from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer


class IoManager:
    """Reads and writes scenes, and nodes by their default storage node."""

    READERS = {
        **dict.fromkeys((".seg.nrrd", ".seg.nii.gz"), "vtkMRMLSegmentationNode"),
        **dict.fromkeys((".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha"), "vtkMRMLScalarVolumeNode"),
        **dict.fromkeys((".mrk.json", ".fcsv"), "vtkMRMLMarkupsFiducialNode"),
        **dict.fromkeys((".h5", ".tfm"), "vtkMRMLTransformNode"),
        **dict.fromkeys((".vtk", ".vtp", ".stl", ".ply", ".obj"), "vtkMRMLModelNode"),
    }
    TYPES = {
        "VolumeFile": "vtkMRMLScalarVolumeNode",
        "SegmentationFile": "vtkMRMLSegmentationNode",
        "TransformFile": "vtkMRMLTransformNode",
        "MarkupsFile": "vtkMRMLMarkupsFiducialNode",
        "ModelFile": "vtkMRMLModelNode",
        "SceneFile": "",
    }

    def fileType(self, name: Any) -> str:
        """Kind of a file by its extension."""
        if str(name).endswith((".mrb", ".mrml")):
            return "SceneFile"
        kind = next((kind for end, kind in self.READERS.items() if str(name).endswith(end)), "")
        return next(file for file, node in self.TYPES.items() if node == kind)

    def fileWriterFileType(self, node: Any) -> str:
        return next((file for file, kind in self.TYPES.items() if kind and node.IsA(kind)), "NoFile")

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any = None, _messages: Any = None) -> bool:
        """Read a file into the scene."""
        path, scene = str(properties["fileName"]), slicer.mrmlScene
        if kind == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", True)))
        if kind not in self.TYPES:
            raise NotImplementedError(f"The stand-in for Slicer reads no {kind}")
        node = scene.AddNewNodeByClass(self.TYPES[kind], properties.get("name") or Path(path).name.split(".")[0])
        node.AddDefaultStorageNode(path)
        if not node.GetStorageNode().ReadData(node):
            scene.RemoveNode(node)
            return False
        if node.IsA("vtkMRMLDisplayableNode"):
            node.CreateDefaultDisplayNodes()
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def _load_scene(self, path: str, clear: bool) -> bool:
        scene = slicer.mrmlScene
        if path.endswith(".mrb"):
            return bool(scene.ReadFromMRB(path, clear))
        scene.SetURL(path)
        return bool(scene.Connect() if clear else scene.Import())

    def saveNodes(self, kind: str, properties: dict[str, Any], _messages: Any = None) -> bool:
        """Write the scene, or one node."""
        path = str(properties["fileName"])
        if kind == "SceneFile" and path.endswith(".mrb"):
            return bool(slicer.mrmlScene.WriteToMRB(path, None))
        if kind == "SceneFile":
            return bool(slicer.mrmlScene.Commit(path))
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(path)
        node.GetStorageNode().SetFileName(path)
        return bool(node.GetStorageNode().WriteData(node))
