"""Rigid and affine maps of region pairs: maximum a posteriori estimates (docs/method.md, "Linear maps").

The start aligns centroids by Procrustes analysis, regularised towards the prior, so that one region, two regions and
collinear regions work too. The refinement is damped Gauss-Newton on masks with a ramp, first wide, then narrow, against
a prior on rotation, scale and shear (`LinearPrior`). The weight of the masks follows from the mismatch that remains:
outlines of one organ in two scans differ by more than any linear map explains, and neighbouring surface points differ
alike. A round region then determines little of the rotation, an elongated one more, several regions nearly all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.fitting.linear_prior import ROTATION, SCALE, SHEAR, LinearPrior, derivative, linear_part
from Tell2RegLib.fitting.linear_terms import SMOOTHING, MismatchTerm, mismatch_terms, sampled
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.support.progress import Check

STEPS = 30
"""Maximum number of Gauss-Newton steps per map and ramp."""
WIDE_RAMP, NARROW_RAMP = (0.6, 2.0), (0.2, 1.0)
"""Half width of the ramps: a share of the mean radius of the regions, and at least so many mm."""
INDEPENDENT_POINTS = 12.0
"""Effective number of independent points on the surface of a region; the others follow their neighbours."""
VOXEL_NOISE = 0.15
"""Root-mean-square distance of a surface from its voxels, in voxels: no outline is known better."""
FREE = {"rigid": ROTATION, "affine": slice(0, 9)}
"""The parameters of the linear part that each kind of map estimates."""
DAMPING, DAMPING_UP, DAMPING_DOWN, MAX_DAMPING = 1e-3, 8.0, 4.0, 1e6
"""Levenberg-Marquardt: initial damping, growth after a rejected and decay after an accepted step, limit."""
FULL_SUPPORT = 0.9
"""Regions that determine this share of an affine map determine it in practice."""
LEAST_GAIN = 1e-4
"""A step that lowers the cost by less than this fraction is the last."""


@dataclass(frozen=True)
class LinearSupport:
    """Share of an affine map that is determined by the regions rather than by the prior (the model resolution).

    Args:
        rotation, scale, shear: 0..1, mean over the three parameters of each; 0 where the prior alone determines them.
        rotation_deg: rotation angle of the map.
    """

    rotation: float
    scale: float
    shear: float
    rotation_deg: float

    @property
    def mean(self) -> float:
        """0..1, mean over all nine parameters."""
        return (self.rotation + self.scale + self.shear) / 3


@dataclass(frozen=True, eq=False)
class LinearEvidence:
    """What the regions alone say of the linear part, as a normal likelihood about the affine map.

    Args:
        parameters: (9,), of the affine map.
        precision: (9, 9), and `information` (9,): the logarithm of the likelihood of parameters p is
            information @ p - p @ precision @ p / 2, up to a constant.
        information: (9,).
        centre: (3,), LPS mm, fixed space: the regions' centre.
        mapped_centre: (3,), LPS mm, its image under the affine map.
        centre_change: (3, 9), mm, change of the best mapped centre by the parameters.
    """

    parameters: Floats
    precision: Floats
    information: Floats
    centre: Floats
    mapped_centre: Floats
    centre_change: Floats


@dataclass(frozen=True, eq=False)
class LinearMaps:
    """The maximum a posteriori maps of region pairs.

    Args:
        rigid, affine: 4 x 4 each, fixed to moving, LPS mm.
        support, evidence: of the affine map.
    """

    rigid: Floats
    affine: Floats
    support: LinearSupport
    evidence: LinearEvidence


def moments_start(pairs: Sequence[RegionPair], towards: Floats | None = None) -> Floats:
    """Rigid map (4 x 4, fixed to moving) from the regions' centroids, by the weights of the pairs.

    Args:
        pairs: at least one.
        towards: (3, 3), rotation where the centroids determine none; the identity when None.
    """
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    weights = np.array([pair.weight for pair in pairs])
    fixed_centre, moving_centre = (np.average(centres, axis=0, weights=weights) for centres in (fixed, moving))
    mean_square_radius = np.mean([pair.fixed.radius_mm**2 for pair in pairs])
    regularisation = 0.5 * mean_square_radius * (np.eye(3) if towards is None else towards)
    products = (moving - moving_centre).T @ ((fixed - fixed_centre) * weights[:, None])
    covariance = products / weights.sum() + regularisation
    u, _, vt = np.linalg.svd(covariance)
    rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return _map_about(rotation, fixed_centre, moving_centre)


def linear_maps(pairs: Sequence[RegionPair], prior: LinearPrior, check: Check | None = None) -> LinearMaps:
    """The maximum a posteriori rigid and affine map of accepted pairs.

    Args:
        pairs: at least one.
        prior: of rotation, scale and shear.
        check: called before every step; raises to cancel.
    """
    from scipy.spatial.transform import Rotation

    radius = float(np.mean([pair.fixed.radius_mm for pair in pairs]))
    start = moments_start(pairs, prior.rotation)
    parameters = np.zeros(9)
    parameters[ROTATION] = Rotation.from_matrix(start[:3, :3]).as_rotvec()
    problem = _Problem(pairs, prior, ramp_mm_of(radius, WIDE_RAMP))
    rigid = _refine(problem, problem.at(parameters, apply_affine(start, problem.centre)), FREE["rigid"], check)
    affine_start = np.where(_selected(ROTATION), rigid.parameters, prior.mean)
    affine = _refine(problem, problem.at(affine_start, rigid.mapped_centre), FREE["affine"], check)
    problem = _Problem(pairs, prior, ramp_mm_of(radius, NARROW_RAMP))
    rigid = _refine(problem, problem.at(rigid.parameters, rigid.mapped_centre), FREE["rigid"], check)
    affine = _refine(problem, problem.at(affine.parameters, affine.mapped_centre), FREE["affine"], check)
    evidence = _evidence(affine, problem)
    return LinearMaps(problem.matrix(rigid), problem.matrix(affine), _support(evidence, prior), evidence)


def ramp_mm_of(radius_mm: float, ramp: tuple[float, float]) -> float:
    """The ramp of masks: a share of the regions' mean radius, and at least so many mm.

    Args:
        radius_mm: mean over the fixed regions.
        ramp: the share and the least ramp, mm.
    """
    share, least_mm = ramp
    return max(share * radius_mm, least_mm)


@dataclass(frozen=True, eq=False)
class _State:
    """A map with the mismatch there and its derivatives.

    Args:
        parameters: (9,), of the linear part (`linear_prior`).
        mapped_centre: (3,), LPS mm, the image of the regions' centre.
        losses: (K,), mismatch of every pair, times its weight.
        normal, slope: (12, 12) and (12,), Gauss-Newton matrix and half gradient of their sum, by the parameters of the
            linear part, then by the mapped centre.
    """

    parameters: Floats
    mapped_centre: Floats
    losses: Floats
    normal: Floats
    slope: Floats


class _Problem:
    """The mismatch of all pairs under a map, and the weight of the prior against it.

    Args:
        pairs: at least one.
        prior: of rotation, scale and shear.
        ramp_mm: half width of the ramps of the masks.
    """

    def __init__(self, pairs: Sequence[RegionPair], prior: LinearPrior, ramp_mm: float) -> None:
        self.prior = prior
        self._terms = mismatch_terms(pairs, ramp_mm)
        self.centre = np.concatenate([points_inside(term) for term in self._terms]).mean(axis=0)
        self._weight = sum(pair.weight for pair in pairs) / len(pairs)
        self._noise = float(np.mean([_voxel_mismatch(pair, ramp_mm) for pair in pairs]))

    def at(self, parameters: Floats, mapped_centre: Floats) -> _State:
        """The mismatch of a map and its derivatives."""
        matrix = _map_about(linear_part(parameters), self.centre, mapped_centre)
        by_parameters = np.eye(12)
        by_parameters[:9, :9] = derivative(parameters)
        losses, normal, slope = [], np.zeros((12, 12)), np.zeros(12)
        for term in self._terms:
            value, gradient = sampled(term, apply_affine(matrix, term.points))
            residual = value - term.target
            offset = term.points - self.centre
            jacobian = np.concatenate([(gradient[:, :, None] * offset[:, None, :]).reshape(-1, 9), gradient], axis=1)
            losses.append(term.weight * float(residual @ residual))
            normal += term.weight * (jacobian.T @ jacobian)
            slope += term.weight * (jacobian.T @ residual)
        return _State(
            parameters,
            mapped_centre,
            np.array(losses),
            by_parameters.T @ normal @ by_parameters,
            by_parameters.T @ slope,
        )

    def matrix(self, state: _State) -> Floats:
        """The map (4 x 4) of a state."""
        return _map_about(linear_part(state.parameters), self.centre, state.mapped_centre)

    def prior_weight(self, state: _State) -> Floats:
        """(9, 9), precision of the prior in units of the mismatch, given the mismatch that remains."""
        return self.noise(state) * self.prior.precision(state.parameters)

    def noise(self, state: _State) -> float:
        """Mismatch that counts as one independent deviation, given the mismatch that remains."""
        return (float(state.losses.mean()) / self._weight + self._noise) / INDEPENDENT_POINTS

    def cost(self, state: _State, prior_weight: Floats) -> float:
        """The mismatch plus the weighted deviation from the prior."""
        deviation = state.parameters - self.prior.mean
        return float(state.losses.sum() + deviation @ prior_weight @ deviation)


def _refine(problem: _Problem, state: _State, free: slice, check: Check | None) -> _State:
    """Damped Gauss-Newton over the free parameters and the mapped centre; the cost never rises."""
    is_free = np.concatenate([_selected(free), np.ones(3, dtype=bool)])
    damping = DAMPING
    prior_weight = problem.prior_weight(state)
    for _ in range(STEPS):
        if check:
            check()
        normal, slope = state.normal.copy(), state.slope.copy()
        normal[:9, :9] += prior_weight
        slope[:9] += prior_weight @ (state.parameters - problem.prior.mean)
        normal, slope = normal[np.ix_(is_free, is_free)], slope[is_free]
        damped = normal + damping * np.diag(np.diag(normal) + 1e-9 * np.trace(normal) + 1e-12)
        step = np.zeros(12)
        step[is_free] = np.linalg.solve(damped, -slope)
        trial = problem.at(state.parameters + step[:9], state.mapped_centre + step[9:])
        gain = problem.cost(state, prior_weight) - problem.cost(trial, prior_weight)
        if gain <= 0:
            damping *= DAMPING_UP
            if damping > MAX_DAMPING:
                break
            continue
        state, damping = trial, damping / DAMPING_DOWN
        converged = gain < LEAST_GAIN * problem.cost(state, prior_weight)
        prior_weight = problem.prior_weight(state)
        if converged:
            break
    return state


def _voxel_mismatch(pair: RegionPair, ramp_mm: float) -> float:
    """The mismatch that voxelisation leaves under the true map, estimated for a ball of the region's volume."""
    voxel_mm = max(float(np.prod(grid.spacing_mm)) ** (1 / 3) for grid in (pair.fixed.grid, pair.moving.grid))
    width_mm = 2 * ramp_mm + SMOOTHING * voxel_mm
    return 3 / pair.fixed.radius_mm * (VOXEL_NOISE * voxel_mm) ** 2 / width_mm


def _evidence(state: _State, problem: _Problem) -> LinearEvidence:
    """The mismatch as a likelihood of the linear part, with the mapped centre eliminated."""
    coupling = state.normal[:9, 9:]
    centre = state.normal[9:, 9:] + 1e-9 * np.trace(state.normal) * np.eye(3)
    centre_change = -np.linalg.solve(centre, coupling.T)
    noise = problem.noise(state)
    precision = (state.normal[:9, :9] + coupling @ centre_change) / noise
    slope = (state.slope[:9] + centre_change.T @ state.slope[9:]) / noise
    return LinearEvidence(
        state.parameters,
        precision,
        precision @ state.parameters - slope,
        problem.centre,
        state.mapped_centre,
        centre_change,
    )


def _support(evidence: LinearEvidence, prior: LinearPrior) -> LinearSupport:
    """The diagonal of the resolution matrix of the linear part."""
    posterior = evidence.precision + prior.precision(evidence.parameters)
    share = np.clip(np.diag(np.linalg.solve(posterior, evidence.precision)), 0.0, 1.0)
    rotation_deg = float(np.rad2deg(np.linalg.norm(evidence.parameters[ROTATION])))
    rotation, scale, shear = (float(share[part].mean()) for part in (ROTATION, SCALE, SHEAR))
    return LinearSupport(rotation, scale, shear, rotation_deg)


def _selected(part: slice) -> NDArray[np.bool_]:
    selected = np.zeros(9, dtype=bool)
    selected[part] = True
    return selected


def points_inside(term: MismatchTerm) -> Floats:
    """The points (P, 3) of a region; of one that is thinner than the ramp of its mask, which never reaches 0.5, those
    of the upper half of the mask's values."""
    highest = float(term.target.max())
    return term.points[term.target > (0.5 if highest > 0.5 else 0.5 * highest)]


def _map_about(linear: Floats, centre: Floats, mapped_centre: Floats) -> Floats:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = mapped_centre - linear @ centre
    return matrix
