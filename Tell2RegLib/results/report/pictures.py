"""The report's pictures as inline SVG: a JPEG of pixels under outlines that stay sharp at any size.

Every text in them is escaped here; the template takes them as they are.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.evaluation.target_trust import CHECK, DO_NOT_TRUST, GOOD
from Tell2RegLib.results.report.planes import Plane
from Tell2RegLib.space.region import Color

Grey = NDArray[np.float32]
"""Values of a picture, (rows, columns), NaN where there is nothing."""

Pixels = NDArray[np.uint8]
"""Grey (rows, columns) or colours (rows, columns, 3)."""

VERDICT_COLORS = {GOOD: "#4ade80", CHECK: "#facc15", DO_NOT_TRUST: "#f87171"}
"""Colours of the circles around targets, visible on grey."""
_EMPTY = 24
"""Grey level outside the volume; not black, to distinguish it from dark tissue."""


@dataclass(frozen=True)
class Outline:
    """A region's outline on a plane: `share` is 0..1, the outline runs where it is one half."""

    name: str
    share: NDArray[np.float32]
    color: Color
    dashed: bool = False


@dataclass(frozen=True, eq=False)
class Mark:
    """A point of the plan on a plane.

    Args:
        name: of the point.
        x, y: column and row in pixels.
        radius: of the circle around it, in pixels; 0 without one.
        verdict: one of `VERDICTS`, for its colour.
    """

    name: str
    x: float
    y: float
    radius: float = 0.0
    verdict: str = ""


@dataclass(frozen=True)
class Tag:
    """A box with words: left, top, right, bottom in pixels."""

    text: str
    xyxy_px: tuple[float, float, float, float]
    color: Color
    dashed: bool = False


# --- pixels ---


def window_of(values: Sequence[Grey]) -> tuple[float, float]:
    """Darkest and brightest value to show: percentiles 1 and 99 of what is there."""
    known = np.concatenate([v[np.isfinite(v)] for v in values])
    if known.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99))
    return (float(low), float(high)) if high > low else (float(low) - 1, float(low) + 1)


def grey(values: Grey, window: tuple[float, float]) -> NDArray[np.uint8]:
    """8-bit grey within a window."""
    low, high = window
    scaled = np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0, 1) * 255
    return np.where(np.isfinite(values), scaled, _EMPTY).astype(np.uint8)


def checkerboard(first: NDArray[np.uint8], second: NDArray[np.uint8], tiles: int = 8) -> NDArray[np.uint8]:
    """Tiles of two pictures in turn."""
    rows, columns = np.indices(first.shape)
    side = max(1, max(first.shape) // tiles)
    return np.where((rows // side + columns // side) % 2 == 0, first, second)


_MAGNITUDE = ((13, 8, 60), (86, 15, 125), (160, 42, 110), (221, 81, 70), (251, 155, 6), (245, 250, 160))
_CHANGE = (
    (20, 60, 130),
    (60, 130, 190),
    (160, 200, 225),
    (246, 246, 246),
    (244, 180, 140),
    (210, 95, 70),
    (130, 15, 40),
)
FOLDED = (255, 0, 255)


def _scale(anchors: Sequence[tuple[int, int, int]], share: NDArray) -> NDArray[np.uint8]:
    """Colours (..., 3) of shares 0..1 along a scale."""
    at = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(share, at, [a[c] for a in anchors]) for c in range(3)], axis=-1).astype(np.uint8)


def magnitude_colors(values: Grey, top: float) -> NDArray[np.uint8]:
    """Colours of 0..top, dark to bright."""
    return _scale(_MAGNITUDE, np.clip(np.nan_to_num(values) / top, 0, 1))


def change_colors(values: Grey, limit: float) -> NDArray[np.uint8]:
    """Colours of local volume change on a logarithmic scale 1/most..most: blue below 1, red above, magenta folded."""
    known = np.nan_to_num(values, nan=1.0)
    share = 0.5 + 0.5 * np.log(np.maximum(known, 1e-6)) / np.log(limit)
    colors = _scale(_CHANGE, np.clip(share, 0, 1))
    colors[known <= 0] = FOLDED
    return colors


# --- SVG ---


def picture(
    plane: Plane,
    pixels: Pixels,
    description: str,
    outlines: Sequence[Outline] = (),
    marks: Sequence[Mark] = (),
    tags: Sequence[Tag] = (),
) -> str:
    """One picture: pixels, outlines, boxes, marks, patient directions, a scale bar.

    `description` is told to readers who cannot see it.
    """
    width, height = plane.width, plane.height
    size = height / 18  # the pictures of a row are shown equally high
    parts = [
        f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}">',
        f"<title>{escape(description)}</title>",
        f'<image width="{width}" height="{height}" href="{_jpeg(pixels)}"/>',
        *(_outline_svg(outline, size) for outline in outlines),
        *_tags_svg(tags, size, width),
        *(_mark_svg(mark, size) for mark in marks),
        *_letters_svg(plane, size),
        _scale_bar_svg(plane, size),
        "</svg>",
    ]
    return "".join(parts)


def color_bar(kind: str, low: str, middle: str, high: str) -> str:
    """A colour scale with three labels."""
    share = np.linspace(0, 1, 24)
    anchors = _CHANGE if kind == "change" else _MAGNITUDE
    stops = ", ".join(f"rgb({r},{g},{b})" for r, g, b in _scale(anchors, share).tolist())
    labels = "".join(f"<span>{escape(label)}</span>" for label in (low, middle, high))
    return f'<div class="bar"><div style="background:linear-gradient(to right,{stops})"></div><p>{labels}</p></div>'


def css_color(color: Color) -> str:
    """A colour 0..1 as CSS writes it."""
    return "#" + "".join(f"{round(255 * min(max(c, 0.0), 1.0)):02x}" for c in color)


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(packed, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode()


def _outline_svg(outline: Outline, size: float) -> str:
    from contourpy import contour_generator

    rows, columns = (np.flatnonzero(outline.share.any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return ""
    top, left = rows[0], columns[0]
    part = np.pad(outline.share[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    lines = contour_generator(z=part).lines(0.5)
    shift = np.array([left - 0.5, top - 0.5])  # the padding starts one pixel before; a pixel's centre is at one half
    path = "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in np.asarray(line)[:: 1 + (len(line) > 200)] + shift)
        for line in lines
    )
    dash = f' stroke-dasharray="{size * 0.4:.1f} {size * 0.3:.1f}"' if outline.dashed else ""
    return (
        f'<g fill="none" stroke-linejoin="round"><title>{escape(outline.name)}</title>'
        f'<path d="{path}" stroke="#000" stroke-opacity=".55" stroke-width="{size * 0.26:.2f}"{dash}/>'
        f'<path d="{path}" stroke="{css_color(outline.color)}" stroke-width="{size * 0.14:.2f}"{dash}/></g>'
    )


def _tags_svg(tags: Sequence[Tag], size: float, width: int) -> list[str]:
    """Boxes, then their labels, each placed to cover earlier labels least."""
    font = size * 0.62
    boxes = [_box_svg(tag, size) for tag in tags]
    occupied: list[tuple[float, float, float]] = []
    labels = []
    for tag in tags:
        if tag.text:
            x, y, long = _label_position(tag, font, width, occupied)
            occupied.append((x, y, long))
            labels.append(
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{font:.1f}" stroke-width="{font * 0.2:.2f}" '
                f'fill="{css_color(tag.color)}" class="tag">{escape(tag.text)}</text>'
            )
    return [*boxes, *labels]


def _box_svg(tag: Tag, size: float) -> str:
    left, top, right, bottom = tag.xyxy_px
    dash = f' stroke-dasharray="{size * 0.3:.1f} {size * 0.25:.1f}"' if tag.dashed else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="none" '
        f'stroke="{css_color(tag.color)}" stroke-width="{size * 0.1:.2f}"{dash}/>'
    )


def _label_position(
    tag: Tag, font: float, width: int, occupied: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Left end, base line and length of a box's words: above it, below, or inside."""
    left, top, _, bottom = tag.xyxy_px
    long = font * 0.56 * len(tag.text)
    x = min(max(left, 0.0), max(width - long, 0.0))
    lines = [top - font * 0.3, bottom + font, top + font, bottom - font * 0.3, top - font * 1.4, bottom + 2.1 * font]

    def covered(y: float) -> float:
        neighbours = [(a, n) for a, b, n in occupied if abs(b - y) < font * 1.05]
        return sum(max(0.0, min(x + long, a + n) - max(x, a)) for a, n in neighbours)

    y = min((line for line in lines if line > font), key=covered, default=bottom + font)
    return x, y, long


def _mark_svg(mark: Mark, size: float) -> str:
    arm = size * 0.45
    cross = f"M{mark.x - arm:.1f} {mark.y:.1f}h{2 * arm:.1f}M{mark.x:.1f} {mark.y - arm:.1f}v{2 * arm:.1f}"
    circle = (
        f'<circle cx="{mark.x:.1f}" cy="{mark.y:.1f}" r="{mark.radius:.1f}" fill="none" '
        f'stroke="{VERDICT_COLORS.get(mark.verdict, "#fff")}" stroke-width="{size * 0.12:.2f}"/>'
        if mark.radius
        else ""
    )
    return (
        f'<g class="mark"><title>{escape(mark.name)}</title>{circle}'
        f'<path d="{cross}" stroke="#000" stroke-width="{size * 0.3:.2f}"/>'
        f'<path d="{cross}" stroke="#ff4fd8" stroke-width="{size * 0.15:.2f}"/></g>'
    )


def _letters_svg(plane: Plane, size: float) -> list[str]:
    width, height, gap = plane.width, plane.height, size * 0.9
    positions = ((gap, height / 2), (width - gap, height / 2), (width / 2, gap), (width / 2, height - gap))
    return [
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size * 1.25:.1f}" stroke-width="{size * 0.18:.2f}" '
        f'class="letter">{letter}</text>'
        for letter, (x, y) in zip(plane.letters, positions, strict=True)
    ]


def _scale_bar_svg(plane: Plane, size: float) -> str:
    length_mm = next((mm for mm in (100, 50, 20, 10, 5, 2, 1) if mm / plane.pixel_mm < plane.width / 3), 1)
    length = length_mm / plane.pixel_mm
    x, y = plane.width - size - length, plane.height - size * 1.1
    return (
        f'<path d="M{x:.1f} {y:.1f}h{length:.1f}" stroke="#000" stroke-width="{size * 0.4:.1f}"/>'
        f'<path d="M{x:.1f} {y:.1f}h{length:.1f}" stroke="#fff" stroke-width="{size * 0.2:.1f}"/>'
        f'<text x="{x + length / 2:.1f}" y="{y - size * 0.8:.1f}" font-size="{size * 0.95:.1f}" '
        f'stroke-width="{size * 0.14:.2f}" class="letter">'
        f"{length_mm} mm</text>"
    )
