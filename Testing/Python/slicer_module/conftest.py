"""Fixtures for the tests of the Slicer side: a stand-in for Slicer's application (Testing/standin)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.Python.slicer_module.eyes import Eyes

collect_ignore = ["small_module"]  # imports Slicer at its top, as modules do

SMALL_MODULE = Path(__file__).parent / "small_module" / "Small.py"
TELL2REG = Path(__file__).resolve().parents[3] / "Tell2Reg" / "Tell2Reg.py"
EXTRA = "pip install -e .[slicer-tests]"


@pytest.fixture
def standin() -> Iterator:
    """Slicer's GUI side with an empty scene. What a slot raised, or an answer nobody asked for, fails the test."""
    pytest.importorskip("slicer", reason=f"Slicer's MRML library: {EXTRA}")
    pytest.importorskip("Testing.standin.pythonqt", reason=f"Qt and the system's libEGL: {EXTRA}", exc_type=ImportError)
    from Testing.standin import in_place

    with in_place() as placed:
        yield placed
        placed.unload_modules()
        placed.check()


@pytest.fixture
def small(standin):
    """The panel of the small module, loaded and entered."""
    standin.load_module(SMALL_MODULE)
    import slicer

    slicer.util.selectModule("Small")
    return slicer.util.getModuleWidget("Small")


@pytest.fixture
def the_library_comes_back() -> Iterator[None]:
    """For the tests after one that loads the library again: a class of it is then another one."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "Tell2RegLib"}
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "Tell2RegLib"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def a_panel_with(standin, monkeypatch: pytest.MonkeyPatch):
    """The module's widget, entered, with an empty scene and this client of a worker."""
    from Tell2RegLib.slicer_module.run import application

    def panel_with(client):
        import slicer

        monkeypatch.setattr(application, "makeClient", lambda: client)
        standin.load_module(TELL2REG)
        slicer.util.selectModule("Tell2Reg")
        return slicer.util.getModuleWidget("Tell2Reg")

    return panel_with


@pytest.fixture
def a_clinic_with(standin, a_panel_with):
    """The module's panel with a small pair, entered, and this client of a worker."""
    from Testing.Python.slicer_module.simulated import Clinic

    def clinic_with(client) -> Clinic:
        clinic = Clinic(standin, a_panel_with(client), client)
        clinic.hear()
        clinic.load()
        return clinic

    return clinic_with


@pytest.fixture
def clinic(a_clinic_with):
    """The module's panel with a small pair, entered, and a simulated worker."""
    from Testing.Python.slicer_module.simulated import SimulatedClient

    return a_clinic_with(SimulatedClient())


@pytest.fixture
def docked(standin):
    """Shows the panel of a module's widget as Slicer does; gives the person at the mouse and the keyboard."""
    from Testing.Python.slicer_module.qtest_device import QTestDevice, dock
    from Testing.Slicer.events import Person

    windows = []

    def show(widget, **size) -> Person:
        windows.append(dock(widget.parent, **size))
        return Person(QTestDevice(standin.answers))

    yield show
    standin.unload_modules()
    for window in windows:
        window.close()


@pytest.fixture
def views_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is laid out anew on the stand-in: neither the module nor a scenario waits for it."""
    from Tell2RegLib.slicer_module.scene import slice_views as shown
    from Testing.Slicer import walk

    monkeypatch.setattr(shown, "LAYOUT_DELAY_MS", 0)
    monkeypatch.setattr(walk, "LAYOUT_DELAY_MS", 20)


@pytest.fixture
def qt(standin):
    import qt

    return qt


@pytest.fixture
def slicer(standin):
    import slicer

    return slicer


@pytest.fixture
def eyes(clinic, monkeypatch: pytest.MonkeyPatch) -> Eyes:
    from Tell2RegLib.slicer_module.scene import slice_views

    # the second fit comes with the next turn of the event loop, not at some moment of the test
    monkeypatch.setattr(slice_views, "LAYOUT_DELAY_MS", 0)
    return Eyes(clinic)
