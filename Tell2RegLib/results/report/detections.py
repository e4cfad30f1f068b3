"""The paper's pictures, of the user's data: boxes with prompts and scores, masks, pairs in one colour, warped masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.matching.by_slice import is_part_of
from Tell2RegLib.matching.pairs import identity
from Tell2RegLib.region_sources.source_result import Detection, SourceResult
from Tell2RegLib.results.report import pictures
from Tell2RegLib.results.report.pictures import Outline, Tag
from Tell2RegLib.results.report.planes import Plane, read_region_at, read_volume_at
from Tell2RegLib.space.pair_colors import color_of, color_of_pair
from Tell2RegLib.space.region import Color, Region

if TYPE_CHECKING:
    from Tell2RegLib.results.result import RegistrationResult

ALONE: Color = (0.75, 0.75, 0.75)
"""Colour of unpaired and of unused regions."""
DISCARDED_COLOR: Color = (0.62, 0.62, 0.62)
Row = dict[str, Any]


def detection_rows(result: RegistrationResult) -> list[Row]:
    """A row per volume for the template: boxes, masks, and what the transform makes of the masks.

    Empty when the regions were given, or when the source shows no slices.
    """
    prompts_result = result.prompts_result
    if prompts_result is None or prompts_result.fixed.slices is None or prompts_result.moving.slices is None:
        return []
    used = [(pair, color_of_pair(pair, n)) for n, pair in enumerate(result.pairs) if pair.accepted]
    colors = [[(getattr(pair, side), color) for pair, color in used] for side in ("fixed", "moving")]
    prompts = {prompt: color_of(number) for number, prompt in enumerate(prompts_result.fixed.prompts)}
    rows = []
    for title, source_result, side_regions in (
        ("Fixed volume", prompts_result.fixed, colors[0]),
        ("Moving volume", prompts_result.moving, colors[1]),
    ):
        number = busiest_slice(source_result)
        plane = slice_plane(source_result, number)
        items = [
            _boxes_picture(title, source_result, number, plane, prompts),
            _masks_picture(title, source_result, number, plane, side_regions),
        ]
        rows.append(_row(f"{title}, {plane.position}", items))
    warped_pictures = _warped_pictures(result, prompts_result.fixed)
    if warped_pictures:
        rows.append(_row("Registered, on the slice of the fixed volume", warped_pictures))
    return rows


def busiest_slice(source_result: SourceResult) -> int:
    """The slice with most regions; among several, the one with the largest masks, then the one nearest to the
    middle."""
    regions: Counter[int] = Counter()
    area: Counter[int] = Counter()
    for number, _ in {(f.box.slice_index, f.region) for f in source_result.detections if f.region is not None}:
        regions[number] += 1
    for detection in source_result.detections:
        if detection.region is not None and detection.mask is not None:
            area[detection.box.slice_index] += int(detection.mask.mask.sum())
    middle = source_result.slice_indices[len(source_result.slice_indices) // 2]
    return max(source_result.slice_indices, key=lambda k: (regions[k], area[k], -abs(k - middle)))


def slice_plane(source_result: SourceResult, number: int) -> Plane:
    """A slice of the working grid as a plane: its columns run to the patient's left, its rows to the back."""
    assert source_result.slices is not None
    grid = source_result.slices.grid
    rows, columns = np.meshgrid(np.arange(grid.size_xyz[1]), np.arange(grid.size_xyz[0]), indexing="ij")
    points = grid.index_to_lps(np.stack([columns, rows, np.full_like(rows, number)], axis=-1))
    return Plane("axial", points, grid.spacing_mm[0], "RLAP", f"slice {number + 1} of {grid.size_xyz[2]}")


def _row(title: str, items: Sequence[tuple[str, str, Plane]]) -> Row:
    from markupsafe import Markup

    pictures_data = [
        {"svg": Markup(svg), "caption": text, "share": f"{p.width / p.height:.3f}"} for svg, text, p in items
    ]
    return {"title": title, "text": "", "pictures": pictures_data, "bar": None}


def _boxes_picture(
    title: str, source_result: SourceResult, number: int, plane: Plane, colors: Mapping[str, Color]
) -> tuple[str, str, Plane]:
    slice_detections = [detection for detection in source_result.detections if detection.box.slice_index == number]
    tags = [
        _tag(detection, colors)
        for detection in sorted(slice_detections, key=lambda detection: detection.outcome == "kept")
    ]
    svg = pictures.picture(plane, _pixels(source_result, number), f"{title}: boxes with prompts and scores", tags=tags)
    discarded_count = sum(detection.outcome != "kept" for detection in slice_detections)
    note = f"; dashed: {discarded_count} discarded by a filter" if discarded_count else ""
    return svg, f"Boxes with prompts and scores{note}", plane


def _tag(detection: Detection, colors: Mapping[str, Color]) -> Tag:
    is_kept = detection.outcome == "kept"
    text = f"{detection.box.prompt} {detection.box.score:.2f}"
    return Tag(
        text if is_kept else "",
        detection.box.xyxy_px,
        colors[detection.box.prompt] if is_kept else DISCARDED_COLOR,
        not is_kept,
    )


def _masks_picture(
    title: str, source_result: SourceResult, number: int, plane: Plane, used: Sequence[tuple[Region, Color]]
) -> tuple[str, str, Plane]:
    lines = []
    for detection in source_result.detections:
        if detection.box.slice_index == number and detection.region is not None and detection.mask is not None:
            region = source_result.regions[detection.region]
            share = detection.mask.mask.astype(np.float32)
            lines.append(Outline(region.name, share, _color(region, share, plane, used)))
    svg = pictures.picture(plane, _pixels(source_result, number), f"{title}: masks", lines)
    return svg, "Masks, one colour per pair; grey: unpaired or not used", plane


def _color(region: Region, share: NDArray[np.float32], plane: Plane, used: Sequence[tuple[Region, Color]]) -> Color:
    """Of the pair that a region is in, or, where regions were paired slice by slice, of the part that shows here."""
    for used_region, color in used:
        if identity(used_region) == identity(region):
            return color
    used_parts = [(used_region, color) for used_region, color in used if is_part_of(used_region.name, region.name)]
    for used_region, color in used_parts:
        if (read_region_at(used_region, plane.points_lps_mm) * share).sum() > 0.5 * share.sum():
            return color
    return ALONE


def _warped_pictures(result: RegistrationResult, fixed: SourceResult) -> list[tuple[str, str, Plane]]:
    """Fixed and warped moving regions on the fixed slice, over the fixed and over the warped moving volume."""
    if result.fitted is None:
        return []
    plane = slice_plane(fixed, busiest_slice(fixed))
    moving_points = result.fitted.transform.apply_to_points(plane.points_lps_mm)
    lines = []
    for number, pair in enumerate(result.pairs):
        if pair.accepted:
            color = color_of_pair(pair, number)
            lines.append(Outline(f"{pair.name} (fixed)", read_region_at(pair.fixed, plane.points_lps_mm), color))
            lines.append(
                Outline(f"{pair.name} (moving)", read_region_at(pair.moving, moving_points), color, dashed=True)
            )
    items = []
    for volume, points, side in (
        (result.fixed, plane.points_lps_mm, "The fixed volume"),
        (result.moving, moving_points, "The moving volume, warped"),
    ):
        values = read_volume_at(volume, points)
        grey = pictures.grey(values, pictures.window_of([values]))
        text = f"{side}; solid: fixed masks, dashed: moving masks, warped"
        items.append((pictures.picture(plane, grey, text, lines), text, plane))
    return items


def _pixels(source_result: SourceResult, number: int) -> pictures.Pixels:
    assert source_result.slices is not None
    return source_result.slices.array_kji[number]
