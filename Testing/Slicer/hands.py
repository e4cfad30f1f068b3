"""A clinician's whole session on the demo pair with nothing but mouse and keyboard, and what is seen after each step.

Every character is typed and every button of the panel is clicked through the window system (events.py). Other modules
are chosen, and the scene is saved, closed and opened, by Slicer's functions. Run inside Slicer, where pictures go into
the folder that TELL2REG_PICTURES names, and on the stand-in (Testing/Python/slicer_module/test_hands.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from Testing.Slicer import walk
from Testing.Slicer.entered_widget import EnteredWidget
from Testing.Slicer.events import Person, XDevice, openModule, process, until
from Testing.Slicer.seen import (
    FIXED,
    MOVING,
    choosable,
    colors,
    isBlank,
    isDrawn,
    pictures,
    placeOf,
    points,
    pointsDrawn,
    rowsCutOff,
    sees,
    segmentsDrawn,
    tableTexts,
    volumeIn,
)

WORDS = ("prostate", "bladder", "rectum", "femoral head", "pubic symphysis", "obturator internus")
PLAN, TRUTH = walk.PLAN, "Demo plan, true places in fixed"
NAME, VERDICT = 1, 1
"""Columns: of the name in the table of pairs, of the verdict in that of the targets."""


class Hands(EnteredWidget):
    """The steps, in the order a person takes them.

    Args:
        person: at the mouse and the keyboard.
        widget: the module's widget, entered.
        folder: for what is saved.
        look: takes a picture by its name.
    """

    def __init__(
        self, person: Person, widget: Any, folder: Path, look: Callable[[str], None] = lambda name: None
    ) -> None:
        super().__init__(widget)
        self.person, self.folder, self.look = person, Path(folder), look

    def whole(self) -> None:
        """The whole session."""
        self.loadTheDemoPair()
        self.typeTheWords()
        self.findRegions()
        self.lookAtEveryPair()
        self.decide()
        self.rename()
        self.pairByHand()
        self.fit()
        walk.walk(self.person, self.widget, self.look)
        self.jacobianPlotAndSurfaces()
        self.carryThePlan()
        self.lookAtTheVerdicts()
        self.rejectAfterTheFit()
        self.writeTheReport()
        self.leaveAndComeBack()
        self.saveCloseAndReopen()
        self.swapTheVolumes()

    # --- images, words, regions ---

    def loadTheDemoPair(self) -> None:
        """Step 1."""
        self.run(self.ui.demoButton)
        assert self.parameters.fixedVolume.GetName() == "Demo fixed"
        self.look("01-demo-pair")
        self.bothVolumesAreSeen()

    def typeTheWords(self) -> None:
        """Step 2, letter by letter."""
        self.person.typeInto(self.ui.prompts, "\n".join(WORDS))
        self.look("02-words")
        assert self.ui.prompts.plainText == "\n".join(WORDS), self.ui.prompts.plainText
        assert self.parameters.prompts == "\n".join(WORDS), self.parameters.prompts

    def findRegions(self) -> None:
        """Step 3: from words to pairs."""
        self.run(self.ui.findButton)
        self.look("03-found")
        assert len(self.rows) >= 6, len(self.rows)
        self.isWhole(self.ui.pairsTable)
        self.everyPairIsDrawn()

    def lookAtEveryPair(self) -> None:
        """Step 3: both views go to the pair whose row is clicked."""
        for line, row in enumerate(self.rows):
            self.person.clickCell(self.ui.pairsTable, line, NAME)
            process()
            fixed, _moving = self.widget.logic.positionsOf(row.number)
            assert abs(placeOf(FIXED).offset_mm - fixed[2]) < 3.0, f"'{row.name}': {placeOf(FIXED)}, {fixed}"
            for view in (FIXED, MOVING):
                assert not isBlank(view), f"'{row.name}': {isBlank(view)}"
            if line < 3:
                self.look(f"04-pair-{line + 1}")

    def decide(self) -> None:
        """Step 3: with keys and with buttons."""
        person, ui = self.person, self.ui
        person.clickCell(ui.pairsTable, 1, NAME)
        person.press("space")
        assert not self.rows[1].accepted
        self.look("05-rejected")
        person.click(ui.acceptButton)
        assert self.rows[1].accepted
        person.click(ui.undoButton)
        assert not self.rows[1].accepted
        person.click(ui.redoButton)
        assert self.rows[1].accepted
        person.click(ui.rejectButton)
        person.click(ui.undoButton)
        assert self.rows[1].accepted
        person.clickCell(ui.pairsTable, 1, NAME)
        person.press("n")
        assert ui.pairsTable.currentRow() == 2
        person.press("p", "p")
        assert ui.pairsTable.currentRow() == 0

    def rename(self) -> None:
        """Step 3: a name, typed over the old one."""
        before = self.rows[1].name
        for name in ("Harnblase 2", before):
            self.person.clickCell(self.ui.pairsTable, 1, NAME, count=2)
            self.person.press("ctrl+a")
            self.person.type(name)
            self.person.press("Return")
            assert self.rows[1].name == name, self.rows[1].name
            assert self.segmentNames(self.rows[1]) == [name, name]

    def pairByHand(self) -> None:
        """Step 3: a pair that nobody would want, and back."""
        before = self.rows
        self.person.choose(self.ui.fixedSegmentCombo, before[0].name)
        self.person.choose(self.ui.movingSegmentCombo, before[1].name)
        self.person.click(self.ui.pairButton)
        self.look("06-paired-by-hand")
        assert len(self.rows) == len(before) - 1
        assert self.rows[-1].reason == "Paired by hand."
        self.person.click(self.ui.undoButton)
        assert self.rows == before

    # --- transform ---

    def fit(self) -> None:
        """Step 4: from pairs to transforms."""
        self.run(self.ui.fitButton)
        self.look("07-fit")
        assert self.parameters.deformableTransform is not None
        self.isWhole(self.ui.fitTable)
        self.look("08-fit-table")

    def jacobianPlotAndSurfaces(self) -> None:
        """Step 4: the rest of the buttons, on and off."""
        person, ui = self.person, self.ui
        walk.press(person, self.widget, "side", "deformable")
        before = placeOf(FIXED)
        person.click(ui.jacobianButton)
        walk.settle()
        self.look("09-jacobian")
        assert self.parameters.jacobianMap in (volumeIn(FIXED), volumeIn(FIXED, "Foreground"))
        assert not before.differences(placeOf(FIXED)), before.differences(placeOf(FIXED))
        person.click(ui.jacobianButton)
        walk.settle()
        self.bothVolumesAreSeen()
        person.click(ui.plotButton)
        walk.settle()
        self.look("10-plot")
        person.click(ui.show3DButton)
        walk.settle()
        self.look("11-surfaces")
        surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        assert self.parameters.movingRegions.GetSegmentation().ContainsRepresentation(surface)
        person.click(ui.sideButton)
        walk.settle()
        assert not ui.show3DButton.checked
        self.bothVolumesAreSeen()
        assert not before.differences(placeOf(FIXED)), before.differences(placeOf(FIXED))

    # --- plan ---

    def carryThePlan(self) -> None:
        """Step 5: by each of two transforms; what is carried is drawn over the fixed volume only."""
        plan, before = slicer.util.getNode(PLAN), points(slicer.util.getNode(PLAN))
        assert self.ui.planList.item(self.lineOfThePlan()).checkState() == 2, "Loading the pair checks its plan."
        errors = {}
        for kind in ("rigid", "deformable"):
            self.person.choose(self.ui.carryByCombo, kind)
            self.person.click(self.ui.propagateButton)
            walk.settle()
            self.look(f"12-carried-{kind}")
            assert sees(self.widget, kind), f"Nothing on the screen says that the plan was carried by '{kind}'."
            errors[kind] = self.errorOfTheCopy(len(before))
            assert np.array_equal(points(plan), before), "The plan itself was changed."
            for shown in walk.SHOWN:
                walk.press(self.person, self.widget, "side", shown)
                walk.check(self.widget, shown, "side", f"carried by '{kind}', shown '{shown}'")
                self.look(f"13-carried-{kind}-shown-{shown}")
        assert errors["deformable"] < errors["rigid"], errors
        self.isWhole(self.ui.targetsTable)

    def errorOfTheCopy(self, count: int) -> float:
        """How far, mm on average, the carried points that are drawn over the fixed volume lie from the truth."""
        truth = points(slicer.util.getNode(TRUTH))
        drawn = {name: places for name, places in pointsDrawn(FIXED).items() if name != TRUTH}
        assert len(drawn) == 1, f"Drawn over the fixed volume: {sorted(drawn)}."
        ((name, places),) = drawn.items()
        assert name != PLAN, "The carried copy has the name of the plan."
        assert len(places) == count
        return float(np.linalg.norm(places - truth, axis=1).mean())

    def lookAtTheVerdicts(self) -> None:
        """Step 5: why a target has its verdict, and where it is."""
        table = self.ui.targetsTable
        (places,) = (places for name, places in pointsDrawn(FIXED).items() if name != TRUTH)
        for line in range(table.rowCount):
            self.person.clickCell(table, line, 0)
            process()
            name, verdict = table.item(line, 0).text(), table.item(line, VERDICT).text()
            assert self.ui.targetWhy.text.startswith(f"{name}: {verdict}"), self.ui.targetWhy.text
            assert abs(placeOf(FIXED).offset_mm - places[line][2]) < 3.0, (placeOf(FIXED), places[line])
        self.look("14-verdicts")

    def rejectAfterTheFit(self) -> None:
        """An outdated fit says so in its tables, carries nothing without a yes, and is itself again after Undo."""
        person, ui = self.person, self.ui
        before = tableTexts(ui.fitTable)
        verdicts = colors(ui.targetsTable, VERDICT)
        person.clickCell(ui.pairsTable, 0, NAME)
        person.press("space")
        person.find(ui.fitTable)
        self.look("15-outdated-fit")
        assert "changed since the fit" in ui.fitSummary.text, ui.fitSummary.text
        assert not any("not used" in line[0] for line in tableTexts(ui.fitTable)), tableTexts(ui.fitTable)
        person.find(ui.targetsTable)
        self.look("16-outdated-verdicts")
        grey = colors(ui.targetsTable, VERDICT)
        assert len(set(grey)) == 1, grey
        assert not set(grey) & set(verdicts), f"Outdated verdicts look like others: {grey}."
        copies = len(slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode"))
        person.device.answers("No")
        person.click(ui.propagateButton)
        assert len(slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")) == copies
        person.click(ui.undoButton)
        assert tableTexts(ui.fitTable) == before
        assert colors(ui.targetsTable, VERDICT) == verdicts

    def writeTheReport(self) -> None:
        """Step 5: into a folder that is chosen in the dialog."""
        self.person.device.answers(str(self.folder))
        self.run(self.ui.reportButton)
        reports = list(self.folder.glob("*/report.html"))
        assert len(reports) == 1, sorted(path.name for path in self.folder.iterdir())

    # --- away and back ---

    def leaveAndComeBack(self) -> None:
        """To other modules and back: images stay up there, both volumes are there again here."""
        for name in ("Data", "SegmentEditor"):
            slicer.util.selectModule(name)
            walk.settle()
            self.look(f"17-in-{name}")
            assert not isBlank(FIXED), isBlank(FIXED)
            slicer.util.selectModule("Tell2Reg")
            walk.settle()
            self.look(f"18-back-from-{name}")
            self.bothVolumesAreSeen()
            self.isWhole(self.ui.pairsTable)
            self.everyPairIsDrawn()

    def saveCloseAndReopen(self) -> None:
        """The scene keeps everything that a person saw."""
        self.person.clickCell(self.ui.pairsTable, 0, NAME)
        self.person.press("space")
        before = self.state()
        path = self.folder / "session.mrb"
        assert slicer.util.saveScene(str(path))
        slicer.mrmlScene.Clear(0)
        walk.settle()
        self.look("19-closed")
        assert self.rows == ()
        slicer.util.loadScene(str(path))
        walk.settle()
        self.look("20-reopened")
        after = self.state()
        assert after == before, {name: (before[name], after[name]) for name in before if before[name] != after[name]}
        self.bothVolumesAreSeen()
        self.everyPairIsDrawn()
        names = [node.GetName() for node in choosable("vtkMRMLScalarVolumeNode")]
        assert names.count("Demo moving") == 1, names
        assert self.ui.propagateButton.enabled, self.ui.propagateButton.toolTip
        self.person.clickCell(self.ui.pairsTable, 0, NAME)
        self.person.press("space")
        self.run(self.ui.fitButton)
        assert "changed" not in self.ui.fitSummary.text, self.ui.fitSummary.text

    def state(self) -> dict[str, Any]:
        """What the panel shows of the session."""
        checked = [self.ui.planList.item(line) for line in range(self.ui.planList.count)]
        return {
            "rows": self.rows,
            "words": self.ui.prompts.plainText,
            "fit": tableTexts(self.ui.fitTable),
            "summary": self.ui.fitSummary.text,
            "targets": tableTexts(self.ui.targetsTable),
            "plan": [item.text() for item in checked if item.checkState() == 2],
            "shown": (self.parameters.shown, self.parameters.view),
        }

    def swapTheVolumes(self) -> None:
        """Other volumes: what belongs to the earlier ones is no longer drawn, and the panel says so."""
        self.person.click(self.ui.swapButton)
        walk.settle()
        self.look("21-swapped")
        assert self.parameters.fixedVolume.GetName() == "Demo moving"
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            for view in (FIXED, MOVING):
                assert not isDrawn(node, view), f"'{node.GetName()}' of the earlier choice is drawn in {view}."
        assert not self.ui.propagateButton.enabled
        self.bothVolumesAreSeen()

    # --- what is seen ---

    def isWhole(self, table: Any) -> None:
        """Every row of a table can be read."""
        self.person.find(table)
        walk.settle()  # the panel may still be laid out
        self.person.find(table)
        cut = rowsCutOff(table)
        assert not cut, f"Not wholly seen: {', '.join(cut)}."

    def bothVolumesAreSeen(self) -> None:
        """Side by side, neither black."""
        assert volumeIn(FIXED) is self.parameters.fixedVolume
        for view in (FIXED, MOVING):
            assert not isBlank(view), isBlank(view)

    def everyPairIsDrawn(self) -> None:
        """The regions of every accepted pair are drawn, each side in its own view."""
        for side, view in (("fixed", FIXED), ("moving", MOVING)):
            node = getattr(self.parameters, f"{side}Regions")
            missing = {getattr(row, side) for row in self.rows if row.accepted} - segmentsDrawn(node, view)
            assert not missing, f"Of '{node.GetName()}' {sorted(missing)} are not drawn in {view}."

    # --- helpers ---

    def run(self, button: Any) -> None:
        """Click a button that starts a run, and wait for its end."""
        self.person.click(button)
        until(lambda: not self.widget.panel.busy, what="the end of the run")
        walk.settle()

    def segmentNames(self, row: Any) -> list[str]:
        """The names of a pair's segments on both sides."""
        sides = ((self.parameters.fixedRegions, row.fixed), (self.parameters.movingRegions, row.moving))
        return [node.GetSegmentation().GetSegment(segment).GetName() for node, segment in sides]

    def lineOfThePlan(self) -> int:
        """The line of the plan in the list of what can be carried."""
        return [self.ui.planList.item(line).text() for line in range(self.ui.planList.count)].index(PLAN)


def run() -> None:
    """Inside Slicer: the module's own widget, a folder that goes afterwards."""
    import tempfile

    widget = openModule()
    with tempfile.TemporaryDirectory() as folder:
        Hands(Person(XDevice()), widget, Path(folder), pictures()).whole()
