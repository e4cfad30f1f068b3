"""Rigid and affine maps of region pairs: a start from moments, refined on soft masks (method.md section 7, step 1).

The start lines up centroids, by Procrustes with a pull towards no rotation, so that one region, two regions and
regions in a row are served too. The refinement is Gauss-Newton with damping on masks with a ramp, wide then narrow, and
with a weak pull of the rigid map towards the start and of the affine one towards the rigid. A round region says nothing
of how it is turned: without the pull the steps of its voxels would, and turn one lattice onto the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.fitting.softmask import SoftMask, soft_mask
from Tell2RegLib.space.displacement_field import Check
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import Region, RegionPair

MAX_POINTS = 20_000
"""Sample points over all pairs: enough for twelve numbers."""
STEPS = 30
RIGID_PULL = 0.003
AFFINE_PULL = 0.03
"""Per pair: weight of the squared entries by which the linear part is off; a mismatch of all of a region weighs 1."""
SMOOTHING = 1.0
"""Of the largest voxel side of both volumes: the deviation that smooths the steps of voxels, on both sides alike."""


def moments_start(pairs: Sequence[RegionPair]) -> Floats:
    """Rigid map (4 x 4, fixed to moving) from the regions' centroids, each pair with the same weight."""
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    fixed_centre, moving_centre = fixed.mean(axis=0), moving.mean(axis=0)
    size = np.mean([_radius_mm(pair.fixed) ** 2 for pair in pairs])
    covariance = (moving - moving_centre).T @ (fixed - fixed_centre) / len(pairs) + 0.5 * size * np.eye(3)
    left, _, right = np.linalg.svd(covariance)
    rotation = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return _about(rotation, fixed_centre, moving_centre)


def rigid_and_affine(pairs: Sequence[RegionPair], check: Check | None = None) -> tuple[Floats, Floats]:
    """The best rigid and the best affine map (4 x 4 each, fixed to moving, LPS mm) of accepted pairs.

    Args:
        pairs: at least one.
        check: raises to cancel.
    """
    radius = float(np.mean([_radius_mm(pair.fixed) for pair in pairs]))
    rigid = affine = start = moments_start(pairs)
    for ramp_mm in (max(0.6 * radius, 2.0), max(0.2 * radius, 1.0)):
        terms = _terms(pairs, ramp_mm)
        rigid = _refine(rigid, _Pulled(terms, start[:3, :3], affine=False), check)
        pulled = _Pulled(terms, rigid[:3, :3], affine=True)
        affine = _refine(rigid if ramp_mm > 0.5 * radius else affine, pulled, check)
    return rigid, affine


@dataclass(frozen=True, eq=False)
class _Term:
    """One pair on its own sample points."""

    points: Floats
    """(P, 3), LPS mm, fixed space."""
    target: Floats
    """(P,), fixed occupancy."""
    moving: SoftMask
    gradient: NDArray[np.float32]
    """(3, K, J, I), of the moving occupancy, per mm, LPS."""
    weight: float
    """Makes every pair count the same, whatever its size."""


def _terms(pairs: Sequence[RegionPair], ramp_mm: float) -> list[_Term]:
    terms = []
    for pair in pairs:
        width_mm = SMOOTHING * max(*pair.fixed.grid.spacing_mm, *pair.moving.grid.spacing_mm)
        fixed = _smoothed(soft_mask(pair.fixed, _pooling(pair.fixed, ramp_mm), ramp_mm), width_mm)
        moving = _smoothed(soft_mask(pair.moving, _pooling(pair.moving, ramp_mm), ramp_mm), width_mm)
        points = fixed.grid.voxel_centres_lps_mm().reshape(-1, 3)
        target = fixed.image_kji.reshape(-1).astype(np.float64)
        chosen = _scattered(points.shape[0], MAX_POINTS // len(pairs))
        weight = points.shape[0] / len(chosen) / target.sum()
        terms.append(_Term(points[chosen], target[chosen], moving, _gradient(moving), weight))
    return terms


def _scattered(count: int, most: int) -> NDArray[np.int64]:
    """About so many of `count` places in a row, spread evenly, but at no fixed step: rows of a grid could keep time."""
    if count <= most:
        return np.arange(count)
    golden = (5**0.5 - 1) / 2
    return np.unique((np.arange(max(most, 1)) * golden % 1.0 * count).astype(np.int64))


def _smoothed(mask: SoftMask, width_mm: float) -> SoftMask:
    from scipy.ndimage import gaussian_filter

    widths = width_mm / np.asarray(mask.grid.spacing_mm[::-1])
    pad = np.ceil(2 * widths).astype(int)
    image = gaussian_filter(np.pad(mask.image_kji, [(n, n) for n in pad]), widths, mode="constant")
    return SoftMask(image, mask.grid.crop(-pad[::-1], image.shape[::-1]))


def _pooling(region: Region, ramp_mm: float) -> tuple[int, int, int]:
    i, j, k = (max(1, int(round(ramp_mm / 2 / s))) for s in region.grid.spacing_mm)
    return i, j, k


def _gradient(mask: SoftMask) -> NDArray[np.float32]:
    steps = np.stack([_difference(mask.image_kji, axis) for axis in (2, 1, 0)])
    to_index = mask.grid.lps_to_index_matrix[:3, :3]
    return np.tensordot(to_index.T, steps, axes=1).astype(np.float32)


def _difference(image: NDArray, axis: int) -> NDArray:
    return np.gradient(image, axis=axis) if image.shape[axis] > 1 else np.zeros_like(image)


def _refine(start: Floats, problem: _Pulled, check: Check | None) -> Floats:
    """Damped Gauss-Newton over 6 or 12 numbers; never worse than its start."""
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


class _Pulled:
    """Mismatch of all pairs under a map, and how far its linear part is from one that it is pulled to.

    A step has 9 numbers of the linear part (or 3 of a rotation), about the regions' centre and of the size of the
    regions, so that they and the 3 of the shift are alike.

    Args:
        terms: the pairs.
        towards: 3 x 3.
        affine: whether all of the linear part is free, or its rotation only.
    """

    def __init__(self, terms: Sequence[_Term], towards: Floats, *, affine: bool) -> None:
        self._terms, self._towards, self._affine = terms, towards, affine
        self._centre = np.concatenate([term.points[term.target > 0.5] for term in terms]).mean(axis=0)
        self._scale = max(np.concatenate([term.points - self._centre for term in terms]).std(), 1e-3)
        self._pull = (AFFINE_PULL if affine else RIGID_PULL) * len(terms)

    def at(self, matrix: Floats) -> tuple[float, Floats, Floats]:
        """Loss, Gauss-Newton matrix and slope at a map."""
        numbers = 12 if self._affine else 6
        loss, normal, slope = 0.0, np.zeros((numbers, numbers)), np.zeros(numbers)
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
        off = (matrix[:3, :3] - self._towards).reshape(-1)
        change = self._change(matrix[:3, :3])
        turns = change.shape[1]
        normal[:turns, :turns] += self._pull * (change.T @ change)
        slope[:turns] += self._pull * (change.T @ off)
        return loss + self._pull * float(off @ off), normal, slope

    def _change(self, linear: Floats) -> Floats:
        """How the 9 entries of the linear part change with a step, (9, 9) or (9, 3)."""
        if self._affine:
            return np.eye(9) / self._scale
        turned = [linear @ np.cross(np.eye(3)[axis], np.eye(3)).T for axis in range(3)]
        return np.stack([one.reshape(-1) for one in turned], axis=1) / self._scale

    def moved(self, matrix: Floats, step: Floats) -> Floats:
        """The map after a step."""
        from scipy.spatial.transform import Rotation

        moved_centre = apply_affine(matrix, self._centre) + step[-3:]
        if self._affine:
            linear = matrix[:3, :3] + step[:9].reshape(3, 3) / self._scale
        else:
            linear = matrix[:3, :3] @ Rotation.from_rotvec(step[:3] / self._scale).as_matrix()
        return _about(linear, self._centre, moved_centre)


def _sample(term: _Term, points: Floats) -> tuple[Floats, Floats]:
    from scipy.ndimage import map_coordinates

    kji = np.moveaxis(term.moving.grid.lps_to_index(points), -1, 0)[::-1]
    value = map_coordinates(term.moving.image_kji, kji, np.float64, order=1, mode="constant")
    gradient = [map_coordinates(part, kji, np.float64, order=1, mode="constant") for part in term.gradient]
    return value, np.stack(gradient, axis=-1)


def _about(linear: Floats, centre: Floats, moved_centre: Floats) -> Floats:
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = moved_centre - linear @ centre
    return matrix


def _radius_mm(region: Region) -> float:
    """Radius of the ball of the region's volume."""
    return float((3 * region.volume_ml * 1000 / (4 * np.pi)) ** (1 / 3))
