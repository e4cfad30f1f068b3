"""From a patient's numbers to painted layers: what lies where, what it is made of, and in which order it is painted.

Later layers cover earlier ones, as organs cover the fat that they lie in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from Tell2RegLib.phantom.anatomy import LABELS, Body, Prostate, Subject
from Tell2RegLib.phantom.gland import (
    ball_in_gland,
    central_zone_shape,
    position_in_gland,
    prostate_shape,
    transition_shape,
)
from Tell2RegLib.phantom.shapes import (
    Array,
    Shape,
    Vector,
    between,
    capsule,
    chain,
    ellipsoid,
    inside,
    minus,
    rotation,
    tube,
    union,
)
from Tell2RegLib.phantom.tissue import Tissue

LABEL_OF: dict[str, int] = {name: value for value, name in LABELS.items()}
EVERYWHERE: Vector = (1e4, 1e4, 1e4)
NOWHERE: Vector = (-1e4, -1e4, -1e4)


@dataclass(frozen=True)
class Band:
    """The part of a layer at least `depth` mm under its surface; a negative depth is a sheath around it."""

    depth: float
    tissue: Tissue
    gain: float = 1.0


@dataclass(frozen=True)
class Layer:
    """A solid to paint.

    Args:
        shape: where.
        bands: what it is made of, from the outside in.
        label: label value of what lies inside; 0 for things without a name, None to leave labels as they are.
    """

    shape: Shape
    bands: tuple[Band, ...]
    label: int | None = 0


def layers_of(subject: Subject) -> tuple[Layer, ...]:
    """Everything in the patient, in the order of painting."""
    layers = [*_muscle_layers(subject), *_bone_layers(subject), *_vessel_layers(subject)]
    layers += _surface_layers(subject.body)
    layers += _cavity_layers(subject)
    layers += _loop_layers(subject)
    layers += _symphysis_layers(subject)
    if subject.has("bladder"):
        layers += _bladder_layers(subject)
    if subject.has("rectum"):
        layers += _rectum_layers(subject)
    if subject.has("seminal vesicles"):
        layers += _vesicle_layers(subject)
    if subject.has("prostate"):
        layers += _prostate_layers(subject)
    return tuple(layers)


# --- body, muscles ---


def _surface_layers(body: Body) -> list[Layer]:
    """Fat under the skin, skin and air, painted from the inside out over whatever reaches there."""
    return [Layer(_outside(_fascia_shape(body)), _FASCIA), Layer(_outside(_body_shape(body)), _SKIN)]


_FASCIA = (Band(-0.5, Tissue.FIBROUS, 2.2), Band(0.5, Tissue.FAT))
_SKIN = (Band(-2.0, Tissue.SKIN), Band(0.0, Tissue.AIR))


def _outside(shape: Shape) -> Shape:
    return Shape(lambda x, y, z: -shape.distance(x, y, z), NOWHERE, EVERYWHERE)


def _body_shape(body: Body) -> Shape:
    def distance(x: Array, y: Array, z: Array) -> Array:
        width = np.float32(body.half_width) - np.float32(0.0022) * (z + 25) ** 2
        u = np.abs(x) / width
        v = np.abs(y - np.float32(body.centre_y)) / np.float32(body.half_depth)
        outline = (np.sqrt(np.sqrt(u * u * np.sqrt(u) * u + v * v * np.sqrt(v) * v)) - 1) * np.float32(body.half_depth)
        deepest = np.float32(body.centre_y + body.half_depth - 38) + np.maximum(z + 30, 0)
        cleft = np.abs(x) - np.float32(0.07) * (y - deepest)
        return np.maximum(outline, -cleft)

    return Shape(distance, NOWHERE, EVERYWHERE)


# name: centre from the femoral head (outward, y, z), half axes, turn about z (outward end forward is negative)
_MUSCLES: tuple[tuple[Vector, Vector, float], ...] = (
    ((6, 60, 0), (74, 27, 92), -24.0),  # gluteus maximus
    ((38, 22, 46), (29, 44, 52), 25.0),  # gluteus medius
    ((34, 4, 28), (17, 30, 42), 14.0),  # gluteus minimus
    ((50, -26, -10), (14, 31, 70), 18.0),  # tensor fasciae latae
    ((8, -40, -10), (27, 19, 80), -12.0),  # iliopsoas
    ((-10, -24, 60), (27, 27, 50), -20.0),  # iliacus and psoas
    ((31, -48, -28), (18, 18, 62), 0.0),  # rectus femoris
    ((14, -66, -20), (15, 9, 74), 10.0),  # sartorius
    ((60, 2, -66), (28, 40, 46), 0.0),  # vastus lateralis
    ((-34, -44, -38), (29, 14, 26), 22.0),  # pectineus
    ((-28, -16, -58), (36, 19, 18), 18.0),  # obturator externus
    ((-44, -32, -92), (28, 36, 44), 0.0),  # adductors
    ((8, 28, -58), (36, 13, 24), 10.0),  # quadratus femoris
    ((-4, 34, 14), (40, 12, 12), -16.0),  # piriformis and gemelli
    ((-26, 50, -92), (26, 22, 34), 0.0),  # hamstrings
)


def _muscle_layers(subject: Subject) -> list[Layer]:
    bands = (Band(-1.1, Tissue.FAT), Band(0.0, Tissue.MUSCLE))
    layers = []
    for side, head in zip((1.0, -1.0), subject.bones.heads, strict=True):
        for (out, y, z), radii, rotation_matrix in _MUSCLES:
            size = tuple(r * subject.muscle for r in radii)
            centre = (head[0] + side * out, head[1] + y, head[2] + z)
            shape = ellipsoid(centre, size, rotation(z_deg=side * rotation_matrix))  # type: ignore[arg-type]
            layers.append(Layer(shape, bands))
        layers.append(Layer(_rectus_abdominis(subject.body, side), bands))
    return layers


def _fascia_shape(body: Body) -> Shape:
    """Where the fat under the skin ends: a smaller outline inside the body's."""
    a, b = body.half_width - body.fat_side, body.half_depth - (body.fat_front + body.fat_back) / 2
    centre = body.centre_y + (body.fat_front - body.fat_back) / 2

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v = x * np.float32(1 / a), (y - np.float32(centre)) * np.float32(1 / b)
        u, v = u * u, v * v
        return (np.sqrt(np.sqrt(u * u + v * v)) - 1) * np.float32(b)

    return Shape(distance, NOWHERE, EVERYWHERE)


def _rectus_abdominis(body: Body, side: float) -> Shape:
    front = body.centre_y - body.half_depth + body.fat_front + 9
    return ellipsoid((side * 27, front, 45), (26, 6, 88), rotation(z_deg=side * 8))


# --- bones ---


def _bone_layers(subject: Subject) -> list[Layer]:
    bone = (Band(0.0, Tissue.CORTEX), Band(1.9, Tissue.MARROW))
    layers = [Layer(_sacrum(), bone)]
    for n, side in enumerate(("left", "right")):
        head, radius = subject.bones.heads[n], subject.bones.head_radii[n]
        out = 1.0 if n == 0 else -1.0
        layers.append(Layer(_hip_bone(subject, out, head, radius), bone))
        socket = ellipsoid(head, (radius + 2.4,) * 3)
        layers.append(Layer(socket, (Band(0.0, Tissue.CARTILAGE, 0.8),)))
        name = f"{side} femoral head"
        if subject.has(name):
            ball = ellipsoid(head, (radius,) * 3)
            layers.append(Layer(_femur(ball, head, out), (Band(0.0, Tissue.CORTEX), Band(1.5, Tissue.MARROW, 1.1))))
            layers.append(Layer(ball, (), LABEL_OF[name]))
        name = f"{side} obturator internus"
        if subject.has(name):
            sheet = _obturator_internus(subject, out, head)
            layers.append(Layer(sheet, (Band(-1.0, Tissue.PELVIC_FAT), Band(0.0, Tissue.MUSCLE)), LABEL_OF[name]))
    return layers


def _sacrum() -> Shape:
    return union(
        chain([(0, 64, -12), (0, 80, 4), (0, 92, 28)], [4.5, 7, 9], blend=5),
        ellipsoid((0, 96, 58), (42, 13, 42), rotation(x_deg=-14)),
        blend=10,
    )


def _hip_bone(subject: Subject, out: float, head: Vector, radius: float) -> Shape:
    hx, hy, hz = head
    sx, sy, sz = subject.bones.symphysis
    pubis = (sx + out * (subject.bones.symphysis_radii[0] * 0.5 + 8), sy + 2, sz + 4)
    low_pubis = (sx + out * 13, sy + 14, sz - 20)
    ischium = (hx - out * 26, hy + 30, hz - 66)
    socket = minus(ellipsoid((hx - out * 6, hy, hz + 4), (radius + 8, radius + 9, radius + 9)), _open_side(head, out))
    rods = union(
        chain([(hx - out * 24, hy - 18, hz - 4), (hx - out * 46, hy - 40, hz - 18), pubis], [12, 8.5, 11], blend=6),
        chain([pubis, low_pubis, (hx - out * 44, hy + 8, hz - 62), ischium], [10, 6.5, 6, 11], blend=6),
        chain([(hx - out * 20, hy + 18, hz), (hx - out * 22, hy + 27, hz - 30), ischium], [14, 11, 13], blend=6),
        blend=6,
    )
    wing = ellipsoid((hx - out * 2, hy + 6, hz + 66), (9, 46, 52), rotation(y_deg=out * 10, z_deg=-out * 22))
    return union(socket, rods, wing, blend=9)


def _open_side(head: Vector, out: float) -> Shape:
    """The half-space, outward and down, in which a socket does not cover the head."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        slope = np.float32(0.8 * out) * (x - np.float32(head[0])) - np.float32(0.6) * (z - np.float32(head[2]))
        return np.float32(6.0) - slope

    return Shape(distance, NOWHERE, EVERYWHERE)


def _femur(ball: Shape, head: Vector, out: float) -> Shape:
    hx, hy, hz = head
    trochanter = (hx + out * 53, hy + 15, hz - 26)
    return union(
        ball,
        capsule(head, trochanter, 14, 16),
        ellipsoid((trochanter[0] + out * 4, trochanter[1] + 4, trochanter[2] + 2), (14, 20, 22)),
        capsule(trochanter, (trochanter[0] - out * 2, trochanter[1] - 4, hz - 130), 19, 15),
        blend=7,
    )


def _obturator_internus(subject: Subject, out: float, head: Vector) -> Shape:
    hx, hy, hz = head
    radii = (8.5 * subject.muscle, 37, 34 * subject.muscle)
    rotation_matrix = rotation(z_deg=-out * 11, y_deg=out * 10)
    return ellipsoid((hx - out * 37, hy + 3, hz - 20), radii, rotation_matrix, bend=-out * 7.0)


def _symphysis_layers(subject: Subject) -> list[Layer]:
    if not subject.has("pubic symphysis"):
        return []
    bones = subject.bones
    rotation_matrix = rotation(x_deg=bones.symphysis_tilt_deg)
    disc = ellipsoid(bones.symphysis, bones.symphysis_radii, rotation_matrix)
    cleft = ellipsoid(
        bones.symphysis, (1.1, 0.62 * bones.symphysis_radii[1], 0.62 * bones.symphysis_radii[2]), rotation_matrix
    )
    return [
        Layer(disc, (Band(-1.2, Tissue.CORTEX), Band(0.0, Tissue.DISC)), LABEL_OF["pubic symphysis"]),
        Layer(cleft, (Band(0.0, Tissue.CARTILAGE, 1.5),), None),
    ]


# --- what fills the pelvis ---


def _vessel_layers(subject: Subject) -> list[Layer]:
    layers = []
    for n, head in enumerate(subject.bones.heads):
        out = 1.0 - 2.0 * n
        x, y, z = head[0] - out * 12, head[1] - 60, head[2]
        artery = chain([(x, y, z - 100), (x, y, z), (x - out * 14, y + 18, z + 60)], [4.5, 4.8, 5])
        vein = chain(
            [(x - out * 9, y + 5, z - 100), (x - out * 10, y + 3, z), (x - out * 24, y + 26, z + 60)], [5, 5.5, 6]
        )
        layers.append(Layer(vein, (Band(-2.0, Tissue.FAT), Band(0.0, Tissue.VESSEL), Band(0.9, Tissue.VEIN, 0.45))))
        layers.append(Layer(artery, (Band(-1.5, Tissue.FAT), Band(0.0, Tissue.VESSEL))))
    return layers


def _cavity_layers(subject: Subject) -> list[Layer]:
    x = subject.prostate.centre[0]
    layers = [Layer(_levator(subject.prostate, side), (Band(0.0, Tissue.LEVATOR),)) for side in (1.0, -1.0)]
    front = subject.bones.symphysis[1] + 16
    plexus = ellipsoid((x, front, subject.bones.symphysis[2] - 4), (17, 5, 15), rotation(x_deg=20))
    layers.append(Layer(plexus, (Band(0.0, Tissue.VESICLE, 0.9),)))
    return layers


def _levator(prostate: Prostate, side: float) -> Shape:
    """One half of the pelvic floor: a thin funnel beside prostate and rectum, down to the anal canal."""
    middle = np.float32(prostate.centre[1] + prostate.radii[1])
    front = np.float32(prostate.centre[1] - 0.45 * prostate.radii[1])
    wide, deep = np.float32(prostate.radii[0] - 2), np.float32(prostate.radii[1] + 13)

    def distance(x: Array, y: Array, z: Array) -> Array:
        height = np.clip((z + np.float32(78)) / 60, 0, 1.2)
        root = np.sqrt(height)
        across, along = np.float32(8) + wide * root, np.float32(14) + deep * root
        u, v = x / across, (y - middle - np.float32(3)) / along
        sheet = np.abs(np.sqrt(u * u + v * v) - 1) * across - np.float32(1.6)
        ends = np.maximum(z - np.float32(-6), np.float32(0.5) - np.float32(side) * x)
        return np.maximum(sheet, np.maximum(ends, front - y))

    return Shape(distance, (-45, -60, -110), (45, 110, 0))


def _bladder_layers(subject: Subject) -> list[Layer]:
    bladder = subject.bladder
    shape = ellipsoid(bladder.centre, bladder.radii, rotation(x_deg=bladder.lean_deg))
    bands = (Band(-0.8, Tissue.PELVIC_FAT), Band(0.0, Tissue.BLADDER_WALL), Band(bladder.wall, Tissue.URINE))
    return [Layer(shape, bands, LABEL_OF["bladder"])]


def _loop_layers(subject: Subject) -> list[Layer]:
    layers = []
    for n, loop in enumerate(subject.loops):
        rotation_matrix = rotation(x_deg=47.0 * n, y_deg=31.0 * n, z_deg=73.0 * n)
        shape = ellipsoid(loop.centre, (2.1 * loop.radius, loop.radius, loop.radius), rotation_matrix, bend=0.0)
        inner = Band(2.2, Tissue.STOOL if loop.brightness < 2.2 else Tissue.URINE, min(loop.brightness, 1.0))
        layers.append(Layer(shape, (Band(-1.2, Tissue.PELVIC_FAT), Band(0.0, Tissue.BOWEL_WALL, 1.3), inner)))
    return layers


RECTUM_HEIGHTS = (-55.0, 62.0)
"""Below is the anal canal, above the sigmoid: the same pipe, without the rectum's name."""


def _rectum_layers(subject: Subject) -> list[Layer]:
    rectum = subject.rectum
    pipe = tube(*zip(*rectum.sections, strict=True))
    gas = _in_front(pipe, rectum.gas_below_y)
    bands = (
        Band(-1.0, Tissue.PELVIC_FAT),
        Band(0.0, Tissue.BOWEL_WALL),
        Band(0.62 * rectum.wall, Tissue.MUCOSA),
        Band(rectum.wall + 0.8, Tissue.STOOL),
    )
    low, high = RECTUM_HEIGHTS
    return [
        Layer(pipe, bands),
        Layer(between(gas, low + 6, 1e3), (Band(rectum.wall + 0.8, Tissue.GAS),), None),
        Layer(between(pipe, low, high), (), LABEL_OF["rectum"]),
    ]


def _in_front(shape: Shape, y_limit: float) -> Shape:
    """The part of a shape in front of a plane, for bands that lie deep: the plane counts as 10 mm deep at once."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(shape.distance(x, y, z), (y - np.float32(y_limit)) - np.float32(5.0))

    return Shape(distance, shape.low, shape.high)


def _vesicle_layers(subject: Subject) -> list[Layer]:
    layers = []
    for links in subject.vesicles.chains:
        shape = chain([link[:3] for link in links], [link[3] for link in links], blend=1.5)
        bands = (Band(-0.8, Tissue.PELVIC_FAT), Band(0.0, Tissue.CAPSULE, 1.2), Band(1.1, Tissue.VESICLE))
        layers.append(Layer(shape, bands, LABEL_OF["seminal vesicles"]))
    return layers


# --- prostate ---


def _prostate_layers(subject: Subject) -> list[Layer]:
    prostate = subject.prostate
    gland = prostate_shape(prostate)
    zone = transition_shape(prostate)
    fibrous = inside(ball_in_gland(prostate, (0.0, -0.82, 0.05), (0.5, 0.42, 0.75)), gland, 1.0)
    outer = (Band(-1.3, Tissue.PELVIC_FAT), Band(0.0, Tissue.CAPSULE, 1.5), Band(1.0, Tissue.PERIPHERAL))
    inner = (Band(0.0, Tissue.CAPSULE), Band(1.3, Tissue.STROMA))
    layers = [
        Layer(gland, outer, LABEL_OF["peripheral zone"]),
        Layer(central_zone_shape(prostate, gland), (Band(0.0, Tissue.FIBROUS, 1.6),), None),
        Layer(zone, inner, LABEL_OF["transition zone"]),
        *_nodule_layers(prostate, zone),
        Layer(fibrous, (Band(0.0, Tissue.FIBROUS),), None),
    ]
    urethra = capsule(
        position_in_gland(prostate, (0, -0.05, 0.55)), position_in_gland(prostate, (0, 0.1, -0.75)), 1.4, 2.4
    )
    layers.append(Layer(urethra, (Band(-1.3, Tissue.FIBROUS, 1.6), Band(0.0, Tissue.URETHRA)), None))
    return layers


def _nodule_layers(prostate: Prostate, zone: Shape) -> list[Layer]:
    layers = []
    for n, nodule in enumerate(prostate.nodules):
        share = np.asarray(nodule.position) * prostate.transition
        rotation_matrix = rotation(x_deg=37.0 * n, z_deg=61.0 * n)
        radii = (nodule.radius, 0.82 * nodule.radius, 1.1 * nodule.radius)
        ball = ellipsoid(position_in_gland(prostate, tuple(share.tolist())), radii, rotation_matrix)
        bands = (Band(0.0, Tissue.CAPSULE, 1.15), Band(0.9, Tissue.NODULE, nodule.brightness))
        layers.append(Layer(inside(ball, zone, 0.8), bands, None))
    return layers
