"""Whether a file fits the transform that it is warped with: points, volumes, label maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.region_sources.label_map import MAX_LABELS
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.ras import lps_from

FAR_MM = 20.0
"""Points that lie farther than this outside the volume are reported."""
SAME_AS_NEIGHBOUR = 0.8
"""Share of the neighbours within the labels of a label map that have the same label; less in images."""
LEAST_OVERLAP = 0.1
"""Volumes that share less than this part of either one are reported."""


def is_label_map(array_kji: NDArray) -> bool:
    """Whether integers are labels rather than grey values: few values, and neighbours mostly equal."""
    if array_kji.dtype.kind not in "iu" or array_kji.min() < 0 or not array_kji.any():
        return False
    if np.unique(array_kji[:: max(1, len(array_kji) // 16)]).size > MAX_LABELS:
        return False
    left, right = array_kji[..., :-1], array_kji[..., 1:]
    are_labelled = (left != 0) & (right != 0)
    count = int(are_labelled.sum())
    return count == 0 or int((are_labelled & (left == right)).sum()) >= SAME_AS_NEIGHBOUR * count


def warning_about_points(points_lps_mm: Floats, grid: Grid, side: str) -> str:
    """Which points lie far outside the volume that they should belong to, and why; empty if none does.

    Args:
        points_lps_mm: (P, 3).
        grid: of that volume.
        side: "moving" or "fixed".
    """
    outside = outside_mm(points_lps_mm, grid)
    far = int((outside > FAR_MM).sum())
    if not far:
        return ""
    total = len(points_lps_mm)
    which = "The only point lies" if total == 1 else f"{far} of {total} points lie"
    text = f"{which} up to {outside.max():.0f} mm outside the {side} volume, where the transform is extrapolated"
    if outside_mm(lps_from("RAS", points_lps_mm), grid).max() <= FAR_MM:
        return f"{text}: with the signs of x and y changed, all would lie inside. The file may mix up LPS and RAS."
    return f"{text}. Check that the file belongs to this volume."


def outside_mm(points_lps_mm: Floats, grid: Grid) -> Floats:
    """How far points (P, 3) lie outside the voxels of a grid, in mm; 0 inside."""
    index = grid.lps_to_index(points_lps_mm)
    beyond = np.maximum(np.maximum(-0.5 - index, index - (np.asarray(grid.size_xyz) - 0.5)), 0)
    return np.linalg.norm(beyond * grid.spacing_mm, axis=-1)


def warning_about_volume(name: str, grid: Grid, expected: Grid, side: str) -> str:
    """Whether a volume lies elsewhere than the one that a transform was made for; empty if it does not."""
    if max(_share_inside(grid, expected), _share_inside(expected, grid)) >= LEAST_OVERLAP:
        return ""
    return (
        f"'{name}' hardly overlaps with the {side} volume that the transform was made for, so most of the output is "
        "empty. Check that it is a scan of the same patient and session."
    )


def _share_inside(grid: Grid, other: Grid) -> float:
    """Share of a grid's extent that lies within another one."""
    steps = [np.linspace(0, size - 1, 9) for size in grid.size_xyz]
    index = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return float((outside_mm(grid.index_to_lps(index), other) == 0).mean())
