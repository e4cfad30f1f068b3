"""The guide of the Slicer module says what the panel and the code say."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree

from Tell2RegLib.evaluation.settings import TrustSettings
from Testing.Python.small import ROOT

PAGE = (ROOT / "docs" / "slicer.md").read_text(encoding="utf-8")
UI = ElementTree.parse(ROOT / "Tell2Reg" / "Resources" / "UI" / "Tell2Reg.ui").getroot()
SHOWN = {element.text.rstrip(":") for element in UI.iter("string") if element.text}
LOGIC = "".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "Tell2RegLib" / "slicer_module" / "logic").glob("*.py")
)


def test_links_lead_to_files() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).is_file(), link


def test_every_step_of_the_panel_has_its_chapter() -> None:
    steps = sorted(" ".join(text.split()) for text in SHOWN if re.fullmatch(r"\d +\w+", text))
    assert re.findall(r"^## (\d \w+)$", PAGE, re.MULTILINE) == steps


def test_the_buttons_that_it_names_are_in_the_panel() -> None:
    named = (
        *("Load demo pair", "Swap fixed and moving", "Find regions", "Install packages...", "Check", "Install..."),
        *(
            "Import file...",
            "Accept",
            "Reject",
            "Accept all",
            "Undo",
            "Redo",
            "Manual pairs and editing",
            "Edit fixed segments",
        ),
        *("Edit moving segments", "Fit", "Unregistered", "Rigid", "Affine", "Checkerboard", "Flicker", "Plot pairs"),
        *("Propagate", "Save report...", "Advanced"),
    )
    for name in named:
        assert name in PAGE, name
        assert any(text.startswith(name) for text in SHOWN), name


def test_the_thresholds_of_the_verdicts_are_those_of_the_code() -> None:
    bounds = TrustSettings()
    rows = re.findall(r"^\|[^|]*\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    numbers = [[float(item) for item in re.findall(r"\d+(?:\.\d+)?", " ".join(row))] for row in rows]
    assert [bounds.near_mm, bounds.far_mm] in numbers
    assert [*bounds.jacobian_check, *bounds.jacobian_never] in numbers
    assert [bounds.spread_check_mm, bounds.spread_never_mm] in numbers


def test_the_script_calls_what_the_logic_has() -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    methods = {
        node.name: {item.arg for item in node.args.args}
        for node in ast.walk(ast.parse(LOGIC))
        if isinstance(node, ast.FunctionDef)
    }
    for call in ast.walk(ast.parse(script)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("logic."):
            name = ast.unparse(call.func).removeprefix("logic.")
            assert {keyword.arg for keyword in call.keywords} <= methods[name], name


def test_the_tooltips_name_the_keys_of_the_table_of_pairs() -> None:
    from Tell2RegLib.slicer_module.panel.shortcuts import NEXT_PAIR, PREVIOUS_PAIR, TOGGLE_PAIR

    panel = (ROOT / "Tell2Reg" / "Resources" / "UI" / "Tell2Reg.ui").read_text(encoding="utf-8")
    for key, button in ((TOGGLE_PAIR, "acceptButton"), (NEXT_PAIR, "nextButton"), (PREVIOUS_PAIR, "previousButton")):
        assert f"({key})" in panel.split(f'name="{button}"')[1].split("</widget>")[0]
