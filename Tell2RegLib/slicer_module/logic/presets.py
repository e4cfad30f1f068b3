"""Presets of prompts for parts of the body: Resources/Presets.json as validated values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from Tell2RegLib.errors import ResourceError
from Tell2RegLib.support.resources import resource_path


@dataclass(frozen=True)
class Preset:
    """Prompts for a part of the body.

    Args:
        name: what a person chooses.
        words: one or more.
        note: where the words come from, and whether anybody measured them.
    """

    name: str
    words: tuple[str, ...]
    note: str


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset, in the order of the file.

    Raises:
        ResourceError: the file is damaged.
    """
    path = resource_path("Presets.json")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["presets"]
        return tuple(Preset(**{**entry, "words": tuple(entry["words"])}) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResourceError(f"'{path.name}' is damaged ({error}): install Tell2Reg again.") from error
