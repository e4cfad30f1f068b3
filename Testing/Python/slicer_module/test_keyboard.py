"""What a person types stands in the panel and in its parameters, box by box."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.mrml


def test_what_is_typed_into_any_box_of_the_panel_is_what_it_holds(clinic, docked) -> None:
    from Testing.Slicer import keyboard

    keyboard.typeEverywhere(docked(clinic.widget), clinic.widget)
