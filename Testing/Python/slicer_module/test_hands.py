"""A clinician's whole session with mouse and keyboard, on the stand-in, with a worker that answers at once."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.mrml]


def test_a_whole_session_with_mouse_and_keyboard(a_panel_with, docked, views_at_once, tmp_path: Path) -> None:
    from Testing.Python.slicer_module.demo_worker import DemoWorker
    from Testing.Slicer.hands import Hands

    widget = a_panel_with(DemoWorker())
    Hands(docked(widget), widget, tmp_path).whole()
