"""Step 3 of the panel: find regions, review the pairs, decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.region_sources.registry import runs_models, source_names
from Tell2RegLib.slicer_module.logic import displayed_transform, input_checks
from Tell2RegLib.slicer_module.logic.module_logic import FIND, Tell2RegLogic
from Tell2RegLib.slicer_module.logic.pairs_summary import SearchSummary
from Tell2RegLib.slicer_module.logic.parameters import SEGMENTATIONS, byWords
from Tell2RegLib.slicer_module.logic.segmentation_display import SourceDisplay
from Tell2RegLib.slicer_module.panel import messages, tables
from Tell2RegLib.slicer_module.panel.models_box import ModelsBox
from Tell2RegLib.slicer_module.panel.run_row import RunRow
from Tell2RegLib.slicer_module.panel.shortcuts import NEXT_PAIR, PREVIOUS_PAIR, TOGGLE_PAIR
from Tell2RegLib.slicer_module.scene import pair_decisions
from Tell2RegLib.space.grid import Floats

NAME = 1
"""Column of the name, which can be changed."""
PROMPT = 2
"""Column of the prompt."""


class RegionsStep:
    """Source, run, table of pairs with keyboard shortcuts, manual pairs, editing."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        self._logic: Tell2RegLogic = panel.logic
        self._filling = False
        self._sources = SourceDisplay(panel.views)
        self._filled: tuple | None = None
        ui = self._ui
        self._fillSources()
        ui.sourceCombo.connect("activated(int)", self._sourceChosen)
        self.models = ModelsBox(panel)
        self.row = RunRow(panel.logic.runs, FIND, ui.findButton, ui.findProgress, ui.findLabel, self._find)
        headers = (
            "",
            _("Name"),
            _("Prompt"),
            _("Similarity"),
            _("Distance,\nmm"),
            _("Size\nratio"),
            _("Dice"),
            _("Status"),
        )
        tables.prepare(ui.pairsTable, headers, stretched=(NAME, PROMPT), spared=(PROMPT,))
        ui.pairsTable.connect("itemSelectionChanged()", self._selected)
        ui.pairsTable.connect("cellDoubleClicked(int,int)", self._renameAsked)
        ui.pairsTable.connect("itemChanged(QTableWidgetItem*)", self._edited)
        for key, slot in ((TOGGLE_PAIR, self._toggle), (NEXT_PAIR, self._next), (PREVIOUS_PAIR, self._previous)):
            self._shortcut(key, slot)
        for button, slot in (
            (ui.acceptButton, lambda: self._logic.accept(self.selected())),
            (ui.rejectButton, lambda: self._logic.reject(self.selected())),
            (ui.acceptAllButton, lambda: self._logic.accept([row.number for row in self._logic.rows])),
            (ui.previousButton, self._previous),
            (ui.nextButton, self._next),
            (ui.undoButton, self._logic.undo),
            (ui.redoButton, self._logic.redo),
            (ui.pairButton, self._pairByHand),
            (ui.editFixedButton, lambda: self._edit("fixed")),
            (ui.editMovingButton, lambda: self._edit("moving")),
        ):
            button.connect("clicked(bool)", self._guarded(slot))
        self._logic.regionsFound.connect(self._onSearchDone)

    def _shortcut(self, key: str, slot: Callable[[], None]) -> None:
        shortcut = qt.QShortcut(qt.QKeySequence(key), self._ui.pairsTable)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", self._guarded(slot))

    def _guarded(self, slot: Callable[[], None]) -> Callable[..., None]:
        """The slot without arguments, with its errors shown as one sentence."""

        def run(*_arguments: object) -> None:
            try:
                slot()
            except Tell2RegError as error:
                slicer.util.errorDisplay(str(error), windowTitle="Tell2Reg")

        return run

    def disconnect(self) -> None:
        """Disconnect from runs and searches."""
        self.row.disconnect()
        self.models.disconnect()
        self._logic.regionsFound.disconnect(self._onSearchDone)

    # --- what is shown ---

    def showStoredLog(self) -> None:
        """Show the stored messages of a loaded scene in the log."""
        if self._logic.parameters.words and not self._ui.logText.plainText:
            self._ui.logText.setPlainText(self._logic.parameters.words)

    def _onSearchDone(self, summary: SearchSummary) -> None:
        self._panel.log(self._logic.parameters.words)
        isWarning = summary.warnings or summary.partnerless or summary.doubtful or summary.remarks
        level = messages.WARNING if isWarning else messages.INFO
        self._panel.messages.say(summary.sentence, level, messages.REGIONS)

    def update(self) -> None:
        """Enable what can be used, fill the table."""
        parameters, ui, logic = self._logic.parameters, self._ui, self._logic
        words, models = byWords(parameters), byWords(parameters) and runs_models(parameters.source)
        if ui.sourceCombo.findData(parameters.source) < 0:  # a plug-in that is gone, or came since
            self._fillSources(parameters.source)
        ui.sourceCombo.setCurrentIndex(ui.sourceCombo.findData(parameters.source))
        for name in ("fixedSegmentation", "movingSegmentation"):
            getattr(ui, name).setVisible(not words)
            getattr(ui, f"{name}Label").setVisible(not words)
        for widget in (ui.modelsComboLabel, ui.modelsCombo, ui.modelsStatus):
            widget.setVisible(models)
        ui.modelsBox.setVisible(words or bool(self.models.missingPackages))  # the fit needs packages, not models
        ui.findButton.text = _("Cancel") if logic.runs.current == FIND else self._findText(words)
        self.row.update(
            logic.whyNotFind()
            or (self.models.whyNotFind() if models else self.models.missingPackages if words else ""),
            "" if words else _("Read the segments and pair those with the same name"),
        )
        self.models.update()
        self._fill()
        self._updateButtons()
        if self._panel.entered and parameters.movingShown is not None and not input_checks.whyNotImages(parameters):
            self._sources.show(parameters)
        else:
            self._sources.release()

    def release(self) -> None:
        """Restore the display of the user's segmentations, when the user leaves the module."""
        self._sources.release()

    def _fillSources(self, chosen: str = FindOptions.source) -> None:
        """The sources of the library, those of plug-ins by their names, and the segmentations of the scene."""
        combo = self._ui.sourceCombo
        combo.clear()
        for name in dict.fromkeys((*source_names(), *([] if chosen == SEGMENTATIONS else [chosen]))):
            combo.addItem(
                _("prompts") if name == FindOptions.source else _("prompts, with {source}").format(source=name), name
            )
        combo.addItem(_("existing segmentations"), SEGMENTATIONS)

    def _findText(self, byWords: bool) -> str:
        return _("Find regions") if byWords else _("Pair segments")

    def _fill(self) -> None:
        table, rows = self._ui.pairsTable, self._logic.rows
        if rows == self._filled:
            return  # a name that is being typed there stays
        self._filled = rows
        chosen = self.selected()
        self._filling = True
        try:
            table.setRowCount(len(rows))
            for line, row in enumerate(rows):
                mark = tables.cell(table, line, 0, "✓" if row.accepted else "✗", row.reason or row.status)
                tables.swatch(mark, row.color)
                tables.cell(
                    table, line, NAME, row.name, _("{name}, prompt: {words}").format(name=row.name, words=row.prompt)
                )
                tables.cell(table, line, PROMPT, row.prompt)
                tables.figure(table, line, 3, row.similarity)
                tables.figure(table, line, 4, row.distance_mm, 1)
                tables.figure(table, line, 5, row.size_ratio)
                tables.figure(table, line, 6, row.dice)
                status = _("accepted") if row.accepted else _("rejected")
                if row.accepted and row.weight < 1:
                    status = _("accepted, {percent} %").format(percent=f"{100 * row.weight:.2g}")
                tables.cell(table, line, 7, status, row.reason or row.status)
                if not row.accepted:
                    tables.grey(table, line, first=1)
            for line, row in enumerate(rows):
                if row.number in chosen and row.number not in self.selected():
                    table.selectRow(line)
            tables.fitHeight(table)
        finally:
            self._filling = False

    def _updateButtons(self) -> None:
        ui, logic, enable = self._ui, self._logic, self._panel.enable
        foreign = input_checks.whyForeign(logic.parameters)
        nothing = foreign or ("" if logic.rows else _("Find regions first"))
        unselected = nothing or ("" if self.selected() else _("Select a pair in the table first"))
        for button in (ui.acceptButton, ui.rejectButton):
            enable(button, unselected)
        for button in (ui.acceptAllButton, ui.previousButton, ui.nextButton):
            enable(button, nothing)
        enable(ui.undoButton, foreign or ("" if logic.canUndo else _("There is no decision to undo")))
        enable(ui.redoButton, foreign or ("" if logic.canRedo else _("There is no decision to redo")))
        hasRegions = logic.parameters.fixedRegions is not None and logic.parameters.movingRegions is not None
        running = _("A run is in progress") if self._panel.busy else ""
        for button in (ui.pairButton, ui.editFixedButton, ui.editMovingButton):
            enable(button, foreign or (running if hasRegions else _("Find regions first")))
        self._fillSegments(ui.fixedSegmentCombo, None if foreign else logic.parameters.fixedRegions)
        self._fillSegments(ui.movingSegmentCombo, None if foreign else logic.parameters.movingRegions)

    def _fillSegments(self, combo: Any, node: Any) -> None:
        segmentation: Any = None if node is None else node.GetSegmentation()
        ids = segmentation.GetSegmentIDs() if segmentation else ()
        segments = [(segmentation.GetSegment(segment).GetName(), segment) for segment in ids]
        if segments == [(combo.itemText(index), combo.itemData(index)) for index in range(combo.count)]:
            return  # it may be open
        chosen = combo.currentData
        combo.clear()
        for name, segment in segments:
            combo.addItem(name, segment)
        combo.setCurrentIndex(max(combo.findData(chosen), 0) if segments else -1)

    # --- what a person does ---

    def selected(self) -> list[int]:
        """The numbers of the selected pairs."""
        rows = self._logic.rows
        return [rows[line].number for line in tables.selectedRows(self._ui.pairsTable) if line < len(rows)]

    def _find(self) -> None:
        self._panel.numbers.take()
        question = _("This replaces the regions and your decisions about them. Continue?")
        if self._logic.canUndo and not slicer.util.confirmYesNoDisplay(question, windowTitle="Tell2Reg"):
            return
        if self._logic.parameters.source == SEGMENTATIONS:
            self._panel.startOf(FIND, _("Pair segments"))
        try:
            self._logic.findRegions()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.REGIONS)
        self._panel.update()

    def _sourceChosen(self, index: int) -> None:
        self._logic.parameters.source = self._ui.sourceCombo.itemData(index)

    def _selected(self) -> None:
        if self._filling:
            return
        chosen = self.selected()
        if chosen:
            displayed_transform.revealRegions(
                self._logic.parameters, pair_decisions.row_of(self._logic.rows, chosen[0])
            )
            self._panel.views.jump(*self._displayedPositions(chosen[0]))
        self._panel.viewControls.paint()
        self._updateButtons()

    def _displayedPositions(self, number: int) -> tuple[Floats | None, Floats | None]:
        fixed, moving = self._logic.positionsOf(number)
        return fixed, self._panel.viewControls.displayedPosition(moving)

    def _toggle(self) -> None:
        chosen = [row for row in self._logic.rows if row.number in self.selected()]
        if chosen:
            change = self._logic.reject if chosen[0].accepted else self._logic.accept
            change([row.number for row in chosen])

    def _next(self) -> None:
        self._step(1)

    def _previous(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        table = self._ui.pairsTable
        if table.rowCount:
            current = table.currentRow()
            table.selectRow((current + by) % table.rowCount if current >= 0 else 0)

    def _renameAsked(self, line: int, column: int) -> None:
        if column != NAME:
            return
        table = self._ui.pairsTable
        item = table.item(line, NAME)
        item.setFlags(item.flags() | qt.Qt.ItemIsEditable)
        table.editItem(item)

    def _edited(self, item: Any) -> None:
        if self._filling or item.column() != NAME:
            return
        row = self._logic.rows[item.row()]
        if item.text().strip() == row.name:
            return
        self._filled = None  # the cell does not hold the name of the row any more
        self._guarded(lambda: self._logic.rename(row.number, item.text()))()
        self._panel.update()

    def _pairByHand(self) -> None:
        ui = self._ui
        self._logic.pairByHand(ui.fixedSegmentCombo.currentData, ui.movingSegmentCombo.currentData)

    def _edit(self, side: str) -> None:
        """Slicer's Segment Editor on one side, the moving one where it lies."""
        parameters = self._logic.parameters
        parameters.shown = "none"
        segmentation = parameters.fixedRegions if side == "fixed" else parameters.movingRegions
        volume = parameters.fixedVolume if side == "fixed" else parameters.movingVolume
        self._panel.views.restore()
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setSegmentationNode(segmentation)
        editor.setSourceVolumeNode(volume)
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        displayed_transform.showForEditing(parameters, side)
        rows = {getattr(row, side): row.number for row in self._logic.rows}
        chosen = self.selected()
        for segment, number in rows.items():
            if number in chosen[:1]:
                editor.setCurrentSegmentID(segment)
                self._panel.views.jumpEverywhere(self._logic.positionsOf(number)[("fixed", "moving").index(side)])
