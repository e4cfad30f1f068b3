"""The presets of words: each can be used as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from Tell2RegLib.errors import ResourceError
from Tell2RegLib.region_sources.prompts import cleaned_prompts
from Tell2RegLib.slicer_module.logic import presets as file
from Tell2RegLib.slicer_module.logic.presets import Preset, presets
from Tell2RegLib.workflows import demo


@pytest.fixture
def another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "Presets.json"
    monkeypatch.setattr(file, "resource_path", lambda name: path)
    presets.cache_clear()
    yield path
    presets.cache_clear()


def test_every_part_of_the_body_is_there_once() -> None:
    assert [preset.name for preset in presets()] == ["Prostate MR", "Pelvis demo", "Abdomen CT", "Brain MR"]


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_preset_can_be_run_as_it_is(preset: Preset) -> None:
    assert cleaned_prompts(preset.words) == preset.words
    assert preset.note


def test_the_words_of_the_demo_are_those_of_its_models() -> None:
    (preset,) = [preset for preset in presets() if preset.name == "Pelvis demo"]
    assert preset.words == demo.PROMPTS


@pytest.mark.parametrize("text", ["", "[]", '{"presets": [{"name": "x"}]}', '{"presets": [{"words": 1}]}'])
def test_a_damaged_file_is_told(another_file: Path, text: str) -> None:
    another_file.write_text(text)
    with pytest.raises(ResourceError, match="'Presets.json' is damaged"):
        presets()


def test_words_of_another_file_are_read(another_file: Path) -> None:
    entry = {"name": "Knee", "words": ["femur"], "note": ""}
    another_file.write_text(json.dumps({"schema_version": 1, "presets": [entry]}))
    assert presets() == (Preset("Knee", ("femur",), ""),)
