"""Evaluates control nodes as a displacement field without folding: checked at every voxel, smoothed where it folds."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.fitting.deformable import Deformation
from Tell2RegLib.fitting.lattice import Lattice, evaluate
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid, VoxelBox
from Tell2RegLib.space.jacobian import folded_voxels
from Tell2RegLib.support.progress import Check

MIN_JACOBIAN = 0.02
"""Minimum Jacobian determinant of a voxel relative to that of the affine map, for all one-sided differences."""
ROUNDS = 60
"""Rounds of local smoothing, after which the whole deformation is scaled down instead."""
ROUNDS_PER_REACH = 15
"""Rounds after which the smoothed neighbourhood grows by one node spacing."""
SHARE = 0.4
"""Step towards the smoothed nodes per round; small, to change no more than necessary."""


def influenced_box(lattice: Lattice, grid: Grid) -> VoxelBox:
    """The voxels of the fixed grid on which the lattice's nodes can act, extended by one voxel within the grid.

    The two outer layers of nodes are zero, so no spline extends beyond the first and the last node.
    """
    start, spacing = np.asarray(lattice.start_mm), np.asarray(grid.spacing_mm)
    last = start + (np.asarray(lattice.size_xyz) - 1) * lattice.spacing_mm
    low = np.clip(np.floor(start / spacing).astype(int) - 1, 0, grid.size_xyz)
    high = np.clip(np.ceil(last / spacing).astype(int) + 2, low, grid.size_xyz)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i


def grid_of_box(grid: Grid, box: VoxelBox) -> Grid:
    """The grid of a box of voxels."""
    return grid.crop([s.start for s in box[::-1]], [s.stop - s.start for s in box[::-1]])


def lps_displacements(lattice: Lattice, nodes: Tensor, grid: Grid, box_kji: VoxelBox) -> NDArray[np.float32]:
    """Spline nodes (mm along the grid's axes) as displacements (K, J, I, 3) in LPS mm on a box of the grid."""
    axes = [np.arange(box.start, box.stop) * s for box, s in zip(box_kji[::-1], grid.spacing_mm, strict=True)]
    basis = (lattice.basis(axes[2], 2), lattice.basis(axes[1], 1), lattice.basis(axes[0], 0))
    direction = torch.from_numpy(np.reshape(grid.direction, (3, 3)).astype(np.float32))
    turned = torch.tensordot(direction, nodes, dims=1)
    return evaluate(turned, basis).permute(1, 2, 3, 0).contiguous().numpy()


def min_jacobian(affine_lps: Floats) -> float:
    """The smallest Jacobian determinant that counts as not folded, after an affine map (4 x 4)."""
    return MIN_JACOBIAN * abs(float(np.linalg.det(affine_lps[:3, :3])))


def remove_folding(
    deformation: Deformation, affine_lps: Floats, grid: Grid, check: Check | None = None
) -> tuple[Deformation, DisplacementField]:
    """The deformation composed with the affine map, as a field on the fixed grid with det J > 0 at every voxel.

    Where the field folds, the surrounding nodes are smoothed and the field is checked again. As a last resort the whole
    deformation is scaled down, in the limit to the affine map.

    Args:
        deformation: the optimised nodes.
        affine_lps: 4 x 4, fixed to moving.
        grid: the fixed grid.
        check: called in every round; raises to cancel.
    """
    least = min_jacobian(affine_lps)
    nodes = deformation.forward
    field = affine_displacements(affine_lps, grid)
    box = influenced_box(deformation.lattice, grid)
    crop, linear, linear_displacements = (
        grid_of_box(grid, box),
        affine_lps[:3, :3].astype(np.float32),
        field[box].copy(),
    )
    for round_number in itertools.count():
        if check:
            check()
        field[box] = linear_displacements + lps_displacements(deformation.lattice, nodes, grid, box) @ linear.T
        folded = folded_voxels(field[box], crop, least)
        if not folded.any():
            break
        folded_mm = (np.argwhere(folded) + [s.start for s in box])[:, ::-1] * np.asarray(grid.spacing_mm)
        reach = 1 + round_number // ROUNDS_PER_REACH
        weights = _smoothing_weights(folded_mm, deformation.lattice, reach) if round_number < ROUNDS else None
        nodes = _smooth_nodes(nodes, weights)
    return replace(deformation, forward=nodes), DisplacementField(field, grid)


def _smoothing_weights(positions_mm: Floats, lattice: Lattice, reach: int) -> Tensor:
    """`SHARE` at nodes within `reach` spacings of folded positions (P, 3), mm along the axes; 0 elsewhere."""
    mask = torch.zeros(lattice.shape_kji)
    index = np.unique(np.round((positions_mm - lattice.start_mm) / lattice.spacing_mm).astype(int), axis=0)
    index = np.clip(index, 0, np.asarray(lattice.size_xyz) - 1)
    mask[index[:, 2], index[:, 1], index[:, 0]] = 1.0
    return SHARE * torch.nn.functional.max_pool3d(mask[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _smooth_nodes(nodes: Tensor, weight: Tensor | None) -> Tensor:
    """Nodes moved towards their (1, 2, 1)/4 average by a weight per node; without weights, all nodes scaled by 0.9."""
    if weight is None:
        return nodes * 0.9
    smoothed = nodes
    for axis in (1, 2, 3):
        before, after = smoothed.roll(1, axis), smoothed.roll(-1, axis)
        smoothed = (before + 2 * smoothed + after) / 4
    return nodes + weight * (smoothed - nodes)
