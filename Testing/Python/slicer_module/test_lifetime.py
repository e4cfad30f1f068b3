"""What the module holds while it is open, and that it lets go of it: without a window, on reload, as nodes change."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.mrml


def quit_connections(standin) -> int:
    """How many Python functions are called when the application ends."""
    from Testing.standin.qt_signals import Shiboken, connections

    held = connections.of.get(Shiboken.getCppPointer(standin.app)[0], [])
    return sum(signature.startswith("aboutToQuit") for signature, _slot, _adapter in held)


# --- no main window ---


def test_without_a_main_window_slicer_raises_where_the_selected_module_is_asked_for(standin) -> None:
    import slicer

    standin.without_main_window()
    with pytest.raises(RuntimeError, match="main window"):
        slicer.util.selectedModule()


def test_the_panel_is_made_without_a_main_window(standin) -> None:
    import slicer

    from Testing.Python.slicer_module.conftest import TELL2REG

    standin.without_main_window()
    module = standin.load_module(TELL2REG)
    widget = module.widgetRepresentation().self()
    assert not widget.panel.entered
    assert slicer.util.getModuleLogic("Tell2Reg").whyNotFind() == "Choose a fixed volume."


# --- reload ---


def test_a_reload_leaves_no_client_timer_or_connection_of_the_old_panel(clinic, the_library_comes_back) -> None:
    from Testing.standin.pythonqt import QtCore, Shiboken

    old, timer, before = clinic.logic, clinic.logic.runs._timer, quit_connections(clinic.standin)
    clinic.widget.onReload()
    QtCore.QCoreApplication.sendPostedEvents(timer, int(QtCore.QEvent.DeferredDelete))
    assert not Shiboken.isValid(timer)
    assert clinic.client.closed == 1
    assert old._runs is None
    assert quit_connections(clinic.standin) == before


def test_a_second_close_of_the_runs_does_nothing(clinic) -> None:
    runs = clinic.logic.runs
    runs.close()
    clinic.standin.quit()
    assert clinic.client.closed == 1


# --- transforms above the chosen volumes ---


def test_a_volume_taken_out_of_a_warp_can_be_used_at_once(clinic) -> None:
    from Testing.Python.scene import put_under_a_warp

    put_under_a_warp(clinic.parameters.movingVolume)
    clinic.standin.process_events()
    assert "linear" in clinic.ui.imagesWarning.text
    assert "linear" in clinic.ui.findButton.toolTip
    clinic.parameters.movingVolume.SetAndObserveTransformNodeID(None)
    clinic.standin.process_events()
    assert "linear" not in clinic.ui.imagesWarning.text
    assert clinic.ui.findButton.enabled, clinic.ui.findButton.toolTip


def test_a_volume_that_is_chosen_no_longer_is_observed_no_longer(clinic) -> None:
    volume = clinic.parameters.movingVolume
    assert volume in clinic.panel.volumes.nodes
    clinic.parameters.movingVolume = None
    assert volume not in clinic.panel.volumes.nodes
    import slicer

    slicer.util.selectModule("Volumes")
    assert clinic.panel.volumes.nodes == ()
