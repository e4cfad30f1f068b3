"""A clinician's whole session on the demo pair, by the panel's own buttons.

Written once and run twice: by pytest on the stand-in (Testing/Python/slicer_module/test_session.py) and inside a real
Slicer (Testing/Slicer/run_all.py). It asserts what a person would see and what the scene holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer
import vtk

from Testing.Slicer.entered_widget import EnteredWidget

MOST_WAIT_S = 600.0
"""For one run, on a slow machine with other work."""
MAX_ERROR_MM = 5.0
"""Mean error of the targets after the fit: 11 mm as the scans lie, 3 mm expected."""


class Session(EnteredWidget):
    """The steps, in the order a person takes them.

    Args:
        widget: the module's widget, entered.
        folder: for what is saved.
        look: called with the name of each step when it is done, for screenshots.
    """

    def __init__(self, widget, folder: Path, look: Callable[[str], None] = lambda name: None) -> None:
        super().__init__(widget)
        self.folder, self.look = Path(folder), look

    @property
    def panel(self):
        """The panel of the widget."""
        return self.widget.panel

    def whole(self) -> None:
        """The whole session."""
        self.loadTheDemoPair()
        self.findRegions()
        self.rejectAndAcceptAPair()
        self.pairByHandAndUndo()
        self.fit()
        self.switchTransforms()
        self.propagateThePlan()
        self.saveTheReport()
        self.saveCloseAndReopen()
        self.goOn()

    # --- steps ---

    def loadTheDemoPair(self) -> None:
        """Step 1 and 2: volumes, words."""
        assert not self.ui.findButton.enabled
        assert "Choose a fixed volume" in self.ui.findButton.toolTip
        self.ui.demoButton.click()
        assert self.ui.demoButton.text == "Cancel"
        self.waitUntilIdle()
        assert self.parameters.fixedVolume.GetName() == "Demo fixed"
        assert self.ui.fixedVolume.currentNode().GetID() == self.parameters.fixedVolume.GetID()
        assert self.ui.presetCombo.currentText == "Pelvis demo"
        assert "prostate" in self.ui.prompts.toPlainText()
        assert self.ui.findButton.enabled, self.ui.findButton.toolTip
        self.look("1-images-and-words")

    def findRegions(self) -> None:
        """Step 3: from words to pairs."""
        self.ui.findButton.click()
        assert self.ui.findButton.text == "Cancel"
        assert not self.ui.swapButton.enabled
        self.waitUntilIdle()
        assert self.ui.findButton.text == "Find regions"
        assert len(self.rows) >= 6, self.panel.messages.latest
        assert self.ui.pairsTable.rowCount == len(self.rows)
        for node in (self.parameters.fixedRegions, self.parameters.movingRegions):
            assert node.GetSegmentation().GetNumberOfSegments() >= len(self.rows)
        first = self.rows[0]
        names = [node.GetSegmentation().GetSegment(segment).GetName() for node, segment in self.segmentsOf(first)]
        assert names == [first.name, first.name]
        self.look("2-pairs")

    def rejectAndAcceptAPair(self) -> None:
        """Step 3: decide, with buttons and keys."""
        self.ui.pairsTable.selectRow(1)
        self.ui.rejectButton.click()
        row = self.rows[1]
        assert not row.accepted
        assert self.tagOf(row, "Tell2Reg.Status") == "rejected"
        self.ui.acceptButton.click()
        assert self.rows[1].accepted
        self.ui.undoButton.click()
        assert not self.rows[1].accepted
        self.ui.redoButton.click()
        assert self.rows[1].accepted
        self.ui.nextButton.click()
        assert self.ui.pairsTable.currentRow() == 2

    def pairByHandAndUndo(self) -> None:
        """Step 3: a pair that nobody would want, and back."""
        before = self.rows
        self.choose(self.ui.fixedSegmentCombo, before[0].fixed)
        self.choose(self.ui.movingSegmentCombo, before[1].moving)
        self.ui.pairButton.click()
        assert len(self.rows) == len(before) - 1
        assert self.rows[-1].reason == "Paired by hand."
        self.ui.undoButton.click()
        assert self.rows == before

    def fit(self) -> None:
        """Step 4: from pairs to transforms."""
        self.ui.fitButton.click()
        self.waitUntilIdle()
        assert self.parameters.deformableTransform is not None, self.panel.messages.latest
        assert "Nothing of the volume is folded" in self.ui.fitSummary.text
        used = [row for row in self.widget.logic.fitRows if row.accepted]
        assert np.mean([row.dice[-1] for row in used]) > np.mean([row.dice[0] for row in used])
        assert self.parameters.shown == "deformable"
        self.look("3-fit")

    def switchTransforms(self) -> None:
        """Step 4: what the views show; the moving volume itself is never put under a transform."""
        buttons = {
            "none": self.ui.noneButton,
            "rigid": self.ui.rigidButton,
            "affine": self.ui.affineButton,
            "deformable": self.ui.deformableButton,
        }
        for kind, button in buttons.items():
            button.click()
            assert self.parameters.shown == kind
            assert [name for name, button in buttons.items() if button.checked] == [kind]
            node = self.parameters.movingShown.GetParentTransformNode()
            assert (node is None) == (kind == "none")
            assert self.parameters.movingVolume.GetParentTransformNode() is None
        for view, button in (("fade", self.ui.fadeButton), ("checkerboard", self.ui.checkerboardButton)):
            button.click()
            assert self.parameters.view == view
            self.look(f"4-{view}")
        self.ui.flickerButton.click()
        self.ui.sideButton.click()
        assert self.parameters.view == "side"
        self.ui.jacobianButton.click()
        self.look("4-jacobian")
        assert self.parameters.jacobianMap.GetDisplayNode().GetWindowLevelMax() == 2.0
        self.ui.jacobianButton.click()
        self.ui.plotButton.click()
        assert slicer.util.getNode("Tell2Reg pairs, overlap").GetNumberOfPlotSeriesNodes() == 2
        self.look("4-plot")
        self.ui.show3DButton.click()
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        assert self.parameters.movingRegions.GetSegmentation().ContainsRepresentation(surface)
        self.look("4-surfaces")
        self.ui.sideButton.click()
        assert not self.parameters.movingRegions.GetSegmentation().ContainsRepresentation(surface)

    def propagateThePlan(self) -> None:
        """Step 5: targets to where they truly are."""
        plan, truth = slicer.util.getNode("Demo plan"), slicer.util.getNode("Demo plan, true places in fixed")
        before = points(plan)
        assert self.ui.propagateButton.enabled, self.ui.propagateButton.toolTip
        self.ui.propagateButton.click()
        copy = slicer.util.getNode("Demo plan carried to Demo fixed (deformable)")
        error = np.linalg.norm(points(copy) - points(truth), axis=1).mean()
        assert error < MAX_ERROR_MM, error
        assert np.array_equal(points(plan), before)
        assert self.ui.targetsTable.rowCount == plan.GetNumberOfControlPoints()
        assert self.parameters.targetsTable.GetNumberOfRows() == plan.GetNumberOfControlPoints()
        table_errors = [
            float(self.ui.targetsTable.item(line, 11).text()) for line in range(self.ui.targetsTable.rowCount)
        ]
        assert abs(np.mean(table_errors) - error) < 0.06, (table_errors, error)
        assert "with the deformable transform" in self.ui.targetsHeading.text
        assert self.viewsOf(copy) == [True, False]
        assert self.viewsOf(plan) == [False, False]  # under a transform a view copy stands in for it
        self.ui.targetsTable.selectRow(0)
        self.look("5-plan")

    def saveTheReport(self) -> None:
        """Step 5: the report, without another fit."""
        folder = self.folder / "report"
        self.widget.logic.saveReport(folder, [slicer.util.getNode("Demo plan")])
        self.waitUntilIdle()
        assert (folder / "report.html").is_file(), self.panel.messages.latest

    def saveCloseAndReopen(self) -> None:
        """The scene keeps pairs, decisions, settings and transforms."""
        self.ui.pairsTable.selectRow(0)
        self.ui.rejectButton.click()
        rows, words, plan = self.rows, self.parameters.prompts, points(slicer.util.getNode("Demo plan"))
        place = (3.0, -4.0, 5.0)
        before = mapped(self.parameters.deformableTransform, place)
        path = self.folder / "session.mrb"
        assert slicer.util.saveScene(str(path))
        slicer.mrmlScene.Clear(0)
        assert self.rows == ()
        assert self.parameters.fixedVolume is None
        slicer.util.loadScene(str(path))
        assert self.rows == rows, (self.rows, rows)
        assert self.parameters.prompts == words
        assert np.abs(points(slicer.util.getNode("Demo plan")) - plan).max() < 1e-3
        assert np.abs(mapped(self.parameters.deformableTransform, place) - before).max() < 1e-3
        assert self.ui.pairsTable.rowCount == len(rows)
        assert "have changed since the fit" in self.ui.fitSummary.text
        assert self.ui.targetsTable.rowCount == len(plan)
        assert self.ui.targetsHeading.text.startswith("Outdated: ")
        assert self.ui.propagateButton.enabled, self.ui.propagateButton.toolTip
        names = [self.ui.movingVolume.nodeFromIndex(i).GetName() for i in range(self.ui.movingVolume.nodeCount())]
        assert names.count("Demo moving") == 1
        self.look("6-reopened")

    def goOn(self) -> None:
        """After reopening: fit again with what was decided."""
        decided = [row.accepted for row in self.rows]
        assert not decided[0]
        self.ui.fitButton.click()
        self.waitUntilIdle()
        assert "have changed" not in self.ui.fitSummary.text
        assert [row.accepted for row in self.rows] == decided

    # --- helpers ---

    def waitUntilIdle(self) -> None:
        """Let the application work until the run is over."""
        until = time.monotonic() + MOST_WAIT_S
        while self.panel.busy:
            assert time.monotonic() < until, "The run did not end."
            slicer.app.processEvents()
            time.sleep(0.01)  # the worker needs the processor more
        slicer.app.processEvents()

    def segmentsOf(self, row):
        """Node and segment of both sides."""
        return ((self.parameters.fixedRegions, row.fixed), (self.parameters.movingRegions, row.moving))

    def tagOf(self, row, name: str) -> str:
        """A tag of the fixed segment of a pair."""
        value = vtk.reference("")
        segment = self.parameters.fixedRegions.GetSegmentation().GetSegment(row.fixed)
        return str(value) if segment.GetTag(name, value) else ""

    def viewsOf(self, node) -> list[bool]:
        """Whether a node is seen in the view of the fixed volume, and in that of the moving one."""
        for _ in range(5):  # the event loop draws, and a node that comes with it draws once more
            slicer.app.processEvents()
        display = node.GetDisplayNode()
        return [display.IsDisplayableInView(f"vtkMRMLSliceNode{name}") for name in ("Red", "Yellow")]

    def choose(self, combo, data: str) -> None:
        """Choose an entry of a combo box by its data, as a click would."""
        combo.setCurrentIndex(combo.findData(data))


def points(node) -> np.ndarray:
    """World positions of a markups node's points, (N, 3) RAS."""
    return np.array(slicer.util.arrayFromMarkupsControlPoints(node, world=True))


def mapped(node, place) -> np.ndarray:
    """Where a transform node carries a point from its parent's space, (3,) RAS."""
    return np.array(node.GetTransformFromParent().TransformPoint(place))


def run() -> None:
    """Inside Slicer: the module's own widget, a folder that goes afterwards."""
    import tempfile

    slicer.util.selectModule("Tell2Reg")
    slicer.app.processEvents()
    with tempfile.TemporaryDirectory() as folder:
        Session(slicer.modules.tell2reg.widgetRepresentation().self(), Path(folder)).whole()
