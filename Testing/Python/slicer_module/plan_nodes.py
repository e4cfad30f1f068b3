"""Nodes of a plan on the small pair, and their positions in either volume."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small
from Testing.Python.slicer_module.simulated import a_pair

PLACES = np.array(list(small.PLAN.values()))


def enter(clinic, name: str) -> None:
    import slicer

    slicer.util.selectModule(name)
    clinic.hear()


def a_plan(clinic):
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    positions = apply_affine(small.AFFINE, PLACES)
    return fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), positions), "plan")


def an_outline(clinic):
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    moving = a_pair().moving.regions
    return segmentation_from_regions(clinic.standin.scene, "outline", moving[:2], clinic.parameters.movingVolume)[0]


def a_surface(clinic):
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetCenter(*(apply_affine(small.AFFINE, PLACES)[0] * (-1, -1, 1)).tolist())
    ball.SetRadius(4)
    ball.Update()
    node = clinic.standin.scene.AddNewNodeByClass("vtkMRMLModelNode", "surface")
    node.SetAndObservePolyData(ball.GetOutput())
    node.CreateDefaultDisplayNodes()
    return node


def a_dose(clinic):
    from Testing.Python.scene import a_volume_node

    moving = a_pair().moving.volume
    return a_volume_node(clinic.standin.scene, moving.array_kji, moving.grid, "dose")


def centre(node) -> np.ndarray:
    """Of what a node shows, LPS mm."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds.reshape(3, 2).mean(axis=1) * (-1, -1, 1)


def centre_in_fixed(kind: str) -> np.ndarray:
    if kind == "markups":
        return (PLACES.min(axis=0) + PLACES.max(axis=0)) / 2
    if kind == "model":
        return PLACES[0]
    if kind == "segmentation":
        points = np.concatenate([region.points_lps_mm() for region in a_pair().fixed.regions[:2]])
    else:
        points = a_pair().fixed.volume.grid.corners_lps_mm()
    return (points.min(axis=0) + points.max(axis=0)) / 2


def copies(clinic) -> list:
    nodes = clinic.standin.scene.GetNodesByName("plan carried to MR (deformable)")
    return [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]
