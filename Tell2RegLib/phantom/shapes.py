"""Solids as signed distances: the vocabulary in which the phantom's anatomy is written.

A `Shape` gives, for any points, about how many millimetres they lie outside a surface (negative: inside), and a box
that holds it. Distances are exact for balls and good near the surface for the rest, which is where they are used.
Points come as three arrays x, y, z of one length, in mm in the patient's own frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]
Distance = Callable[[Array, Array, Array], Array]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """A solid.

    Args:
        distance: mm outside the surface for x, y, z (N,) each; negative inside.
        low, high: corners of a box that holds the solid, mm.
    """

    distance: Distance
    low: Vector
    high: Vector


def rotation(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> NDArray[np.float64]:
    """Rotation matrix: about x first, then y, then z (right-handed)."""
    matrix = np.eye(3)
    for axis, angle in ((0, x_deg), (1, y_deg), (2, z_deg)):
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        a, b = [n for n in range(3) if n != axis]
        result = np.eye(3)
        result[a, a] = result[b, b] = c
        result[a, b], result[b, a] = (s, -s) if axis == 1 else (-s, s)
        matrix = result @ matrix
    return matrix


def to_local(x: Array, y: Array, z: Array, centre: ArrayLike, rotation_matrix: ArrayLike) -> tuple[Array, Array, Array]:
    """Coordinates of points along the columns of `rotation_matrix`, from `centre`."""
    cx, cy, cz = np.asarray(centre, dtype=np.float32)
    axes = np.asarray(rotation_matrix, dtype=np.float32)
    x, y, z = x - cx, y - cy, z - cz
    if axes[0, 0] == axes[1, 1] == axes[2, 2] == 1:
        return x, y, z
    u, v, w = (x * axes[0, n] + y * axes[1, n] + z * axes[2, n] for n in range(3))
    return u, v, w


def scaled_distance(u: Array, v: Array, w: Array, radii: Sequence[float]) -> Array:
    """Distance to an ellipsoid from coordinates that are already divided by its radii."""
    a, b, c = (np.float32(1.0 / r) for r in radii)
    level = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u * a) ** 2 + (v * b) ** 2 + (w * c) ** 2)
    return level * (level - 1) / np.maximum(slope, np.float32(1e-6))


def ellipsoid(centre: Vector, radii: Vector, rotation_matrix: ArrayLike | None = None, bend: float = 0.0) -> Shape:
    """An ellipsoid.

    Args:
        centre: mm.
        radii: half axes, mm.
        rotation_matrix: rotation matrix; its columns are the directions of the half axes.
        bend: how far (mm) both ends of the second axis are moved along the first, like a banana.
    """
    axes = np.eye(3) if rotation_matrix is None else np.asarray(rotation_matrix, dtype=np.float64)
    scale = np.float32(1.0) / np.asarray(radii, dtype=np.float32)

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v, w = to_local(x, y, z, centre, axes)
        v = v * scale[1]
        if bend:
            u = u - np.float32(bend) * v * v
        return scaled_distance(u * scale[0], v, w * scale[2], radii)

    reach = np.abs(np.asarray(radii, dtype=np.float64))
    reach[0] += 1.2 * abs(bend)
    half = np.sqrt(((axes * reach) ** 2).sum(axis=1))
    return Shape(distance, _vector(centre - half), _vector(centre + half))


def capsule(start: Vector, stop: Vector, start_radius: float, stop_radius: float | None = None) -> Shape:
    """A straight rod with round ends; its radius changes evenly from start to stop."""
    stop_radius = start_radius if stop_radius is None else stop_radius
    a, b = np.asarray(start, dtype=np.float32), np.asarray(stop, dtype=np.float32)
    along = (b - a) / np.maximum(np.dot(b - a, b - a), np.float32(1e-6))
    step = b - a

    def distance(x: Array, y: Array, z: Array) -> Array:
        x, y, z = x - a[0], y - a[1], z - a[2]
        t = np.clip(x * along[0] + y * along[1] + z * along[2], 0, 1)
        gap = np.sqrt((x - t * step[0]) ** 2 + (y - t * step[1]) ** 2 + (z - t * step[2]) ** 2)
        return gap - (np.float32(start_radius) + t * np.float32(stop_radius - start_radius))

    low = np.minimum(a - start_radius, b - stop_radius)
    high = np.maximum(a + start_radius, b + stop_radius)
    return Shape(distance, _vector(low), _vector(high))


def chain(points: Sequence[Vector], radii: Sequence[float], blend: float = 2.0) -> Shape:
    """Rods from point to point, blended into one."""
    rods = [capsule(points[n], points[n + 1], radii[n], radii[n + 1]) for n in range(len(points) - 1)]
    return union(*rods, blend=blend)


def tube(z: ArrayLike, x: ArrayLike, y: ArrayLike, x_radius: ArrayLike, y_radius: ArrayLike) -> Shape:
    """A pipe that runs upwards along z, with an elliptic section that changes smoothly between knots.

    Args:
        z: heights of the knots, growing, mm.
        x, y: centre of the section at each knot, mm.
        x_radius, y_radius: half axes of the section at each knot, mm.
    """
    from scipy.interpolate import PchipInterpolator

    knots = np.asarray(z, dtype=np.float64)
    heights = np.arange(knots[0], knots[-1] + 0.5, 1.0)
    tables = [PchipInterpolator(knots, values)(heights) for values in (x, y, x_radius, y_radius)]

    def distance(px: Array, py: Array, pz: Array) -> Array:
        cx, cy, rx, ry = (np.interp(pz, heights, table).astype(np.float32) for table in tables)
        side = (np.hypot((px - cx) / rx, (py - cy) / ry) - 1) * np.minimum(rx, ry)
        return np.maximum(side, np.abs(pz - np.float32((heights[0] + heights[-1]) / 2)) - np.ptp(heights) / 2)

    cx, cy, rx, ry = tables
    return Shape(
        distance,
        (float((cx - rx).min()), float((cy - ry).min()), float(heights[0])),
        (float((cx + rx).max()), float((cy + ry).max()), float(heights[-1])),
    )


# --- algebra ---

_NEAR_MM, _FAR_MM = 12.0, 1e3
"""Parts of a union that are farther than this from all points asked for count as very far: nobody paints there."""


def bounds_of(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """The smallest and the largest coordinates of points, (3,) each."""
    return np.array([x.min(), y.min(), z.min()]), np.array([x.max(), y.max(), z.max()])


def union(*shapes: Shape, blend: float = 0.0) -> Shape:
    """Everything in any of the shapes; `blend` mm rounds the crease where they meet."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        first, last = bounds_of(x, y, z)
        is_near = np.all((lows < last) & (highs > first), axis=1)
        result = np.full_like(x, _FAR_MM)
        for n in np.flatnonzero(is_near):
            result = smooth_min(result, shapes[n].distance(x, y, z), blend)
        return result

    low = np.min([shape.low for shape in shapes], axis=0) - blend / 4
    high = np.max([shape.high for shape in shapes], axis=0) + blend / 4
    lows = np.array([shape.low for shape in shapes]) - _NEAR_MM
    highs = np.array([shape.high for shape in shapes]) + _NEAR_MM
    return Shape(distance, _vector(low), _vector(high))


def inside(shape: Shape, container: Shape, depth: float = 0.0) -> Shape:
    """The part of a shape that lies at least `depth` mm inside another."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(shape.distance(x, y, z), container.distance(x, y, z) + np.float32(depth))

    return Shape(distance, shape.low, shape.high)


def minus(shape: Shape, removed: Shape, gap: float = 0.0) -> Shape:
    """The part of a shape that lies at least `gap` mm outside another."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(shape.distance(x, y, z), np.float32(gap) - removed.distance(x, y, z))

    return Shape(distance, shape.low, shape.high)


def between(shape: Shape, z_low: float, z_high: float) -> Shape:
    """The part of a shape between two heights."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(shape.distance(x, y, z), np.maximum(np.float32(z_low) - z, z - np.float32(z_high)))

    low, high = shape.low, shape.high
    return Shape(distance, (low[0], low[1], max(low[2], z_low)), (high[0], high[1], min(high[2], z_high)))


def smooth_min(a: Array, b: Array, blend: float) -> Array:
    """The smaller of two distances, with the crease rounded over `blend` mm."""
    if blend <= 0:
        return np.minimum(a, b)
    overlap = np.maximum(np.float32(blend) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / blend)


def _vector(values: ArrayLike) -> Vector:
    x, y, z = (float(v) for v in np.asarray(values))
    return (x, y, z)
