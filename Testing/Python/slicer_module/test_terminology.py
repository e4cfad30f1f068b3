"""Which words are known anatomy, and which are better left alone."""

from __future__ import annotations

import pytest

from Tell2RegLib.slicer_module.scene.terminology import KNOWN, SAME, terminology_entry


@pytest.mark.parametrize(
    ("words", "code", "side"),
    [
        ("prostate", "41216001", ""),
        ("The Prostate Gland", "41216001", ""),
        ("urinary_bladder", "89837001", ""),
        ("left kidney", "64033007", "Left"),
        ("kidney right", "64033007", "Right"),
        ("Seminal Vesicles", "64739004", ""),
        ("right femoral head", "2812003", "Right"),
        ("head of the left femur", "2812003", "Left"),
    ],
)
def test_known_words_get_their_code_and_side(words: str, code: str, side: str) -> None:
    parts = terminology_entry(words).split("~")
    assert len(parts) == 7
    assert parts[2].split("^")[:2] == ["SCT", code]
    assert parts[3].split("^")[2] == side


@pytest.mark.parametrize("words", ["", "dark blob", "prostate tumour", "left liver", "left and right kidney", "left"])
def test_other_words_get_none(words: str) -> None:
    assert terminology_entry(words) == ""


def test_other_words_for_the_same_lead_into_the_table() -> None:
    assert set(SAME.values()) <= set(KNOWN)
    assert not set(SAME) & set(KNOWN)
