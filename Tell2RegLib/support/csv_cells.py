"""Cells of CSV files that a spreadsheet must not run as formulas."""

from __future__ import annotations

from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters of what a spreadsheet takes for a formula."""


def safe_cell(value: Any) -> Any:
    """A cell for writing: a text that looks like a formula gets an apostrophe in front; numbers stay.

    >>> safe_cell("=1+1"), safe_cell("prostate"), safe_cell(-2.5)
    ("'=1+1", 'prostate', -2.5)
    """
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def original_cell(text: str) -> str:
    """The text of a cell that `safe_cell` wrote.

    >>> original_cell("'=1+1"), original_cell("'tis"), original_cell(safe_cell("'-"))
    ('=1+1', "'tis", "'-")
    """
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a text, or what follows its apostrophes, starts like a formula: so reading undoes writing."""
    return text.lstrip("'").startswith(FORMULA_STARTS)
