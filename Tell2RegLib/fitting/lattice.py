"""The control lattice of a deformable fit: cubic B-splines on a box, refinement, integration, roughness.

A lattice spans a box of the fixed grid. Its nodes are (3, Z, Y, X) tensors in mm along the axes of the fixed grid (not
LPS), so the box is aligned with the grid whatever the volume's direction. Values between nodes are cubic B-splines,
evaluated with one small matrix per axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from Tell2RegLib.space.interpolation import sample

LARGEST_STEP = 0.35
"""Scaling and squaring starts from displacements of at most this many node spacings."""


@dataclass(frozen=True)
class Lattice:
    """Nodes at equal spacing along the fixed grid's axes.

    Args:
        start_mm: position of the first node along i, j, k, in mm from the fixed grid's first voxel.
        spacing_mm: distance between nodes, the same along every axis.
        size_xyz: number of nodes along i, j, k.
    """

    start_mm: tuple[float, float, float]
    spacing_mm: float
    size_xyz: tuple[int, int, int]

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Shape of one component of the nodes."""
        i, j, k = self.size_xyz
        return k, j, i

    def zeros(self) -> Tensor:
        """Nodes of the zero displacement, (3, Z, Y, X)."""
        return torch.zeros((3, *self.shape_kji))

    def finer(self) -> Lattice:
        """The lattice of half the spacing over the same box."""
        i, j, k = (2 * n - 1 for n in self.size_xyz)
        return Lattice(self.start_mm, self.spacing_mm / 2, (i, j, k))

    def free(self) -> Tensor:
        """(Z, Y, X), 1 for movable nodes and 0 on the two outer layers, so that the field vanishes at the border."""
        movable = torch.zeros(self.shape_kji)
        movable[2:-2, 2:-2, 2:-2] = 1.0
        return movable

    def basis(self, positions_mm: NDArray, axis: int) -> Tensor:
        """Cubic B-spline weights (P, N) of this axis' nodes at positions (P,) along it, mm from the first voxel."""
        count = self.size_xyz[axis]
        offset = np.abs((np.asarray(positions_mm)[:, None] - self.start_mm[axis]) / self.spacing_mm - np.arange(count))
        near = 2 / 3 - offset**2 + offset**3 / 2
        far = np.clip(2 - offset, 0, None) ** 3 / 6
        weights = np.where(offset < 1, near, far)
        return torch.from_numpy(weights.astype(np.float32))


def box_lattice(low_mm: NDArray, high_mm: NDArray, spacing_mm: float, refinements: int, margin_mm: float) -> Lattice:
    """The coarsest lattice over a box and a margin; `refinements` halvings give it the spacing `spacing_mm`.

    Args:
        low_mm, high_mm: (3,), bounds of the box in mm along i, j, k.
        spacing_mm: spacing after all refinements.
        refinements: number of halvings.
        margin_mm: distance beyond the box, widened to hold the two layers of immovable nodes at the coarsest spacing.
    """
    coarse = spacing_mm * 2**refinements
    width = high_mm - low_mm + 2 * max(margin_mm, 2 * coarse)
    cells = np.maximum(np.ceil(width / coarse), 5).astype(int)
    start = (low_mm + high_mm - cells * coarse) / 2
    i, j, k = (int(n) + 1 for n in cells)
    return Lattice(tuple(start), coarse, (i, j, k))  # type: ignore[arg-type]


def refine(nodes: Tensor) -> Tensor:
    """The same cubic spline on the lattice of half the spacing: exact subdivision, (1, 6, 1)/8 and (4, 4)/8."""
    for axis in (1, 2, 3):
        nodes = _refine_axis(nodes.movedim(axis, 0)).movedim(0, axis)
    return nodes.contiguous()


def _refine_axis(nodes: Tensor) -> Tensor:
    padded = torch.cat([nodes[:1], nodes, nodes[-1:]])
    even_nodes = (padded[:-2] + 6 * padded[1:-1] + padded[2:]) / 8
    refined = nodes.new_empty((2 * nodes.shape[0] - 1, *nodes.shape[1:]))
    refined[::2] = even_nodes
    refined[1::2] = (nodes[:-1] + nodes[1:]) / 2
    return refined


def evaluate(nodes: Tensor, basis_zyx: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The spline on a straight grid: nodes (C, Z, Y, X) and weights (K, Z), (J, Y), (I, X) give (C, K, J, I)."""
    z, y, x = basis_zyx
    along_x = nodes @ x.T
    along_y = torch.matmul(y, along_x)
    channels, depth, rows, columns = along_y.shape
    flat = along_y.permute(1, 0, 2, 3).reshape(depth, -1)
    return (z @ flat).reshape(z.shape[0], channels, rows, columns).permute(1, 0, 2, 3)


def squarings_for(velocity: Tensor, spacing_mm: float) -> int:
    """Number of squarings after which the first step is at most `LARGEST_STEP` node spacings; at least 2."""
    largest = float(velocity.detach().square().sum(dim=0).max()) ** 0.5 / spacing_mm
    return max(2, int(np.ceil(np.log2(max(largest / LARGEST_STEP, 1.0)))))


def exponential(velocity: Tensor, spacing_mm: float) -> Tensor:
    """Displacement of the flow of a stationary velocity field after unit time, by scaling and squaring.

    u <- u(x) + u(x + u(x)), n times from v / 2^n; u is trilinear between nodes (Arsigny et al. 2006).

    Args:
        velocity: (3, Z, Y, X), mm along the lattice's axes.
        spacing_mm: distance between nodes.

    Returns:
        (3, Z, Y, X), mm; the inverse is `exponential(-velocity)`.
    """
    _, depth, rows, columns = velocity.shape
    steps = torch.tensor([max(n - 1, 1) for n in (columns, rows, depth)], dtype=velocity.dtype)
    to_cube = (2.0 / (steps * spacing_mm)).to(velocity.device)
    axes = [torch.linspace(-1, 1, n, device=velocity.device) for n in (depth, rows, columns)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    node_positions = torch.stack([x, y, z], dim=-1).reshape(-1, 3)
    squarings = squarings_for(velocity, spacing_mm)
    u = velocity / 2**squarings
    for _ in range(squarings):
        cube = node_positions + u.reshape(3, -1).T * to_cube
        u = u + sample(u, cube).reshape(u.shape)
    return u


def roughness(nodes: Tensor, spacing_mm: float, bending: bool, decay_mm: float | None = None) -> Tensor:
    """Mean square of the field's first (mm/mm) or second derivatives (scaled by the spacing) over the lattice.

    With a decay distance, the mean square of the field in units of that distance is added: at a distance d from an
    outline, its displacement u decays to about u exp(-d / decay_mm).
    """
    squares = nodes.new_zeros(()) if decay_mm is None else nodes.square().sum() / decay_mm**2
    for axis in (1, 2, 3):
        first = nodes.diff(dim=axis) / spacing_mm
        if not bending:
            squares = squares + first.square().sum()
            continue
        for second_axis in (1, 2, 3):
            squares = squares + first.diff(dim=second_axis).square().sum()
    return squares / nodes[0].numel()


def compression_loss(u: Tensor, spacing_mm: float, least_determinant: float) -> Tensor:
    """Penalty on compressed cells: mean square of the shortfall of the Jacobian determinant, 0 where there is none.

    The determinant is taken at every node, from forward and from backward differences.

    Args:
        u: (3, Z, Y, X), displacement in mm.
        spacing_mm: distance between nodes.
        least_determinant: determinants below this value are penalised.
    """
    steps = [u.diff(dim=axis) / spacing_mm for axis in (3, 2, 1)]
    mean_square = u.new_zeros(())
    for side in (slice(None, -1), slice(1, None)):
        a = steps[0][:, side, side, :].unbind()
        b = steps[1][:, side, :, side].unbind()
        c = steps[2][:, :, side, side].unbind()
        a, b, c = (a[0] + 1, a[1], a[2]), (b[0], b[1] + 1, b[2]), (c[0], c[1], c[2] + 1)
        determinant = (
            a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        )
        mean_square = mean_square + torch.relu(least_determinant - determinant).square().mean()
    return mean_square
