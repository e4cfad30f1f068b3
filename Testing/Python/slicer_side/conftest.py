"""Fixtures for the tests of the Slicer side: a stand-in for Slicer's application (Testing/standin)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

collect_ignore = ["small_module"]  # imports Slicer at its top, as modules do

SMALL_MODULE = Path(__file__).parent / "small_module" / "Small.py"
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
