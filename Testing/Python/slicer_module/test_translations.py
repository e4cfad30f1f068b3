"""Texts of the panel: each stands once, and tools that extract texts for translators find it."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from Testing.declared_texts import FILE, code
from Testing.Python.small import ROOT

MODULE_FILES = sorted([*(ROOT / "Tell2RegLib" / "slicer_module").rglob("*.py"), ROOT / "Tell2Reg" / "Tell2Reg.py"])


def is_literal(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def calls_of_tr(path: Path) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "_"]


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The texts that Qt's lupdate finds in declared_texts.py."""
    tool = shutil.which("pyside6-lupdate", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("pyside6-lupdate comes with the extra slicer-tests")
    catalogue = tmp_path_factory.mktemp("texts") / "texts.ts"
    subprocess.run(
        [tool, "-tr-function-alias", "tr=_", FILE, "-ts", catalogue], check=True, capture_output=True, timeout=60
    )
    return {source.text or "" for source in ElementTree.parse(catalogue).getroot().iter("source")}


def test_the_module_translates_literals_only_so_that_tools_find_them() -> None:
    variables = [
        f"{path.name}:{call.lineno}" for path in MODULE_FILES for call in calls_of_tr(path) if not is_literal(call)
    ]
    assert len(variables) == 1, variables
    assert variables[0].startswith(f"{FILE.name}:"), "the one place for texts that are declared elsewhere"


def test_the_list_of_declared_texts_is_the_one_that_the_declarations_give() -> None:
    assert FILE.read_text(encoding="utf-8") == code(), "Run `make docs`."


@pytest.mark.mrml
def test_a_tool_for_translators_finds_titles_and_tooltips_of_all_settings(clinic, extracted: set[str]) -> None:
    from Tell2RegLib.slicer_module.logic.setting_parameters import SETTING_PARAMETERS

    declared = [parameter.declared for parameter in SETTING_PARAMETERS.values()]
    assert {text for setting in declared for text in (setting.title, setting.tip)} <= extracted


def test_a_tool_for_translators_finds_stages_verdicts_and_statuses(extracted: set[str]) -> None:
    from Tell2RegLib.evaluation.target_trust import VERDICTS
    from Tell2RegLib.models.catalogue.status_rows import SET_STATUSES
    from Tell2RegLib.support.stages import STAGES

    assert {stage.label for stage in STAGES.values()} | {*VERDICTS, *SET_STATUSES} <= extracted


@pytest.mark.mrml
def test_declared_texts_are_translated_and_what_follows_a_stage_stays(clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.slicer_module.panel import declared_texts, setting_rows

    dictionary = {"Pixel size, mm": "Pixelgröße, mm", "Downloading": "Laden:", "good": "gut"}
    monkeypatch.setattr(declared_texts, "_", lambda text: dictionary.get(text, text))
    assert setting_rows.translated("Pixel size, mm") == "Pixelgröße, mm"
    assert declared_texts.stageLabel("download sam-vit-b") == "Laden: sam-vit-b"
    assert declared_texts.translated("no such text") == "no such text"


def test_a_tooltip_of_the_ui_file_stands_nowhere_in_the_code() -> None:
    panel = ElementTree.parse(ROOT / "Tell2Reg" / "Resources" / "UI" / "Tell2Reg.ui").getroot()
    tooltips = {item.findtext("string") for item in panel.iter("property") if item.get("name") == "toolTip"}
    for path in MODULE_FILES:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not {node.value for node in nodes if isinstance(node, ast.Constant)} & tooltips, path.name
