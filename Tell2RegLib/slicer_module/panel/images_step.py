"""Step 1 of the panel: which two volumes."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.module_logic import DEMO
from Tell2RegLib.slicer_module.panel import messages
from Tell2RegLib.slicer_module.panel.run_row import RunRow
from Tell2RegLib.slicer_module.scene.sample_data import DemoNodes


class ImagesStep:
    """Fixed, moving, initial transform; the two bound to the parameter node by their names in the .ui."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        self._ui.swapButton.connect("clicked(bool)", self._swap)
        ui, logic = panel.ui, panel.logic
        self.row = RunRow(logic.runs, DEMO, ui.demoButton, ui.demoProgress, ui.demoLabel, self._loadDemo)
        logic.demoLoaded.connect(self._demoLoaded)

    def disconnect(self) -> None:
        """Disconnect from the run."""
        self.row.disconnect()
        self._panel.logic.demoLoaded.disconnect(self._demoLoaded)

    def update(self) -> None:
        """Show problems of the chosen volumes."""
        parameters, ui = self._panel.logic.parameters, self._ui
        chosen = parameters.fixedVolume is not None and parameters.movingVolume is not None
        problem = input_checks.whyNotImages(parameters) if chosen else ""
        warning = problem or input_checks.whyForeign(parameters) or input_checks.imagesWarning(parameters)
        ui.imagesWarning.text = warning
        ui.imagesWarning.styleSheet = "color: #c0392b;" if problem else "color: #b9770e;"
        ui.imagesWarning.setVisible(bool(warning))
        anyVolume = parameters.fixedVolume is not None or parameters.movingVolume is not None
        running = _("A run is in progress: wait for it, or cancel it first.") if self._panel.busy else ""
        self._panel.enable(ui.swapButton, running if anyVolume else _("Choose volumes first"))
        self.row.update("")

    def _swap(self, _checked: bool = False) -> None:
        parameters = self._panel.logic.parameters
        parameters.fixedVolume, parameters.movingVolume = parameters.movingVolume, parameters.fixedVolume
        parameters.fixedSegmentation, parameters.movingSegmentation = (
            parameters.movingSegmentation,
            parameters.fixedSegmentation,
        )
        parameters.initialTransform = parameters.trueTargets = None  # these were for the other way round
        parameters.calibration = ""

    def _loadDemo(self) -> None:
        try:
            self._panel.logic.loadDemoPair()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.IMAGES)

    def _demoLoaded(self, demo: DemoNodes) -> None:
        self._panel.prompts.choose("Pelvis demo")
        self._panel.plan.check([demo.plan])
