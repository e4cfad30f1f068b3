"""Data terms of the deformable fit: occupancy of every pair on a box, and the loss of a displacement on it.

Each region is compared within its own bounding box; every pair counts by its weight, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.fitting.lattice import Lattice, evaluate
from Tell2RegLib.fitting.softmask import SoftMask, pooled_grid, pooling, soft_mask
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.interpolation import cube_matrix, sample
from Tell2RegLib.space.region import RegionPair

MARGIN_VOXELS = 2
"""A box extends beyond its regions by the ramp and by this many lattice voxels."""
DICE_SHARE = 0.5
"""Share of soft Dice in the loss of a pair; the remainder is the squared difference."""
LEAST_VOLUME = 1e-6
"""Keeps Dice finite where both regions are empty."""


@dataclass(frozen=True, eq=False)
class OverlapTerm:
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


def overlap_terms(
    pairs: Sequence[RegionPair],
    boxes: Sequence[tuple[NDArray, NDArray]],
    affine_lps: Floats,
    lattice: Lattice,
    resolution_mm: float,
    ramp_mm: float,
    device: str,
) -> list[OverlapTerm]:
    """The data terms of pairs at one level.

    Args:
        pairs: fixed regions on one grid.
        boxes: of every pair, bounds in mm along the fixed axes from the fixed grid's first voxel, (3,) each.
        affine_lps: 4 x 4, fixed to moving.
        lattice: of the level's control nodes.
        resolution_mm: voxel side to which the masks are averaged.
        ramp_mm: half width of the ramp of the masks; 0 for exact occupancy.
        device: a torch device.
    """
    terms = []
    for pair, (low, high) in zip(pairs, boxes, strict=True):
        fixed = soft_mask(pair.fixed, pooling(pair.fixed.grid, resolution_mm), ramp_mm)
        moving = soft_mask(pair.moving, pooling(pair.moving.grid, resolution_mm), ramp_mm)
        margin = ramp_mm + MARGIN_VOXELS * resolution_mm
        box = _level_grid(pair.fixed.grid, resolution_mm, low - margin, high + margin)
        terms.append(_term(pair, fixed, moving, box, affine_lps, lattice))
    return [_to_device(term, device) for term in terms]


def _term(
    pair: RegionPair, fixed: SoftMask, moving: SoftMask, box: Grid, affine_lps: Floats, lattice: Lattice
) -> OverlapTerm:
    spacing = np.asarray(pair.fixed.grid.spacing_mm)
    first_mm = pair.fixed.grid.lps_to_index(box.origin_lps_mm) * spacing
    axes = [first_mm[a] + np.arange(n) * box.spacing_mm[a] for a, n in enumerate(box.size_xyz)]
    x, y, z = (lattice.basis(positions, a) for a, positions in enumerate(axes))
    support = _support(z), _support(y), _support(x)
    basis = tuple(weights[:, used].contiguous() for weights, used in zip((z, y, x), support, strict=True))
    to_cube = cube_matrix(moving.grid.size_xyz) @ moving.grid.lps_to_index_matrix @ affine_lps
    affine_positions = apply_affine(to_cube, box.voxel_centres_lps_mm()).reshape(-1, 3).T
    displacement_to_cube = to_cube[:3, :3] @ np.reshape(pair.fixed.grid.direction, (3, 3))
    target = np.zeros(box.shape_kji, np.float32)
    _paste(target, fixed.image_kji, np.round(box.lps_to_index(fixed.grid.origin_lps_mm)).astype(int)[::-1])
    moving_image = torch.from_numpy(moving.image_kji)[None]
    flat_target = torch.from_numpy(target.ravel())
    unregistered_target = sample(moving_image, torch.from_numpy(affine_positions.T.astype(np.float32).copy()), "zeros")
    target_sum = flat_target.sum()
    return OverlapTerm(
        flat_target,
        target_sum,
        basis,  # type: ignore[arg-type]
        support,
        torch.from_numpy(np.ascontiguousarray(affine_positions, np.float32)),
        torch.from_numpy(displacement_to_cube.astype(np.float32)),
        moving_image,
        target_sum + unregistered_target.sum(),
        box.shape_kji,
        torch.arange(flat_target.numel()),
        torch.zeros(3),
        pair.weight,
    )


def _to_device(term: OverlapTerm, device: str) -> OverlapTerm:
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


def overlap_loss(term: OverlapTerm, u: Tensor) -> Tensor:
    """Soft Dice loss and squared difference of a pair under a displacement.

    Args:
        term: the data term of the pair.
        u: (3, Z, Y, X), spline nodes of the displacement, mm along the fixed grid's axes.
    """
    cube, target = _moving_positions(term, u), term.target
    if term.active is not None:
        cube, target = cube.index_select(1, term.active), target[term.active]
    value = sample(term.moving, cube.T, "zeros")[0]
    value_sum, intersection, squared_error = (
        torch.stack([value.sum(), (value * target).sum(), (value - target).square().sum()]) + term.inactive_sums
    )
    dice = 2 * intersection / (value_sum + term.target_sum + LEAST_VOLUME)
    return DICE_SHARE * (1 - dice) + (1 - DICE_SHARE) * squared_error / term.size


def _moving_positions(term: OverlapTerm, u: Tensor) -> Tensor:
    """Images of the box's points in the moving image, (3, P), cube coordinates."""
    z, y, x = term.support
    local = torch.tensordot(term.displacement_to_cube, u[:, z, y, x], dims=1)
    return evaluate(local, term.basis).reshape(3, -1) + term.affine_positions


def focused(term: OverlapTerm, u: Tensor, reach: int) -> OverlapTerm:
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
