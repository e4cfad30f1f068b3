"""From accepted region pairs to a transform with its inverse: the orchestrator of the fit."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from Tell2RegLib.errors import GeometryError, NothingFound
from Tell2RegLib.fitting.linear import rigid_and_affine
from Tell2RegLib.fitting.residual import rigid_is_enough
from Tell2RegLib.fitting.settings import FitSettings, Progress
from Tell2RegLib.space.displacement_field import Check, DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.inversion import invert_field
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.device import choose_device

if TYPE_CHECKING:
    from Tell2RegLib.fitting.lattice import Lattice
    from Tell2RegLib.fitting.unfold import Part

INVERSE_TOLERANCE_MM = 0.005
"""How well the inverse solves the forward field at its voxels."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted transform and the linear ones on the way to it.

    Args:
        transform: of the kind that was asked for.
        rigid_lps, affine_lps: 4 x 4, fixed to moving: results in their own right (elastic is not always better).
        losses: the loss at every optimiser step, one tuple per level; empty for rigid and affine.
        device: where it ran.
        rigid_is_enough: whether a transform of a deformable kind is the rigid one, since that leaves no more than the
            noise of the voxels in every pair.
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    losses: tuple[tuple[float, ...], ...]
    device: str
    rigid_is_enough: bool = False

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
        FitDiverged: the loss is no longer a number.
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
    if KINDS[settings.kind].linear:
        matrix = rigid if settings.kind == "rigid" else affine
        tell(total)
        return FitResult(affine_transform(settings.kind, matrix, fixed_grid, moving_grid), rigid, affine, (), device)
    if rigid_is_enough(accepted, rigid):
        tell(total)
        transform = affine_transform(settings.kind, rigid, fixed_grid, moving_grid)
        return FitResult(transform, rigid, affine, (), device, rigid_is_enough=True)
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
    backward = _inverse(found, forward, affine, grid, moving_grid, device, check)
    return Transform(settings.kind, forward, backward, affine), found.losses


def _inverse(found, forward, affine: Floats, grid: Grid, moving_grid: Grid, device: str, check: Check | None):  # type: ignore[no-untyped-def]
    """The inverse on the moving grid: solved where the field bends, the inverse affine map everywhere else."""
    from Tell2RegLib.fitting.unfold import part_grid

    back = np.linalg.inv(affine)
    vectors = affine_displacements(back, moving_grid)
    part = _bent_part(found.lattice, affine, grid, moving_grid)
    if part is not None:
        crop = part_grid(moving_grid, part)
        solved = invert_field(forward, crop, affine, tolerance_mm=INVERSE_TOLERANCE_MM, check=check, device=device)
        vectors[part] = solved.vectors_kji
    return DisplacementField(vectors, moving_grid)


def _bent_part(lattice: Lattice, affine: Floats, grid: Grid, moving_grid: Grid) -> Part | None:
    """The box of moving voxels that the bent part of the field reaches; None when there is none.

    Where the field bends up to the fixed grid's border, it goes on bending beyond: there the box reaches as far as the
    moving voxels do.
    """
    from Tell2RegLib.fitting.unfold import reached_part

    box = reached_part(lattice, grid)[::-1]
    low, high = np.array([[s.start - 1.0, s.stop] for s in box]).T
    seen = grid.lps_to_index(apply_affine(np.linalg.inv(affine), moving_grid.corners_lps_mm()))
    low = np.where(low < 0, np.minimum(low, seen.min(axis=0)), low)
    high = np.where(high >= grid.size_xyz, np.maximum(high, seen.max(axis=0)), high)
    corners = grid.index_to_lps(np.array(list(itertools.product(*zip(low, high, strict=True)))))
    index = moving_grid.lps_to_index(apply_affine(affine, corners))
    low = np.clip(np.floor(index.min(axis=0)).astype(int), 0, moving_grid.size_xyz)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, moving_grid.size_xyz)
    if np.any(high <= low):
        return None
    along_i, along_j, along_k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return along_k, along_j, along_i


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
