"""Rigid and affine maps of region pairs: a start from moments, refined on soft masks (docs/method.md, "Steps").

The start aligns centroids by Procrustes analysis, regularised towards no rotation, so that one region, two regions and
collinear regions work too. The refinement is damped Gauss-Newton on masks with a ramp, first wide, then narrow. The
rigid map is weakly regularised towards the start, the affine map towards the rigid one: a round region does not
determine a rotation, and without regularisation the steps of its voxels would rotate one grid onto the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.fitting.softmask import SoftMask, pooling, soft_mask
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.support.progress import Check

MAX_POINTS = 20_000
"""Maximum number of sample points over all pairs; enough for twelve parameters."""
STEPS = 30
RIGID_PULL = 0.003
AFFINE_PULL = 0.03
"""Weight, per pair, of the squared deviation of the linear part from its reference; a region that misses its partner
completely has a loss of about 1."""
SMOOTHING = 1.0
"""Standard deviation of the Gaussian that smooths voxel steps, as a multiple of the largest voxel side of both
volumes."""


def moments_start(pairs: Sequence[RegionPair]) -> Floats:
    """Rigid map (4 x 4, fixed to moving) from the regions' centroids, by the weights of the pairs."""
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    weights = np.array([pair.weight for pair in pairs])
    fixed_centre, moving_centre = (np.average(centres, axis=0, weights=weights) for centres in (fixed, moving))
    mean_square_radius = np.mean([_radius_mm(pair.fixed) ** 2 for pair in pairs])
    products = (moving - moving_centre).T @ ((fixed - fixed_centre) * weights[:, None])
    covariance = products / weights.sum() + 0.5 * mean_square_radius * np.eye(3)
    u, _, vt = np.linalg.svd(covariance)
    rotation = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return _map_about(rotation, fixed_centre, moving_centre)


def rigid_and_affine(pairs: Sequence[RegionPair], check: Check | None = None) -> tuple[Floats, Floats]:
    """The best rigid and the best affine map (4 x 4 each, fixed to moving, LPS mm) of accepted pairs.

    Args:
        pairs: at least one.
        check: called before every step; raises to cancel.
    """
    radius = float(np.mean([_radius_mm(pair.fixed) for pair in pairs]))
    rigid = affine = start = moments_start(pairs)
    for ramp_mm in (max(0.6 * radius, 2.0), max(0.2 * radius, 1.0)):
        terms = _terms(pairs, ramp_mm)
        rigid = _refine(rigid, _RegularisedMismatch(terms, start[:3, :3], affine=False), check)
        pulled = _RegularisedMismatch(terms, rigid[:3, :3], affine=True)
        affine = _refine(rigid if ramp_mm > 0.5 * radius else affine, pulled, check)
    return rigid, affine


@dataclass(frozen=True, eq=False)
class _Term:
    """The data term of one pair on its sample points."""

    points: Floats
    """(P, 3), LPS mm, fixed space."""
    target: Floats
    """(P,), fixed occupancy."""
    moving: SoftMask
    gradient: NDArray[np.float32]
    """(3, K, J, I), gradient of the moving occupancy, per mm, LPS."""
    weight: float
    """The pair's weight over the region's size, so that every pair counts by its weight alone."""


def _terms(pairs: Sequence[RegionPair], ramp_mm: float) -> list[_Term]:
    terms = []
    for pair in pairs:
        width_mm = SMOOTHING * max(*pair.fixed.grid.spacing_mm, *pair.moving.grid.spacing_mm)
        fixed = _smoothed(soft_mask(pair.fixed, pooling(pair.fixed.grid, ramp_mm / 2), ramp_mm), width_mm)
        moving = _smoothed(soft_mask(pair.moving, pooling(pair.moving.grid, ramp_mm / 2), ramp_mm), width_mm)
        points = fixed.grid.voxel_centres_lps_mm().reshape(-1, 3)
        target = fixed.image_kji.reshape(-1).astype(np.float64)
        chosen_points = _spread_indices(points.shape[0], MAX_POINTS // len(pairs))
        weight = pair.weight * points.shape[0] / len(chosen_points) / target.sum()
        terms.append(_Term(points[chosen_points], target[chosen_points], moving, _gradient(moving), weight))
    return terms


def _spread_indices(count: int, max_count: int) -> NDArray[np.int64]:
    """About `max_count` of `count` indices, evenly distributed at irregular steps, to avoid aliasing with grid rows."""
    if count <= max_count:
        return np.arange(count)
    golden = (5**0.5 - 1) / 2
    return np.unique((np.arange(max(max_count, 1)) * golden % 1.0 * count).astype(np.int64))


def _smoothed(mask: SoftMask, width_mm: float) -> SoftMask:
    from scipy.ndimage import gaussian_filter

    widths = width_mm / np.asarray(mask.grid.spacing_mm[::-1])
    pad = np.ceil(2 * widths).astype(int)
    image = gaussian_filter(np.pad(mask.image_kji, [(n, n) for n in pad]), widths, mode="constant")
    return SoftMask(image, mask.grid.crop(-pad[::-1], image.shape[::-1]))


def _gradient(mask: SoftMask) -> NDArray[np.float32]:
    steps = np.stack([_difference(mask.image_kji, axis) for axis in (2, 1, 0)])
    to_index = mask.grid.lps_to_index_matrix[:3, :3]
    return np.tensordot(to_index.T, steps, axes=1).astype(np.float32)


def _difference(image: NDArray, axis: int) -> NDArray:
    return np.gradient(image, axis=axis) if image.shape[axis] > 1 else np.zeros_like(image)


def _refine(start: Floats, problem: _RegularisedMismatch, check: Check | None) -> Floats:
    """Minimise by damped Gauss-Newton over 6 or 12 parameters; the loss never exceeds that of the start."""
    matrix, damping = start, 1e-3
    loss, normal, slope = problem.at(matrix)
    for _ in range(STEPS):
        if check:
            check()
        damped = normal + damping * np.diag(np.diag(normal) + 1e-9 * np.trace(normal) + 1e-12)
        step: Floats = np.linalg.solve(damped, -slope).astype(np.float64)
        trial = problem.moved(matrix, step)
        trial_state = problem.at(trial)
        if trial_state[0] < loss and np.linalg.det(trial[:3, :3]) > 0.05:
            gain = loss - trial_state[0]
            matrix, (loss, normal, slope), damping = trial, trial_state, damping / 4
            if gain < 1e-4 * loss:
                break
        else:
            damping *= 8
            if damping > 1e6:
                break
    return matrix


class _RegularisedMismatch:
    """Mismatch of all pairs under a map, plus the squared deviation of its linear part from a reference.

    A step has 9 parameters for the linear part (or 3 for a rotation) and 3 for the translation. The linear part acts
    about the regions' centre and is scaled by their extent, so that all parameters have similar magnitudes.

    Args:
        terms: the data terms of the pairs.
        reference: 3 x 3, the linear part towards which the map is regularised.
        affine: True for a free linear part, False for a rotation.
    """

    def __init__(self, terms: Sequence[_Term], reference: Floats, *, affine: bool) -> None:
        self._terms, self._towards, self._affine = terms, reference, affine
        self._centre = np.concatenate([term.points[term.target > 0.5] for term in terms]).mean(axis=0)
        self._scale = max(np.concatenate([term.points - self._centre for term in terms]).std(), 1e-3)
        self._pull = (AFFINE_PULL if affine else RIGID_PULL) * len(terms)

    def at(self, matrix: Floats) -> tuple[float, Floats, Floats]:
        """Loss, Gauss-Newton matrix and gradient at a map (4 x 4)."""
        parameter_count = 12 if self._affine else 6
        loss, normal, slope = 0.0, np.zeros((parameter_count, parameter_count)), np.zeros(parameter_count)
        for term in self._terms:
            value, gradient = _sample(term, apply_affine(matrix, term.points))
            residual = value - term.target
            local = (term.points - self._centre) / self._scale
            if self._affine:
                jacobian = np.concatenate([(gradient[:, :, None] * local[:, None, :]).reshape(-1, 9), gradient], axis=1)
            else:
                jacobian = np.concatenate([np.cross(local, gradient @ matrix[:3, :3]), gradient], axis=1)
            loss += term.weight * float(residual @ residual)
            normal += term.weight * (jacobian.T @ jacobian)
            slope += term.weight * (jacobian.T @ residual)
        deviation = (matrix[:3, :3] - self._towards).reshape(-1)
        change = self._change(matrix[:3, :3])
        linear_count = change.shape[1]
        normal[:linear_count, :linear_count] += self._pull * (change.T @ change)
        slope[:linear_count] += self._pull * (change.T @ deviation)
        return loss + self._pull * float(deviation @ deviation), normal, slope

    def _change(self, linear: Floats) -> Floats:
        """Derivative of the 9 entries of the linear part with respect to a step, (9, 9) or (9, 3)."""
        if self._affine:
            return np.eye(9) / self._scale
        rotated = [linear @ np.cross(np.eye(3)[axis], np.eye(3)).T for axis in range(3)]
        return np.stack([matrix.reshape(-1) for matrix in rotated], axis=1) / self._scale

    def moved(self, matrix: Floats, step: Floats) -> Floats:
        """The map (4 x 4) after a step."""
        from scipy.spatial.transform import Rotation

        moved_centre = apply_affine(matrix, self._centre) + step[-3:]
        if self._affine:
            linear = matrix[:3, :3] + step[:9].reshape(3, 3) / self._scale
        else:
            linear = matrix[:3, :3] @ Rotation.from_rotvec(step[:3] / self._scale).as_matrix()
        return _map_about(linear, self._centre, moved_centre)


def _sample(term: _Term, points: Floats) -> tuple[Floats, Floats]:
    from scipy.ndimage import map_coordinates

    kji = np.moveaxis(term.moving.grid.lps_to_index(points), -1, 0)[::-1]
    value = map_coordinates(term.moving.image_kji, kji, np.float64, order=1, mode="constant")
    gradient = [map_coordinates(component, kji, np.float64, order=1, mode="constant") for component in term.gradient]
    return value, np.stack(gradient, axis=-1)


def _map_about(linear: Floats, centre: Floats, moved_centre: Floats) -> Floats:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = moved_centre - linear @ centre
    return matrix


def _radius_mm(region: Region) -> float:
    """Radius of the ball with the region's volume."""
    return float((3 * region.volume_ml * 1000 / (4 * np.pi)) ** (1 / 3))
