"""Without a main window (launch.py starts Slicer so): the logic registers and carries, and the panel can be made."""

import numpy as np
import slicer


def run():
    """Regions that exist are paired and fitted, the plan is carried; then the panel."""
    assert slicer.util.mainWindow() is None, "This scenario wants a Slicer without a main window."
    from Tell2RegLib.slicer_module.scene.sample_data import loadDemoPair

    demo = loadDemoPair(slicer.mrmlScene)
    logic = slicer.util.getModuleLogic("Tell2Reg")
    transform = logic.registerVolumes(demo.fixed, demo.moving, ["prostate", "bladder", "rectum", "femoral head"])
    assert transform is not None
    copies, trusts = logic.propagate([demo.plan])
    places = [np.array(slicer.util.arrayFromMarkupsControlPoints(node, world=True)) for node in (copies[0], demo.truth)]
    error = np.linalg.norm(places[0] - places[1], axis=1).mean()
    assert error < 8.0, error
    assert len(trusts) == demo.plan.GetNumberOfControlPoints()
    widget = slicer.modules.tell2reg.widgetRepresentation().self()
    assert widget.panel is not None, "setup() did not finish: see the messages above."
