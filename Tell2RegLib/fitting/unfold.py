"""From control nodes to a field on the fixed grid that folds nowhere: checked on every voxel, mended where needed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.fitting.deformable import Deformation
from Tell2RegLib.fitting.lattice import Lattice, evaluate
from Tell2RegLib.space.displacement_field import Check, DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.jacobian import folded_voxels

LEAST_JACOBIAN = 0.02
"""No voxel may shrink to less than this share of what the affine map makes of it, by any one-sided differences."""
ROUNDS = 60
"""Rounds of local smoothing before the whole deformation is scaled down instead."""
ROUNDS_PER_REACH = 15
"""Rounds before the nodes that are smoothed reach one spacing further."""
SHARE = 0.4
"""How far a round goes towards the smoothed nodes: a little at a time, to change no more than is needed."""


Part = tuple[slice, slice, slice]
"""A box of voxels along k, j, i."""


def reached_part(lattice: Lattice, grid: Grid) -> Part:
    """The voxels of the fixed grid on which the lattice's nodes can act, and one voxel more where there is one.

    The two outer layers of nodes are zero, so no spline reaches beyond the first and the last node.
    """
    start, spacing = np.asarray(lattice.start_mm), np.asarray(grid.spacing_mm)
    last = start + (np.asarray(lattice.size_xyz) - 1) * lattice.spacing_mm
    low = np.clip(np.floor(start / spacing).astype(int) - 1, 0, grid.size_xyz)
    high = np.clip(np.ceil(last / spacing).astype(int) + 2, low, grid.size_xyz)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i


def part_grid(grid: Grid, part: Part) -> Grid:
    """The grid of a box of voxels."""
    return grid.crop([s.start for s in part[::-1]], [s.stop - s.start for s in part[::-1]])


def lps_displacements(lattice: Lattice, nodes: Tensor, grid: Grid, part: Part) -> NDArray[np.float32]:
    """Spline nodes (mm along the grid's axes) as displacements (K, J, I, 3) in LPS mm on a box of the grid."""
    axes = [np.arange(box.start, box.stop) * s for box, s in zip(part[::-1], grid.spacing_mm, strict=True)]
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
    nodes = found.forward
    field = affine_displacements(affine_lps, grid)
    part = reached_part(found.lattice, grid)
    crop, linear, without = part_grid(grid, part), affine_lps[:3, :3].astype(np.float32), field[part].copy()
    for number in itertools.count():
        if check:
            check()
        field[part] = without + lps_displacements(found.lattice, nodes, grid, part) @ linear.T
        folded = folded_voxels(field[part], crop, least)
        if not folded.any():
            break
        places = (np.argwhere(folded) + [box.start for box in part])[:, ::-1] * np.asarray(grid.spacing_mm)
        weight = _around(places, found.lattice, 1 + number // ROUNDS_PER_REACH) if number < ROUNDS else None
        nodes = _calmer(nodes, weight)
    return replace(found, forward=nodes), DisplacementField(field, grid)


def _around(positions: Floats, lattice: Lattice, reach: int) -> Tensor:
    """`SHARE` on the nodes within so many spacings of folded places (P, 3), mm along the axes; 0 elsewhere."""
    mask = torch.zeros(lattice.shape_kji)
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
