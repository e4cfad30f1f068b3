"""Phantoms that show the errors of targets: spoilt in every way, with targets in all organs and beyond them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from Tell2RegLib.matching import check_pairs, pairs_by_name
from Tell2RegLib.phantom import PhantomPair, centred_grid, make_pair
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import RegionPair
from Testing.Validation.phantoms import KINDS, SIZE, SPACING_MM, ZONES, organs_of
from Testing.Validation.wrong_pairs_phantoms import FAULTS, with_faults

THIRD_WRONG, TWO_WRONG = "third wrong", "two wrong"
TRUST_KINDS = (*KINDS, THIRD_WRONG, TWO_WRONG)
"""Kinds of cases; each gets the same number."""
VOXEL_SIDES_MM = (2.0, 3.0, 4.0, 4.0, 4.0, 4.0)
"""From which the voxels of most kinds are drawn: coarse ones are faster to fit."""
TARGETS, REACH_MM = 40, 30.0
"""Targets beside those of the plan; half of them are up to this distance from a point of an organ."""


@dataclass(frozen=True, eq=False)
class TrustCase:
    """A phantom with its pairs and targets.

    Args:
        kind: one of `TRUST_KINDS`.
        phantom: both scans, and the truth.
        pairs: after the check of the pairs.
        moving_lps_mm, fixed_lps_mm: (N, 3), targets; those of the plan come first.
        plan: how many of them are the plan's.
    """

    kind: str
    phantom: PhantomPair
    pairs: tuple[RegionPair, ...]
    moving_lps_mm: Floats
    fixed_lps_mm: Floats
    plan: int


def trust_case(seed: int) -> TrustCase:
    """The case of a seed; the same on every machine."""
    kind, rng = TRUST_KINDS[seed % len(TRUST_KINDS)], np.random.default_rng([seed, 92])
    phantom = make_pair(seed, *_grids(seed, kind, rng))
    sides = organs_of(phantom)
    if kind in KINDS:
        sides = KINDS[kind].spoil(sides, rng)
    pairs = pairs_by_name(*sides)
    if kind in (THIRD_WRONG, TWO_WRONG):
        count = round(len(pairs) / 3) if kind == THIRD_WRONG else 2
        pairs, _ = with_faults(pairs, str(rng.choice(FAULTS)), count, rng)
    more = _targets(phantom, np.random.default_rng([seed, 93]))
    plan = [(target.moving_lps_mm, target.fixed_lps_mm) for target in phantom.plan]
    moving, fixed = (np.array([target[side] for target in plan]) for side in range(2))
    return TrustCase(
        kind,
        phantom,
        check_pairs(pairs).pairs,
        np.concatenate([moving, more]),
        np.concatenate([fixed, phantom.moving_to_fixed(more)]),
        len(plan),
    )


def _grids(seed: int, kind: str, rng: np.random.Generator) -> tuple[Grid, Grid]:
    if kind == "cropped view":
        return KINDS[kind].grids(seed, rng)
    side = float(rng.choice(VOXEL_SIDES_MM))
    if kind == "oblique":
        fixed, moving = _tilted(rng), _tilted(rng) @ np.diag([1.0, 1.0, -1.0])
        return _grid((4.0, 4.0, 4.0), fixed), _grid((4.0, 4.0, 4.0), moving)
    if kind == "anisotropic":
        thick = float(rng.uniform(4, 7))
        return _grid((2.5, 2.5, thick)), _grid((thick, 2.5, 2.5))
    return _grid((side, side, side)), _grid((side, side, side))


def _grid(spacing_mm: tuple[float, float, float], direction: Floats | None = None) -> Grid:
    size = [int(round(n * SPACING_MM / side)) for n, side in zip(SIZE, spacing_mm, strict=True)]
    return centred_grid((size[0], size[1], size[2]), spacing_mm, direction)


def _tilted(rng: np.random.Generator) -> Floats:
    axis = rng.normal(size=3)
    angle = np.radians(rng.uniform(15, 40))
    rotation: Floats = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    return rotation


def _targets(phantom: PhantomPair, rng: np.random.Generator) -> Floats:
    """Points of the moving volume: half of them in an organ, half of them up to `REACH_MM` from a point of one."""
    regions = [region for region in phantom.moving.regions() if region.name not in ZONES]
    grid, points = phantom.moving.volume.grid, []
    while len(points) < TARGETS:
        point = rng.choice(regions[rng.integers(len(regions))].points_lps_mm())
        if rng.random() < 0.5:
            direction = rng.normal(size=3)
            point = point + direction / np.linalg.norm(direction) * rng.uniform(0, REACH_MM)
        index = grid.lps_to_index(point)
        if (index >= 0).all() and (index <= np.array(grid.size_xyz) - 1).all():
            points.append(point)
    return np.array(points)
