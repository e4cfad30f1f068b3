"""What a parameter of the scene keeps as JSON text."""

from __future__ import annotations

import json
from typing import Any


def mappingOf(text: str) -> dict[str, Any]:
    """What a parameter keeps as a JSON object; nothing when it is damaged."""
    try:
        kept = json.loads(text or "{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}
