"""The entry points called by Slicer: set up, enter, exit, scene closed, reload."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import slicer

from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic
from Tell2RegLib.slicer_module.panel.panel import Panel
from Tell2RegLib.slicer_module.panel.setting_rows import addSettings


def setUp(widget: Any) -> None:
    """Give a ScriptedLoadableModuleWidget its panel: `widget.ui`, `widget.logic`, `widget.panel`."""
    root = slicer.util.loadUI(widget.resourcePath("UI/Tell2Reg.ui"))
    widget.layout.addWidget(root)
    widget.ui = slicer.util.childWidgetVariables(root)
    addSettings(widget.ui)
    root.setMRMLScene(slicer.mrmlScene)
    widget.logic = Tell2RegLogic()
    widget.panel = Panel(widget.ui, widget.logic, widget)
    if _isSelected():
        widget.panel.enter()  # reloaded: Slicer does not say again that the person is here
    scene = slicer.mrmlScene
    widget.addObserver(scene, scene.StartCloseEvent, lambda *_: widget.panel.sceneStartsToClose())
    widget.addObserver(scene, scene.EndCloseEvent, lambda *_: widget.panel.sceneClosed())
    widget.addObserver(scene, scene.EndImportEvent, lambda *_: widget.panel.sceneClosed())
    widget.addObserver(scene, scene.EndBatchProcessEvent, lambda *_: widget.panel.update())


def _isSelected() -> bool:
    """Whether the module is the one that is shown; never without a main window."""
    return slicer.util.mainWindow() is not None and slicer.util.selectedModule() == "Tell2Reg"


def reloadLibrary() -> None:
    """Load the library again from its files, so that Reload shows what was changed there."""
    for name in sorted((name for name in sys.modules if name.split(".")[0] == "Tell2RegLib"), reverse=True):
        del sys.modules[name]
    importlib.invalidate_caches()
