"""The shape of the prostate and of its zones, and positions named in units of its own half axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.phantom.anatomy import Prostate
from Tell2RegLib.phantom.shapes import (
    Array,
    Shape,
    Vector,
    ellipsoid,
    inside,
    rotation,
    scaled_distance,
    to_local,
    union,
)


def axes_of(prostate: Prostate) -> NDArray[np.float64]:
    """Directions of the gland's half axes, as columns."""
    return rotation(x_deg=prostate.lean_deg, z_deg=prostate.rotation_deg)


def position_in_gland(prostate: Prostate, share: Vector) -> Vector:
    """Where a position in units of the gland's half axes lies, mm."""
    x, y, z = np.asarray(prostate.centre) + axes_of(prostate) @ (np.asarray(share) * prostate.radii)
    return (float(x), float(y), float(z))


def ball_in_gland(prostate: Prostate, share: Vector, size: Vector) -> Shape:
    """An ellipsoid along the axes of the gland; its centre and half axes are in units of the half axes of the gland."""
    radii = tuple(float(s * r) for s, r in zip(size, prostate.radii, strict=True))
    return ellipsoid(position_in_gland(prostate, share), radii, axes_of(prostate))  # type: ignore[arg-type]


def prostate_shape(prostate: Prostate) -> Shape:
    """The whole gland: an ellipsoid, narrower at the apex, flat behind with a midline groove, uneven sides."""
    rotation_matrix = axes_of(prostate)
    a, b, c = (np.float32(r) for r in prostate.radii)

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v, w = to_local(x, y, z, prostate.centre, rotation_matrix)
        u, v, w = u / a, v / b, w / c
        slim = 1 - np.float32(prostate.apex_taper) * np.clip(-w, 0, 1.2) ** np.float32(1.5)
        u = u / slim * (1 - np.float32(prostate.unevenness) * np.tanh(2 * u))
        groove = np.float32(0.16) * np.exp(-((u / np.float32(0.35)) ** 2)) * np.clip(v, 0, 1)
        v = v / (np.float32(0.4) + np.float32(0.6) * slim) + groove + np.float32(0.10) * u * u - np.float32(0.06)
        return scaled_distance(u, v, w, prostate.radii)

    reach = np.abs(rotation_matrix) @ (np.asarray(prostate.radii) * 1.25)
    low, high = np.asarray(prostate.centre) - reach, np.asarray(prostate.centre) + reach
    return Shape(distance, tuple(low.tolist()), tuple(high.tolist()))


def transition_shape(prostate: Prostate) -> Shape:
    """The transition zone: two lobes beside the urethra and the stroma in front of them, inside the gland."""
    size = prostate.transition
    lobe = (0.52 * size, 0.74 * size, 0.80 * size)
    lobes = [ball_in_gland(prostate, (side * 0.33 * size, -0.20, 0.12), lobe) for side in (1.0, -1.0)]
    front = ball_in_gland(prostate, (0.0, -0.62, 0.05), (0.40, 0.42, 0.70))
    return inside(union(*lobes, front, blend=3.0), prostate_shape(prostate), 1.5)


def central_zone_shape(prostate: Prostate, gland: Shape) -> Shape:
    """The dark tissue around the ejaculatory ducts, behind the transition zone at the base."""
    return inside(ball_in_gland(prostate, (0.0, 0.42, 0.66), (0.42, 0.26, 0.30)), gland, 1.5)
