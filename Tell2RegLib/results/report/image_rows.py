"""The report's rows of pictures: axial, coronal and sagittal beside each other, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.results.report import pictures
from Tell2RegLib.results.report.displacements import beyond_affine_mm, has_deformation
from Tell2RegLib.results.report.pictures import Grey, Mark, Outline
from Tell2RegLib.results.report.planes import Plane, planes_through, read_region_at, read_volume_at
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Color, RegionPair
from Tell2RegLib.space.volume import Volume

if TYPE_CHECKING:
    from Tell2RegLib.results.result import Fitted, RegistrationResult

BEFORE = "Unregistered: both volumes at the positions in their headers, in the planes above."
NOTHING_BEFORE = "Nothing to show: unregistered, the moving volume does not overlap these planes."
NOTHING_WARPED = "Nothing to show: the moving volume, warped to fixed space, does not overlap these planes."
NEAR_MM = 5.0
"""Maximum distance of a target from a plane on which it is drawn."""
AcceptedPairs = Sequence[tuple[RegionPair, Color]]
Row = dict[str, Any]
Outlines = Sequence[Sequence[Outline]]
Pixels = list[NDArray[np.uint8]]


def picture_rows(result: RegistrationResult, accepted_pairs: AcceptedPairs, jacobian: Volume | None) -> list[Row]:
    """Rows of pictures for the template: title, text, pictures as SVG, colour bar.

    Args:
        result: what to show.
        accepted_pairs: accepted pairs and their colours.
        jacobian: det J on the fixed grid; None without a transform.
    """
    targets = np.array([target.fixed_lps_mm for target in result.targets]).reshape(-1, 3)
    planes = planes_through([pair for pair, _ in accepted_pairs], result.fixed.grid, targets)
    fixed_points = [plane.points_lps_mm for plane in planes]
    fixed = [read_volume_at(result.fixed, points) for points in fixed_points]
    unregistered = [read_volume_at(result.moving, points) for points in fixed_points]
    is_seen_before = any(np.isfinite(value).any() for value in unregistered)
    fixed_grey = _grey(fixed, pictures.window_of(fixed))
    before_grey = _grey(unregistered, pictures.window_of(unregistered))
    outlines, partners = (
        _outlines(accepted_pairs, fixed_points, "fixed"),
        _outlines(accepted_pairs, fixed_points, "moving"),
    )
    rows = [
        _row("Fixed volume", "", planes, fixed_grey, outlines),
        _row(
            "Moving volume, before",
            BEFORE if is_seen_before else NOTHING_BEFORE,
            planes,
            before_grey,
            _both(outlines, partners),
            is_seen=is_seen_before,
        ),
    ]
    if result.fitted is None or jacobian is None:
        return rows
    moving_points = [result.fitted.transform.apply_to_points(points) for points in fixed_points]
    warped = [read_volume_at(result.moving, points) for points in moving_points]
    after_grey = _grey(warped, pictures.window_of(warped))
    is_seen = any(np.isfinite(value).any() for value in warped)
    marks = [_marks(result, plane) for plane in planes]
    text = "The moving volume and its regions, warped to fixed space." if is_seen else NOTHING_WARPED
    if is_seen and any(marks):
        text += f" Crosses: propagated targets within {NEAR_MM:g} mm of the plane."
    if any(mark.radius for on_plane in marks for mark in on_plane):
        text += " Circles: each target's radius, a sphere, in the plane (green good, yellow check, red do not trust)."
    return [
        *rows,
        _row(
            "Moving volume, after",
            text,
            planes,
            after_grey,
            _both(outlines, _outlines(accepted_pairs, moving_points, "moving")),
            marks,
            is_seen,
        ),
        *_checkerboard_rows(
            planes, fixed_grey, before_grey if is_seen_before else None, after_grey if is_seen else None
        ),
        *_displacement_rows(result.fitted, planes, moving_points, outlines),
        _change_row(planes, jacobian, outlines),
    ]


def _grey(values: Sequence[Grey], window: tuple[float, float]) -> Pixels:
    return [pictures.grey(value, window) for value in values]


def _outlines(accepted_pairs: AcceptedPairs, points: Sequence[Floats], side: str) -> list[list[Outline]]:
    """Outlines of one side of the pairs, per plane; `points` says where in that side's space each plane lies."""
    return [
        [
            Outline(f"{pair.name} ({side})", read_region_at(getattr(pair, side), plane), color, side == "moving")
            for pair, color in accepted_pairs
        ]
        for plane in points
    ]


def _marks(result: RegistrationResult, plane: Plane) -> list[Mark]:
    marks = []
    for target in result.targets:
        x, y, distance_mm = plane.pixels_of(target.fixed_lps_mm)
        if distance_mm <= NEAR_MM:
            radius = section_radius(target.trust.radius_mm or 0.0, distance_mm) / plane.pixel_mm
            marks.append(Mark(target.name, x, y, radius, target.trust.verdict))
    return marks


def section_radius(radius_mm: float, distance_mm: float) -> float:
    """Radius of the circle in which a plane cuts a ball at a distance from its centre; 0 where it does not.

    >>> section_radius(5.0, 3.0), section_radius(5.0, 6.0)
    (4.0, 0.0)
    """
    return float(np.sqrt(max(radius_mm**2 - distance_mm**2, 0.0)))


def _both(first: Outlines, second: Outlines) -> list[list[Outline]]:
    return [[*a, *b] for a, b in zip(first, second, strict=True)]


def _row(
    title: str,
    text: str,
    planes: Sequence[Plane],
    pixels: Pixels,
    outlines: Outlines | None = None,
    marks: Sequence[Sequence[Mark]] | None = None,
    is_seen: bool = True,
) -> Row:
    """A row for the template; without pictures where there is nothing to see."""
    from markupsafe import Markup

    items: list[dict[str, Any]] = []
    if not is_seen:
        return {"title": title, "text": text, "pictures": items, "bar": None}
    no_items: Any = [()] * len(planes)
    for plane, image, lines, points in zip(planes, pixels, outlines or no_items, marks or no_items, strict=True):
        svg = pictures.picture(plane, image, f"{title}, {plane.name}, {plane.position}", lines, points)
        # Shares of the row's width that make all pictures of a row equally high.
        share = f"{plane.width / plane.height:.3f}"
        items.append({"svg": Markup(svg), "caption": f"{plane.name}, {plane.position}", "share": share})
    return {"title": title, "text": text, "pictures": items, "bar": None}


def _checkerboard_rows(
    planes: Sequence[Plane], fixed: Pixels, unregistered: Pixels | None, warped: Pixels | None
) -> list[Row]:
    text = "Alternating tiles of the fixed and the moving volume. Edges should continue across tiles."
    return [
        _row(
            f"Checkerboard, {key}",
            text,
            planes,
            [pictures.checkerboard(a, b) for a, b in zip(fixed, image, strict=True)],
        )
        for key, image in (("before", unregistered), ("after", warped))
        if image is not None
    ]


def _displacement_rows(
    fitted: Fitted, planes: Sequence[Plane], moving_points: Sequence[Floats], outlines: Outlines
) -> list[Row]:
    """The whole displacement, and for a deformation what it adds to its affine part."""
    both = list(zip([plane.points_lps_mm for plane in planes], moving_points, strict=True))
    whole = [np.linalg.norm(moved - points, axis=-1) for points, moved in both]
    text = "Distance from each point of fixed space to the corresponding point of moving space."
    rows = [_displacement_row("Displacement", text, planes, whole, outlines)]
    if has_deformation(fitted):
        beyond = [beyond_affine_mm(fitted, points, moved) for points, moved in both]
        text = "Distance between where the whole transform and where its affine part alone take each point."
        rows.append(_displacement_row("Displacement beyond the affine part", text, planes, beyond, outlines))
    return rows


def _displacement_row(
    title: str, text: str, planes: Sequence[Plane], lengths: Sequence[Floats], outlines: Outlines
) -> Row:
    from markupsafe import Markup

    top = _round_up(max(float(length.max()) for length in lengths))
    row = _row(
        title,
        text,
        planes,
        [pictures.magnitude_colors(length.astype(np.float32), top) for length in lengths],
        _in_one_color(outlines, (1.0, 1.0, 1.0)),
    )
    row["bar"] = Markup(pictures.color_bar("magnitude", "0 mm", f"{top / 2:g} mm", f"{top:g} mm"))
    return row


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 15, 20, 30, 40, ..."""
    return float(next((step for step in (1, 2, 5, 10, 15) if value <= step), np.ceil(value / 10) * 10))


def _change_row(planes: Sequence[Plane], jacobian: Volume, outlines: Outlines) -> Row:
    from markupsafe import Markup

    changes = [read_volume_at(jacobian, plane.points_lps_mm) for plane in planes]
    limit = _change_limit(changes)
    row = _row(
        "Local volume change (det J)",
        "Volume of the same tissue in moving space divided by its volume in fixed space. 1: unchanged. "
        "Magenta: 0 or less, where the transform folds.",
        planes,
        [pictures.change_colors(change, limit) for change in changes],
        _in_one_color(outlines, (0.2, 0.2, 0.2)),
    )
    row["bar"] = Markup(pictures.color_bar("change", f"{1 / limit:.2g}", "1", f"{limit:.2g}"))
    return row


def _change_limit(changes: Sequence[Grey]) -> float:
    """The end of the colour scale: the largest change, at least 1.25 and at most 4."""
    known = np.concatenate([change[np.isfinite(change) & (change > 0)] for change in changes])
    return float(np.clip(np.exp(np.abs(np.log(known)).max()), 1.25, 4.0)) if known.size else 1.25


def _in_one_color(outlines: Outlines, color: Color) -> list[list[Outline]]:
    return [[Outline(o.name, o.share, color) for o in plane] for plane in outlines]
