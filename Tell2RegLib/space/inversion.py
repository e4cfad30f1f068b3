"""The inverse of a displacement field: solved at every voxel, from coarse to fine."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.space.displacement_field import Check, DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid

FEW_VOXELS = 20_000
"""An inverse on so few voxels starts from the affine map; a larger one from a coarser inverse."""
COARSE_TOLERANCE_MM = 0.02
"""Of a coarser inverse, which is interpolated anyway."""
SLAB_VOXELS = 1 << 20
"""Voxels that are solved for at a time."""


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
        guess_kji = _start(sampler, grid, affine, steps, check)
    return DisplacementField(_solved(sampler, grid, affine, guess_kji, tolerance_mm, steps, check), grid)


def _start(sampler, grid: Grid, affine: Floats, steps: int, check: Check | None):  # type: ignore[no-untyped-def]
    """Displacements of the inverse (K, J, I, 3), nearly: interpolated from half as many voxels along each axis."""
    import torch

    if np.prod(grid.size_xyz) <= FEW_VOXELS:
        return affine_displacements(np.linalg.inv(affine), grid)
    coarse = _thinned(grid)
    start = _start(sampler, coarse, affine, steps, check)
    found = _solved(sampler, coarse, affine, start, COARSE_TOLERANCE_MM, steps, check)
    image = torch.from_numpy(found).permute(3, 0, 1, 2)[None]
    fine = torch.nn.functional.interpolate(image, grid.shape_kji, mode="trilinear", align_corners=True)
    return fine[0].permute(1, 2, 3, 0).contiguous().numpy()


def _thinned(grid: Grid) -> Grid:
    """Half as many voxels along each axis; the first and the last ones lie where they lay."""
    size = [max(2, (n + 1) // 2) if n > 1 else 1 for n in grid.size_xyz]
    apart = [
        s * (n - 1) / (m - 1) if m > 1 else s for s, n, m in zip(grid.spacing_mm, grid.size_xyz, size, strict=True)
    ]
    return Grid(tuple(size), tuple(apart), grid.origin_lps_mm, grid.direction)  # type: ignore[arg-type]


def _solved(sampler, grid: Grid, affine: Floats, start, tolerance_mm: float, steps: int, check: Check | None):  # type: ignore[no-untyped-def]
    """Displacements (K, J, I, 3) of the inverse on a grid, from a start that stays as it is; slab by slab."""
    import torch

    back = np.linalg.inv(affine)
    result = np.array(start, np.float32)
    planes = max(1, SLAB_VOXELS // (grid.size_xyz[0] * grid.size_xyz[1]))
    for first in range(0, grid.size_xyz[2], planes):
        if check:
            check()
        slab = result[first : first + planes]
        y = torch.from_numpy(_positions(grid, first, first + len(slab))).reshape(-1, 3).to(sampler.device)
        displacement = torch.from_numpy(slab).reshape(-1, 3).to(sampler.device)
        solved = _solve(sampler, y, displacement, back, tolerance_mm, steps)
        slab[...] = solved.reshape(slab.shape).cpu().numpy()
    return result


def _positions(grid: Grid, first: int, last: int) -> NDArray[np.float32]:
    """LPS positions (planes, J, I, 3) of the voxels of some planes."""
    across, down, deep, origin = grid.index_to_lps_matrix[:3].T
    columns, lines, _ = grid.size_xyz
    plane = origin + np.arange(lines)[:, None, None] * down + np.arange(columns)[:, None] * across
    return np.stack([plane + k * deep for k in range(first, last)]).astype(np.float32)


def _solve(sampler, y, displacement, back, tolerance_mm: float, steps: int):  # type: ignore[no-untyped-def]
    """Solve x + u(x) = y for one slab of points; only the unfinished ones are looked at again."""
    import torch

    inverse_linear = torch.from_numpy(back[:3, :3].T.astype(np.float32)).to(y.device)
    x = y + displacement
    residual = x + sampler(x) - y
    norm = residual.norm(dim=1)
    scale = torch.ones_like(norm)
    for number in range(steps):
        todo = torch.nonzero(norm > tolerance_mm).squeeze(1)
        if todo.numel() == 0:
            break
        if number < steps // 3:
            step = residual[todo] @ inverse_linear
        else:
            step = _newton_step(sampler, x[todo], residual[todo])
        trial = x[todo] - scale[todo, None] * step
        trial_residual = trial + sampler(trial) - y[todo]
        trial_norm = trial_residual.norm(dim=1)
        better = trial_norm < norm[todo]
        good = todo[better]
        x[good], residual[good], norm[good] = trial[better], trial_residual[better], trial_norm[better]
        scale[good] = torch.clamp(scale[good] * 2, max=1.0)
        scale[todo[~better]] *= 0.5
        if number == steps // 3:
            scale.fill_(1.0)
    return x - y


def _newton_step(sampler, x, residual, reach_mm: float = 0.05):  # type: ignore[no-untyped-def]
    """J^-1 residual, with the slope of x + u(x) from central differences; a step of at most 2 mm."""
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
