"""What a person can do to a run in a real Slicer: cancel, kill the worker, close the scene, reload, edit a segment."""

import os
import signal
import time

import slicer

LONGEST_CANCEL_S = 2.0
"""From the click to an idle panel."""
MOST_WAIT_S = 600.0
LONG_RUNS_MM = (0.5, 0.52, 0.54, 0.56)
"""Voxel sizes of runs that are to be interrupted: fine, so that none is over before, and a new one each time, so that
the worker remembers nothing of it."""
QUICK_MM = 2.0
"""Voxel size of runs that are to end."""


def run():
    """All of it, one after the other."""
    load_the_demo_pair(panel())
    cancel_is_quick()
    a_killed_worker_is_replaced()
    a_closed_scene_gets_nothing()
    reload_during_a_run_leaves_a_panel_that_works()
    an_edited_segment_is_fitted()


def panel():
    """The module's panel, entered; a new one after a reload."""
    slicer.util.selectModule("Tell2Reg")
    slicer.app.processEvents()
    return slicer.modules.Tell2RegWidget


def until(true, seconds=MOST_WAIT_S):
    """Let the application work until this is true; the seconds it took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "It took too long."
        slicer.app.processEvents()
        time.sleep(0.01)
    return time.monotonic() - started


def load_the_demo_pair(widget):
    """Press the button and wait until the worker has made the pair."""
    widget.ui.demoButton.click()
    until(lambda: not widget.panel.busy)


def start_a_long_run(widget, voxel_mm):
    """Press the button and wait until the worker is at it, with much still to do."""
    stages = []
    widget.logic.parameters.spacingMm = voxel_mm
    widget.logic.runs.progressed.connect(lambda run, stage, done, total, left: stages.append(stage))
    widget.ui.findButton.click()
    assert widget.ui.findButton.text == "Cancel", widget.ui.findButton.toolTip
    until(lambda: stages or not widget.panel.busy)
    assert widget.panel.busy, f"The run was over before it could be interrupted: {widget.panel.messages.latest}"


def find(widget):
    """Press the button and wait until the run is over."""
    widget.logic.parameters.spacingMm = QUICK_MM
    widget.ui.findButton.click()
    until(lambda: not widget.panel.busy)
    assert widget.logic.rows, widget.panel.messages.latest


def cancel_is_quick():
    widget = panel()
    start_a_long_run(widget, LONG_RUNS_MM[0])
    widget.ui.findButton.click()
    seconds = until(lambda: not widget.panel.busy)
    assert seconds < LONGEST_CANCEL_S, f"Cancel took {seconds:.1f} s."
    assert widget.ui.findButton.text == "Find regions"
    assert not widget.logic.rows
    print(f"[Tell2Reg] idle {seconds:.2f} s after the click on Cancel", flush=True)


def a_killed_worker_is_replaced():
    widget = panel()
    start_a_long_run(widget, LONG_RUNS_MM[1])
    os.kill(widget.logic.runs.client.pid, signal.SIGKILL)
    until(lambda: not widget.panel.busy)
    assert "stopped unexpectedly" in widget.panel.messages.latest, widget.panel.messages.latest
    find(widget)


def a_closed_scene_gets_nothing():
    widget = panel()
    start_a_long_run(widget, LONG_RUNS_MM[2])
    slicer.mrmlScene.Clear(0)
    until(lambda: not widget.panel.busy)
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert not widget.logic.rows


def reload_during_a_run_leaves_a_panel_that_works():
    widget = panel()
    load_the_demo_pair(widget)
    start_a_long_run(widget, LONG_RUNS_MM[3])
    client = widget.logic.runs.client
    widget.onReload()
    again = panel()
    assert again is not widget
    assert client.state == "off"
    assert again.logic.parameters.fixedVolume is not None
    again.logic.parameters.prompts = "prostate\nbladder"
    find(again)


def an_edited_segment_is_fitted():
    """A prostate that lost its lower half in the Segment Editor's node has half the volume in the fit."""
    widget = panel()
    parameters, row = widget.logic.parameters, widget.logic.rows[0]
    widget.ui.pairsTable.selectRow(0)
    widget.ui.editFixedButton.click()
    slicer.app.processEvents()
    assert slicer.util.selectedModule() == "SegmentEditor"
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(
        parameters.fixedRegions, row.fixed, parameters.fixedVolume
    ).copy()
    filled = [k for k in range(voxels.shape[0]) if voxels[k].any()]
    voxels[filled[len(filled) // 2] :] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, parameters.fixedRegions, row.fixed, parameters.fixedVolume)
    widget = panel()
    widget.ui.fitButton.click()
    until(lambda: not widget.panel.busy)
    fitted = widget.logic.rows[0]
    assert widget.logic.fitRows[0].dice[-1] is not None, widget.panel.messages.latest
    assert fitted.dice < row.dice or fitted.distance_mm != row.distance_mm
