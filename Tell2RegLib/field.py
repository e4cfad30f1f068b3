"""Displacement fields: where each point of one grid goes, and the inverse of that.

A field lives on a grid and maps points x of that grid's space to x + u(x), in mm, LPS. Between voxel centres u is
trilinear, as in ITK's DisplacementFieldTransform and VTK's grid transform (docs/coordinates.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.grid import Floats, Grid

Check = Callable[[], None]
"""Called now and then in long loops; raises Cancelled when the user wants to stop."""


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """Displacements in mm, LPS, at the voxel centres of a grid.

    Args:
        vectors_kji: float32, (K, J, I, 3), components (x, y, z); kept read-only, not copied.
        grid: where the voxels are.

    Raises:
        GeometryError: when the shape is not the grid's or a vector is not finite.
    """

    vectors_kji: NDArray[np.float32]
    grid: Grid

    def __post_init__(self) -> None:
        if self.vectors_kji.shape != (*self.grid.shape_kji, 3):
            raise GeometryError(
                f"A displacement field of shape {self.vectors_kji.shape} does not fit its grid {self.grid.shape_kji}."
            )
        with np.errstate(invalid="ignore", over="ignore"):
            view = self.vectors_kji.astype(np.float32, copy=False).view()
            finite = np.isfinite(view.sum(dtype=np.float64))
        if not finite:
            raise GeometryError("The displacement field holds NaN or infinite vectors.")
        view.setflags(write=False)
        object.__setattr__(self, "vectors_kji", view)

    def at(self, points_lps_mm: ArrayLike) -> Floats:
        """Displacements (..., 3) at points (..., 3), trilinear; beyond the grid those of its nearest point."""
        from scipy.ndimage import map_coordinates

        points = np.asarray(points_lps_mm, dtype=np.float64)
        index = np.clip(self.grid.lps_to_index(points), 0, np.asarray(self.grid.size_xyz) - 1)
        kji = index.reshape(-1, 3).T[::-1]
        parts = [map_coordinates(self.vectors_kji[..., c], kji, np.float64, order=1, mode="nearest") for c in range(3)]
        return np.stack(parts, axis=-1).reshape(points.shape)


def identity_field(grid: Grid) -> DisplacementField:
    """No displacement anywhere."""
    return DisplacementField(np.zeros((*grid.shape_kji, 3), np.float32), grid)


def affine_displacements(matrix_4x4: ArrayLike, grid: Grid) -> NDArray[np.float32]:
    """Displacements (K, J, I, 3), in mm, of an affine map of LPS points, at the voxel centres of a grid.

    Built from one term per axis: no array of positions is needed.
    """
    matrix = np.asarray(matrix_4x4, dtype=np.float64)
    index_to_shift = (matrix - np.eye(4)) @ grid.index_to_lps_matrix
    k, j, i = (np.arange(n, dtype=np.float64) for n in grid.shape_kji)
    columns = index_to_shift[:3, :3].T
    vectors = np.empty((*grid.shape_kji, 3), np.float32)
    plane = j[:, None, None] * columns[1] + i[None, :, None] * columns[0]
    for number, depth in enumerate(k):
        vectors[number] = plane + (depth * columns[2] + index_to_shift[:3, 3])
    return vectors


def invert_field(
    forward: DisplacementField,
    grid: Grid,
    affine_lps: ArrayLike,
    guess_kji: NDArray[np.float32] | None = None,
    *,
    tolerance_mm: float = 1e-3,
    steps: int = 30,
    check: Check | None = None,
) -> DisplacementField:
    """The inverse of a field, on another grid: for y of that grid, x + u(x) = y is solved for x.

    Starts from a guess and repeats x <- x - A^-1 (x + u(x) - y), which converges where the field is near its affine
    part A; what is left then takes Newton steps with the field's own slope. A step is halved where it does not help.

    Args:
        forward: the field to invert. Beyond its grid it goes on as in `Transform` (affine part, border residual).
        grid: where the inverse is wanted.
        affine_lps: 4 x 4, the field's affine part.
        guess_kji: displacements (K, J, I, 3) of the inverse to start from; the inverse affine when None.
        tolerance_mm: a voxel is done when its residual is below this.
        steps: at most so many.
        check: raises to cancel.

    Returns:
        The inverse, with residuals below the tolerance wherever the iteration converged.
    """
    import torch

    from Tell2RegLib.sampling import FieldSampler

    affine = np.asarray(affine_lps, dtype=np.float64)
    back = np.linalg.inv(affine)
    start = affine_displacements(back, grid) if guess_kji is None else guess_kji
    sampler = FieldSampler(forward, affine)
    result = torch.from_numpy(np.array(start, np.float32)).reshape(-1, 3)
    slab = 1 << 20
    positions = voxel_positions(grid)
    for first in range(0, result.shape[0], slab):
        if check:
            check()
        y = positions(first, min(first + slab, result.shape[0]))
        result[first : first + slab] = _solve(sampler, y, result[first : first + slab], back, tolerance_mm, steps)
    return DisplacementField(result.reshape(*grid.shape_kji, 3).numpy(), grid)


def voxel_positions(grid: Grid):  # type: ignore[no-untyped-def]
    """A function that gives the LPS positions of voxels first..last (flat), as a float32 tensor."""
    import torch

    rows = torch.from_numpy(grid.index_to_lps_matrix[:3].T.copy())
    columns, lines = grid.size_xyz[0], grid.size_xyz[1]

    def positions(first: int, last: int):  # type: ignore[no-untyped-def]
        flat = torch.arange(first, last)
        i, j, k = flat % columns, flat // columns % lines, flat // (columns * lines)
        parts = (i[:, None] * rows[0]).add_(j[:, None] * rows[1]).add_(k[:, None] * rows[2]).add_(rows[3])
        return parts.float()

    return positions


def _solve(sampler, y, displacement, back, tolerance_mm: float, steps: int):  # type: ignore[no-untyped-def]
    """Solve x + u(x) = y for one slab of points; only the unfinished ones are looked at again."""
    import torch

    inverse_linear = torch.from_numpy(back[:3, :3].T.astype(np.float32))
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
        columns.append((sampler(x + shift) - sampler(x - shift)) / (2 * reach_mm) + shift / reach_mm)
    slope = torch.stack(columns, dim=2)
    slope = slope + 1e-6 * torch.eye(3)
    step = torch.linalg.solve_ex(slope, residual[:, :, None])[0][:, :, 0].nan_to_num(0.0, 0.0, 0.0)
    return step * torch.clamp(2.0 / step.norm(dim=1, keepdim=True).clamp(min=1e-9), max=1.0)
