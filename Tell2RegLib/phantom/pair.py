"""Two scans of one anatomy, related by a transform that is known exactly, and a biopsy plan on the moving one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom.anatomy import Prostate, Subject, check_seed, make_subject
from Tell2RegLib.phantom.gland import axes_of, position_in_gland, prostate_shape, transition_shape
from Tell2RegLib.phantom.render import PhantomVolume, default_grid, render
from Tell2RegLib.phantom.shapes import rotation
from Tell2RegLib.phantom.warp import KnownWarp, Push, affine_about
from Tell2RegLib.space.grid import Grid

Floats = NDArray[np.float64]

TARGET_DEPTH_MM = 4.0
"""How far inside the gland every target of a plan lies, at least."""

# name, desired position in units of the gland's half axes (x Left, y Posterior, z Superior), zone.
# Uneven on purpose: more on the left, nothing mirrored, so that a left-right mix-up can never go unnoticed.
_PLAN: tuple[tuple[str, tuple[float, float, float], str], ...] = (
    ("L base PZ", (0.52, 0.50, 0.42), "PZ"),
    ("L mid PZ lateral", (0.72, 0.18, -0.05), "PZ"),
    ("L mid PZ medial", (0.26, 0.66, -0.12), "PZ"),
    ("L mid TZ", (0.34, -0.22, 0.16), "TZ"),
    ("L apex PZ", (0.22, 0.30, -0.62), "PZ"),
    ("R apex PZ", (-0.34, 0.20, -0.50), "PZ"),
    ("R anterior TZ", (-0.20, -0.48, -0.10), "TZ"),
)


@dataclass(frozen=True)
class Target:
    """A planned target: where it was drawn on the moving scan, and where it truly lies on the fixed one, LPS mm."""

    name: str
    moving_lps_mm: tuple[float, float, float]
    fixed_lps_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class PhantomPair:
    """A fixed and a moving scan with the truth between them.

    Args:
        subject: the anatomy, as it is in the moving scan.
        warp: fixed -> moving, LPS mm.
        fixed, moving: the two scans, with contrast, bias and noise of their own.
        plan: targets in the moving prostate and their true positions in the fixed one.
    """

    subject: Subject
    warp: KnownWarp
    fixed: PhantomVolume
    moving: PhantomVolume
    plan: tuple[Target, ...]

    def fixed_to_moving(self, points_lps_mm: ArrayLike) -> Floats:
        """Where points (..., 3) of the fixed scan are in the moving one, LPS mm."""
        return self.warp(points_lps_mm)

    def moving_to_fixed(self, points_lps_mm: ArrayLike) -> Floats:
        """Where points (..., 3) of the moving scan are in the fixed one, LPS mm."""
        return self.warp.inverse(points_lps_mm)


def make_pair(seed: int, fixed_grid: Grid | None = None, moving_grid: Grid | None = None) -> PhantomPair:
    """Two scans of the subject of this seed, weeks apart as it were: turned, moved, filled and pushed differently.

    Args:
        seed: any integer of at least 0; the same seed is always the same pair.
        fixed_grid, moving_grid: any geometry; `default_grid()` when None.

    Raises:
        InputError: a negative seed.
    """
    check_seed(seed)
    subject = make_subject(seed)
    warp = draw_warp(subject, np.random.default_rng([int(seed), 4]))
    fixed = render(subject, fixed_grid or default_grid(), seed=2 * seed + 1, warp=warp, name="fixed")
    moving = render(subject, moving_grid or default_grid(), seed=2 * seed, name="moving")
    return PhantomPair(subject, warp, fixed, moving, make_plan(subject, warp))


def draw_warp(subject: Subject, rng: np.random.Generator) -> KnownWarp:
    """A transform fixed -> moving that neither a rigid nor an affine one can match: organs move on their own."""
    linear = rotation(*rng.uniform(-5, 5, 3)) @ np.diag(rng.uniform(0.95, 1.05, 3))
    direction = rng.normal(size=3) * [1.0, 0.8, 0.9]
    shift = direction / np.linalg.norm(direction) * rng.uniform(8.0, 11.0)
    gland = subject.from_anatomy([subject.prostate.centre])[0]
    return KnownWarp(tuple(_draw_pushes(subject, rng)), affine_about(gland, linear, shift))


def _draw_pushes(subject: Subject, rng: np.random.Generator) -> list[Push]:
    # (position in the patient's frame, largest shift mm, stretch from..to, reach mm)
    x, y, z = subject.prostate.centre
    bladder, front = subject.bladder.centre, subject.bones.symphysis
    posterior_y = subject.prostate.centre[1] + subject.prostate.radii[1] + 14
    push_ranges: list[tuple[tuple[float, float, float], float, tuple[float, float], float]] = [
        (bladder, 8.0, (-0.22, 0.22), 36.0),
        ((x, posterior_y, z), 8.0, (-0.20, 0.20), 28.0),
        ((x, y, z), 8.0, (-0.12, 0.12), 32.0),
        ((x + 18, y, z - 10), 5.0, (-0.05, 0.05), 19.0),
        ((x - 18, y, z + 8), 5.0, (-0.05, 0.05), 19.0),
        ((60.0, 10.0, -10.0), 6.0, (0.0, 0.0), 36.0),
        ((-60.0, 10.0, -10.0), 6.0, (0.0, 0.0), 36.0),
        (front, 4.0, (0.0, 0.0), 30.0),
        ((0.0, 40.0, 40.0), 8.0, (-0.1, 0.1), 36.0),
    ]
    pushes = []
    for position, largest, (low, high), reach in push_ranges:
        direction = rng.normal(size=3)
        shift = direction / np.linalg.norm(direction) * largest * rng.uniform(0.6, 1.0)
        centre = subject.from_anatomy([position])[0] + rng.uniform(-3, 3, 3)
        stretch = rng.uniform(low, high) + rng.uniform(-0.03, 0.03, 3) * (high > 0)
        pushes.append(Push(_three(centre), _three(shift), _three(stretch), reach))
    return pushes


def make_plan(subject: Subject, warp: KnownWarp) -> tuple[Target, ...]:
    """Named targets in the moving prostate, each well inside the gland and in the zone that its name says."""
    if not subject.has("prostate"):
        return ()
    targets = []
    for name, share, zone in _PLAN:
        moving = _nearest_inside(subject, share, zone)
        targets.append(Target(name, _three(moving), _three(warp.inverse(moving))))
    return tuple(targets)


def _nearest_inside(subject: Subject, share: tuple[float, float, float], zone: str) -> Floats:
    """The scanner point nearest to a desired position that is deep enough in the gland and in its zone."""
    prostate: Prostate = subject.prostate
    wanted_position = np.asarray(position_in_gland(prostate, share))
    steps = np.linspace(-1.1, 1.1, 29)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    candidates = np.asarray(prostate.centre) + (lattice * prostate.radii) @ axes_of(prostate).T
    points = subject.from_anatomy(candidates[np.linalg.norm(candidates - wanted_position, axis=1) < 16])
    xyz = subject.to_anatomy(points)
    depth = -prostate_shape(prostate).distance(*xyz)
    in_zone = transition_shape(prostate).distance(*xyz) * (1 if zone == "PZ" else -1)
    right_side = (xyz[0] - prostate.centre[0]) * np.sign(share[0]) > 2.0
    is_valid = (depth >= TARGET_DEPTH_MM) & (in_zone >= 0.5) & right_side
    if not is_valid.any():
        raise InputError(f"The prostate of subject {subject.seed} has no place for a target in its {zone}.")
    gap = np.linalg.norm(np.stack(xyz, axis=1) - wanted_position, axis=1)
    return points[is_valid][np.argmin(gap[is_valid])]


def _three(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in np.asarray(values).ravel())
    return (x, y, z)
