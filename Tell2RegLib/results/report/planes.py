"""The planes of the report's pictures: patient-aligned, through the regions; and sampling of values on them.

A plane is aligned with the patient's axes whatever the scan's direction, its pixels are square millimetres, and it is
shown as radiologists look at it: the patient's right on the left, anterior on top (axial) or left (sagittal), superior
on top (coronal, sagittal).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.region_resampling import occupancy_at
from Tell2RegLib.space.volume import Volume

LONGEST_SIDE_PX = 400
FINEST_PIXEL_MM = 0.2
MARGIN_MM = 25.0

# name, normal axis, (axis and sign of columns), (axis and sign of rows), letters left, right, top, bottom
_VIEWS = (
    ("axial", 2, (0, 1), (1, 1), "RLAP"),
    ("coronal", 1, (0, 1), (2, -1), "RLSI"),
    ("sagittal", 0, (1, 1), (2, -1), "APSI"),
)
_POSITION_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


@dataclass(frozen=True, eq=False)
class Plane:
    """A rectangle of square pixels in patient space.

    Args:
        name: axial, coronal or sagittal.
        points_lps_mm: centre of each pixel, (rows, columns, 3).
        pixel_mm: side of a pixel.
        letters: patient directions at the left, right, top and bottom edge.
        position: where it lies along its normal, as Slicer writes it: "S 12.3 mm".
    """

    name: str
    points_lps_mm: Floats
    pixel_mm: float
    letters: str
    position: str

    def pixels_of(self, point_lps_mm: Floats) -> tuple[float, float, float]:
        """Column and row of a point as SVG counts them (a pixel's centre at one half), and its distance in mm."""
        origin = self.points_lps_mm[0, 0]
        across = self.points_lps_mm[0, 1] - origin
        down = self.points_lps_mm[1, 0] - origin
        offset = np.asarray(point_lps_mm, dtype=np.float64) - origin
        normal = np.cross(across, down) / self.pixel_mm**2
        scale = self.pixel_mm**2
        return float(offset @ across / scale + 0.5), float(offset @ down / scale + 0.5), float(abs(offset @ normal))

    @property
    def width(self) -> int:
        """Pixels per row."""
        return int(self.points_lps_mm.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.points_lps_mm.shape[0])


def planes_through(
    pairs: Sequence[RegionPair], fixed_grid: Grid, targets_lps_mm: Floats | None = None
) -> tuple[Plane, ...]:
    """Axial, coronal and sagittal planes through the middle of the plan's targets, (P, 3) in fixed space.

    Without a plan they cut as much of the pairs' fixed regions as one plane can. They show
    the box around all regions plus a margin, within the fixed volume; all of the volume without regions.
    """
    corners = fixed_grid.corners_lps_mm()
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre = (low + high) / 2
    if pairs:
        around = np.concatenate([_box_corners(r) for p in pairs for r in (p.fixed, p.moving)])
        start, stop = np.maximum(low, around.min(axis=0) - MARGIN_MM), np.minimum(high, around.max(axis=0) + MARGIN_MM)
        centre = _busiest_point([pair.fixed for pair in pairs])
        use = stop - start > MARGIN_MM
        low, high = np.where(use, start, low), np.where(use, stop, high)
    if targets_lps_mm is not None and len(targets_lps_mm):
        centre = np.clip(np.median(targets_lps_mm, axis=0), low, high)
    pixel_mm = max(float((high - low).max()) / LONGEST_SIDE_PX, FINEST_PIXEL_MM)
    return tuple(_plane(view, low, high, centre, pixel_mm) for view in _VIEWS)


def _plane(view: tuple, low: Floats, high: Floats, centre: Floats, pixel_mm: float) -> Plane:
    name, normal, columns, rows, letters = view
    across, down = (_axis_positions(low[axis], high[axis], sign, pixel_mm) for axis, sign in (columns, rows))
    points = np.empty((down.size, across.size, 3))
    points[..., normal] = centre[normal]
    points[..., columns[0]] = across
    points[..., rows[0]] = down[:, None]
    letter = _POSITION_LETTERS[normal][int(centre[normal] >= 0)]
    return Plane(name, points, pixel_mm, letters, f"{letter} {abs(centre[normal]):.1f} mm")


def _axis_positions(low: float, high: float, sign: int, step: float) -> Floats:
    """Pixel centres between two ends, running up or down."""
    count = max(int((high - low) / step), 8)
    steps = np.arange(count, dtype=np.float64) - (count - 1) / 2
    return (low + high) / 2 + sign * step * steps


def _box_corners(region: Region) -> Floats:
    return region.box_grid.corners_lps_mm()


def _busiest_point(regions: Sequence[Region]) -> Floats:
    """For each axis, the position with the largest cross-section of the regions, each with the same weight."""
    points = [_at_most(region.points_lps_mm(), 20_000) for region in regions]
    best = np.empty(3)
    for axis in range(3):
        low, high = min(p[:, axis].min() for p in points), max(p[:, axis].max() for p in points)
        edges = np.linspace(low - 1e-6, high + 1e-6, max(int(high - low), 2) + 1)
        counts = [np.histogram(p[:, axis], edges)[0] for p in points]
        total = np.sum([count / count.max() for count in counts], axis=0)
        smooth = np.convolve(total, [0.25, 0.5, 0.25])[1:-1]
        top = int(smooth.argmax())
        best[axis] = (edges[top] + edges[top + 1]) / 2
    return best


def _at_most(points: Floats, count: int) -> Floats:
    return points[:: max(1, len(points) // count)]


# --- values on a plane ---


def read_volume_at(volume: Volume, points_lps_mm: Floats) -> NDArray[np.float32]:
    """Trilinear values at points (..., 3); NaN outside the volume."""
    from scipy.ndimage import map_coordinates

    index = volume.grid.lps_to_index(points_lps_mm.reshape(-1, 3))
    last = np.asarray(volume.grid.size_xyz) - 1
    is_inside = ((index > -0.5) & (index < last + 0.5)).all(axis=1)
    values = np.full(len(index), np.nan, np.float32)
    kji = np.clip(index[is_inside], 0, last).T[::-1]
    values[is_inside] = map_coordinates(volume.array_kji, kji, np.float32, order=1, mode="nearest")
    return values.reshape(points_lps_mm.shape[:-1])


def read_region_at(region: Region, points_lps_mm: Floats) -> NDArray[np.float32]:
    """`occupancy_at` points (..., 3), computed only in the box around the region's box."""
    corners = region.box_grid.crop((-1, -1, -1), np.add(region.box_grid.size_xyz, 2)).corners_lps_mm()
    in_box = np.ones(points_lps_mm.shape[:-1], bool)
    for axis in range(3):
        position = points_lps_mm[..., axis]
        in_box &= (position >= corners[:, axis].min()) & (position <= corners[:, axis].max())
    shares = np.zeros(in_box.shape, np.float32)
    shares[in_box] = occupancy_at(region, points_lps_mm[in_box])
    return shares
