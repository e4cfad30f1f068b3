"""The Tell2Reg module of 3D Slicer. It assembles only: panel and logic are in Tell2RegLib/slicer_module.

Nothing heavy is imported here: Slicer reads this file when it starts.
"""

import sys
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

_SOURCE_TREE = Path(__file__).resolve().parent.parent
if (_SOURCE_TREE / "Tell2RegLib" / "__init__.py").is_file() and str(_SOURCE_TREE) not in sys.path:
    sys.path.insert(0, str(_SOURCE_TREE))  # installed, the library lies beside this file and is found without it


class Tell2Reg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Tell2Reg"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["The Tell2Reg authors"]
        parent.helpText = _(
            "Registers two volumes from text prompts or existing segmentations and propagates a plan from one to the "
            "other, with a trust verdict for each target. Research use only: not a medical device, not for diagnosis, "
            "treatment or any other clinical use."
        )
        parent.acknowledgementText = _(
            'Method: "Tell2Reg: Establishing spatial correspondence between images by the same language '
            'prompts" by Yan and others.'
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the demo pair in the Sample Data module."""
    from Tell2RegLib.slicer_module.logic import sample_data

    sample_data.registerSampleData()


class Tell2RegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel; what it is made of is in Tell2RegLib/slicer_module/panel."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.panel: Any = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        from Tell2RegLib.slicer_module.panel import widget

        widget.setUp(self)

    def enter(self) -> None:
        self.panel.enter()

    def exit(self) -> None:
        self.panel.exit()

    def cleanup(self) -> None:
        if self.panel is not None:
            self.panel.close()
        self.removeObservers()

    def onReload(self) -> None:
        from Tell2RegLib.slicer_module.panel import widget

        widget.reloadLibrary()
        ScriptedLoadableModuleWidget.onReload(self)


class Tell2RegTest(ScriptedLoadableModuleTest):
    """What Slicer's Reload and Test button runs: the whole session on the demo pair, with its true regions."""

    def runTest(self) -> None:
        self.setUp()
        self.test_TheDemoPairIsRegisteredByItsSegments()

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()

    def test_TheDemoPairIsRegisteredByItsSegments(self) -> None:
        from Tell2RegLib.slicer_module.logic import self_test

        self_test.registerDemoPair(self)
