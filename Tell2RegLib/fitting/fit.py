"""Fits a transform and its inverse to accepted region pairs: linear start, deformation, unfolding, inversion."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from Tell2RegLib.errors import GeometryError, NothingFound
from Tell2RegLib.fitting.interior import InteriorModel, InteriorMotion, move_interiors
from Tell2RegLib.fitting.linear import LinearMaps, LinearSupport, linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.recommendation import Recommendation, recommended
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.fitting.stiffness import with_stiffness
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid, VoxelBox, apply_affine
from Tell2RegLib.space.inversion import invert_field
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.transform_kinds import ANY_DEFORMABLE, AUTO, AUTO_DEFORMABLE, DEFORMABLE, KINDS
from Tell2RegLib.support.device import choose_device
from Tell2RegLib.support.progress import Check, Progress

if TYPE_CHECKING:
    from Tell2RegLib.fitting.lattice import Lattice

INVERSE_TOLERANCE_MM = 0.005
"""Residual to which the inverse solves the forward field at each voxel."""


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted transform and the rigid and affine maps that precede it.

    Args:
        transform: of the requested kind, or the recommended one for "auto". A deformable kind equals the rigid map
            where that is enough (`recommendation`).
        maps: the rigid and the affine map, and how far the regions determine them.
        recommendation: the simplest transform that the regions do not reject.
        device: the device of the deformable fit.
        losses: the loss at every optimiser step, one tuple per level; empty without a deformation.
        smoothness, decay_mm: of the deformation (`FitSettings`); None where there is none, or no decay.
        interiors: what the models of the regions' insides did; empty without models or without a deformation.
    """

    transform: Transform
    maps: LinearMaps
    recommendation: Recommendation
    device: str
    losses: tuple[tuple[float, ...], ...] = ()
    smoothness: float | None = None
    decay_mm: float | None = None
    interiors: tuple[InteriorMotion, ...] = ()

    @property
    def rigid_lps(self) -> Floats:
        """4 x 4, fixed to moving, LPS mm."""
        return self.maps.rigid

    @property
    def affine_lps(self) -> Floats:
        """4 x 4, fixed to moving, LPS mm."""
        return self.maps.affine

    @property
    def support(self) -> LinearSupport:
        """Share of the affine map that is determined by the regions rather than by the prior."""
        return self.maps.support

    @property
    def rigid_is_enough(self) -> bool:
        """Whether a deformable kind equals the rigid map, which leaves no more than voxelisation noise."""
        return self.recommendation.kind == "rigid" and self.transform.kind in DEFORMABLE


def fit(
    pairs: Sequence[RegionPair],
    settings: FitSettings | None = None,
    *,
    prior: LinearPrior | None = None,
    interiors: Sequence[InteriorModel] = (),
    progress: Progress | None = None,
    check: Check | None = None,
) -> FitResult:
    """Fit a transform that aligns the moving regions of the accepted pairs with the fixed ones.

    The same input gives the same result on every run on the same machine and device.

    Args:
        pairs: rejected pairs are ignored. All fixed regions share one grid, all moving regions another.
        settings: `FitSettings()` when None.
        prior: of the linear map; from the settings when None.
        interiors: how the insides of regions move, as learned from other patients; for deformable kinds.
        progress: called with ("fit", done, total).
        check: called often; raises `Cancelled` to stop.

    Raises:
        NothingFound: no accepted pair.
        GeometryError: regions of one side on different grids.
        FitDiverged: a loss is not finite.
    """
    settings = settings or FitSettings()
    accepted = [pair for pair in pairs if pair.accepted]
    fixed_grid, moving_grid = _grids(accepted)
    device = choose_device(settings.device)
    TOTAL = 100
    report = (lambda done: progress("fit", done, TOTAL)) if progress else (lambda done: None)
    report(0)
    maps = linear_maps(accepted, prior or LinearPrior.from_settings(settings), check)
    report(10)
    choice = recommended(accepted, maps)
    settings = _resolved(settings, choice)
    if KINDS[settings.kind].linear or choice.kind == "rigid":
        matrix = maps.affine if settings.kind == "affine" else maps.rigid
        report(TOTAL)
        return FitResult(affine_transform(settings.kind, matrix, fixed_grid, moving_grid), maps, choice, device)
    settings = with_stiffness(settings, maps.support)
    with _deterministic() if device != "cpu" else nullcontext():
        transform, losses, motions = _fit_deformable(accepted, maps, settings, interiors, device, report, check)
    report(TOTAL)
    return FitResult(transform, maps, choice, device, losses, settings.smoothness, settings.decay_mm, motions)


def _resolved(settings: FitSettings, choice: Recommendation) -> FitSettings:
    """The settings with the recommended kind in place of "auto"."""
    if settings.kind != AUTO:
        return settings
    return replace(settings, kind=AUTO_DEFORMABLE if choice.kind == ANY_DEFORMABLE else choice.kind)


def _grids(pairs: Sequence[RegionPair]) -> tuple[Grid, Grid]:
    if not pairs:
        raise NothingFound("No accepted pair of regions to fit. Accept at least one pair.")
    fixed, moving = pairs[0].fixed.grid, pairs[0].moving.grid
    for pair in pairs:
        if not (pair.fixed.grid.same_space(fixed) and pair.moving.grid.same_space(moving)):
            raise GeometryError(f"The regions of '{pair.name}' are not on the same grids as those of the first pair.")
    return fixed, moving


def _fit_deformable(
    pairs: Sequence[RegionPair],
    maps: LinearMaps,
    settings: FitSettings,
    interiors: Sequence[InteriorModel],
    device: str,
    report: Callable[[int], None],
    check: Check | None,
) -> tuple[Transform, tuple[tuple[float, ...], ...], tuple[InteriorMotion, ...]]:
    from Tell2RegLib.fitting.deformable import fit_deformation
    from Tell2RegLib.fitting.unfold import min_jacobian, remove_folding

    affine = maps.affine
    grid, moving_grid = pairs[0].fixed.grid, pairs[0].moving.grid
    deformation = fit_deformation(
        pairs, affine, settings, device, lambda done, total: report(10 + 70 * done // total), check
    )
    deformation, forward = remove_folding(deformation, affine, grid, check)
    forward, motions = move_interiors(forward, pairs, interiors, maps.rigid, min_jacobian(affine), check)
    report(85)
    backward = _invert(deformation.lattice, forward, affine, moving_grid, device, check)
    return Transform(settings.kind, forward, backward, affine), deformation.losses, motions


def _invert(
    lattice: Lattice, forward: DisplacementField, affine: Floats, moving_grid: Grid, device: str, check: Check | None
) -> DisplacementField:
    """The inverse on the moving grid: solved where the field is not affine, the inverse affine map elsewhere."""
    from Tell2RegLib.fitting.unfold import grid_of_box

    inverse_affine = np.linalg.inv(affine)
    bent_box = _deformed_box(lattice, affine, forward.grid, moving_grid)
    if bent_box is None:
        return DisplacementField(affine_displacements(inverse_affine, moving_grid), moving_grid)
    crop = grid_of_box(moving_grid, bent_box)
    solved = invert_field(forward, crop, affine, tolerance_mm=INVERSE_TOLERANCE_MM, check=check, device=device)
    # Not before: the inversion holds another copy of the forward field.
    vectors = affine_displacements(inverse_affine, moving_grid)
    vectors[bent_box] = solved.vectors_kji
    return DisplacementField(vectors, moving_grid)


def _deformed_box(lattice: Lattice, affine: Floats, grid: Grid, moving_grid: Grid) -> VoxelBox | None:
    """The box of moving voxels that the non-affine part of the field can reach; None when there is none.

    Where the field is not affine up to the fixed grid's border, it continues beyond the border: on that side the box
    extends as far as the moving voxels do.
    """
    from Tell2RegLib.fitting.unfold import influenced_box

    box = influenced_box(lattice, grid)[::-1]
    low, high = np.array([[s.start - 1.0, s.stop] for s in box]).T
    moving_extent = grid.lps_to_index(apply_affine(np.linalg.inv(affine), moving_grid.corners_lps_mm()))
    low = np.where(low < 0, np.minimum(low, moving_extent.min(axis=0)), low)
    high = np.where(high >= grid.size_xyz, np.maximum(high, moving_extent.max(axis=0)), high)
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
    """Use torch's deterministic algorithms during a fit, then restore the caller's setting.

    Not needed on the CPU: the operations of the fit are deterministic there, and the switch loads torch's compiler
    (seconds).
    """
    import torch

    was_enabled, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings():
            # Torch warns about this kernel for every gradient; interpolation.py uses only its deterministic part.
            warnings.filterwarnings("ignore", "grid_sampler_3d_backward_cuda")
            yield
    finally:
        torch.use_deterministic_algorithms(was_enabled, warn_only=warn_only)
