"""docs/settings.md from the declarations in the code: `make docs` writes it, a test compares it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.matching.settings import GeometrySettings, MatchSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.space.transform_kinds import KINDS, TransformKind
from Tell2RegLib.support.settings import Setting, settings_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
INTRODUCTION = """# Settings

Every setting is declared once, in the class named in its section. The options of `tell2reg`, the parameters and widgets
of the Slicer module, the range checks and the record are made from the declarations of finding, fitting and trust, this
page from all. `make docs` writes this page. Settings without an option are for Python code.
"""
OFFERED = (FindOptions, FitSettings, TrustSettings)
"""The classes with settings that the terminal offers."""
CHAPTERS = (
    ("Finding and pairing regions", FindOptions),
    ("Detecting regions", DetectionSettings),
    ("Pairing regions", MatchSettings),
    ("Geometric check of pairs", GeometrySettings),
    ("Fitting", FitSettings),
    ("Trust in a propagated target", TrustSettings),
)


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(_chapter(title, settings) for title, settings in CHAPTERS), _kinds()])


def _kinds() -> str:
    rows = [f"| `{kind.name}` | {kind.help} | {kind.inverse} |" for kind in KINDS.values()]
    head = ["| kind | what it is | inverse |", "|---|---|---|"]
    return "\n".join(["## Kinds of transform", "", f"`{TransformKind.__module__}`", "", *head, *rows, ""])


def _chapter(title: str, settings: type) -> str:
    rows = [_row(one, settings in OFFERED) for one in settings_of(settings)]
    head = ["| setting | option | default | allowed | what it does |", "|---|---|---|---|---|"]
    if settings not in OFFERED:
        head = [line.replace(" option |", "", 1).replace("---|", "", 1) for line in head]
    return "\n".join([f"## {title}", "", f"`{settings.__module__}.{settings.__name__}`", "", *head, *rows, ""])


def _row(one: Setting, offered: bool) -> str:
    allowed = one.allowed if one.choices or not (one.check or one.is_no_number) else ""
    option = (f"| `{one.option}` " if not one.expert else "| ") if offered else ""
    return f"| `{one.name}` {option}| {_shown(one)} | {allowed} | {one.help} |"


def _shown(one: Setting) -> str:
    value: Any = one.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " to ".join(f"{part:g}" for part in value)
    text = f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else f"`{value}`"
    return f"{text} {one.unit}".strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
