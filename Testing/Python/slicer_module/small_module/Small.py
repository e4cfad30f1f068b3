"""A scripted module as small as the template of Slicer, for the tests of the stand-in."""

import enum
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Flavor(enum.Enum):
    SWEET = "sweet"
    SOUR = "sour"


@parameterNodeWrapper
class SmallParameterNode:
    volume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(0, 100)] = 40
    steps: Annotated[int, WithinRange(1, 9)] = 3
    words: str = ""
    invert: bool = False
    flavor: Flavor = Flavor.SOUR


class Small(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Small")
        parent.categories = ["Examples"]


class SmallWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.events = []

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/Small.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = SmallLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.parameterNode = self.logic.getParameterNode()
        self.tag = self.parameterNode.connectGui(self.ui)

    def cleanup(self):
        self.removeObservers()
        self.events.append("cleanup")

    def enter(self):
        self.events.append("enter")

    def exit(self):
        self.events.append("exit")

    def onSceneEndClose(self, caller, event):
        self.events.append("closed")

    def onApplyButton(self):
        with slicer.util.tryWithErrorDisplay(_("It did not work."), waitCursor=True):
            self.logic.process(self.parameterNode.volume)


class SmallLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return SmallParameterNode(super().getParameterNode())

    def process(self, volume):
        if volume is None:
            raise ValueError("Choose a volume.")
        volume.SetName("processed")


class SmallTest(ScriptedLoadableModuleTest):
    def test_Small1(self):
        self.assertTrue(slicer.modules.small.title)
