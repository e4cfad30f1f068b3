"""Moves the inside of a region by a learned model of how it depends on size and shape (docs/method.md, "Interiors").

An outline says little of what lies inside it. The model is a self-map of the fixed region that keeps its outline and
precedes the fitted transform. Its velocity is (1 - s^2) P(x): x is the position about the region's centre in units of
its extent along each patient axis, s the position between centre (0) and outline (1), and P a polynomial with
coefficients that are linear in the difference of size and shape between both sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.evaluation.metrics import common_voxels
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.jacobian import folded_voxels
from Tell2RegLib.space.region import Region, RegionPair, plain_name
from Tell2RegLib.support.progress import Check

DEGREE = 2
POWERS = tuple(p for p in itertools.product(range(DEGREE + 1), repeat=3) if sum(p) <= DEGREE)
"""Exponents of x, y and z of the polynomial's monomials."""
TERMS = tuple((axis, powers) for axis in range(3) for powers in POWERS)
"""Axis of the displacement (LPS) and monomial of each coefficient."""
FEATURES = ("constant", "size", "shape x", "shape y", "shape z")
SIZE_UNIT, SHAPE_UNIT = 0.2, 0.1
"""Differences of the logarithms that count as 1: about their spread among adult prostates."""
STEPS = 4
"""Steps that integrate the velocity."""
MOST_OVERLAP = 0.05
"""A region that shares more of its voxels with another accepted one is not moved: that one says where its inside is."""
HALVINGS = 6
"""A motion that folds is halved so often before it is left out."""


@dataclass(frozen=True, eq=False)
class InteriorModel:
    """How the inside of a region moves.

    Args:
        region: its name.
        coefficients: (5, 30), of `FEATURES` and `TERMS`.
    """

    region: str
    coefficients: Floats


@dataclass(frozen=True)
class InteriorMotion:
    """What a model did to a registration.

    Args:
        region: its name.
        largest_mm: the largest motion inside the region.
        share: of the modelled motion; below 1 where all of it would fold.
        reason: why it was not used, or "".
    """

    region: str
    largest_mm: float = 0.0
    share: float = 1.0
    reason: str = ""


class Inside:
    """Positions inside a region, relative to its centre, extent and outline."""

    def __init__(self, region: Region) -> None:
        from scipy.ndimage import distance_transform_edt

        points = region.points_lps_mm()
        self.centre_lps_mm: Floats = points.mean(axis=0)
        self.extent_mm: Floats = np.maximum(points.std(axis=0), min(region.grid.spacing_mm) / 2)
        self._grid = region.box_grid
        padded = np.pad(region.box_kji, 1)
        self._depth_mm = distance_transform_edt(padded, sampling=self._grid.spacing_mm[::-1]).astype(np.float32)

    def velocity_basis(self, points_lps_mm: Floats) -> Floats:
        """(P, 3, 30), mm: the velocity of points (P, 3) for each coefficient alone; 0 outside the region."""
        offsets = points_lps_mm - self.centre_lps_mm
        depth = self._depth_at(points_lps_mm)
        radius = np.linalg.norm(offsets, axis=1)
        bump = np.where(depth > 0, 1 - (radius / np.maximum(radius + depth, 1e-6)) ** 2, 0.0)
        monomials = np.prod((offsets / self.extent_mm)[:, None, :] ** np.array(POWERS), axis=2) * bump[:, None]
        basis = np.zeros((len(points_lps_mm), 3, len(TERMS)))
        for number, (axis, powers) in enumerate(TERMS):
            basis[:, axis, number] = self.extent_mm[axis] * monomials[:, POWERS.index(powers)]
        return basis

    def moved(self, points_lps_mm: Floats, coefficients: Floats) -> Floats:
        """Points (P, 3) after the motion with coefficients (30,)."""
        for _ in range(STEPS):
            points_lps_mm = points_lps_mm + self.velocity_basis(points_lps_mm) @ (coefficients / STEPS)
        return points_lps_mm

    def _depth_at(self, points_lps_mm: Floats) -> Floats:
        from scipy.ndimage import map_coordinates

        index = self._grid.lps_to_index(points_lps_mm) + 1
        depth: Floats = map_coordinates(self._depth_mm, index.T[::-1], np.float64, order=1, mode="constant")
        return depth


def shape_features(fixed: Region, moving: Region, rigid_lps: Floats) -> Floats:
    """(5,), `FEATURES`: how size and extents along the fixed patient's axes differ, in their units.

    Args:
        fixed, moving: the two sides of a pair.
        rigid_lps: 4 x 4, fixed to moving: turns the axes into the moving patient.
    """
    fixed_extent = fixed.points_lps_mm().std(axis=0)
    moving_extent = (moving.points_lps_mm() @ rigid_lps[:3, :3]).std(axis=0)
    least_mm = min(*fixed.grid.spacing_mm, *moving.grid.spacing_mm) / 2
    size = np.log(moving.volume_ml / fixed.volume_ml) / 3
    extents = np.log(np.maximum(moving_extent, least_mm) / np.maximum(fixed_extent, least_mm))
    return np.array([1.0, size / SIZE_UNIT, *((extents - size) / SHAPE_UNIT)])


def move_interiors(
    forward: DisplacementField,
    pairs: Sequence[RegionPair],
    models: Sequence[InteriorModel],
    rigid_lps: Floats,
    min_jacobian: float,
    check: Check | None = None,
) -> tuple[DisplacementField, tuple[InteriorMotion, ...]]:
    """The field preceded by the motion of the regions' insides, without folding.

    Args:
        forward: fixed to moving, on the grid of the fixed regions.
        pairs: accepted pairs.
        models: of any regions; those without a pair are ignored.
        rigid_lps: see `shape_features`.
        min_jacobian: smallest Jacobian determinant that counts as not folded.
        check: called often; raises to cancel.
    """
    motions = []
    for model in models:
        for pair in pairs:
            if check:
                check()
            if plain_name(pair.name) == plain_name(model.region):
                forward, motion = _move(forward, pair, pairs, model, rigid_lps, min_jacobian)
                motions.append(motion)
    return forward, tuple(motions)


def _move(
    forward: DisplacementField,
    pair: RegionPair,
    pairs: Sequence[RegionPair],
    model: InteriorModel,
    rigid_lps: Floats,
    min_jacobian: float,
) -> tuple[DisplacementField, InteriorMotion]:
    region = pair.fixed
    for neighbour in pairs:
        shared = 0 if neighbour is pair else common_voxels(region, neighbour.fixed)
        if shared > MOST_OVERLAP * np.count_nonzero(region.box_kji):
            reason = f"'{neighbour.name}' lies in it and says where its inside is."
            return forward, InteriorMotion(pair.name, share=0.0, reason=reason)
    inside, points = Inside(region), region.points_lps_mm()
    coefficients = shape_features(region, pair.moving, rigid_lps) @ model.coefficients
    around, grid = _box_around(region)
    voxels = tuple((np.argwhere(region.box_kji) + region.start_kji - [axis.start for axis in around]).T)
    for halving in range(HALVINGS):
        share = 0.5**halving
        moved = inside.moved(points, share * coefficients)
        in_box = forward.vectors_kji[around].copy()
        in_box[voxels] = forward.at(moved) + moved - points
        if not folded_voxels(in_box, grid, min_jacobian).any():
            vectors = forward.vectors_kji.copy()
            vectors[around] = in_box
            largest = float(np.linalg.norm(moved - points, axis=1).max())
            return DisplacementField(vectors, forward.grid), InteriorMotion(pair.name, largest, share)
    return forward, InteriorMotion(pair.name, share=0.0, reason="Every share of the motion would fold.")


def _box_around(region: Region) -> tuple[tuple[slice, slice, slice], Grid]:
    """The box of a region, extended by one voxel within the grid, and its grid."""
    start = np.maximum(np.array(region.start_kji) - 1, 0)
    stop = np.minimum(np.add(region.start_kji, region.box_kji.shape) + 1, region.grid.shape_kji)
    k, j, i = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return (k, j, i), region.grid.crop(start[::-1].tolist(), (stop - start)[::-1].tolist())
