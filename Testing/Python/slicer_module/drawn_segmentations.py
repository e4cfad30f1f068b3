"""Segmentations as a person draws them in Slicer, and where Slicer shows their voxels."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.space.grid import Grid
from Testing.Python.scene import (
    RAS_FROM_LPS,
    slicer,
    vtk,
    vtk_matrix,
)

from vtk.util.numpy_support import vtk_to_numpy  # isort: skip


def ids_of(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]


def drawn_by_hand(scene, masks: dict[str, np.ndarray], grid: Grid):
    """A segmentation made without the library's door."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "drawn")
    for name, mask in masks.items():
        image = slicer.vtkOrientedImageData()
        image.SetDimensions(grid.size_xyz)
        image.SetImageToWorldMatrix(vtk_matrix(np.diag([*RAS_FROM_LPS, 1.0]) @ grid.index_to_lps_matrix))
        image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
        vtk_to_numpy(image.GetPointData().GetScalars())[:] = mask.ravel()
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.AddRepresentation("Binary labelmap", image)
        node.GetSegmentation().AddSegment(segment)
    return node


def places_in_slicer(node, segment_id: str) -> np.ndarray:
    """LPS mm of a segment's voxels as Slicer places them, below the node's transforms."""
    image = slicer.vtkOrientedImageData()
    assert node.GetBinaryLabelmapRepresentation(segment_id, image)
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    first = np.array(image.GetExtent()[::2])
    values = np.array(vtk_to_numpy(image.GetPointData().GetScalars()))
    index = np.argwhere(values.reshape(image.GetDimensions()[::-1]))[:, ::-1] + first
    return np.array([matrix.MultiplyPoint([*position, 1])[:3] for position in index.tolist()]) * RAS_FROM_LPS


def sorted_rows(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(np.round(points, 4).T)]


def a_ball(grid: Grid, centre: np.ndarray, radius_mm: float = 8.0) -> np.ndarray:
    return np.linalg.norm(grid.voxel_centres_lps_mm() - centre, axis=-1) < radius_mm


def a_surface_segmentation(scene, centre: np.ndarray):
    source = vtk.vtkSphereSource()
    source.SetCenter(*(centre * RAS_FROM_LPS))
    source.SetRadius(8)
    source.SetThetaResolution(48)
    source.SetPhiResolution(48)
    source.Update()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "surfaces")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(source.GetOutput(), "ball")
    return node
