"""How probable it is that each pair is right, from place, size and shape of all pairs under one similarity transform.

A mixture model. Under m = s R f + t, the moving region of a right pair lies near the mapped fixed one and has about its
size and proportions. A wrong pair lies elsewhere, has another size, or is another structure altogether. All subsets of
one, two and three pairs propose transforms, which expectation maximisation refines. The probabilities are averages over
the refined transforms and over how far organs move independently, weighted by how well each explains the pairs. Nothing
is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.matching.region_geometry import RegionGeometry
from Tell2RegLib.space.grid import Floats

MOVES_MM, SIZES = (3.0, 6.0, 12.0), (0.3, 0.45)
"""Standard deviations of right pairs: of their positions along each axis, and of their log volume ratios. The pairs
decide which combination applies: in two patients, organs differ more than in two scans of one."""
MOVES_RADII = 0.1
"""Additional standard deviation in radii of the region: a bladder that fills moves its centroid."""
CUT_RADII = 0.4
"""Additional standard deviation, in radii, for a region cut by the border of its volume."""
WIDE_SIZES = 0.1
"""Prior share of the larger of `SIZES`: without it, many pairs of wrong sizes would excuse each other."""
SIZE_CUT = 1.0
"""What a cut adds to the standard deviation of the log volume ratio."""
SHAPE, SHAPE_CUT = 0.15, 0.3
"""Standard deviation of the five components of `_stretch` of right pairs, and what a cut adds to it."""
VOXEL_NOISE = 0.5
"""What the voxels add to the standard deviations of size and shape, in voxel sides per radius."""
FREEDOM = 12.0
"""Degrees of freedom of the t distributions of right pairs."""
SHARES = (0.78, 0.10, 0.07, 0.05)
"""Prior shares of right pairs, of those in the wrong place, of those of the wrong size, and of other structures."""
WRONG_NEAR_MM, WRONG_FAR_MM, WRONG_SIZE, WRONG_SHAPE = 25.0, 60.0, 1.2, 0.5
"""Standard deviations of wrong pairs: half are near, half far; the last two as for right pairs."""
TURN_DEG, MOST_TURN_DEG = 12.0, 60.0
"""Standard deviation and maximum of the rotation between the volumes."""
LOG_SCALE, LOG_GROWTH = 0.1, 0.5
"""Standard deviations of the logarithm of the scale between the volumes, and of a common factor of all volumes beyond
that scale: organs of one patient larger than those of another, or outlined more generously."""
PROPOSING_MM = 5.0
"""Standard deviation of the positions of the pairs that propose a transform."""
MAX_IN_TWOS, MAX_IN_THREES = 64, 14
"""Maximum number of pairs, largest first, that propose transforms in twos and in threes; bounds the run time."""
REFINED, ROUNDS = 8, 10
"""Number of proposals that are refined for each combination of spreads, and number of steps."""


@dataclass(frozen=True, eq=False)
class PairJudgement:
    """What the model says about N pairs.

    Args:
        right: (N,), probability that the pair is right.
        misplaced, missized: (N,), probability of a wrong place and of a wrong size; another structure has both.
        distance_mm: (N,), between the mapped fixed centroid and the moving one, under the most probable transform.
        volume_ratio: (N,), moving to fixed volume, corrected for the scale of that transform.
        evidence: log density of the pairs under all transforms.
    """

    right: Floats
    misplaced: Floats
    missized: Floats
    distance_mm: Floats
    volume_ratio: Floats
    evidence: float


def judge_pairs(fixed: RegionGeometry, moving: RegionGeometry, start: Floats | None = None) -> PairJudgement:
    """Judge N pairs together; the result does not depend on their order, nor on a motion of either volume as a whole
    beyond the rotation between the two.

    Args:
        fixed, moving: the regions of the pairs, in the same order, at least one.
        start: (3, 3), the expected rotation from fixed to moving, or a reflection; none when None.
    """
    model = _Model(fixed, moving, np.eye(3) if start is None else start)
    states = [_refined(model, *proposal) for proposal in _proposals(model)]
    evidence = np.concatenate([state.evidence for state in states])
    # Proposals that arrive at the same transform count once.
    _, distinct = np.unique(np.round(evidence, 3), return_index=True)
    density = np.exp(evidence[distinct] - evidence.max())
    kinds = np.concatenate([state.kinds for state in states], axis=1)[:, distinct]
    right, elsewhere, resized, other = np.einsum("b,kbn->kn", density / density.sum(), kinds)
    best_state = max(states, key=lambda state: float(state.evidence.max()))
    best = int(best_state.evidence.argmax())
    return PairJudgement(
        right=right,
        misplaced=elsewhere + other,
        missized=resized + other,
        distance_mm=best_state.distance_mm[best],
        volume_ratio=np.exp(best_state.log_ratio[best]),
        evidence=float(np.log(density.sum()) + evidence.max()),
    )


@dataclass(frozen=True, eq=False)
class _Maps:
    """B similarity transforms: logarithm of scale (B,), rotation or reflection (B, 3, 3), translation (B, 3); and the
    logarithm of a common factor of the volumes beyond the scale (B,)."""

    log_scale: Floats
    rotation: Floats
    shift: Floats
    log_growth: Floats

    def only(self, selection: NDArray) -> _Maps:
        chosen = (values[selection] for values in (self.log_scale, self.rotation, self.shift, self.log_growth))
        return _Maps(*chosen)

    def __call__(self, points: Floats) -> Floats:
        """Map points (N, 3) by every transform, (B, N, 3)."""
        rotated = points @ np.swapaxes(self.rotation, 1, 2)
        return np.exp(self.log_scale)[:, None, None] * rotated + self.shift[:, None]


@dataclass(frozen=True, eq=False)
class _State:
    """What B transforms say about N pairs.

    Args:
        kinds: (4, B, N), probabilities in the order of `SHARES`.
        pull, size_pull: (B, N), weights of positions, per mm^2, and of log volume ratios in the next fit.
        distance_mm, log_ratio: (B, N), see `PairJudgement`.
        evidence: (B,), log density.
    """

    kinds: Floats
    pull: Floats
    size_pull: Floats
    distance_mm: Floats
    log_ratio: Floats
    evidence: Floats


class _Model:
    """N pairs with the spreads of right and of wrong ones."""

    def __init__(self, fixed: RegionGeometry, moving: RegionGeometry, start: Floats) -> None:
        self.fixed, self.moving, self.start = fixed, moving, start
        cut = np.maximum(fixed.cut, moving.cut)
        voxels = np.maximum(fixed.voxels_mm, moving.voxels_mm)
        noise = VOXEL_NOISE * voxels / np.minimum(fixed.radii_mm, moving.radii_mm)
        self._place_mm = (MOVES_RADII + CUT_RADII * cut) * np.maximum(fixed.radii_mm, moving.radii_mm)
        # A cut makes a region smaller, never larger.
        self._smaller, self._larger = np.hypot(noise, SIZE_CUT * moving.cut), np.hypot(noise, SIZE_CUT * fixed.cut)
        self._shape = np.hypot(SHAPE + SHAPE_CUT * cut, noise)
        self._log_volumes = np.log(moving.volumes_ml / fixed.volumes_ml)
        self._inverse = np.linalg.inv(fixed.covariances)
        self._log_determinants = np.linalg.slogdet(self._inverse @ moving.covariances)[1]
        offsets = moving.centres - moving.centres.mean(axis=0)
        self._far_mm = max(WRONG_FAR_MM, float(np.sqrt(np.mean(np.sum(offsets**2, axis=1)))))

    def fitted(self, weights: Floats, size_weights: Floats) -> _Maps:
        """The most probable transforms (B) for weights (B, N) of the positions, per mm^2, and of the log ratios."""
        f, m = self.fixed.centres, self.moving.centres
        total = weights.sum(axis=1)[:, None]
        mean_f, mean_m = weights @ f / total, weights @ m / total
        local_f, weighted_m = f - mean_f[:, None], weights[..., None] * (m - mean_m[:, None])
        # The prior of small rotations: trace(R start^T) is 3 - angle^2 to second order.
        pull = 1 / (2 * np.deg2rad(TURN_DEG) ** 2)
        u, _, v = np.linalg.svd(np.swapaxes(weighted_m, 1, 2) @ local_f + pull * self.start)
        sign = np.ones((len(weights), 3))
        sign[:, 2] = np.sign(np.linalg.det(u @ v)) * np.sign(np.linalg.det(self.start))
        rotation = (u * sign[:, None]) @ v
        moment = np.maximum((weights[..., None] * local_f**2).sum(axis=(1, 2)), 1e-9)
        scale = np.clip((weighted_m @ rotation * local_f).sum(axis=(1, 2)) / moment, 0.3, 3.0)
        precision = scale**2 * moment
        log_scale = np.log(scale) * precision / (precision + 1 / LOG_SCALE**2)
        shift = mean_m - np.exp(log_scale)[:, None] * np.einsum("bxy,by->bx", rotation, mean_f)
        excess = size_weights * (self._log_volumes - 3 * log_scale[:, None])
        log_growth = excess.sum(axis=1) / (size_weights.sum(axis=1) + LOG_GROWTH**-2)
        return _Maps(log_scale, rotation, shift, log_growth)

    def state(self, maps: _Maps, moves_mm: float, size_spread: float) -> _State:
        """What transforms say if right pairs move independently by `moves_mm`."""
        distance = np.linalg.norm(maps(self.fixed.centres) - self.moving.centres, axis=2)
        position, pull = _log_t(distance, np.hypot(moves_mm, self._place_mm), 3)
        near, far = _log_normal(distance, WRONG_NEAR_MM, 3), _log_normal(distance, self._far_mm, 3)
        wrong_position = np.logaddexp(near, far) - np.log(2)
        log_ratio = self._log_volumes - (3 * maps.log_scale + maps.log_growth)[:, None]
        cut_spread = np.where(log_ratio < 0, self._smaller, self._larger)
        size, size_pull = _log_t(log_ratio, np.hypot(size_spread, cut_spread), 1)
        wrong_size = _log_normal(log_ratio, WRONG_SIZE, 1)
        stretch = self._stretch(maps)
        shape, _ = _log_t(stretch, self._shape, 5)
        wrong_shape = _log_normal(stretch, WRONG_SHAPE, 5)
        densities = np.stack(
            [
                position + size + shape,
                wrong_position + size + shape,
                position + wrong_size + shape,
                wrong_position + wrong_size + wrong_shape,
            ]
        )
        densities += np.log(SHARES)[:, None, None]
        total = np.logaddexp.reduce(densities, axis=0)
        kinds = np.exp(densities - total)
        return _State(
            kinds,
            (kinds[0] + kinds[2]) * pull,
            (kinds[0] + kinds[1]) * size_pull,
            distance,
            log_ratio,
            total.sum(axis=1) - self._cost(maps) + np.log(WIDE_SIZES if size_spread > SIZES[0] else 1 - WIDE_SIZES),
        )

    def _stretch(self, maps: _Maps) -> Floats:
        """(B, N), how far the proportions of the mapped fixed region differ from those of the moving one.

        With l the logarithms of the eigenvalues of the one covariance relative to the other, their mean removed, it is
        |l| / 2 for small l: the length of the log ratios of the extents.
        """
        rotation = maps.rotation[:, None]
        turned = rotation @ self._inverse @ np.swapaxes(rotation, -1, -2)
        trace = (turned * self.moving.covariances).sum(axis=(-1, -2))
        excess = np.log(np.maximum(trace / 3, 1e-300)) - self._log_determinants / 3
        stretch: Floats = np.sqrt(1.5 * np.maximum(excess, 0.0))
        return stretch

    def _cost(self, maps: _Maps) -> Floats:
        """(B,), minus the log prior density of the transforms."""
        cosine = (np.einsum("bxy,xy->b", maps.rotation, self.start) - 1) / 2
        turn_deg = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
        cost = 0.5 * (turn_deg / TURN_DEG) ** 2 + 0.5 * (maps.log_scale / LOG_SCALE) ** 2
        cost += 0.5 * (maps.log_growth / LOG_GROWTH) ** 2
        return np.where(turn_deg > MOST_TURN_DEG, cost + 100.0, cost)


def _proposals(model: _Model) -> list[tuple[_Maps, float, float]]:
    """The most probable of the transforms that one, two or three pairs give, for each combination of spreads."""
    largest_first = np.argsort(-model.fixed.volumes_ml, kind="stable").tolist()
    groups: list[tuple[int, ...]] = [(n,) for n in largest_first]
    groups += combinations(largest_first[:MAX_IN_TWOS], 2)
    groups += combinations(largest_first[:MAX_IN_THREES], 3)
    chosen = np.zeros((len(groups), len(largest_first)))
    for row, group in enumerate(groups):
        chosen[row, list(group)] = 1.0
    maps = model.fitted(chosen / PROPOSING_MM**2 + 1e-9, chosen / SIZES[0] ** 2)
    proposals = []
    for moves_mm, size_spread in product(MOVES_MM, SIZES):
        evidence = model.state(maps, moves_mm, size_spread).evidence
        proposals.append((maps.only(np.argsort(-evidence, kind="stable")[:REFINED]), moves_mm, size_spread))
    return proposals


def _refined(model: _Model, maps: _Maps, moves_mm: float, size_spread: float) -> _State:
    """The state of the transforms after expectation maximisation."""
    state = model.state(maps, moves_mm, size_spread)
    for _ in range(ROUNDS):
        state = model.state(model.fitted(state.pull + 1e-9, state.size_pull), moves_mm, size_spread)
    return state


def _log_t(distance: Floats, spread: Floats, dimensions: int) -> tuple[Floats, Floats]:
    """Log density of the t distribution at a distance from its centre, and the weight of that distance in its fit."""
    from scipy.special import gammaln

    squares = (distance / spread) ** 2
    constant = gammaln((FREEDOM + dimensions) / 2) - gammaln(FREEDOM / 2) - dimensions / 2 * np.log(FREEDOM * np.pi)
    density = constant - (FREEDOM + dimensions) / 2 * np.log1p(squares / FREEDOM) - dimensions * np.log(spread)
    return density, (FREEDOM + dimensions) / (FREEDOM + squares) / spread**2


def _log_normal(distance: Floats, spread: float, dimensions: int) -> Floats:
    """Log density of the normal distribution at a distance from its centre."""
    density: Floats = -0.5 * (distance / spread) ** 2 - dimensions * np.log(np.sqrt(2 * np.pi) * spread)
    return density
