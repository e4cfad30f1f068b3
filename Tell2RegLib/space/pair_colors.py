"""The colours in which the pairs of regions are drawn."""

from __future__ import annotations

from Tell2RegLib.space.region import Color, RegionPair

_PALETTE: tuple[Color, ...] = (
    (0.902, 0.624, 0.000),
    (0.337, 0.706, 0.914),
    (0.000, 0.620, 0.451),
    (0.941, 0.894, 0.259),
    (0.000, 0.447, 0.698),
    (0.835, 0.369, 0.000),
    (0.800, 0.475, 0.655),
    (0.600, 0.600, 0.600),
)
"""Okabe and Ito's colours, distinguishable with any colour vision (black replaced by grey)."""


def color_of(number: int) -> Color:
    """The colour of the pair with this number: from the palette, then from darker versions of it."""
    shade = 0.72 ** (number // len(_PALETTE))
    r, g, b = _PALETTE[number % len(_PALETTE)]
    return (round(r * shade, 3), round(g * shade, 3), round(b * shade, 3))


def color_of_pair(pair: RegionPair, number: int) -> Color:
    """The colour of the fixed region, or that of the pair's number."""
    return pair.fixed.color or color_of(number)
