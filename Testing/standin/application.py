"""slicer.app: the application, its main window, settings, managers of modules, files and extensions."""

from __future__ import annotations

import locale
import os
import tempfile
from pathlib import Path
from typing import Any

import slicer

from Testing.standin.answers import answers
from Testing.standin.io_manager import IoManager
from Testing.standin.module_panel import qSlicerModulePanel
from Testing.standin.observing import forget_all
from Testing.standin.pythonqt import QtCore, QtWidgets, Shiboken, cpp_property, teach
from Testing.standin.views import qMRMLLayoutManager


@teach
class qSlicerModuleManager(QtCore.QObject):
    """Every loaded module by name."""

    moduleLoaded = QtCore.Signal(str)
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def _all(self) -> dict[str, Any]:
        return self.__dict__.setdefault("_modules", {})

    def _add(self, module: Any) -> None:
        self._all()[module.name] = module
        self.moduleLoaded.emit(module.name)

    def module(self, name: str) -> Any:
        return self._all().get(name) or getattr(slicer.modules, name.lower(), None)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._all())

    def factoryManager(self) -> Any:
        return self

    def loadedModuleNames(self) -> tuple[str, ...]:
        return tuple(self._all())


@teach
class qSlicerModuleSelector(QtWidgets.QWidget):
    """Changes the module that is shown: exit of the one, enter of the other."""

    def _selected(self) -> str:
        return self.__dict__.get("_name", "")

    selectedModule = cpp_property(str, _selected)

    def selectModule(self, name: str) -> None:
        manager = slicer.app.moduleManager()
        before, after = manager.module(self._selected()), manager.module(name)
        if before is after:
            return
        old, new = (getattr(module, "widgetRepresentation", lambda: None)() for module in (before, after))
        dock = self.window()._modules
        getattr(old, "exit", lambda: None)()
        if hasattr(old, "isWidgetType"):
            dock.removeModule(old)
        if hasattr(new, "isWidgetType"):
            dock.addModule(new)
        getattr(new, "enter", lambda: None)()
        self._name = name


@teach
class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The window, with a status bar whose messages are kept in the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = qSlicerModuleSelector(self)
        self._modules = qSlicerModulePanel()
        self.setCentralWidget(self._modules)
        self.statusBar().messageChanged.connect(self._said)

    def _said(self, text: str) -> None:
        if text:
            answers.status.append(text)

    def moduleSelector(self) -> Any:
        return self._selector


class ExtensionsManagerModel:
    """The Extensions Manager: what is asked of it is kept in `installed`, nothing is downloaded."""

    def __init__(self) -> None:
        self.interactive = True
        self.installed: list[str] = []
        self.answer = True

    def isExtensionInstalled(self, name: str) -> bool:
        return name in self.installed

    def installExtensionFromServer(self, name: str, _restart: bool = True, _wait: bool = True) -> bool:
        self.installed.append(name)
        return self.answer

    def updateExtensionsMetadataFromServer(self, *_options: bool) -> bool:
        return True


@teach
class qSlicerApplication(QtWidgets.QApplication):
    """The application. One per process; `_begin` gives it a new scene, window and settings for a test."""

    startupCompleted = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)

    def _begin(self, folder: Path) -> None:
        self._folder, self._testing = folder, False
        self._modules, self._files, self._extensions = qSlicerModuleManager(), IoManager(), ExtensionsManagerModel()
        self._settings_file = str(folder / "Slicer.ini")
        self._restarts: list[str] = []
        self._rules = [slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule()]
        self._rules += [slicer.vtkClosedSurfaceToBinaryLabelmapConversionRule()]
        for rule in self._rules:
            slicer.vtkSegmentationConverterFactory.GetInstance().RegisterConverterRule(rule)
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(self._scene)
        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.GetCacheManager().SetRemoteCacheDirectory(self._path("cache"))
        self._remote.SetMRMLApplicationLogic(self._logic)
        self._remote.SetMRMLScene(self._scene)
        self._remote.AddDataIOToScene()
        self._colors = slicer.vtkMRMLColorLogic()
        self._colors.SetMRMLApplicationLogic(self._logic)
        self._colors.SetMRMLScene(self._scene)
        self._layouts = qMRMLLayoutManager()
        self._layouts._begin(self._scene, self._logic)
        self._window: Any = qSlicerMainWindow()

    def _unload(self) -> None:
        """What happens to modules when Slicer ends."""
        for name in self._modules.modulesNames():
            self._modules.moduleAboutToBeUnloaded.emit(name)

    def _end(self) -> None:
        forget_all()
        for rule in self._rules:
            slicer.vtkSegmentationConverterFactory.GetInstance().UnregisterConverterRule(rule)
        # Now and in this order: left to the garbage collector, Qt would call into Python while it clears up.
        for widget in [item for item in self.topLevelWidgets() if item.parent() is None]:
            if Shiboken.isValid(widget):
                widget.delete()
        for held in (*self._modules._all().values(), self._modules, self._layouts):
            held.delete()
        self._window = self._layouts = self._modules = None
        self._remote.RemoveDataIOFromScene()
        self._scene.Clear(1)
        self._scene = self._remote = self._logic = self._colors = None

    def mrmlScene(self) -> Any:
        return self._scene

    def applicationLogic(self) -> Any:
        return self._logic

    def layoutManager(self) -> qMRMLLayoutManager:
        return self._layouts

    def moduleManager(self) -> Any:
        return self._modules

    def coreIOManager(self) -> IoManager:
        return self._files

    def ioManager(self) -> IoManager:
        return self._files

    def extensionsManagerModel(self) -> ExtensionsManagerModel:
        return self._extensions

    def settings(self) -> Any:
        return QtCore.QSettings()

    def userSettings(self) -> Any:
        return QtCore.QSettings()

    def revisionUserSettings(self) -> Any:
        return QtCore.QSettings()

    def testingEnabled(self) -> bool:
        return self._testing

    def startupEnvironment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def toSlicerHomeAbsolutePath(self, path: str) -> str:
        return os.path.join(str(self._folder), path)

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"https://slicer.readthedocs.io/en/5.12/user_guide/modules/{name.lower()}.html"

    def moduleLogic(self, name: str) -> Any:
        return self._modules.module(name).logic()

    def restart(self) -> None:
        self._restarts.append("restart")

    def confirmRestart(self, reason: str = "") -> None:
        self._restarts.append(reason or "confirm")

    def openNodeModule(self, node: Any, _role: str = "", _context: str = "") -> None:
        answers.opened.append(node.GetID())

    def setRenderPaused(self, paused: bool) -> None:
        """Nothing is rendered here."""

    def pauseRender(self) -> None:
        """Nothing is rendered here."""

    def resumeRender(self) -> None:
        """Nothing is rendered here."""

    def _path(self, name: str) -> str:
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return str(folder)

    slicerHome = cpp_property(str, lambda self: self._path("home"))
    temporaryPath = cpp_property(str, lambda self: self._path("temporary"))
    cachePath = cpp_property(str, lambda self: self._path("cache"))
    defaultScenePath = cpp_property(str, lambda self: self._path("scenes"))
    extensionsInstallPath = cpp_property(str, lambda self: self._path("extensions"))
    slicerUserSettingsFilePath = cpp_property(str, lambda self: self._settings_file)
    majorVersion = cpp_property(int, lambda _self: 5)
    minorVersion = cpp_property(int, lambda _self: 12)
    revision = cpp_property(str, lambda _self: "34000")
    releaseType = cpp_property(str, lambda _self: "Stable")
    isInstalled = cpp_property(bool, lambda _self: True)
    os = cpp_property(str, lambda _self: "linux")
    arch = cpp_property(str, lambda _self: "amd64")
    platform = cpp_property(str, lambda _self: "linux-amd64")


def make_application() -> qSlicerApplication:
    """The application of this process."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    QtCore.qInstallMessageHandler(_heard)
    detected = locale.setlocale(locale.LC_ALL)
    app = QtWidgets.QApplication.instance() or qSlicerApplication(["Slicer"])
    locale.setlocale(locale.LC_ALL, detected)
    assert isinstance(app, qSlicerApplication), "Another QApplication was made before the stand-in."
    app.setStyle("Fusion")
    for setter, value in (
        ("OrganizationName", "NA-MIC"),
        ("ApplicationName", "Slicer"),
        ("ApplicationVersion", "5.12"),
    ):
        getattr(app, f"set{setter}")(value)
    app.setQuitOnLastWindowClosed(False)
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
    return app


def use_settings_in(folder: Path) -> None:
    QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, str(folder))
    QtCore.QSettings().clear()


said: list[str] = []
"""Warnings of Qt itself."""


def _heard(_kind: Any, _context: Any, text: str) -> None:
    if "propagateSizeHints" not in text:
        said.append(text)


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="slicer-standin-"))
