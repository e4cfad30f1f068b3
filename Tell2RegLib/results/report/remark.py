"""A sentence of the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """One sentence under the key figures; `kind` is "good", "look" or "note"."""

    text: str
    kind: str
