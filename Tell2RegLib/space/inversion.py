"""Inverts a displacement field, voxel by voxel, from coarse to fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.jacobian import slab_ranges
from Tell2RegLib.support.progress import Check

if TYPE_CHECKING:
    from torch import Tensor

    from Tell2RegLib.space.interpolation import FieldSampler

DIRECT_START_VOXELS = 20_000
"""Up to this number of voxels, the iteration starts from the affine map; beyond it, from a coarser inverse."""
COARSE_TOLERANCE_MM = 0.02
"""Tolerance of a coarser inverse, which is only a starting value."""
SLAB_VOXELS = 1 << 20
"""Number of voxels solved for at a time."""


def invert_field(
    forward: DisplacementField,
    grid: Grid,
    affine_lps: ArrayLike,
    guess_kji: NDArray[np.float32] | None = None,
    *,
    tolerance_mm: float = 1e-3,
    steps: int = 30,
    check: Check | None = None,
    device: str = "cpu",
) -> DisplacementField:
    """The inverse of a field, on another grid: for y of that grid, x + u(x) = y is solved for x.

    Starts from a guess and repeats x <- x - A^-1 (x + u(x) - y), which converges where the field is near its affine
    part A; what is left then takes Newton steps with the field's own slope. A step is halved where it does not help.
    Without a guess the inverse on a grid of half as many voxels along every axis is the start, found likewise.

    Args:
        forward: the field to invert. Beyond its grid it goes on as in `Transform` (affine part, border residual).
        grid: where the inverse is wanted.
        affine_lps: 4 x 4, the field's affine part.
        guess_kji: displacements (K, J, I, 3) of the inverse to start from.
        tolerance_mm: a voxel is done when its residual is below this.
        steps: at most so many.
        check: raises to cancel.
        device: where it is solved, a name of torch's.

    Returns:
        The inverse, with residuals below the tolerance wherever the iteration converged.
    """
    from Tell2RegLib.space.interpolation import FieldSampler

    affine = np.asarray(affine_lps, dtype=np.float64)
    sampler = FieldSampler(forward, affine, device)
    if guess_kji is None:
        guess_kji = _initial_guess(sampler, grid, affine, steps, check)
    else:
        guess_kji = np.array(guess_kji, np.float32)
    return DisplacementField(_solve_slabs(sampler, grid, affine, guess_kji, tolerance_mm, steps, check), grid)


def _initial_guess(
    sampler: FieldSampler, grid: Grid, affine: Floats, steps: int, check: Check | None
) -> NDArray[np.float32]:
    """Approximate displacements of the inverse (K, J, I, 3), interpolated from half as many voxels along each axis."""
    import torch

    if np.prod(grid.size_xyz) <= DIRECT_START_VOXELS:
        return affine_displacements(np.linalg.inv(affine), grid)
    coarse = _half_resolution(grid)
    start = _initial_guess(sampler, coarse, affine, steps, check)
    coarse_inverse = _solve_slabs(sampler, coarse, affine, start, COARSE_TOLERANCE_MM, steps, check)
    coarse_image = torch.from_numpy(coarse_inverse).permute(3, 0, 1, 2)[:, None]
    guess = np.empty((*grid.shape_kji, 3), np.float32)
    for component, image in enumerate(coarse_image):  # one by one, for the memory
        fine = torch.nn.functional.interpolate(image[None], grid.shape_kji, mode="trilinear", align_corners=True)
        guess[..., component] = fine[0, 0].numpy()
    return guess


def _half_resolution(grid: Grid) -> Grid:
    """The grid with half as many voxels along each axis and the same first and last voxel centres."""
    size = [max(2, (n + 1) // 2) if n > 1 else 1 for n in grid.size_xyz]
    spacing_mm = [
        s * (n - 1) / (m - 1) if m > 1 else s for s, n, m in zip(grid.spacing_mm, grid.size_xyz, size, strict=True)
    ]
    return Grid(tuple(size), tuple(spacing_mm), grid.origin_lps_mm, grid.direction)  # type: ignore[arg-type]


def _solve_slabs(
    sampler: FieldSampler,
    grid: Grid,
    affine: Floats,
    start: NDArray[np.float32],
    tolerance_mm: float,
    steps: int,
    check: Check | None,
) -> NDArray[np.float32]:
    """Displacements (K, J, I, 3) of the inverse on a grid, solved slab by slab in the place of `start`."""
    import torch

    inverse_affine = np.linalg.inv(affine)
    for first, last in slab_ranges(grid.shape_kji, SLAB_VOXELS):
        if check:
            check()
        slab = start[first:last]
        y = torch.from_numpy(_positions(grid, first, last)).reshape(-1, 3).to(sampler.device)
        displacement = torch.from_numpy(slab).reshape(-1, 3).to(sampler.device)
        solved = _solve_points(sampler, y, displacement, inverse_affine, tolerance_mm, steps)
        slab[...] = solved.reshape(slab.shape).cpu().numpy()
    return start


def _positions(grid: Grid, first: int, last: int) -> NDArray[np.float32]:
    """LPS positions (planes, J, I, 3) of the voxels of the planes from `first` to `last` - 1."""
    column_step, row_step, slice_step, origin = grid.index_to_lps_matrix[:3].T
    columns, lines, _ = grid.size_xyz
    plane = origin + np.arange(lines)[:, None, None] * row_step + np.arange(columns)[:, None] * column_step
    return np.stack([plane + k * slice_step for k in range(first, last)]).astype(np.float32)


def _solve_points(
    sampler: FieldSampler, y: Tensor, displacement: Tensor, inverse_affine: NDArray, tolerance_mm: float, steps: int
) -> Tensor:
    """Solve x + u(x) = y for points y (P, 3); each iteration works on the points that have not converged."""
    import torch

    inverse_linear = torch.from_numpy(inverse_affine[:3, :3].T.astype(np.float32)).to(y.device)
    x = y + displacement
    residual = x + sampler(x) - y
    norm = residual.norm(dim=1)
    scale = torch.ones_like(norm)
    for iteration in range(steps):
        unfinished = torch.nonzero(norm > tolerance_mm).squeeze(1)
        if unfinished.numel() == 0:
            break
        if iteration < steps // 3:
            step = residual[unfinished] @ inverse_linear
        else:
            step = _newton_step(sampler, x[unfinished], residual[unfinished])
        trial = x[unfinished] - scale[unfinished, None] * step
        trial_residual = trial + sampler(trial) - y[unfinished]
        trial_norm = trial_residual.norm(dim=1)
        is_better = trial_norm < norm[unfinished]
        improved = unfinished[is_better]
        x[improved], residual[improved], norm[improved] = (
            trial[is_better],
            trial_residual[is_better],
            trial_norm[is_better],
        )
        scale[improved] = torch.clamp(scale[improved] * 2, max=1.0)
        scale[unfinished[~is_better]] *= 0.5
        if iteration == steps // 3:
            scale.fill_(1.0)
    return x - y


def _newton_step(sampler: FieldSampler, x: Tensor, residual: Tensor, reach_mm: float = 0.05) -> Tensor:
    """J^-1 residual, with the Jacobian of x + u(x) from central differences; limited to 2 mm."""
    import torch

    columns = []
    for axis in range(3):
        shift = torch.zeros(3)
        shift[axis] = reach_mm
        shift = shift.to(x.device)
        columns.append((sampler(x + shift) - sampler(x - shift)) / (2 * reach_mm) + shift / reach_mm)
    slope = torch.stack(columns, dim=2)
    slope = slope + 1e-6 * torch.eye(3, device=x.device)
    step = torch.linalg.solve_ex(slope, residual[:, :, None])[0][:, :, 0].nan_to_num(0.0, 0.0, 0.0)
    return step * torch.clamp(2.0 / step.norm(dim=1, keepdim=True).clamp(min=1e-9), max=1.0)
