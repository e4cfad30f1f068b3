"""The demo pair as nodes: two synthetic pelves and a biopsy plan, nothing downloaded.

In Slicer the worker makes the pair, so that the window goes on meanwhile; `loadDemoPair`, for scripts, waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
from Tell2RegLib.slicer_module.scene.volumes import volume_to_node

if TYPE_CHECKING:
    from Tell2RegLib.worker.requests import DemoReply
    from Tell2RegLib.workflows.demo import DemoPair


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
