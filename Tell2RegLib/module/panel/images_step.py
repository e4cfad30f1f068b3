"""Step 1 of the panel: which two volumes."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from Tell2RegLib.module import inputs


class ImagesStep:
    """Fixed, moving, initial transform; the two bound to the parameter node by their names in the .ui."""

    def __init__(self, panel) -> None:
        self._panel, self._ui = panel, panel.ui
        self._ui.swapButton.connect("clicked(bool)", self._swap)
        self._ui.demoButton.connect("clicked(bool)", self._loadDemo)

    def update(self) -> None:
        """Say at once what is wrong with the volumes."""
        own, ui = self._panel.logic.parameters, self._ui
        chosen = own.fixedVolume is not None and own.movingVolume is not None
        problem = inputs.whyNotImages(own) if chosen else ""
        warning = problem or inputs.whyForeign(own) or inputs.imagesWarning(own)
        ui.imagesWarning.text = warning
        ui.imagesWarning.styleSheet = "color: #c0392b;" if problem else "color: #b9770e;"
        ui.imagesWarning.setVisible(bool(warning))
        ui.swapButton.enabled = (own.fixedVolume is not None or own.movingVolume is not None) and not self._panel.busy
        ui.swapButton.toolTip = _("Exchange the two volumes") if ui.swapButton.enabled else _("Choose volumes first")
        ui.demoButton.enabled = not self._panel.busy

    def _swap(self, _checked: bool = False) -> None:
        own = self._panel.logic.parameters
        own.fixedVolume, own.movingVolume = own.movingVolume, own.fixedVolume
        own.fixedSegmentation, own.movingSegmentation = own.movingSegmentation, own.fixedSegmentation
        own.initialTransform = own.trueTargets = None  # they were for the other way round

    def _loadDemo(self, _checked: bool = False) -> None:
        from Tell2RegLib.module.sample_data import loadDemoPair

        with slicer.util.tryWithErrorDisplay(_("The demo pair could not be made."), waitCursor=True):
            demo = loadDemoPair(slicer.mrmlScene)
            own = self._panel.logic.parameters
            own.fixedVolume, own.movingVolume, own.initialTransform = demo.fixed, demo.moving, None
            own.trueTargets = demo.truth
            self._panel.words.choose("Pelvis demo")
            self._panel.plan.check([demo.plan])
