"""The demo pair as nodes: two synthetic pelves and a biopsy plan, nothing downloaded.

The panel has the worker make the pair, so that Slicer goes on meanwhile. The Sample Data module waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
from Tell2RegLib.slicer_module.scene.volumes import volume_to_node

if TYPE_CHECKING:
    from Tell2RegLib.worker.requests import DemoReply
    from Tell2RegLib.workflows.demo import DemoPair

NAME = "Tell2Reg demo pair"


@dataclass(frozen=True)
class DemoNodes:
    """Two volumes, a plan on the moving one, and the true positions of its targets on the fixed one."""

    fixed: Any
    moving: Any
    plan: Any
    truth: Any


def loadDemoPair(scene: Any) -> DemoNodes:
    """Create the demo pair and add it to a scene; takes seconds."""
    from Tell2RegLib.workflows.demo import make_demo_pair

    return addDemoPair(scene, make_demo_pair())


def addDemoPair(scene: Any, pair: DemoPair | DemoReply) -> DemoNodes:
    """Add the demo pair to a scene."""
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


def _downloaded(_source: Any = None) -> list[Any]:
    import slicer

    nodes = loadDemoPair(slicer.mrmlScene)
    return [nodes.fixed, nodes.moving, nodes.plan, nodes.truth]
