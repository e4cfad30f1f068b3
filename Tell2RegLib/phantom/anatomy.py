"""Who the phantom is: the frozen numbers that describe one patient, and how they are drawn from a seed.

All positions are in the patient's own frame: LPS directions in mm (x Left, y Posterior, z Superior), with the origin
midway between the femoral heads. `Subject.pose` says how the patient lies in the scanner.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom.shapes import Array, Vector, rotation

LABELS: dict[int, str] = {
    1: "transition zone",
    2: "peripheral zone",
    3: "bladder",
    4: "rectum",
    5: "left femoral head",
    6: "right femoral head",
    7: "pubic symphysis",
    8: "left obturator internus",
    9: "right obturator internus",
    10: "seminal vesicles",
}
"""Label values of the phantom's label map; the prostate is the union of its two zones."""

ORGANS: tuple[str, ...] = ("prostate", *(name for value, name in LABELS.items() if value > 2))
"""What a subject can be made without."""


@dataclass(frozen=True)
class Pose:
    """How the patient lies: turned about the origin, then moved (LPS mm)."""

    rotation_deg: Vector
    shift_mm: Vector


@dataclass(frozen=True)
class Body:
    """The outline at the hips, and the fat under the skin, mm."""

    half_width: float
    half_depth: float
    centre_y: float
    fat_front: float
    fat_side: float
    fat_back: float


@dataclass(frozen=True)
class Bones:
    """Femoral heads (left, right) and the pubic symphysis, mm."""

    heads: tuple[Vector, Vector]
    head_radii: tuple[float, float]
    symphysis: Vector
    symphysis_radii: Vector
    symphysis_tilt_deg: float


@dataclass(frozen=True)
class Nodule:
    """A benign nodule: position in units of the prostate's half axes, radius in mm, brightness against stroma."""

    position: Vector
    radius: float
    brightness: float


@dataclass(frozen=True)
class Prostate:
    """The gland: half axes in mm, how it leans, how uneven its sides are, how large its transition zone is (0..1)."""

    centre: Vector
    radii: Vector
    lean_deg: float
    rotation_deg: float
    unevenness: float
    apex_taper: float
    transition: float
    nodules: tuple[Nodule, ...]


@dataclass(frozen=True)
class Bladder:
    """The bladder: outer half axes and wall in mm."""

    centre: Vector
    radii: Vector
    lean_deg: float
    wall: float


@dataclass(frozen=True)
class Rectum:
    """The rectum as sections from the anal canal upwards: (z, x, y, x radius, y radius) in mm.

    Gas lies in front of the plane y = `gas_below_y`, stool or mucus behind it.
    """

    sections: tuple[tuple[float, float, float, float, float], ...]
    wall: float
    gas_below_y: float


@dataclass(frozen=True)
class Vesicles:
    """Seminal vesicles (left, right) as chains of (x, y, z, radius) in mm."""

    chains: tuple[tuple[tuple[float, float, float, float], ...], tuple[tuple[float, float, float, float], ...]]


@dataclass(frozen=True)
class Loop:
    """A stretch of bowel above the bladder: centre and radius in mm, brightness of what it holds."""

    centre: Vector
    radius: float
    brightness: float


@dataclass(frozen=True)
class Ripple:
    """A gentle wave through the whole anatomy, so that nothing is a perfect ellipsoid.

    Each wave is (axis it moves, amplitude mm, wave vector rad/mm x 3, phase rad).
    """

    waves: tuple[tuple[int, float, float, float, float, float], ...]


@dataclass(frozen=True)
class Subject:
    """One synthetic patient; equal numbers render to equal volumes.

    Args:
        seed: the seed it was drawn from; also names it and seeds its textures.
        without: organs it lacks, as named in `ORGANS`.
        pose, body, bones, muscle, prostate, bladder, rectum, vesicles, loops, ripple: its anatomy;
            `muscle` is the size of the muscles against an average man's.
    """

    seed: int
    without: frozenset[str]
    pose: Pose
    body: Body
    bones: Bones
    muscle: float
    prostate: Prostate
    bladder: Bladder
    rectum: Rectum
    vesicles: Vesicles
    loops: tuple[Loop, ...]
    ripple: Ripple

    def has(self, organ: str) -> bool:
        """Whether the organ is there."""
        return organ not in self.without

    def to_anatomy(self, points_lps_mm: ArrayLike) -> tuple[Array, Array, Array]:
        """Scanner points (N, 3) in LPS mm -> x, y, z (N,) where the anatomy's shapes are to be asked."""
        points = np.asarray(points_lps_mm, dtype=np.float64)
        local_points = ((points - self.pose.shift_mm) @ rotation(*self.pose.rotation_deg)).astype(np.float32)
        x, y, z = (np.ascontiguousarray(local_points[:, n]) for n in range(3))
        moved = [x.copy(), y.copy(), z.copy()]
        for axis, amplitude, kx, ky, kz, phase in self.ripple.waves:
            wave = x * np.float32(kx) + y * np.float32(ky) + (z * np.float32(kz) + np.float32(phase))
            moved[axis] += np.float32(amplitude) * np.sin(wave)
        return moved[0], moved[1], moved[2]

    def from_anatomy(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Points (N, 3) of the patient's own frame -> scanner, LPS mm; the ripple (a few mm) is left out."""
        return np.asarray(points_mm, dtype=np.float64) @ rotation(*self.pose.rotation_deg).T + self.pose.shift_mm


class _Draw:
    """Random numbers, each with its range in sight."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def about(self, middle: float, spread: float) -> float:
        """Even within `spread` around the middle."""
        return self.between(middle - spread, middle + spread)


def make_subject(seed: int, *, without: Collection[str] = ()) -> Subject:
    """A synthetic male pelvis; the same seed is always the same man.

    Args:
        seed: any integer of at least 0.
        without: organs to leave out, as named in `ORGANS`; everything else stays as it is.

    Raises:
        InputError: a negative seed or an organ that the phantom does not have.

    >>> make_subject(3) == make_subject(3)
    True
    """
    check_seed(seed)
    unknown = sorted(set(without) - set(ORGANS)) if not isinstance(without, str) else [without]
    if unknown:
        names = ", ".join(ORGANS)
        raise InputError(f"The phantom cannot be made without {unknown}. Give a list of names from: {names}.")
    draw = _Draw(np.random.default_rng([int(seed), 1]))
    pose = Pose(
        (draw.about(0, 4), draw.about(0, 3), draw.about(0, 4)), (draw.about(0, 6), draw.about(0, 6), draw.about(0, 5))
    )
    body = _body(draw)
    bones = _bones(draw)
    prostate = _prostate(draw)
    bladder = _bladder(draw, prostate)
    return Subject(
        seed=int(seed),
        without=frozenset(without),
        pose=pose,
        body=body,
        bones=bones,
        muscle=draw.between(0.9, 1.08),
        prostate=prostate,
        bladder=bladder,
        rectum=_rectum(draw, prostate),
        vesicles=_vesicles(draw, prostate),
        loops=_loops(draw),
        ripple=_ripple(draw),
    )


def check_seed(seed: int) -> None:
    """Raise InputError unless the seed is an integer of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"A seed must be an integer of at least 0, not {seed!r}.")


def _body(draw: _Draw) -> Body:
    fat = draw.between(0.0, 1.0)
    return Body(
        half_width=168 + 26 * fat + draw.about(0, 6),
        half_depth=104 + 20 * fat + draw.about(0, 5),
        centre_y=draw.about(10, 4),
        fat_front=8 + 22 * fat + draw.about(0, 2),
        fat_side=10 + 22 * fat + draw.about(0, 3),
        fat_back=12 + 18 * fat + draw.about(0, 2),
    )


def _bones(draw: _Draw) -> Bones:
    apart = draw.between(84, 93)
    radius = draw.between(23.0, 26.5)
    left, right = ((side * (apart + draw.about(0, 1.5)), draw.about(0, 2), draw.about(0, 2.5)) for side in (1.0, -1.0))
    return Bones(
        heads=(left, right),
        head_radii=(radius + draw.about(0, 0.4), radius + draw.about(0, 0.4)),
        symphysis=(draw.about(0, 1.5), draw.about(-55, 3), draw.about(-33, 3)),
        symphysis_radii=(draw.between(6.5, 9.0), draw.between(10, 12.5), draw.between(18, 22)),
        symphysis_tilt_deg=draw.between(25, 45),
    )


PROSTATE_FILL = 0.917
"""Volume of the gland's shape against the ellipsoid of its half axes (measured)."""


def _prostate(draw: _Draw) -> Prostate:
    volume_ml = float(np.exp(draw.between(np.log(22), np.log(86))))
    across = np.array([1.0, draw.between(0.70, 0.80), draw.between(0.80, 0.95)])
    size = (volume_ml * 1000 / (4 / 3 * np.pi * across.prod() * PROSTATE_FILL)) ** (1 / 3)
    a, b, c = (size * across).tolist()
    large = (volume_ml - 22) / 64
    back_y = draw.about(19, 3) + 0.2 * (b - 18)
    return Prostate(
        centre=(draw.about(0, 3), back_y - b, draw.about(-49, 3) + c),
        radii=(a, b, c),
        lean_deg=draw.about(12, 6),
        rotation_deg=draw.about(0, 5),
        unevenness=draw.about(0, 0.12),
        apex_taper=draw.between(0.2, 0.34),
        transition=float(np.clip(0.80 + 0.24 * large + draw.about(0, 0.05), 0.74, 1.04)),
        nodules=_nodules(draw, 4 + int(12 * large) + int(draw.between(0, 4)), size),
    )


def _nodules(draw: _Draw, count: int, size: float) -> tuple[Nodule, ...]:
    nodules: list[Nodule] = []
    for n in range(count):
        side = 1.0 if (n % 2) == 0 else -1.0
        position = (side * draw.between(0.12, 0.52), draw.about(-0.14, 0.42), draw.about(0.10, 0.48))
        nodules.append(Nodule(position, size * draw.between(0.09, 0.24), draw.between(0.62, 1.9)))
    return tuple(sorted(nodules, key=lambda nodule: -nodule.radius))


def _bladder(draw: _Draw, prostate: Prostate) -> Bladder:
    full = draw.between(0.0, 1.0)
    a = 29 + 16 * full + draw.about(0, 2)
    b = 24 + 12 * full + draw.about(0, 2)
    c = 19 + 17 * full + draw.about(0, 2)
    x, y, z = prostate.centre
    base = z + 0.78 * prostate.radii[2]
    return Bladder(
        centre=(x * 0.5 + draw.about(0, 3), y - 6 - 0.25 * b + draw.about(0, 2), base + c - 3),
        radii=(a, b, c),
        lean_deg=draw.about(-8, 6),
        wall=5.0 - 2.2 * full + draw.about(0, 0.4),
    )


def _rectum(draw: _Draw, prostate: Prostate) -> Rectum:
    posterior_y = prostate.centre[1] + 0.9 * prostate.radii[1]
    wide = draw.between(0.0, 1.0)
    rx, ry = 13 + 9 * wide + draw.about(0, 1), 10.5 + 7.5 * wide + draw.about(0, 1)
    sway, gap = draw.about(0, 6), draw.between(1.0, 2.5)
    middle_y = posterior_y + gap + ry
    z0 = prostate.centre[2]
    sections = (
        (-105.0, 0.0, 42.0, 8.5, 9.0),
        (-78.0, 0.0, 40.0, 9.5, 10.5),
        (z0 - 38.0, 0.15 * sway, middle_y - 2, 10.5, 9.5),
        (z0 - 20.0, 0.4 * sway, middle_y - 1, 0.8 * rx, 0.85 * ry),
        (z0, 0.7 * sway, middle_y, rx, ry),
        (z0 + 18.0, sway, middle_y + 5, 1.05 * rx, 1.02 * ry),
        (z0 + 40.0, 0.5 * sway, middle_y + 14, 0.95 * rx, 0.95 * ry),
        (z0 + 66.0, -0.8 * sway, middle_y + 22, 0.85 * rx, 0.8 * ry),
        (z0 + 100.0, -1.6 * sway, middle_y + 20, 0.9 * rx, 0.75 * ry),
    )
    content = draw.between(0.0, 1.0)
    level = middle_y - 2 * ry if content < 0.3 else middle_y + (2 * ry if content > 0.7 else draw.about(0, 0.5) * ry)
    return Rectum(sections=sections, wall=draw.between(3.2, 4.6), gas_below_y=level)


def _vesicles(draw: _Draw, prostate: Prostate) -> Vesicles:
    x, y, z = prostate.centre
    _, b, c = prostate.radii
    root_y, root_z = y + 0.62 * b, z + 0.86 * c
    return Vesicles((_vesicle(draw, 1.0, x, root_y, root_z), _vesicle(draw, -1.0, x, root_y, root_z)))


def _vesicle(draw: _Draw, side: float, x: float, y: float, z: float) -> tuple[tuple[float, float, float, float], ...]:
    length, thick = draw.between(30, 42), draw.between(4.3, 6.2)
    rise, back = draw.between(0.25, 0.55), draw.between(0.10, 0.30)
    links = []
    for n in range(8):
        t = n / 7
        wiggle = 2.2 * np.sin(2.6 * n + side)
        radius = thick * (0.62 + 0.5 * np.sin(np.pi * min(0.15 + t, 1.0)) + 0.18 * (-1) ** n)
        across, behind, above = side * (2.5 + length * t), back * length * t**1.5, rise * length * t
        links.append((x + across, y + behind + 0.5 * wiggle, z + above + wiggle, radius))
    return tuple((float(a), float(b), float(c), float(r)) for a, b, c, r in links)


def _loops(draw: _Draw) -> tuple[Loop, ...]:
    """Small bowel in front, the sigmoid behind: as many as fit loosely."""
    loops = []
    for _ in range(int(draw.between(22, 34))):
        side, front, height = draw.about(0, 58), draw.about(-14, 58), draw.between(46, 100)
        if (side / 60) ** 2 + ((front + 14) / 62) ** 2 < 1:
            loops.append(Loop((side, front, height), draw.between(7, 12), draw.between(0.5, 3.0)))
    return tuple(loops)


def _ripple(draw: _Draw) -> Ripple:
    waves = []
    for axis in range(3):
        for amplitude, wavelength in ((1.6, 110.0), (0.6, 52.0), (0.25, 21.0)):
            direction = draw.rng.normal(size=3)
            k = direction / np.linalg.norm(direction) * (2 * np.pi / (wavelength * draw.between(0.8, 1.2)))
            waves.append((axis, amplitude * draw.between(0.6, 1.2), *k.tolist(), draw.between(0, 2 * np.pi)))
    return Ripple(tuple(waves))
