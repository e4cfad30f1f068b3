"""The deformable part of a fit: optimises control nodes from region pairs and an affine start (docs/method.md).

Three levels, coarse to fine: masks blurred by a wide ramp, by a narrow ramp, and exact occupancy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.errors import FitDiverged
from Tell2RegLib.fitting.deformable_terms import OverlapTerm, focused, overlap_loss, overlap_terms
from Tell2RegLib.fitting.lattice import Lattice, box_lattice, compression_loss, exponential, refine, roughness
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.progress import Check, StepProgress

LEVELS = 3
WIDE_RAMP_VOXELS, WIDEST_RAMP_MM = 6, 40.0
"""Half width of the ramp on the coarsest level: the largest gap between paired centroids, but at most `WIDEST_RAMP_MM`,
and at least this many lattice voxels."""
NARROW_RAMP_VOXELS = 2
"""Half width of the ramp on the middle level; the finest has none."""
BETAS, LEAST_DIVISOR = (0.9, 0.99), 1e-8
"""Of Adam: decay of the running means of the gradient and of its square, and the number that keeps its steps finite."""


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
    ramps_mm = _ramps_mm(resolution, _largest_gap_mm(pairs, affine_lps))
    losses = []
    total_steps = LEVELS * settings.max_steps
    for level in range(LEVELS):
        if level:
            lattice, nodes = lattice.finer(), refine(nodes)
        level_resolution = resolution * 2 ** (LEVELS - 1 - level)
        terms = overlap_terms(pairs, boxes, affine_lps, lattice, level_resolution, ramps_mm[level], device)
        problem = _LevelProblem(lattice, terms, settings)
        progress = _LevelProgress(step, check, level * settings.max_steps, total_steps)
        nodes, history = _descend(problem, nodes, settings, progress)
        losses.append(tuple(history))
    forward = _LevelProblem(lattice, (), settings).displacement(nodes).cpu()
    return Deformation(lattice, forward, tuple(losses))


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


def _ramps_mm(resolution_mm: float, largest_gap_mm: float) -> tuple[float, float, float]:
    """Half width of the ramp of the masks on each level, coarse to fine."""
    wide = max(WIDE_RAMP_VOXELS * resolution_mm, min(largest_gap_mm, WIDEST_RAMP_MM))
    return wide, NARROW_RAMP_VOXELS * resolution_mm, 0.0


def _largest_gap_mm(pairs: Sequence[RegionPair], affine_lps: Floats) -> float:
    fixed = np.array([pair.fixed.centroid_lps_mm() for pair in pairs])
    moving = np.array([pair.moving.centroid_lps_mm() for pair in pairs])
    return float(np.linalg.norm(apply_affine(affine_lps, fixed) - moving, axis=1).max())


# --- optimisation ---


class _LevelProblem:
    """The loss as a function of the control nodes, at one level."""

    def __init__(self, lattice: Lattice, terms: Sequence[OverlapTerm], settings: FitSettings) -> None:
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
        self.terms = [focused(term, u, self.settings.reach_voxels) for term in self.terms]

    def loss(self, nodes: Tensor) -> Tensor:
        """Half soft Dice loss, half squared difference, weighted mean over pairs; plus weighted roughness."""
        u = self.displacement(nodes)
        overlaps = torch.stack([term.pair_weight * overlap_loss(term, u) for term in self.terms])
        overlap = overlaps.sum() / sum(term.pair_weight for term in self.terms)
        field_roughness = roughness(nodes, self.lattice.spacing_mm, self.settings.bending, self.settings.decay_mm)
        compression = compression_loss(u, self.lattice.spacing_mm, self.settings.least_determinant)
        assert self.settings.smoothness is not None, "with_stiffness sets it"
        return overlap + self.settings.smoothness * field_roughness + self.settings.folding_weight * compression


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

    def __init__(self, nodes: Tensor, rate_mm: float) -> None:
        self._nodes = nodes
        self._rate_mm = rate_mm
        self._mean, self._square = torch.zeros_like(nodes), torch.zeros_like(nodes)
        self._steps = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Update the nodes by one step against their gradient."""
        first, second = BETAS
        self._steps += 1
        self._mean.lerp_(gradient, 1 - first)
        self._square.lerp_(gradient.square(), 1 - second)
        size = (self._square / (1 - second**self._steps)).sqrt() + LEAST_DIVISOR
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
