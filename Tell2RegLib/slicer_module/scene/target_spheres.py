"""Spheres around propagated targets: a surface in the 3-D view, a circle where a slice view cuts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import vtk

from Tell2RegLib.evaluation.target_trust import CHECK, DO_NOT_TRUST, GOOD, TargetTrust
from Tell2RegLib.slicer_module.scene.coordinates import to_scene

VERDICT_COLORS = {GOOD: (0.29, 0.87, 0.5), CHECK: (0.98, 0.8, 0.08), DO_NOT_TRUST: (0.97, 0.44, 0.44)}
OPACITY, LINE_WIDTH, SEGMENTS = 0.25, 2, 32


def spheres_of(scene: Any, trusts: Sequence[TargetTrust], verdict: str, name: str) -> Any:
    """A model node with a sphere of the radius around every target with this verdict; None if none has a radius.

    Args:
        scene: where to add the node.
        trusts: of all targets.
        verdict: one of `VERDICTS`; it gives the colour.
        name: of the node.
    """
    targets = [trust for trust in trusts if trust.verdict == verdict and trust.radius_mm]
    if not targets:
        return None
    spheres = vtk.vtkAppendPolyData()
    for trust in targets:
        sphere = vtk.vtkSphereSource()
        sphere.SetCenter(*to_scene(trust.fixed_lps_mm).tolist())
        sphere.SetRadius(trust.radius_mm)
        sphere.SetThetaResolution(SEGMENTS)
        sphere.SetPhiResolution(SEGMENTS)
        sphere.Update()
        spheres.AddInputData(sphere.GetOutput())
    spheres.Update()
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", name)
    node.SetAndObservePolyData(spheres.GetOutput())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*VERDICT_COLORS[verdict])
    display.SetOpacity(OPACITY)
    display.SetVisibility2D(True)
    display.SetSliceIntersectionThickness(LINE_WIDTH)
    return node
