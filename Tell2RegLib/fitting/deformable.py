"""The deformable part of a fit: region pairs and an affine start in, control nodes out (method.md section 7).

Coarse to fine over three levels: masks with a ramp that attracts, then sharper ones, then the voxels themselves.
Every region is compared in its own box; every pair counts the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.errors import FitDiverged
from Tell2RegLib.fitting.lattice import Lattice, covering, crushing, evaluate, exponential, refine, roughness
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.fitting.softmask import pooled_grid, soft_mask
from Tell2RegLib.space.displacement_field import Check
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.interpolation import cube_matrix, sample
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import KINDS

LEVELS = 3
Step = Callable[[int, int], None]
"""Called with (done, total) optimiser steps."""


@dataclass(frozen=True, eq=False)
class Deformation:
    """What the optimiser found, on its lattice.

    Args:
        lattice: where the nodes are.
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
    step: Step | None = None,
    check: Check | None = None,
) -> Deformation:
    """Fit the deformation that, followed by the affine map, lays the moving regions onto the fixed ones.

    Args:
        pairs: accepted pairs, at least one, fixed regions on one grid.
        affine_lps: 4 x 4, fixed to moving.
        settings: see `FitSettings`; its kind must be deformable.
        device: a torch device.
        step: told after every step.
        check: raises to cancel.

    Raises:
        FitDiverged: a loss that is no number.
    """
    grid = pairs[0].fixed.grid
    boxes = [_box_mm(pair, affine_lps) for pair in pairs]
    resolution = settings.resolution_mm or _resolution_mm(grid, boxes, settings.max_voxels)
    low, high = np.min([box[0] for box in boxes], axis=0), np.max([box[1] for box in boxes], axis=0)
    control = resolution if KINDS[settings.kind].per_voxel else resolution * settings.control_spacing
    lattice = covering(low, high, control, LEVELS - 1, settings.margin_mm)
    nodes = lattice.zeros().to(device)
    gap = _largest_gap_mm(pairs, affine_lps)
    losses = []
    total = LEVELS * settings.max_steps
    for level in range(LEVELS):
        if level:
            lattice, nodes = lattice.finer(), refine(nodes)
        ramp = (max(6 * resolution, min(gap, 40.0)), 2 * resolution, 0.0)[level]
        terms = _terms(pairs, boxes, affine_lps, lattice, resolution * 2 ** (LEVELS - 1 - level), ramp, device)
        problem = _Problem(lattice, terms, settings)
        progress = _Progress(step, check, level * settings.max_steps, total)
        nodes, history = _descend(problem, nodes, settings, progress)
        losses.append(tuple(history))
    forward = _Problem(lattice, (), settings).displacement(nodes).cpu()
    return Deformation(lattice, forward, tuple(losses))


# --- what is compared ---


@dataclass(frozen=True, eq=False)
class _Term:
    """One pair at one level: the fixed occupancy on a box, and how to sample the moving one there."""

    target: Tensor
    """(P,)"""
    basis: tuple[Tensor, Tensor, Tensor]
    """Weights that turn lattice nodes into displacements on the box."""
    support: tuple[slice, slice, slice]
    """The nodes that reach the box."""
    home: Tensor
    """(3, P), cube coordinates in the moving image where the affine map alone leads."""
    turn: Tensor
    """(3, 3), displacement along fixed axes in mm to moving cube coordinates."""
    moving: Tensor
    """(1, K, J, I)"""
    size: Tensor
    """Sum of both occupancies before deformation: the measure of the squared difference."""
    shape_kji: tuple[int, int, int]
    """Of the box: P = K * J * I."""
    active: Tensor | None
    """Which of the P points are sampled: those that a motion of `reach_voxels` can change. None: all, on a GPU,
    where that costs less than choosing."""
    rest: Tensor
    """(3,), what the other points add to the sums of value, value * target and (value - target)^2."""


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
    return [_on(term, device) for term in terms]


def _term(fixed_kji, fixed_grid, moving_kji, moving_grid, box, pair, affine_lps, lattice):  # type: ignore[no-untyped-def]
    spacing = np.asarray(pair.fixed.grid.spacing_mm)
    first = pair.fixed.grid.lps_to_index(box.origin_lps_mm) * spacing
    axes = [first[a] + np.arange(n) * box.spacing_mm[a] for a, n in enumerate(box.size_xyz)]
    full = [lattice.basis(positions, a) for a, positions in enumerate(axes)]
    support = [_support(weights) for weights in full]
    basis = tuple(full[a][:, support[a]].contiguous() for a in (2, 1, 0))
    to_cube = cube_matrix(moving_grid.size_xyz) @ moving_grid.lps_to_index_matrix @ affine_lps
    home = apply_affine(to_cube, box.voxel_centres_lps_mm()).reshape(-1, 3).T
    turn = to_cube[:3, :3] @ np.reshape(pair.fixed.grid.direction, (3, 3))
    target = np.zeros(box.shape_kji, np.float32)
    _paste(target, fixed_kji, np.round(box.lps_to_index(fixed_grid.origin_lps_mm)).astype(int)[::-1])
    moving = torch.from_numpy(moving_kji)[None]
    flat = torch.from_numpy(target.ravel())
    before = sample(moving, torch.from_numpy(home.T.astype(np.float32).copy()), "zeros")
    return _Term(
        flat,
        basis,  # type: ignore[arg-type]
        (support[2], support[1], support[0]),
        torch.from_numpy(np.ascontiguousarray(home, np.float32)),
        torch.from_numpy(turn.astype(np.float32)),
        moving,
        flat.sum() + before.sum(),
        box.shape_kji,
        torch.arange(flat.numel()),
        torch.zeros(3),
    )


def _on(term: _Term, device: str) -> _Term:
    return replace(
        term,
        target=term.target.to(device),
        basis=tuple(b.to(device) for b in term.basis),  # type: ignore[arg-type]
        home=term.home.to(device),
        turn=term.turn.to(device),
        moving=term.moving.to(device),
        size=term.size.to(device),
        active=None if device.startswith("cuda") else term.active,
        rest=term.rest.to(device),
    )


def _support(weights: Tensor) -> slice:
    used = torch.nonzero(weights.abs().sum(dim=0)).squeeze(1)
    return slice(int(used[0]), int(used[-1]) + 1) if used.numel() else slice(0, 1)


def _paste(target: NDArray, image: NDArray, offset: NDArray) -> None:
    """Write an image into a larger one where they meet."""
    into, source = [], []
    for o, n, size in zip(offset, image.shape, target.shape, strict=True):
        a, b = max(o, 0), min(o + n, size)
        into.append(slice(a, max(a, b)))
        source.append(slice(a - o, max(a, b) - o))
    target[tuple(into)] = image[tuple(source)]


def pooling(grid: Grid, resolution_mm: float) -> tuple[int, int, int]:
    """How many voxels along i, j, k make up about one resolution."""
    i, j, k = (max(1, int(round(resolution_mm / s))) for s in grid.spacing_mm)
    return i, j, k


def _level_grid(grid: Grid, resolution_mm: float, low_mm: NDArray, high_mm: NDArray) -> Grid:
    """The pooled fixed grid over a box (mm along the axes), cut to the fixed volume: beyond it nothing is known."""
    blocks = np.asarray(pooling(grid, resolution_mm))
    size = np.asarray(grid.spacing_mm) * blocks
    last = np.ceil(np.asarray(grid.size_xyz) / blocks).astype(int)
    start = np.clip(np.floor(low_mm / size).astype(int), 0, last - 1)
    stop = np.clip(np.ceil(high_mm / size).astype(int) + 1, start + 1, last)
    return pooled_grid(grid, start, stop, blocks)


def _box_mm(pair: RegionPair, affine_lps: Floats) -> tuple[NDArray, NDArray]:
    """The box (mm along the fixed axes) around a fixed region and where the affine map finds the moving one."""
    spacing = np.asarray(pair.fixed.grid.spacing_mm)
    fixed = pair.fixed.grid.lps_to_index(pair.fixed.box_grid.corners_lps_mm()) * spacing
    back = apply_affine(np.linalg.inv(affine_lps), pair.moving.box_grid.corners_lps_mm())
    both = np.concatenate([fixed, pair.fixed.grid.lps_to_index(back) * spacing])
    return both.min(axis=0), both.max(axis=0)


def _resolution_mm(grid: Grid, boxes: Sequence[tuple[NDArray, NDArray]], max_voxels: int) -> float:
    """The finest in-plane spacing, or what keeps all boxes together below the limit."""
    volume = sum(float(np.prod(np.maximum(high - low, 1e-3))) for low, high in boxes)
    return max(float(np.min(grid.spacing_mm)), (volume / max_voxels) ** (1 / 3))


def _largest_gap_mm(pairs: Sequence[RegionPair], affine_lps: Floats) -> float:
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    return float(np.linalg.norm(apply_affine(affine_lps, fixed) - moving, axis=1).max())


# --- how it is minimised ---


class _Problem:
    """The loss of control nodes at one level."""

    def __init__(self, lattice: Lattice, terms: Sequence[_Term], settings: FitSettings) -> None:
        self.lattice = lattice
        self.terms = terms
        self.settings = settings

    def displacement(self, nodes: Tensor) -> Tensor:
        """Spline nodes of the displacement, from what is optimised."""
        if KINDS[self.settings.kind].velocity:
            return exponential(nodes, self.lattice.spacing_mm)
        return nodes

    @torch.no_grad()
    def focus(self, nodes: Tensor) -> None:
        """Look again where the masks can change."""
        if any(term.active is None for term in self.terms):
            return
        u = self.displacement(nodes)
        self.terms = [_focused(term, u, self.settings.reach_voxels) for term in self.terms]

    def loss(self, nodes: Tensor) -> Tensor:
        """Half soft Dice loss, half squared difference, mean over pairs; plus weighted roughness."""
        u = self.displacement(nodes)
        overlap = torch.stack([_term_loss(term, u) for term in self.terms]).mean()
        rough = roughness(nodes, self.lattice.spacing_mm, self.settings.bending)
        crushed = crushing(u, self.lattice.spacing_mm, self.settings.least_determinant)
        return overlap + self.settings.smoothness * rough + self.settings.folding_weight * crushed


def _term_loss(term: _Term, u: Tensor) -> Tensor:
    cube, target = _cube(term, u), term.target
    if term.active is not None:
        cube, target = cube.index_select(1, term.active), target[term.active]
    value = sample(term.moving, cube.T, "zeros")[0]
    values, both, squares = (
        torch.stack([value.sum(), (value * target).sum(), (value - target).square().sum()]) + term.rest
    )
    dice = 2 * both / (values + term.target.sum() + 1e-6)
    return 0.5 * (1 - dice) + 0.5 * squares / term.size


def _cube(term: _Term, u: Tensor) -> Tensor:
    """Where the box's points lead in the moving image's cube, (3, P)."""
    z, y, x = term.support
    local = torch.tensordot(term.turn, u[:, z, y, x], dims=1)
    return evaluate(local, term.basis).reshape(3, -1) + term.home


def _focused(term: _Term, u: Tensor, reach: int) -> _Term:
    """The term with only those points active near which the fixed or the moved occupancy changes.

    Elsewhere both are constant over more than `reach` voxels: their gradient is zero and their share of the sums
    stays what it is until the next look.
    """
    value = sample(term.moving, _cube(term, u).T, "zeros")[0]
    changes = (_near_changes(value, term.shape_kji, reach) | _near_changes(term.target, term.shape_kji, reach)).reshape(
        -1
    )
    away = ~changes
    value, target = value[away], term.target[away]
    rest = torch.stack([value.sum(), (value * target).sum(), (value - target).square().sum()])
    return replace(term, active=torch.nonzero(changes).squeeze(1), rest=rest)


def _near_changes(values: Tensor, shape_kji: tuple[int, int, int], reach: int) -> Tensor:
    """Where an image (P,) is not constant within `reach` voxels along each axis, (K, J, I)."""
    image = values.reshape(shape_kji)
    changes = torch.zeros(shape_kji, dtype=torch.bool, device=image.device)
    for axis in range(3):
        steps = image.diff(dim=axis) != 0
        changes.narrow(axis, 0, steps.shape[axis]).logical_or_(steps)
        changes.narrow(axis, 1, steps.shape[axis]).logical_or_(steps)
    for axis in range(3):
        changes = _spread(changes, axis, reach)
    return changes


def _spread(mask: Tensor, axis: int, reach: int) -> Tensor:
    """True within `reach` voxels along an axis of where the mask is."""
    wide, size = mask.clone(), mask.shape[axis]
    for step in range(1, min(reach, size - 1) + 1):
        wide.narrow(axis, step, size - step).logical_or_(mask.narrow(axis, 0, size - step))
        wide.narrow(axis, 0, size - step).logical_or_(mask.narrow(axis, step, size - step))
    return wide


@dataclass(frozen=True)
class _Progress:
    step: Step | None
    check: Check | None
    before: int
    total: int

    def __call__(self, done: int) -> None:
        if self.check:
            self.check()
        if self.step:
            self.step(self.before + done, self.total)


class _Adam:
    """Adam (Kingma and Ba 2015). torch.optim's own loads torch's compiler first, which takes longer than many a fit."""

    def __init__(self, nodes: Tensor, rate_mm: float, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        self._nodes = nodes
        self._rate_mm = rate_mm
        self._betas = betas
        self._mean, self._square = torch.zeros_like(nodes), torch.zeros_like(nodes)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Move the nodes against their gradient."""
        first, second = self._betas
        self._steps += 1
        self._mean.lerp_(gradient, 1 - first)
        self._square.lerp_(gradient.square(), 1 - second)
        size = (self._square / (1 - second**self._steps)).sqrt() + 1e-8
        self._nodes -= self._rate_mm / (1 - first**self._steps) * self._mean / size


def _descend(
    problem: _Problem, nodes: Tensor, settings: FitSettings, progress: _Progress
) -> tuple[Tensor, list[float]]:
    """Adam until the loss stops falling; the best nodes and the losses.

    Raises:
        FitDiverged: a loss that is no number.
    """
    free = problem.lattice.free().to(nodes.device)
    nodes = nodes.clone().requires_grad_()
    adam = _Adam(nodes, settings.step_size * problem.lattice.spacing_mm)
    history: list[float] = []
    best, best_nodes = float("inf"), nodes.detach().clone()
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
        if history[-1] < best:
            best, best_nodes = history[-1], nodes.detach().clone()
        if _settled(history, settings):
            break
        assert nodes.grad is not None
        adam.step(nodes.grad * free)
    progress(settings.max_steps)
    return best_nodes, history


def _settled(history: list[float], settings: FitSettings) -> bool:
    window = settings.convergence_window
    if len(history) < 2 * window:
        return False
    return min(history[:-window]) - min(history[-window:]) < settings.tolerance * min(history[:-window])
