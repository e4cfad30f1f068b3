"""From control nodes to a field on the fixed grid that folds nowhere: checked on every voxel, mended where needed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.field import Check, DisplacementField, affine_displacements
from Tell2RegLib.fitting.deformable import Deformation
from Tell2RegLib.fitting.lattice import Lattice, evaluate
from Tell2RegLib.grid import Floats, Grid
from Tell2RegLib.jacobian import folded_voxels

LEAST_JACOBIAN = 0.02
"""No voxel may shrink to less than this share of what the affine map makes of it, by any one-sided differences."""
ROUNDS = 60
"""Rounds of local smoothing before the whole deformation is scaled down instead."""
ROUNDS_PER_REACH = 15
"""Rounds before the nodes that are smoothed reach one spacing further."""
SHARE = 0.4
"""How far a round goes towards the smoothed nodes: a little at a time, to change no more than is needed."""


def lps_displacements(lattice: Lattice, nodes: Tensor, grid: Grid) -> NDArray[np.float32]:
    """Spline nodes (mm along the grid's axes) as displacements (K, J, I, 3) in LPS mm on the grid."""
    axes = [np.arange(n) * s for n, s in zip(grid.size_xyz, grid.spacing_mm, strict=True)]
    basis = (lattice.basis(axes[2], 2), lattice.basis(axes[1], 1), lattice.basis(axes[0], 0))
    direction = torch.from_numpy(np.reshape(grid.direction, (3, 3)).astype(np.float32))
    turned = torch.tensordot(direction, nodes, dims=1)
    return evaluate(turned, basis).permute(1, 2, 3, 0).contiguous().numpy()


def unfolded(
    found: Deformation, affine_lps: Floats, grid: Grid, check: Check | None = None
) -> tuple[Deformation, DisplacementField]:
    """The deformation followed by the affine map as a field on the fixed grid, with det J > 0 on every voxel.

    Where the field folds, the nodes around are smoothed and the field is looked at again; as a last resort the whole
    deformation shrinks, which ends at the affine map.
    """
    least = LEAST_JACOBIAN * abs(float(np.linalg.det(affine_lps[:3, :3])))
    nodes, backward = found.forward, found.backward
    for number in itertools.count():
        if check:
            check()
        field = _followed_by_affine(lps_displacements(found.lattice, nodes, grid), affine_lps, grid)
        folded = folded_voxels(field, grid, least)
        if not folded.any():
            break
        weight = _around(folded, grid, found.lattice, 1 + number // ROUNDS_PER_REACH) if number < ROUNDS else None
        nodes = _calmer(nodes, weight)
        backward = None if backward is None else _calmer(backward, weight)
    return replace(found, forward=nodes, backward=backward), DisplacementField(field, grid)


def _followed_by_affine(local: NDArray[np.float32], affine_lps: Floats, grid: Grid) -> NDArray[np.float32]:
    linear = affine_lps[:3, :3].astype(np.float32)
    return local @ linear.T + affine_displacements(affine_lps, grid)


def _around(folded: NDArray[np.bool_], grid: Grid, lattice: Lattice, reach: int) -> Tensor:
    """`SHARE` on the nodes within so many spacings of a folded voxel, 0 elsewhere, (Z, Y, X)."""
    mask = torch.zeros(lattice.shape_kji)
    positions = np.argwhere(folded)[:, ::-1] * np.asarray(grid.spacing_mm)
    index = np.unique(np.round((positions - lattice.start_mm) / lattice.spacing_mm).astype(int), axis=0)
    index = np.clip(index, 0, np.asarray(lattice.size_xyz) - 1)
    mask[index[:, 2], index[:, 1], index[:, 0]] = 1.0
    return SHARE * torch.nn.functional.max_pool3d(mask[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _calmer(nodes: Tensor, weight: Tensor | None) -> Tensor:
    """Nodes smoothed by (1, 2, 1)/4 as far as the weight says; all of them scaled down when there is no weight."""
    if weight is None:
        return nodes * 0.9
    smooth = nodes
    for axis in (1, 2, 3):
        before, after = smooth.roll(1, axis), smooth.roll(-1, axis)
        smooth = (before + 2 * smooth + after) / 4
    return nodes + weight * (smooth - nodes)
