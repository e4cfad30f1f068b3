"""The panel: five steps, message lines, and updates when a choice or a node changes."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.logic import displayed_transform
from Tell2RegLib.slicer_module.logic.module_logic import DEMO, FIND, FIT, REPORT, Tell2RegLogic
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode
from Tell2RegLib.slicer_module.panel import fit_texts, messages
from Tell2RegLib.slicer_module.panel.content_heights import Heights
from Tell2RegLib.slicer_module.panel.images_step import ImagesStep
from Tell2RegLib.slicer_module.panel.messages import ERROR, INFO, Messages
from Tell2RegLib.slicer_module.panel.models_box import CHECK, MODELS
from Tell2RegLib.slicer_module.panel.number_boxes import NumberBoxes
from Tell2RegLib.slicer_module.panel.plan_step import PlanStep
from Tell2RegLib.slicer_module.panel.prompts_step import PromptsStep
from Tell2RegLib.slicer_module.panel.regions_step import RegionsStep
from Tell2RegLib.slicer_module.panel.transform_step import TransformStep
from Tell2RegLib.slicer_module.panel.view_controls import ViewControls
from Tell2RegLib.slicer_module.panel.volume_pair_plan import ChoiceOfPair
from Tell2RegLib.slicer_module.panel.volume_watch import VolumeWatch
from Tell2RegLib.slicer_module.run.runs import Outcome
from Tell2RegLib.slicer_module.scene import pair_decisions
from Tell2RegLib.slicer_module.scene.slice_views import Views

STEP_OF_RUN = {
    **{FIND: messages.REGIONS, FIT: messages.TRANSFORM, REPORT: messages.REPORT},
    **{MODELS: messages.MODELS, CHECK: messages.MODELS, DEMO: messages.IMAGES},
}
"""The step at which the messages of a run are shown."""
TITLES = {
    **{FIND: _("Find regions"), FIT: _("Fit"), REPORT: _("Save report")},
    **{MODELS: _("Models"), CHECK: _("Check packages"), DEMO: _("Demo pair")},
}
"""Headings of the log."""
CHOSEN = (
    *("fixedVolume", "movingVolume", "initialTransform", "fixedSegmentation", "movingSegmentation"),
    "trueTargets",
)
"""The nodes that a person chooses."""
BEFORE_THE_WIDGETS = 100.0
"""Priority of an observer; the node selectors have 10."""


class Panel:
    """Five steps, one below the other, each usable alone.

    Args:
        ui: the named widgets of Tell2Reg.ui.
        logic: what they drive.
        observer: something with addObserver and removeObservers of slicer.util.VTKObservationMixin.
    """

    def __init__(self, ui: Any, logic: Tell2RegLogic, observer: Any) -> None:
        self.ui, self.logic, self._observer = ui, logic, observer
        self.views = Views(slicer.app.layoutManager())
        self.messages, self.numbers, self._heights = Messages(ui), NumberBoxes(ui), Heights(ui)
        self._volumes: tuple = ()
        self._sceneGoes = False
        self.tips: dict[str, str] = {}
        self.entered = False
        self._updating = False
        self._guiTag: Any = None
        self._bound: Tell2RegParameterNode | None = None
        self._choice = ChoiceOfPair(logic)
        self.volumes = VolumeWatch(observer, self._volumeMoved)
        self.images, self.prompts = ImagesStep(self), PromptsStep(self)
        self.regions, self.transform, self.plan = RegionsStep(self), TransformStep(self), PlanStep(self)
        self.viewControls = ViewControls(self)
        runs = logic.runs
        self._connections = (
            (runs.started, self._started),
            (runs.ended, self._ended),
            (runs.logged, self.log),
            (logic.pairsChanged, self._pairsChanged),
            (logic.fitChanged, self._fitChanged),
        )
        for signal, slot in self._connections:
            signal.connect(slot)
        self._settled = qt.QTimer()
        self._settled.setSingleShot(True)
        self._settled.connect("timeout()", self.update)

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self.logic.runs.busy

    @property
    def bound(self) -> bool:
        """Whether the widgets are bound to the parameter node of the current scene."""
        return self._bound is not None

    def tip(self, button: Any) -> str:
        """The description of a button from the .ui, independent of its current tooltip."""
        return self.tips.setdefault(button.objectName, button.toolTip)

    def enable(self, button: Any, why: str = "") -> None:
        """Enable a button, or disable it with the reason as its tooltip."""
        tip = self.tip(button)
        button.enabled, button.toolTip = not why, why or tip

    def lock(self, locked: bool) -> None:
        """Disable the panel while packages are installed."""
        for name in ("imagesStep", "promptsStep", "regionsStep", "transformStep", "planStep"):
            getattr(self.ui, name).enabled = not locked

    # --- the life of the panel ---

    def enter(self) -> None:
        """The user opened the module."""
        if self.entered:
            return
        self.entered = True
        self.bind()
        self.regions.models.enter()
        self.viewControls.redrawAll()
        self.update()

    def exit(self) -> None:
        """The user left the module: restore the previous views and stop observing."""
        wasEntered, self.entered = self.entered, False
        self.viewControls.draw()
        self.plan.release()
        self.regions.release()
        if wasEntered:
            displayed_transform.release(self.logic.parameters, self.views, self.viewControls.displayMode())
        self.unbind()

    def bind(self) -> None:
        """Bind the widgets to the parameter node of the present scene."""
        self.unbind()
        parameters = self.logic.getParameterNode()
        self._bound = parameters
        self._chooseVolumes(parameters)
        self.regions.showStoredLog()
        self._guiTag = parameters.connectGui(self.ui)
        self.prompts.bind()
        self._observer.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._changed)
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self._observer.addObserver(scene, event, self._sceneChanged)
        self._observer.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._nodeGoes, priority=BEFORE_THE_WIDGETS)

    def unbind(self) -> None:
        """Release the parameter node and the scene."""
        if self._bound is None:
            return
        self._bound.disconnectGui(self._guiTag)
        self._observer.removeObserver(self._bound, vtk.vtkCommand.ModifiedEvent, self._changed)
        scene = slicer.mrmlScene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
            self._observer.removeObserver(scene, event, self._sceneChanged)
        self._observer.removeObserver(scene, scene.NodeAboutToBeRemovedEvent, self._nodeGoes)
        self.volumes.follow(())
        self._bound, self._guiTag = None, None
        self._settled.stop()

    def sceneStartsToClose(self) -> None:
        """Cancel the run before the scene is closed."""
        self._sceneGoes = self.busy
        self.logic.runs.cancel()
        self.messages.clearAll()
        self.ui.logText.clear()
        self.logic.forgetDecisions()
        self.unbind()
        self.plan.forget()
        self._choice.forget()
        self.views.restore()
        self.views.forget()

    def sceneClosed(self) -> None:
        """Bind to the parameter node of the new scene."""
        self.logic.forgetDecisions()
        self.viewControls.redrawAll()
        if self.entered:
            self.bind()
            self.update()

    def close(self) -> None:
        """Release everything and end the worker, when the module is unloaded."""
        self.exit()
        for signal, slot in self._connections:
            signal.disconnect(slot)
        for part in (self.images, self.regions, self.transform, self.viewControls, self.plan.row):
            part.disconnect()
        self.messages.close()
        self._heights.close()
        self.logic.close()

    # --- up to date ---

    def update(self) -> None:
        """Update every step; nested calls are merged."""
        if self._updating or self.logic.isChanging or self._bound is None or slicer.mrmlScene.IsBatchProcessing():
            return
        self._updating = True
        try:
            self._forgetMessagesOfOtherVolumes()
            self._choice.follow()
            self.volumes.follow((self.logic.parameters.fixedVolume, self.logic.parameters.movingVolume))
            self._forgetBrokenPairs()
            for step in (self.images, self.prompts, self.regions, self.transform, self.viewControls, self.plan):
                step.update()
            self._heights.fit()
        finally:
            self._updating = False

    def _changed(self, _caller: Any = None, _event: Any = None) -> None:
        self.update()

    def _volumeMoved(self, _caller: Any = None, _event: Any = None) -> None:
        """A transform above a chosen volume changed: once per turn of the event loop, however often it is dragged."""
        self._settled.start(0)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _nodeGoes(self, _caller: Any, _event: Any, node: Any) -> None:
        """A chosen node is removed: nothing is chosen then, where its selector would take the next one of the list."""
        parameters = self.logic.parameters
        for name in CHOSEN:
            if getattr(parameters, name) is node:
                setattr(parameters, name, None)

    def _sceneChanged(self, _caller: Any = None, _event: Any = None) -> None:
        """A node came or went: heard when the event loop runs next.

        Slicer's slice logic adds and removes nodes of its own, and crashes where one is added from within.
        """
        if self._bound is not None and not slicer.mrmlScene.IsNodePresent(self._bound.parameterNode):
            self.bind()  # the parameter node itself was removed: nothing here works without one
        self._settled.start(0)

    def _pairsChanged(self) -> None:
        self.messages.decided()
        self.update()

    def _fitChanged(self) -> None:
        self.viewControls.redrawLater()
        self.update()
        self.viewControls.drawNow()

    def _forgetBrokenPairs(self) -> None:
        """Report damaged pairs of a scene once, and discard them."""
        for name in ("pairs", "fittedPairs"):
            try:
                pair_decisions.from_json(getattr(self.logic.parameters, name))
            except InputError as error:
                setattr(self.logic.parameters, name, "")
                self.say(str(error), ERROR, messages.REGIONS)

    def _forgetMessagesOfOtherVolumes(self) -> None:
        parameters = self.logic.parameters
        volumes = tuple(node and node.GetID() for node in (parameters.fixedVolume, parameters.movingVolume))
        if volumes != self._volumes:
            self._volumes = volumes
            self.messages.clearAll()

    def _chooseVolumes(self, parameters: Tell2RegParameterNode) -> None:
        """Choose the two volumes of the scene if it has exactly two and none is chosen."""
        if parameters.fixedVolume is not None or parameters.movingVolume is not None:
            return
        nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        usable = [node for node in nodes if not node.GetHideFromEditors() and not node.IsA("vtkMRMLLabelMapVolumeNode")]
        if len(usable) == 2:
            parameters.fixedVolume, parameters.movingVolume = usable

    # --- what is said ---

    def say(self, text: str, level: str = INFO, step: str = "") -> None:
        """One line at a step of the panel, scrolled into view, and in the log.

        Args:
            text: what is wrong, which value, what to do; empty takes back what is said there.
            level: `messages.INFO`, `WARNING` or `ERROR`.
            step: one of `messages.STEPS`; "" for the top of the panel.
        """
        self.messages.say(text, level, step)
        if text:
            self.log(text)

    def show(self, text: str, level: str = INFO, step: str = "") -> None:
        """One line at a step only, as `say`: for what changes many times a second."""
        self.messages.show(text, level, step)

    def log(self, text: str) -> None:
        """A line for the log of step 3 and for that of Slicer."""
        self.ui.logText.appendPlainText(text)
        logging.info("Tell2Reg: %s", text)

    def startOf(self, run: str, title: str = "") -> None:
        """Something is done anew: a heading for the log, what was said of the time before is taken back."""
        self.messages.started(STEP_OF_RUN.get(run, ""))
        self.log(f"--- {datetime.now():%H:%M:%S}  {title or TITLES.get(run, run)}")

    def _started(self, run: str) -> None:
        self.startOf(run)
        self.update()

    def _ended(self, outcome: Outcome) -> None:
        ofClosedScene, self._sceneGoes = self._sceneGoes, False
        if not ofClosedScene:
            self._report(outcome, STEP_OF_RUN.get(outcome.run, ""))
        self.update()

    def _report(self, outcome: Outcome, step: str) -> None:
        """Report the outcome of a run at its step and in the log."""
        if outcome.status == "failed":
            self.say(outcome.message, ERROR, step)
            if outcome.detail:
                self.log(outcome.detail)
        elif outcome.status == "cancelled":
            self.say(outcome.message, INFO, step)
        else:
            self.messages.succeeded(step)
            if outcome.run == FIT and self.logic.fitSummary:
                for sentence in fit_texts.fitLines(self.logic.fitSummary):
                    self.log(sentence)
            if outcome.run == REPORT:
                self.say(_("Report: {path}").format(path=self.logic.report), INFO, step)
