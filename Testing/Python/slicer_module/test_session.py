"""A clinician's whole session, on the stand-in, with the demo weights in the real worker."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.mrml]


def test_a_whole_session_from_words_to_the_reopened_scene(standin, tmp_path: Path) -> None:
    standin.load_module(ROOT / "Tell2Reg" / "Tell2Reg.py")
    import slicer

    from Testing.Slicer.session import Session

    slicer.util.selectModule("Tell2Reg")
    Session(slicer.util.getModuleWidget("Tell2Reg"), tmp_path).whole()
