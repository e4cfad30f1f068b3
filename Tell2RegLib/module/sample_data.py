"""The demo pair as nodes: two synthetic pelves and a biopsy plan, made on the spot, nothing downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from Tell2RegLib.demo import make_demo_pair
from Tell2RegLib.module.mrml_markups import fiducials_from_points
from Tell2RegLib.module.mrml_volumes import volume_to_node

NAME = "Tell2Reg demo pair"


@dataclass(frozen=True)
class DemoNodes:
    """Two volumes, a plan on the moving one, and where its targets truly are on the fixed one."""

    fixed: Any
    moving: Any
    plan: Any
    truth: Any


def loadDemoPair(scene) -> DemoNodes:
    """Put the demo pair into a scene."""
    pair = make_demo_pair()
    fixed = volume_to_node(scene, pair.fixed, "Demo fixed")
    moving = volume_to_node(scene, pair.moving, "Demo moving")
    for node in (fixed, moving):
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().AutoWindowLevelOn()
    plan = fiducials_from_points(scene, pair.plan, "Demo plan")
    truth = fiducials_from_points(scene, pair.plan_truth, "Demo plan, true places in fixed")
    truth.GetDisplayNode().SetVisibility(False)
    return DemoNodes(fixed, moving, plan, truth)


def registerSampleData() -> None:
    """Offer the pair in Slicer's Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Tell2Reg",
        sampleName=NAME,
        uris=[],
        fileNames=[],
        nodeNames=[],
        customDownloader=_downloaded,
    )


def _downloaded(_source=None):
    import slicer

    nodes = loadDemoPair(slicer.mrmlScene)
    return [nodes.fixed, nodes.moving, nodes.plan, nodes.truth]
