"""The Tell2Reg module of 3D Slicer. It assembles only: the method is in Tell2RegLib."""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

COMMANDS = (
    "tell2reg demo --out demo",
    "tell2reg models install fast",
    "tell2reg register --fixed fixed.nrrd --moving moving.nrrd --prompt prostate --prompt bladder --models fast"
    " --out result_by_words",
    "tell2reg register --fixed fixed.nrrd --moving moving.nrrd"
    " --fixed-regions fixed.seg.nrrd --moving-regions moving.seg.nrrd --out result",
    "tell2reg apply --transform result --input plan.mrk.json --out plan_in_fixed.mrk.json",
)


class Tell2Reg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Tell2Reg"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["The Tell2Reg authors"]
        parent.helpText = _(
            "Registers two volumes by what the same words find in both, or by regions that exist already, and carries "
            "a plan from one to the other. "
            "Research use only: not a medical device, not for diagnosis, treatment or any other clinical use."
        )
        parent.acknowledgementText = _(
            'The method is that of "Tell2Reg: Establishing spatial correspondence between images by the same language '
            'prompts" by Yan and others.'
        )


class Tell2RegWidget(ScriptedLoadableModuleWidget):
    """A panel that says what this version does and gives the commands to copy."""

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self._addText(_("<b>Research use only. Not for clinical use.</b>"))
        self._addText(
            _(
                "In this version Tell2Reg works from a terminal and from Python. The panel with the steps Images, "
                "Words, Regions, Transform and Plan is not part of it yet."
            )
        )
        self._addText(_("Install the library and its command once, from the folder of the source code:"))
        self._addCommand('python -m pip install -c constraints.txt -e ".[networks]"')
        self._addText(_("Then, in the terminal: try the built-in example, register two volumes, carry a plan over."))
        for command in COMMANDS:
            self._addCommand(command)
        self._addText(
            _(
                "Slicer opens what these commands leave in the result folder: moving_in_fixed.nrrd is the moving "
                "volume in the place of the fixed one, the .seg.nrrd files are the pairs of regions. A browser "
                "opens report.html."
            )
        )
        self.layout.addStretch(1)

    def _addText(self, text):
        label = qt.QLabel(text)
        label.wordWrap = True
        self.layout.addWidget(label)

    def _addCommand(self, command):
        """A line that can be selected, with a button that copies it."""
        row = qt.QHBoxLayout()
        line = qt.QLineEdit(command)
        line.readOnly = True
        line.cursorPosition = 0
        button = qt.QPushButton(_("Copy"))
        button.toolTip = _("Copy this command to the clipboard")
        button.connect("clicked(bool)", lambda _checked, text=command: slicer.app.clipboard().setText(text))
        row.addWidget(line)
        row.addWidget(button)
        self.layout.addLayout(row)


class Tell2RegTest(ScriptedLoadableModuleTest):
    """What Slicer's Reload and Test button runs."""

    def runTest(self):
        self.setUp()
        self.test_TheLibraryLiesBesideTheModule()

    def test_TheLibraryLiesBesideTheModule(self):
        import Tell2RegLib

        self.assertTrue(Tell2RegLib.__version__)
