"""The module `slicer.ScriptedLoadableModule`: the base classes of a scripted module, and how Slicer loads one."""

from __future__ import annotations

import importlib.util
import os
import sys
import unittest
from pathlib import Path
from typing import Any

import slicer

from Testing.standin.mrml_widgets import qMRMLWidget
from Testing.standin.pythonqt import QtCore, QtGui, QtWidgets, stored, teach


class ScriptedLoadableModule:
    """What Slicer knows of a module."""

    def __init__(self, parent: Any) -> None:
        self.parent, self.moduleName = parent, type(self).__name__
        for extension in (".svg", ".png"):
            icon = Path(parent.path).parent / "Resources" / "Icons" / f"{self.moduleName}{extension}"
            if icon.is_file():
                parent.icon = QtGui.QIcon(str(icon))
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.parent.path), "Resources", name)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return f'<p>For more information see the <a href="{docPage or self.moduleName}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **arguments: Any) -> None:
        test = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        test.messageDelay = msec
        test.runTest(**arguments)


class ScriptedLoadableModuleWidget:
    """The panel of a module."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if parent is None:
            parent = qMRMLWidget()
            parent.setLayout(QtWidgets.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, name: str) -> str:
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", name)

    def setup(self) -> None:
        """Slicer adds its reload section here, in developer mode."""

    def cleanup(self) -> None:
        """For derived classes."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """What a module can do without its panel."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def _ours(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def getParameterNode(self) -> Any:
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        elif self._ours():
            return self._ours()[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        return self._ours()

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The test of a module, as Slicer's Reload and Test runs it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        slicer.util.delayDisplay(message, 0)

    def runTest(self) -> None:
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()


# --- Slicer's side of a scripted module ---


@teach
class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What `parent` is for ScriptedLoadableModule."""

    title, setTitle = stored(str, "title", "")
    categories, setCategories = stored(list, "categories", ())
    dependencies, setDependencies = stored(list, "dependencies", ())
    contributors, setContributors = stored(list, "contributors", ())
    associatedNodeTypes, setAssociatedNodeTypes = stored(list, "associatedNodeTypes", ())
    helpText, setHelpText = stored(str, "helpText", "")
    acknowledgementText, setAcknowledgementText = stored(str, "acknowledgementText", "")
    hidden, setHidden = stored(bool, "hidden", False)
    index, setIndex = stored(int, "index", 0)
    icon, setIcon = stored(QtGui.QIcon, "icon", None)
    widgetRepresentationCreationEnabled, setWidgetRepresentationCreationEnabled = stored(bool, "creates", True)
    path, _set_path = stored(str, "path", "")
    name, _set_name = stored(str, "name", "")

    def _load(self, path: Path) -> None:
        self._set_path(str(path))
        self._set_name(path.stem)
        self._widget: Any = None
        self._source = _executed(path)
        self._instance = getattr(self._source, path.stem)(self)

    def widgetRepresentation(self) -> Any:
        """The panel, made when it is first asked for."""
        if self._widget is None:
            self._widget = qSlicerScriptedLoadableModuleWidget()
            self._widget._make(self.name)
        return self._widget

    def createNewWidgetRepresentation(self) -> Any:
        widget = qSlicerScriptedLoadableModuleWidget()
        widget._make(self.name)
        return widget

    def logic(self) -> Any:
        return None


@teach
class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """What `parent` is for ScriptedLoadableModuleWidget."""

    entered, _set_entered = stored(bool, "isEntered", False)

    def _make(self, name: str) -> None:
        self._name = name
        self.setLayout(QtWidgets.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def reload(self) -> None:
        """Make the panel anew from the module as it is imported now."""
        self._python = getattr(sys.modules[self._name], f"{self._name}Widget")(self)
        setattr(slicer.modules, f"{self._name}Widget", self._python)
        self._python.setup()

    def self(self) -> Any:
        """The Python object."""
        return self._python

    def enter(self) -> None:
        self._set_entered(True)
        getattr(self._python, "enter", lambda: None)()

    def exit(self) -> None:
        self._set_entered(False)
        getattr(self._python, "exit", lambda: None)()


def _executed(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def load_module(path: Path) -> Any:
    """Have the application load a scripted module from its file; its panel comes with widgetRepresentation().self()."""
    module = qSlicerScriptedLoadableModule()
    setattr(slicer.modules, path.stem.lower(), module)
    module._load(path.resolve())
    setattr(slicer.modules, f"{path.stem}Instance", module._instance)
    slicer.app.moduleManager()._add(module)
    return module
