"""The list in slicer_module/panel/declared_texts.py from the declarations: `make docs` writes it, a test compares it.

Translation tools find texts only as literals in `_("...")`; the panel takes these from declarations, as variables.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from Tell2RegLib.evaluation.target_trust import VERDICTS
from Tell2RegLib.models.catalogue.status_rows import SET_STATUSES
from Tell2RegLib.support.settings import panel_settings
from Tell2RegLib.support.stages import STAGES
from Testing.settings_page import OFFERED

FILE = Path(__file__).resolve().parents[1] / "Tell2RegLib" / "slicer_module" / "panel" / "declared_texts.py"
START = "TEXTS = (\n"
WIDTH = 100
"""Of a part of a long text."""


def texts() -> list[str]:
    """Every declared text of the panel once, in the order of the declarations."""
    settings = [declared for group in OFFERED for declared in panel_settings(group)]
    of_settings = [text for declared in settings for text in (declared.title, declared.tip)]
    return list(dict.fromkeys([*of_settings, *(stage.label for stage in STAGES.values()), *VERDICTS, *SET_STATUSES]))


def code() -> str:
    """The whole file: what stands above the list, and the list as it should be."""
    head, *_ = FILE.read_text(encoding="utf-8").partition(START)
    return head + START + "".join(_entry(text) for text in texts()) + ")\n"


def _entry(text: str) -> str:
    line = f"    _({_literal(text)}),\n"
    if len(line) <= 120:
        return line
    parts = textwrap.wrap(text, WIDTH, drop_whitespace=False)
    return "".join(["    _(\n", *(f"        {_literal(part)}\n" for part in parts), "    ),\n"])


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    FILE.write_text(code(), encoding="utf-8")
