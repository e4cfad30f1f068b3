"""Puts the stand-in in place of Slicer's GUI side, and takes it away again."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
import slicer.util

from Testing.standin import (
    application,
    built_in_modules,
    ctk_widgets,
    i18n,
    mrml_widgets,
    packaging,
    parameter_node,
    parameter_rules,
    parameter_widgets,
    qt_module,
    sample_data,
    scripted_module,
    subject_hierarchy,
    views,
)
from Testing.standin.answers import Answers, answers, box_shown
from Testing.standin.qt_signals import Shiboken, connections, errors

SHOWN_AT_LEAST_MS = 400
"""Slicer shows a message of delayDisplay from this time on, below it does nothing."""


def _parameter_module() -> ModuleType:
    module = ModuleType("slicer.parameterNodeWrapper", parameter_node.__doc__)
    for source in (parameter_rules, parameter_node):
        for name, value in vars(source).items():
            if not name.startswith("_") and getattr(value, "__module__", "") == source.__name__:
                setattr(module, name, value)
    module.SlicerParameterNamePropertyName = parameter_node.PROPERTY  # type: ignore[attr-defined]
    module.createGuiConnector = parameter_widgets.connector_for  # type: ignore[attr-defined]
    return module


def _scripted_module() -> ModuleType:
    module = ModuleType("slicer.ScriptedLoadableModule", scripted_module.__doc__)
    for part in ("", "Widget", "Logic", "Test"):
        setattr(module, f"ScriptedLoadableModule{part}", getattr(scripted_module, f"ScriptedLoadableModule{part}"))
    return module


MODULES = {
    "qt": qt_module.qt,
    "ctk": ctk_widgets.ctk,
    "SampleData": sample_data.as_module(),
    "slicer.i18n": i18n.as_module(),
    "slicer.packaging": packaging.as_module(),
    "slicer.parameterNodeWrapper": _parameter_module(),
    "slicer.ScriptedLoadableModule": _scripted_module(),
}
CLASSES = mrml_widgets.CLASSES | {
    klass.__name__: klass
    for klass in (
        *(scripted_module.qSlicerScriptedLoadableModule, scripted_module.qSlicerScriptedLoadableModuleWidget),
        *(application.qSlicerApplication, views.qMRMLSliceWidget, views.qMRMLLayoutManager, views.qMRMLThreeDWidget),
    )
}


class Standin:
    """The stand-in while it is in place: what a test looks at, and what it answers with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: Answers = answers
        self.errors, self.pip, self.said = errors, packaging.pip, application.said
        self.app: Any = slicer.app
        self.scene: Any = slicer.mrmlScene

    def load_module(self, path: Path) -> Any:
        """Have a scripted module loaded; the panel is module.widgetRepresentation().self()."""
        return scripted_module.load_module(path)

    def process_events(self, times: int = 5) -> None:
        """Let timers that are due and posted events come."""
        for _ in range(times):
            self.app.processEvents()

    def wait_until(self, true: Any, seconds: float = 60.0) -> None:
        """Process events until this is true.

        Raises:
            TimeoutError: it did not become true in time.
        """
        import time

        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                raise TimeoutError(f"Not within {seconds} s.")
            self.app.processEvents()
            time.sleep(0.002)

    def quit(self) -> None:
        """Tell everybody that the application is about to end."""
        self.app.aboutToQuit.emit()

    def press_sample(self, name: str) -> Any:
        """Press the button of a sample in the Sample Data module."""
        return sample_data.press(name)

    def unload_modules(self) -> None:
        """What happens to panels when Slicer ends: they leave and clean up."""
        self.app._unload()

    def without_main_window(self) -> None:
        """As Slicer with --no-main-window."""
        self.app._window.delete()

    def check(self) -> None:
        """Raises AssertionError if a slot raised, or an answer was never asked for."""
        if self.errors:
            raise AssertionError(f"Slots raised: {self.errors}") from self.errors[0]
        left = [*self.answers.waiting, *self.answers.dialogs]
        assert not left, f"Never asked for: {left}"


def _message_box(text: str, parent: Any = None, **options: Any) -> int:
    box = ctk_widgets.ctkMessageBox(parent if parent else slicer.util.mainWindow())
    box.text = text
    for name, value in options.items():
        if hasattr(box, name):
            setattr(box, name, value)
    shown = box_shown(box)
    box.delete()
    return shown


def _delay_display(message: str, autoCloseMsec: int = 1000, parent: Any = None, **_options: Any) -> None:
    logging.info(message)
    slicer.app.processEvents()
    if not 0 <= autoCloseMsec < SHOWN_AT_LEAST_MS:
        answers.status.append(message)


def _pip_install(requirements: Any, **options: Any) -> Any:
    return packaging.pip_install(requirements, **options)


UTIL = {"messageBox": _message_box, "delayDisplay": _delay_display, "pip_install": _pip_install}


@contextmanager
def in_place() -> Iterator[Standin]:
    """Slicer's GUI side, made anew: an empty scene, a main window, empty settings; gone at the end."""
    app, folder = application.make_application(), application.new_folder()
    before = {name: getattr(slicer.util, name) for name in UTIL}
    hook = sys.excepthook
    errors.clear()
    errors.epoch += 1
    answers.clear()
    packaging.pip.clear()
    application.said.clear()
    i18n.asked.clear()
    application.use_settings_in(folder)
    app._begin(folder)
    _hand_out(app)
    subject_hierarchy.follow(slicer.mrmlScene)
    sys.excepthook = lambda _kind, error, _trace: errors.record(error)
    try:
        yield Standin(folder)
    finally:
        sys.excepthook = hook
        errors.epoch += 1
        _take_back(app, before)
        shutil.rmtree(folder, ignore_errors=True)


def _hand_out(app: Any) -> None:
    sys.modules.update(MODULES)
    for name, module in MODULES.items():
        if name.startswith("slicer."):
            setattr(slicer, name.removeprefix("slicer."), module)
    for name, klass in CLASSES.items():
        setattr(slicer, name, klass)
    for name, function in UTIL.items():
        setattr(slicer.util, name, function)
    modules = built_in_modules.Modules("slicer.modules")
    modules.sampleDataSources = {}  # type: ignore[attr-defined]
    slicer.app, slicer.mrmlScene, slicer.modules, slicer.selfTests = app, app.mrmlScene(), modules, {}
    modules.markups.logic()  # it makes the scene know how markups are stored


def _take_back(app: Any, before: dict[str, Any]) -> None:
    app._end()
    for name, function in before.items():
        setattr(slicer.util, name, function)
    for name in [*CLASSES, "app", "mrmlScene", "modules", "selfTests", *(name.split(".")[-1] for name in MODULES)]:
        if hasattr(slicer, name):
            delattr(slicer, name)
    for name in MODULES:
        sys.modules.pop(name, None)
    for pointer in list(connections.of):
        if pointer != Shiboken.getCppPointer(app)[0]:
            connections.of.pop(pointer)
