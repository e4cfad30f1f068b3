"""Distributes the width of a table among its columns."""

from __future__ import annotations

from collections.abc import Sequence


def shared_width(width: int, minimum: Sequence[int], full: Sequence[int], stretched: Sequence[bool]) -> list[int]:
    """Widths of columns: never less than `minimum`, `full` where there is room, the rest to the stretched ones.

    >>> shared_width(100, [20, 20, 30], [20, 60, 30], [False, True, False])
    [20, 50, 30]
    >>> shared_width(200, [20, 20, 30], [20, 60, 30], [False, True, False])
    [20, 150, 30]
    >>> shared_width(10, [20, 20, 30], [20, 60, 30], [False, True, False])
    [20, 20, 30]
    >>> shared_width(100, [10, 10], [30, 50], [True, True])
    [40, 60]
    """
    widths = list(minimum)
    wishes = [max(more - less, 0) for less, more in zip(minimum, full, strict=True)]
    _hand_out(widths, wishes, min(width - sum(widths), sum(wishes)))
    _hand_out(widths, [int(isStretched) for isStretched in stretched], width - sum(widths))
    return widths


def _hand_out(widths: list[int], shares: Sequence[int], pixels: int) -> None:
    """Add pixels to the widths in proportion to the shares, all of them."""
    if pixels <= 0 or not sum(shares):
        return
    distributed = 0
    for index, share in enumerate(shares):
        part = (pixels * sum(shares[: index + 1])) // sum(shares) - distributed
        widths[index] += part if share else 0
        distributed += part
