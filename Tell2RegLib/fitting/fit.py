"""From accepted region pairs to a transform with its inverse: the orchestrator of the fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.errors import GeometryError, NothingFound
from Tell2RegLib.field import Check, DisplacementField, affine_displacements, invert_field
from Tell2RegLib.fitting.linear import rigid_and_affine
from Tell2RegLib.fitting.settings import DEFORMABLE, FitSettings, Progress, choose_device
from Tell2RegLib.grid import Floats, Grid, apply_affine
from Tell2RegLib.region import RegionPair, bounding_box
from Tell2RegLib.transform import Transform, affine_transform

AFFINE_WITHIN_MM = 1e-4
"""A field this near its affine part is taken for affine when it is inverted."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted transform and the linear ones on the way to it.

    Args:
        transform: of the kind that was asked for.
        rigid_lps, affine_lps: 4 x 4, fixed to moving: results in their own right (elastic is not always better).
        losses: the loss at every optimiser step, one tuple per level; empty for rigid and affine.
        device: where it ran.
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    losses: tuple[tuple[float, ...], ...]
    device: str

    def linear(self, kind: str) -> Transform:
        """The "rigid" or "affine" map as a Transform on the same grids."""
        matrix = self.rigid_lps if kind == "rigid" else self.affine_lps
        fixed, moving = self.transform.fixed_to_moving.grid, self.transform.moving_to_fixed.grid
        return affine_transform(kind, matrix, fixed, moving)


def fit(
    pairs: Sequence[RegionPair],
    settings: FitSettings | None = None,
    *,
    progress: Progress | None = None,
    check: Check | None = None,
) -> FitResult:
    """Fit a transform that lays the moving regions of the accepted pairs onto the fixed ones.

    The same input gives the same result on every run on the same machine and device.

    Args:
        pairs: rejected ones are left out. All fixed regions on one grid, all moving ones on one grid.
        settings: `FitSettings()` when None.
        progress: called with ("fit", done, total).
        check: called often; raises Cancelled to stop.

    Raises:
        NothingFound: no accepted pair.
        GeometryError: regions of one side on different grids.
    """
    settings = settings or FitSettings()
    accepted = [pair for pair in pairs if pair.accepted]
    fixed_grid, moving_grid = _grids(accepted)
    device = choose_device(settings.device)
    total = 100
    tell = (lambda done: progress("fit", done, total)) if progress else (lambda done: None)
    tell(0)
    rigid, affine = rigid_and_affine(accepted, check)
    tell(10)
    if settings.kind not in DEFORMABLE:
        matrix = rigid if settings.kind == "rigid" else affine
        tell(total)
        return FitResult(affine_transform(settings.kind, matrix, fixed_grid, moving_grid), rigid, affine, (), device)
    with _deterministic() if device != "cpu" else nullcontext():
        transform, losses = _deformable(accepted, affine, settings, device, moving_grid, tell, check)
    tell(total)
    return FitResult(transform, rigid, affine, losses, device)


def _grids(pairs: Sequence[RegionPair]) -> tuple[Grid, Grid]:
    if not pairs:
        raise NothingFound("No accepted pair of regions is left to fit. Accept at least one pair.")
    fixed, moving = pairs[0].fixed.grid, pairs[0].moving.grid
    for pair in pairs:
        if not (pair.fixed.grid.same_space(fixed) and pair.moving.grid.same_space(moving)):
            raise GeometryError(f"The regions of '{pair.name}' are not on the same grids as those of the first pair.")
    return fixed, moving


def _deformable(pairs, affine, settings, device, moving_grid, tell, check):  # type: ignore[no-untyped-def]
    from Tell2RegLib.fitting.deformable import fit_deformation
    from Tell2RegLib.fitting.unfold import unfolded

    grid = pairs[0].fixed.grid
    found = fit_deformation(pairs, affine, settings, device, lambda done, of: tell(10 + 70 * done // of), check)
    found, forward = unfolded(found, affine, grid, check)
    tell(85)
    backward = _inverse(found, forward, affine, grid, moving_grid, check)
    return Transform(settings.kind, forward, backward, affine), found.losses


def _inverse(found, forward, affine: Floats, grid: Grid, moving_grid: Grid, check: Check | None):  # type: ignore[no-untyped-def]
    """The inverse on the moving grid: solved where the field bends, the inverse affine map everywhere else."""
    back = np.linalg.inv(affine)
    vectors = affine_displacements(back, moving_grid)
    part = _bent_part(forward, affine, moving_grid)
    if part is not None:
        crop = moving_grid.crop([s.start for s in part[::-1]], [s.stop - s.start for s in part[::-1]])
        guess = None if found.backward is None else _inverse_guess(found, affine, grid, crop)
        vectors[part] = invert_field(forward, crop, affine, guess, check=check).vectors_kji
    return DisplacementField(vectors, moving_grid)


def _bent_part(field: DisplacementField, affine: Floats, moving_grid: Grid) -> tuple[slice, slice, slice] | None:
    """The box of moving voxels that the field reaches where it is not affine; None when there is none.

    Where the field bends up to the fixed grid's border, it goes on bending beyond: then no voxel is left out.
    """
    away = np.abs(field.vectors_kji - affine_displacements(affine, field.grid)).max(axis=-1) > AFFINE_WITHIN_MM
    box = bounding_box(away)
    if box is None:
        return None
    touches = any(s.start == 0 or s.stop == n for s, n in zip(box, field.grid.shape_kji, strict=True))
    if touches:
        k, j, i = moving_grid.shape_kji
        return slice(0, k), slice(0, j), slice(0, i)
    bent = field.grid.crop([s.start - 1 for s in box[::-1]], [s.stop - s.start + 2 for s in box[::-1]])
    index = moving_grid.lps_to_index(apply_affine(affine, bent.corners_lps_mm()))
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, moving_grid.size_xyz)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, moving_grid.size_xyz)
    if np.any(high <= low):
        return None
    along_i, along_j, along_k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return along_k, along_j, along_i


def _inverse_guess(found, affine: Floats, grid: Grid, moving_grid: Grid) -> np.ndarray:  # type: ignore[no-untyped-def]
    """x = exp(-v)(A^-1 y) as displacements on the moving grid: nearly the inverse already."""
    from Tell2RegLib.fitting.unfold import lps_displacements

    back = np.linalg.inv(affine)
    local = DisplacementField(lps_displacements(found.lattice, found.backward, grid), grid)
    guess = affine_displacements(back, moving_grid)
    return guess + _sampled_at(local, guess, moving_grid)


def _sampled_at(field: DisplacementField, displacement: np.ndarray, grid: Grid) -> np.ndarray:
    """Values of a field where a displacement leads the voxels of a grid, (K, J, I, 3); slice by slice."""
    import torch

    from Tell2RegLib.sampling import FieldSampler

    sampler = FieldSampler(field, np.eye(4))
    out = np.empty_like(displacement)
    k, j, i = (np.arange(n) for n in grid.shape_kji)
    for number in k:
        rows, columns = np.meshgrid(j, i, indexing="ij")
        points = grid.index_to_lps(np.stack([columns, rows, np.full_like(rows, number)], axis=-1))
        moved = torch.from_numpy((points + displacement[number]).astype(np.float32)).reshape(-1, 3)
        out[number] = sampler(moved).reshape(*rows.shape, 3).numpy()
    return out


@contextmanager
def _deterministic() -> Iterator[None]:
    """Torch's deterministic algorithms, for the time of a fit; the caller's own setting comes back.

    Not needed on the CPU, where what the fit uses repeats itself anyway and asking loads torch's compiler (seconds).
    """
    import torch

    before, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            # Torch warns of this kernel whatever is asked of it; sampling.py asks only for its repeatable half.
            warnings.filterwarnings("ignore", "grid_sampler_3d_backward_cuda")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)
