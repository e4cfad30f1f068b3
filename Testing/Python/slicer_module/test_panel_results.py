"""What the panel shows of a result, with a simulated worker, and what opening it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Testing.Python.slicer_module.plan_nodes import (
    enter,
)

pytestmark = pytest.mark.mrml


ROOT = Path(__file__).resolve().parents[3]


def test_slicer_starts_without_the_library_and_the_panel_opens_without_torch() -> None:
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from Testing.standin import in_place
with in_place() as standin:
    standin.load_module(Path({str(ROOT / "Tell2Reg" / "Tell2Reg.py")!r}))
    light = "Tell2RegLib" not in sys.modules and "torch" not in sys.modules
    import slicer
    slicer.util.selectModule("Tell2Reg")
    print(light, "torch" not in sys.modules)
    standin.unload_modules()
    standin.check()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split()[-2:] == ["True", "True"], done.stdout + done.stderr


# --- looking ---


def test_surfaces_are_shown_in_3d_and_taken_away_again(clinic) -> None:
    import slicer

    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert clinic.ui.show3DButton.toolTip == "Find regions first"
    clinic.find()
    nodes = (clinic.parameters.fixedRegions, clinic.parameters.movingRegions)
    clinic.press(clinic.ui.show3DButton)
    assert all(node.GetSegmentation().ContainsRepresentation(surface) for node in nodes)
    slices = [f"vtkMRMLSliceNode{name}" for name in clinic.standin.app.layoutManager().sliceViewNames()]
    assert [node.GetDisplayNode().GetViewNodeIDs() for node in nodes] == [
        (*slices, "vtkMRMLViewNode1"),
        ("vtkMRMLViewNode1",),
    ]
    clinic.press(clinic.ui.sideButton)
    assert not any(node.GetSegmentation().ContainsRepresentation(surface) for node in nodes)
    assert not clinic.ui.show3DButton.checked


def test_each_side_by_side_view_shows_its_own_segments(clinic) -> None:
    clinic.find()
    nodes = (clinic.parameters.fixedRegions, clinic.parameters.movingRegions)
    for module in ("", "Data"):
        if module:
            enter(clinic, module)
        assert [node.GetDisplayNode().GetViewNodeIDs() for node in nodes] == [
            ("vtkMRMLSliceNodeRed",),
            ("vtkMRMLSliceNodeYellow",),
        ]


def test_a_fit_tells_the_surface_distance_too(clinic) -> None:
    clinic.find()
    clinic.fit()
    row = clinic.logic.fitRows[0]
    assert all(value is not None for value in row.hd95_mm)
    assert clinic.ui.fitTable.item(0, 10).text() == f"{row.hd95_mm[1]:.1f}"


def test_models_that_do_not_fit_into_the_device_are_told(clinic) -> None:
    from Tell2RegLib.worker.requests import Device, DevicesReply

    gpu = Device("cuda:0", "Small GPU", 1_000_000, 500_000)
    clinic.panel.regions.models._devices(DevicesReply((gpu,), "cuda:0"))
    assert "the device has 1 MB" in clinic.ui.modelsStatus.text
    clinic.parameters.device = "cpu"
    assert "the device has" not in clinic.ui.modelsStatus.text


def test_what_the_worker_says_is_in_the_log_of_the_panel(clinic) -> None:
    clinic.press(clinic.ui.findButton)
    clinic.client.answer("on_log", "Loading the detector.")
    clinic.hear()
    assert "Loading the detector." in clinic.ui.logText.toPlainText()


def test_targets_with_a_known_place_have_an_error(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points, points_of
    from Tell2RegLib.space.point_files import PointList

    clinic.find()
    clinic.fit()
    centre = clinic.logic.positionsOf(0)[1]
    positions = np.stack([centre, centre + 3])
    scene = clinic.standin.scene
    drawn = fiducials_from_points(scene, PointList(("a", "b"), positions), "plan")
    (copy,), _ = clinic.logic.propagate([drawn])
    carried = points_of(copy).points_lps_mm
    truth = fiducials_from_points(scene, PointList(("b", "c"), carried + [[0, 0, 0], [0, 3, 4]]), "truth")
    clinic.panel.plan.check([drawn])
    clinic.parameters.trueTargets = truth
    clinic.press(clinic.ui.propagateButton)
    shown = [clinic.ui.targetsTable.item(line, 11).text() for line in range(2)]
    assert shown == ["–", f"{np.linalg.norm(carried[1] - carried[0]):.1f}"]
    assert "Mean error of 1 targets" in clinic.ui.targetWhy.text
    scene.RemoveNode(truth)
    clinic.hear()
    assert clinic.parameters.trueTargets is None
    assert clinic.ui.targetsTable.isColumnHidden(11)
