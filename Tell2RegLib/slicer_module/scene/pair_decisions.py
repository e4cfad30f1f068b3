"""Decisions on pairs as immutable rows: every decision returns a new tuple of rows; with undo and redo."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Color

BY_HAND = "Paired by hand."
REJECTED_BY_HAND = "Rejected by hand."


@dataclass(frozen=True)
class PairRow:
    """A pair of segments, as shown in the table and stored in the scene.

    Args:
        number: stays the same whatever else changes.
        name: of both segments.
        prompt: the words that found it; empty when there were none.
        fixed, moving: ids of the segments in the two segmentation nodes.
        color: of both segments, red, green, blue in 0..1.
        similarity: how much alike the regions look; None when names or a person made the pair.
        accepted: whether the fit uses it.
        reason: why it is accepted or rejected, in the user's words.
        weight: how much the fit counts it: 1, or less if the check of the pairs found it doubtful.
        distance_mm, size_ratio, dice: of the two regions as the volumes lie; moving size over fixed size. What a fit
            did to a pair is no part of a decision: `fit_summary.FitRow`.
    """

    number: int
    name: str
    prompt: str
    fixed: str
    moving: str
    color: Color
    similarity: float | None = None
    accepted: bool = True
    reason: str = ""
    distance_mm: float | None = None
    size_ratio: float | None = None
    dice: float | None = None
    weight: float = 1.0

    @property
    def status(self) -> str:
        """One word for the table."""
        return statusOf(self.accepted)


def statusOf(accepted: bool) -> str:
    """What a decision is called."""
    return "accepted" if accepted else "rejected"


Rows = tuple[PairRow, ...]


def row_of(rows: Rows, number: int) -> PairRow:
    """The row with a number.

    Raises:
        InputError: there is none.
    """
    for row in rows:
        if row.number == number:
            return row
    raise InputError(f"There is no pair number {number}; it may have been removed.")


def decided(rows: Rows, numbers: Collection[int], accepted: bool) -> Rows:
    """The rows, with those of the given numbers accepted (with the full weight) or rejected by the user."""
    reason = "" if accepted else REJECTED_BY_HAND
    return tuple(
        replace(row, accepted=accepted, reason=reason, weight=1.0)
        if row.number in numbers and (row.accepted != accepted or (accepted and row.weight < 1))
        else row
        for row in rows
    )


def renamed(rows: Rows, number: int, name: str) -> Rows:
    """The same rows, one with another name.

    Raises:
        InputError: an empty name, or no such row.
    """
    name = name.strip()
    if not name:
        raise InputError("A pair needs a name: type at least one letter.")
    row_of(rows, number)
    return tuple(replace(row, name=name) if row.number == number else row for row in rows)


def paired_by_hand(
    rows: Rows, fixed: str, moving: str, name: str, *, measures: Mapping[str, Any] | None = None
) -> Rows:
    """The rows with a pair made by a person at the end; pairs that held one of the two segments are gone.

    Args:
        fixed, moving: ids of the segments.
        name: of both from now on.
        measures: `distance_mm`, `size_ratio` and `dice` of the two.

    Raises:
        InputError: the two are a pair already.
    """
    if any((row.fixed, row.moving) == (fixed, moving) for row in rows):
        raise InputError(f"These two segments are already paired as '{name}'.")
    remaining = tuple(row for row in rows if row.fixed != fixed and row.moving != moving)
    number = next_number(rows)
    return (*remaining, PairRow(number, name, "", fixed, moving, color_of(number), reason=BY_HAND, **(measures or {})))


def next_number(rows: Rows) -> int:
    """A number that no row has."""
    return max((row.number for row in rows), default=-1) + 1


def remeasured(rows: Rows, measures: Mapping[int, Mapping[str, Any]]) -> Rows:
    """The rows with `distance_mm` and `dice` measured again, by number."""
    return tuple(replace(row, **measures.get(row.number, {})) for row in rows)


def same_for_the_fit(a: Rows, b: Rows) -> bool:
    """Whether both have the same accepted segments with the same weights in the same order, so that a fit of one is
    valid for the other."""
    used = [[(row.fixed, row.moving, row.weight) for row in rows if row.accepted] for rows in (a, b)]
    return used[0] == used[1]


# --- as text, for the parameter node ---


def to_json(rows: Rows) -> str:
    """The rows as text."""
    return json.dumps([asdict(row) for row in rows])


@functools.lru_cache(maxsize=4)
def from_json(text: str) -> Rows:
    """The rows of such a text; none for an empty one. The last texts are remembered: every event of a scene asks.

    Raises:
        InputError: the text is damaged.
    """
    if not text:
        return ()
    try:
        rows = tuple(_row(row) for row in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("The pairs stored in this scene are damaged; find the regions again.") from error
    return rows


def _row(values: Mapping[str, Any]) -> PairRow:
    row = PairRow(**{**values, "color": tuple(float(part) for part in values["color"])})
    for field in fields(PairRow):
        kinds = _KINDS.get(str(field.type))
        if kinds and not isinstance(getattr(row, field.name), kinds):
            raise TypeError(f"{field.name} is of another kind")
    if len(row.color) != 3:
        raise ValueError("a color has three parts")
    return row


_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "str": (str,),
    "bool": (bool,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
}
"""What the values of a row are, by the types of its fields."""


# --- undo and redo ---


class History:
    """Decisions that can be taken back.

    Args:
        max_entries: maximum number of steps that can be undone.
    """

    def __init__(self, max_entries: int = 100) -> None:
        self._maxEntries = max_entries
        self._before: list[Rows] = []
        self._after: list[Rows] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._after)

    def step(self, rows: Rows, change: Callable[[Rows], Rows]) -> Rows:
        """A decision: what `change` makes of the rows; nothing is remembered when that is nothing."""
        changed = change(rows)
        if changed != rows:
            self._before = [*self._before, rows][-self._maxEntries :]
            self._after = []
        return changed

    def undo(self, rows: Rows) -> Rows:
        """The rows before the latest step."""
        if not self._before:
            return rows
        self._after.append(rows)
        return self._before.pop()

    def redo(self, rows: Rows) -> Rows:
        """The rows after the step that was taken back."""
        if not self._after:
            return rows
        self._before.append(rows)
        return self._after.pop()

    def revise(self, change: Callable[[Rows], Rows]) -> None:
        """Change what is no decision, the measures for example, in every step."""
        self._before, self._after = ([change(rows) for rows in steps] for steps in (self._before, self._after))

    def forget(self) -> None:
        """Other regions: the old steps mean nothing any more."""
        self._before, self._after = [], []
