"""Keyboard shortcuts of the table of pairs; the tooltips in Tell2Reg.ui name the same keys."""

from __future__ import annotations

TOGGLE_PAIR = "Space"
"""Accepts or rejects the selected pairs."""
NEXT_PAIR = "N"
PREVIOUS_PAIR = "P"
