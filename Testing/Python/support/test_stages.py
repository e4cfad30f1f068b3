"""The table of stages: everything that a run reports has a label in it."""

from __future__ import annotations

import re
from pathlib import Path

from Tell2RegLib.support.stages import STAGES, WORD_STAGES, stage_label
from Testing.Python.small import ROOT

REPORTED = re.compile(r"(?:\.(?:stage|tell)|bars|SearchStep)\(\s*(?:stage=)?\"(\w+)\"")
"""A stage as the code names it where it reports one."""


def test_every_stage_that_the_code_reports_has_a_label() -> None:
    library = ROOT / "Tell2RegLib"
    reported = {name for path in sorted(library.rglob("*.py")) for name in REPORTED.findall(path.read_text("utf-8"))}
    assert {"detect", "fit", "write", "demo"} <= reported
    assert reported <= set(STAGES)
    assert set(WORD_STAGES) <= set(STAGES)


def test_the_stages_of_the_worker_protocol_are_those_of_the_table() -> None:
    page = Path(ROOT / "docs" / "worker-protocol.md").read_text("utf-8").split("## Tasks")[1].split("##")[0]
    rows = [line.split("|")[3] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"\b[a-z]+\b", row.split(", in bytes")[0])} <= set(STAGES)


def test_a_stage_of_a_plug_in_is_shown_as_it_is_called() -> None:
    assert stage_label("spots") == "spots"
