"""The paper's pictures, of the user's data: boxes with prompts and scores, masks, pairs in one colour, warped masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.matching.by_slice import is_part_of
from Tell2RegLib.matching.pairs import identity
from Tell2RegLib.region_sources.protocol import Detection, SourceResult
from Tell2RegLib.results.report import pictures
from Tell2RegLib.results.report.pictures import Outline, Tag
from Tell2RegLib.results.report.planes import Plane, read_region_at, read_volume_at
from Tell2RegLib.space.region import Color, Region, color_of

if TYPE_CHECKING:
    from Tell2RegLib.results.result import RegistrationResult

ALONE: Color = (0.75, 0.75, 0.75)
"""Of regions without a partner, and of those that were not used."""
DROPPED: Color = (0.62, 0.62, 0.62)
Row = dict[str, Any]


def found_rows(result: RegistrationResult) -> list[Row]:
    """A row per volume for the template: boxes, masks, and what the transform makes of the masks.

    Empty when the regions were given, or when the source shows no slices.
    """
    words = result.words
    if words is None or words.fixed.slices is None or words.moving.slices is None:
        return []
    used = [(pair, pair.fixed.color or color_of(n)) for n, pair in enumerate(result.pairs) if pair.accepted]
    colors = [[(getattr(pair, side), color) for pair, color in used] for side in ("fixed", "moving")]
    prompts = {prompt: color_of(number) for number, prompt in enumerate(words.fixed.prompts)}
    rows = []
    for title, found, own in (
        ("Fixed volume", words.fixed, colors[0]),
        ("Moving volume", words.moving, colors[1]),
    ):
        number = busiest_slice(found)
        plane = slice_plane(found, number)
        items = [_boxes_picture(title, found, number, plane, prompts), _masks_picture(title, found, number, plane, own)]
        rows.append(_row(f"{title}, {plane.position}", items))
    after = _warped_pictures(result, words.fixed)
    if after:
        rows.append(_row("Registered, on the slice of the fixed volume", after))
    return rows


def busiest_slice(found: SourceResult) -> int:
    """The slice that shows most regions; of several the one with the largest masks, then the middle one."""
    regions: Counter[int] = Counter()
    area: Counter[int] = Counter()
    for number, _ in {(f.box.slice_index, f.region) for f in found.findings if f.region is not None}:
        regions[number] += 1
    for finding in found.findings:
        if finding.region is not None and finding.mask is not None:
            area[finding.box.slice_index] += int(finding.mask.mask.sum())
    middle = found.looked_at[len(found.looked_at) // 2]
    return max(found.looked_at, key=lambda k: (regions[k], area[k], -abs(k - middle)))


def slice_plane(found: SourceResult, number: int) -> Plane:
    """A slice of the working grid as a plane: its columns run to the patient's left, its rows to the back."""
    assert found.slices is not None
    grid = found.slices.grid
    rows, columns = np.meshgrid(np.arange(grid.size_xyz[1]), np.arange(grid.size_xyz[0]), indexing="ij")
    points = grid.index_to_lps(np.stack([columns, rows, np.full_like(rows, number)], axis=-1))
    return Plane("axial", points, grid.spacing_mm[0], "RLAP", f"slice {number + 1} of {grid.size_xyz[2]}")


def _row(title: str, items: Sequence[tuple[str, str, Plane]]) -> Row:
    from markupsafe import Markup

    shown = [{"svg": Markup(svg), "caption": text, "share": f"{p.width / p.height:.3f}"} for svg, text, p in items]
    return {"title": title, "text": "", "pictures": shown, "bar": None}


def _boxes_picture(
    title: str, found: SourceResult, number: int, plane: Plane, colors: Mapping[str, Color]
) -> tuple[str, str, Plane]:
    here = [finding for finding in found.findings if finding.box.slice_index == number]
    tags = [_tag(finding, colors) for finding in sorted(here, key=lambda finding: finding.outcome == "kept")]
    svg = pictures.picture(plane, _pixels(found, number), f"{title}: boxes with prompts and scores", tags=tags)
    dropped = sum(finding.outcome != "kept" for finding in here)
    more = f"; dashed: {dropped} discarded by a filter" if dropped else ""
    return svg, f"Boxes with prompts and scores{more}", plane


def _tag(finding: Detection, colors: Mapping[str, Color]) -> Tag:
    kept = finding.outcome == "kept"
    text = f"{finding.box.prompt} {finding.box.score:.2f}"
    return Tag(text if kept else "", finding.box.xyxy_px, colors[finding.box.prompt] if kept else DROPPED, not kept)


def _masks_picture(
    title: str, found: SourceResult, number: int, plane: Plane, used: Sequence[tuple[Region, Color]]
) -> tuple[str, str, Plane]:
    lines = []
    for finding in found.findings:
        if finding.box.slice_index == number and finding.region is not None and finding.mask is not None:
            region = found.regions[finding.region]
            share = finding.mask.mask.astype(np.float32)
            lines.append(Outline(region.name, share, _color(region, share, plane, used)))
    svg = pictures.picture(plane, _pixels(found, number), f"{title}: masks", lines)
    return svg, "Masks, one colour per pair; grey: unpaired or not used", plane


def _color(region: Region, share: NDArray[np.float32], plane: Plane, used: Sequence[tuple[Region, Color]]) -> Color:
    """Of the pair that a region is in, or, where regions were paired slice by slice, of the part that shows here."""
    for other, color in used:
        if identity(other) == identity(region):
            return color
    parts = [(other, color) for other, color in used if is_part_of(other.name, region.name)]
    for other, color in parts:
        if (read_region_at(other, plane.points_lps_mm) * share).sum() > 0.5 * share.sum():
            return color
    return ALONE


def _warped_pictures(result: RegistrationResult, fixed: SourceResult) -> list[tuple[str, str, Plane]]:
    """Fixed and warped moving regions on the fixed slice, over the fixed and over the warped moving volume."""
    if result.fitted is None:
        return []
    plane = slice_plane(fixed, busiest_slice(fixed))
    there = result.fitted.transform.apply_to_points(plane.points_lps_mm)
    lines = []
    for number, pair in enumerate(result.pairs):
        if pair.accepted:
            color = pair.fixed.color or color_of(number)
            lines.append(Outline(f"{pair.name} (fixed)", read_region_at(pair.fixed, plane.points_lps_mm), color))
            lines.append(Outline(f"{pair.name} (moving)", read_region_at(pair.moving, there), color, dashed=True))
    items = []
    for volume, points, what in (
        (result.fixed, plane.points_lps_mm, "The fixed volume"),
        (result.moving, there, "The moving volume, warped"),
    ):
        values = read_volume_at(volume, points)
        grey = pictures.grey(values, pictures.window_of([values]))
        text = f"{what}; solid: fixed masks, dashed: moving masks, warped"
        items.append((pictures.picture(plane, grey, text, lines), text, plane))
    return items


def _pixels(found: SourceResult, number: int) -> pictures.Pixels:
    assert found.slices is not None
    return found.slices.array_kji[number]
