"""The deformable part of a fit: optimises control nodes from region pairs and an affine start (docs/method.md).

Three levels, coarse to fine: masks blurred by a wide ramp, by a narrow ramp, and exact occupancy. Each region is
compared within its own bounding box; every pair counts by its weight, whatever its size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.errors import FitDiverged
from Tell2RegLib.fitting.lattice import Lattice, box_lattice, compression_loss, evaluate, exponential, refine, roughness
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.fitting.softmask import pooled_grid, pooling, soft_mask
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.interpolation import cube_matrix, sample
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.progress import Check, StepProgress

LEVELS = 3


@dataclass(frozen=True, eq=False)
class Deformation:
    """The optimised control nodes and their lattice.

    Args:
        lattice: positions of the nodes.
        forward: (3, Z, Y, X), spline nodes of the displacement, mm along the fixed grid's axes, before the affine.
        losses: the loss at every step, level by level.
    """

    lattice: Lattice
    forward: Tensor
    losses: tuple[tuple[float, ...], ...]


def fit_deformation(
    pairs: Sequence[RegionPair],
    affine_lps: Floats,
    settings: FitSettings,
    device: str,
    step: StepProgress | None = None,
    check: Check | None = None,
) -> Deformation:
    """Fit the deformation that, followed by the affine map, aligns the moving regions with the fixed ones.

    Args:
        pairs: accepted pairs, at least one, fixed regions on one grid.
        affine_lps: 4 x 4, fixed to moving.
        settings: see `FitSettings`; the kind must be deformable, the smoothness a number.
        device: a torch device.
        step: called with (done, total) before every optimiser step.
        check: called before every optimiser step; raises to cancel.

    Raises:
        FitDiverged: a loss is not finite.
    """
    grid = pairs[0].fixed.grid
    boxes = [_box_mm(pair, affine_lps) for pair in pairs]
    resolution = settings.resolution_mm or _resolution_mm(grid, boxes, settings.max_voxels)
    low_mm, high_mm = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    control_spacing_mm = resolution if KINDS[settings.kind].per_voxel else resolution * settings.control_spacing
    lattice = box_lattice(low_mm, high_mm, control_spacing_mm, LEVELS - 1, settings.margin_mm)
    nodes = lattice.zeros().to(device)
    largest_gap_mm = _largest_gap_mm(pairs, affine_lps)
    losses = []
    total_steps = LEVELS * settings.max_steps
    for level in range(LEVELS):
        if level:
            lattice, nodes = lattice.finer(), refine(nodes)
        ramp_mm = (max(6 * resolution, min(largest_gap_mm, 40.0)), 2 * resolution, 0.0)[level]
        terms = _terms(pairs, boxes, affine_lps, lattice, resolution * 2 ** (LEVELS - 1 - level), ramp_mm, device)
        problem = _LevelProblem(lattice, terms, settings)
        progress = _LevelProgress(step, check, level * settings.max_steps, total_steps)
        nodes, history = _descend(problem, nodes, settings, progress)
        losses.append(tuple(history))
    forward = _LevelProblem(lattice, (), settings).displacement(nodes).cpu()
    return Deformation(lattice, forward, tuple(losses))


# --- data terms ---


@dataclass(frozen=True, eq=False)
class _Term:
    """The data term of one pair at one level: fixed occupancy on a box, and how to sample the moving one there."""

    target: Tensor
    """(P,), fixed occupancy."""
    target_sum: Tensor
    """Its sum."""
    basis: tuple[Tensor, Tensor, Tensor]
    """Spline weights along k, j, i: from lattice nodes to displacements on the box."""
    support: tuple[slice, slice, slice]
    """The nodes that act on the box."""
    affine_positions: Tensor
    """(3, P), the box's points under the affine map alone, in cube coordinates of the moving image."""
    displacement_to_cube: Tensor
    """(3, 3), from a displacement along the fixed axes (mm) to moving cube coordinates."""
    moving: Tensor
    """(1, K, J, I)"""
    size: Tensor
    """Sum of both occupancies before deformation: the measure of the squared difference."""
    shape_kji: tuple[int, int, int]
    """Of the box: P = K * J * I."""
    active: Tensor | None
    """Which of the P points are sampled: those that a motion of `reach_voxels` can change. None: all, on a GPU,
    where that costs less than choosing."""
    inactive_sums: Tensor
    """(3,), contribution of the other points to the sums of value, value * target and (value - target)^2."""
    pair_weight: float


def _terms(
    pairs: Sequence[RegionPair],
    boxes: Sequence[tuple[NDArray, NDArray]],
    affine_lps: Floats,
    lattice: Lattice,
    resolution_mm: float,
    ramp_mm: float,
    device: str,
) -> list[_Term]:
    terms = []
    for pair, (low, high) in zip(pairs, boxes, strict=True):
        fixed = soft_mask(pair.fixed, pooling(pair.fixed.grid, resolution_mm), ramp_mm)
        moving = soft_mask(pair.moving, pooling(pair.moving.grid, resolution_mm), ramp_mm)
        reach = ramp_mm + 2 * resolution_mm
        box = _level_grid(pair.fixed.grid, resolution_mm, low - reach, high + reach)
        terms.append(_term(fixed.image_kji, fixed.grid, moving.image_kji, moving.grid, box, pair, affine_lps, lattice))
    return [_to_device(term, device) for term in terms]


def _term(fixed_kji, fixed_grid, moving_kji, moving_grid, box, pair, affine_lps, lattice):  # type: ignore[no-untyped-def]
    spacing = np.asarray(pair.fixed.grid.spacing_mm)
    first_mm = pair.fixed.grid.lps_to_index(box.origin_lps_mm) * spacing
    axes = [first_mm[a] + np.arange(n) * box.spacing_mm[a] for a, n in enumerate(box.size_xyz)]
    full_basis = [lattice.basis(positions, a) for a, positions in enumerate(axes)]
    support = [_support(weights) for weights in full_basis]
    basis = tuple(full_basis[a][:, support[a]].contiguous() for a in (2, 1, 0))
    to_cube = cube_matrix(moving_grid.size_xyz) @ moving_grid.lps_to_index_matrix @ affine_lps
    affine_positions = apply_affine(to_cube, box.voxel_centres_lps_mm()).reshape(-1, 3).T
    displacement_to_cube = to_cube[:3, :3] @ np.reshape(pair.fixed.grid.direction, (3, 3))
    target = np.zeros(box.shape_kji, np.float32)
    _paste(target, fixed_kji, np.round(box.lps_to_index(fixed_grid.origin_lps_mm)).astype(int)[::-1])
    moving = torch.from_numpy(moving_kji)[None]
    flat_target = torch.from_numpy(target.ravel())
    unregistered_target = sample(moving, torch.from_numpy(affine_positions.T.astype(np.float32).copy()), "zeros")
    target_sum = flat_target.sum()
    return _Term(
        flat_target,
        target_sum,
        basis,  # type: ignore[arg-type]
        (support[2], support[1], support[0]),
        torch.from_numpy(np.ascontiguousarray(affine_positions, np.float32)),
        torch.from_numpy(displacement_to_cube.astype(np.float32)),
        moving,
        target_sum + unregistered_target.sum(),
        box.shape_kji,
        torch.arange(flat_target.numel()),
        torch.zeros(3),
        pair.weight,
    )


def _to_device(term: _Term, device: str) -> _Term:
    return replace(
        term,
        target=term.target.to(device),
        target_sum=term.target_sum.to(device),
        basis=tuple(b.to(device) for b in term.basis),  # type: ignore[arg-type]
        affine_positions=term.affine_positions.to(device),
        displacement_to_cube=term.displacement_to_cube.to(device),
        moving=term.moving.to(device),
        size=term.size.to(device),
        active=None if device.startswith("cuda") else term.active,
        inactive_sums=term.inactive_sums.to(device),
    )


def _support(weights: Tensor) -> slice:
    used = torch.nonzero(weights.abs().sum(dim=0)).squeeze(1)
    return slice(int(used[0]), int(used[-1]) + 1) if used.numel() else slice(0, 1)


def _paste(target: NDArray, image: NDArray, offset: NDArray) -> None:
    """Write an image into another one, at an offset (k, j, i), where the two overlap."""
    target_slices, image_slices = [], []
    for start, length, size in zip(offset, image.shape, target.shape, strict=True):
        first, last = max(start, 0), min(start + length, size)
        target_slices.append(slice(first, max(first, last)))
        image_slices.append(slice(first - start, max(first, last) - start))
    target[tuple(target_slices)] = image[tuple(image_slices)]


def _level_grid(grid: Grid, resolution_mm: float, low_mm: NDArray, high_mm: NDArray) -> Grid:
    """The pooled fixed grid over a box (mm along the axes), clipped to the fixed volume."""
    blocks = np.asarray(pooling(grid, resolution_mm))
    size = np.asarray(grid.spacing_mm) * blocks
    last = np.ceil(np.asarray(grid.size_xyz) / blocks).astype(int)
    start = np.clip(np.floor(low_mm / size).astype(int), 0, last - 1)
    stop = np.clip(np.ceil(high_mm / size).astype(int) + 1, start + 1, last)
    return pooled_grid(grid, start, stop, blocks)


def _box_mm(pair: RegionPair, affine_lps: Floats) -> tuple[NDArray, NDArray]:
    """Bounds (mm along the fixed axes) of a fixed region together with its partner under the affine map."""
    spacing = np.asarray(pair.fixed.grid.spacing_mm)
    fixed = pair.fixed.grid.lps_to_index(pair.fixed.box_grid.corners_lps_mm()) * spacing
    moving_corners = apply_affine(np.linalg.inv(affine_lps), pair.moving.box_grid.corners_lps_mm())
    corners_mm = np.concatenate([fixed, pair.fixed.grid.lps_to_index(moving_corners) * spacing])
    return corners_mm.min(axis=0), corners_mm.max(axis=0)


def _resolution_mm(grid: Grid, boxes: Sequence[tuple[NDArray, NDArray]], max_voxels: int) -> float:
    """The finest voxel spacing, coarsened until all boxes together hold at most `max_voxels` voxels."""
    total_mm3 = sum(float(np.prod(np.maximum(high - low, 1e-3))) for low, high in boxes)
    return max(float(np.min(grid.spacing_mm)), (total_mm3 / max_voxels) ** (1 / 3))


def _largest_gap_mm(pairs: Sequence[RegionPair], affine_lps: Floats) -> float:
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    return float(np.linalg.norm(apply_affine(affine_lps, fixed) - moving, axis=1).max())


# --- optimisation ---


class _LevelProblem:
    """The loss as a function of the control nodes, at one level."""

    def __init__(self, lattice: Lattice, terms: Sequence[_Term], settings: FitSettings) -> None:
        self.lattice = lattice
        self.terms = terms
        self.settings = settings

    def displacement(self, nodes: Tensor) -> Tensor:
        """Spline nodes of the displacement, from the optimised nodes (velocities for svf)."""
        if KINDS[self.settings.kind].velocity:
            return exponential(nodes, self.lattice.spacing_mm)
        return nodes

    @torch.no_grad()
    def focus(self, nodes: Tensor) -> None:
        """Select again the points whose occupancy can change."""
        if any(term.active is None for term in self.terms):
            return
        u = self.displacement(nodes)
        self.terms = [_focused(term, u, self.settings.reach_voxels) for term in self.terms]

    def loss(self, nodes: Tensor) -> Tensor:
        """Half soft Dice loss, half squared difference, weighted mean over pairs; plus weighted roughness."""
        u = self.displacement(nodes)
        overlaps = torch.stack([term.pair_weight * _term_loss(term, u) for term in self.terms])
        overlap = overlaps.sum() / sum(term.pair_weight for term in self.terms)
        field_roughness = roughness(nodes, self.lattice.spacing_mm, self.settings.bending, self.settings.decay_mm)
        compression = compression_loss(u, self.lattice.spacing_mm, self.settings.least_determinant)
        assert self.settings.smoothness is not None, "with_stiffness sets it"
        return overlap + self.settings.smoothness * field_roughness + self.settings.folding_weight * compression


def _term_loss(term: _Term, u: Tensor) -> Tensor:
    cube, target = _moving_positions(term, u), term.target
    if term.active is not None:
        cube, target = cube.index_select(1, term.active), target[term.active]
    value = sample(term.moving, cube.T, "zeros")[0]
    value_sum, intersection, squared_error = (
        torch.stack([value.sum(), (value * target).sum(), (value - target).square().sum()]) + term.inactive_sums
    )
    dice = 2 * intersection / (value_sum + term.target_sum + 1e-6)
    return 0.5 * (1 - dice) + 0.5 * squared_error / term.size


def _moving_positions(term: _Term, u: Tensor) -> Tensor:
    """Images of the box's points in the moving image, (3, P), cube coordinates."""
    z, y, x = term.support
    local = torch.tensordot(term.displacement_to_cube, u[:, z, y, x], dims=1)
    return evaluate(local, term.basis).reshape(3, -1) + term.affine_positions


def _focused(term: _Term, u: Tensor, reach: int) -> _Term:
    """The term restricted to the points near which the fixed or the warped moving occupancy changes.

    Elsewhere both are constant over more than `reach` voxels: the gradient is zero there, and the contribution to the
    sums is computed once, until the next selection.
    """
    value = sample(term.moving, _moving_positions(term, u).T, "zeros")[0]
    active = (_near_changes(value, term.shape_kji, reach) | _near_changes(term.target, term.shape_kji, reach)).reshape(
        -1
    )
    inactive = ~active
    value, target = value[inactive], term.target[inactive]
    inactive_sums = torch.stack([value.sum(), (value * target).sum(), (value - target).square().sum()])
    return replace(term, active=torch.nonzero(active).squeeze(1), inactive_sums=inactive_sums)


def _near_changes(values: Tensor, shape_kji: tuple[int, int, int], reach: int) -> Tensor:
    """(K, J, I), True where an image (P,) is not constant within `reach` voxels along each axis."""
    image = values.reshape(shape_kji)
    changes = torch.zeros(shape_kji, dtype=torch.bool, device=image.device)
    for axis in range(3):
        steps = image.diff(dim=axis) != 0
        changes.narrow(axis, 0, steps.shape[axis]).logical_or_(steps)
        changes.narrow(axis, 1, steps.shape[axis]).logical_or_(steps)
    for axis in range(3):
        changes = _dilate(changes, axis, reach)
    return changes


def _dilate(mask: Tensor, axis: int, reach: int) -> Tensor:
    """Dilate a mask by `reach` voxels along one axis."""
    widened, size = mask.clone(), mask.shape[axis]
    for step in range(1, min(reach, size - 1) + 1):
        widened.narrow(axis, step, size - step).logical_or_(mask.narrow(axis, 0, size - step))
        widened.narrow(axis, 0, size - step).logical_or_(mask.narrow(axis, step, size - step))
    return widened


@dataclass(frozen=True)
class _LevelProgress:
    step: StepProgress | None
    check: Check | None
    earlier_steps: int
    total: int

    def __call__(self, done: int) -> None:
        if self.check:
            self.check()
        if self.step:
            self.step(self.earlier_steps + done, self.total)


class _Adam:
    """Adam (Kingma and Ba 2015). torch.optim would load torch's compiler, which takes longer than many fits."""

    def __init__(self, nodes: Tensor, rate_mm: float, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self._nodes = nodes
        self._rate_mm = rate_mm
        self._betas = betas
        self._mean, self._square = torch.zeros_like(nodes), torch.zeros_like(nodes)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Update the nodes by one step against their gradient."""
        first, second = self._betas
        self._steps += 1
        self._mean.lerp_(gradient, 1 - first)
        self._square.lerp_(gradient.square(), 1 - second)
        size = (self._square / (1 - second**self._steps)).sqrt() + 1e-8
        self._nodes -= self._rate_mm / (1 - first**self._steps) * self._mean / size


def _descend(
    problem: _LevelProblem, nodes: Tensor, settings: FitSettings, progress: _LevelProgress
) -> tuple[Tensor, list[float]]:
    """Run Adam until the loss stops falling; return the best nodes and the losses.

    Raises:
        FitDiverged: a loss is not finite.
    """
    movable = problem.lattice.free().to(nodes.device)
    nodes = nodes.clone().requires_grad_()
    optimiser = _Adam(nodes, settings.step_size * problem.lattice.spacing_mm)
    history: list[float] = []
    best_loss, best_nodes = float("inf"), nodes.detach().clone()
    for number in range(settings.max_steps):
        progress(number)
        if number % settings.refocus_steps == 0:
            problem.focus(nodes)
        nodes.grad = None
        loss = problem.loss(nodes)
        loss.backward()
        history.append(loss.item())
        if not math.isfinite(history[-1]):
            raise FitDiverged(len(history), history[-1])
        if history[-1] < best_loss:
            best_loss, best_nodes = history[-1], nodes.detach().clone()
        if _settled(history, settings):
            break
        assert nodes.grad is not None
        optimiser.step(nodes.grad * movable)
    progress(settings.max_steps)
    return best_nodes, history


def _settled(history: list[float], settings: FitSettings) -> bool:
    window = settings.convergence_window
    if len(history) < 2 * window:
        return False
    return min(history[:-window]) - min(history[-window:]) < settings.tolerance * min(history[:-window])
