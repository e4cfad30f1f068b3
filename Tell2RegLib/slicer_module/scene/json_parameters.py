"""Reads values stored as JSON text in parameters of the scene."""

from __future__ import annotations

import json
from typing import Any


def mappingOf(text: str) -> dict[str, Any]:
    """The JSON object stored in a parameter; empty if it is damaged."""
    try:
        stored = json.loads(text or "{}")
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}
