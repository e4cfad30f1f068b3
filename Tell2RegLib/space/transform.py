"""A transform with its inverse, applied to points and to volumes.

Direction (docs/coordinates.md): `fixed_to_moving` maps points from fixed to moving space and resamples the moving
volume into fixed space; points drawn on the moving volume are mapped by `moving_to_fixed`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.jacobian import slab_ranges
from Tell2RegLib.space.transform_kinds import LINEAR
from Tell2RegLib.space.volume import Volume, array_of, set_reference, to_simpleitk

if TYPE_CHECKING:
    import SimpleITK as sitk

VOXELS_AT_ONCE = 1 << 23
"""Voxels resampled at a time: ITK needs the field in float64, several times the memory of the result."""


@dataclass(frozen=True, eq=False)
class Transform:
    """A smooth map between fixed and moving space, with its inverse, both as fields on their own grids.

    Args:
        kind: one of `transform_kinds.KINDS`.
        fixed_to_moving: x_moving = x_fixed + u(x_fixed), on the fixed grid.
        moving_to_fixed: its inverse, on the moving grid.
        affine_lps: 4 x 4, the affine part of fixed_to_moving. Beyond the grid, a point is mapped by the affine part
            plus the residual displacement of the nearest point of the grid.

    Raises:
        GeometryError: an affine part that cannot be inverted.
    """

    kind: str
    fixed_to_moving: DisplacementField
    moving_to_fixed: DisplacementField
    affine_lps: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "affine_lps", invertible(self.affine_lps))

    @property
    def inverse(self) -> Transform:
        """The inverse transform, with fixed and moving exchanged."""
        return Transform(
            self.kind, self.moving_to_fixed, self.fixed_to_moving, np.linalg.inv(self.affine_lps).astype(float)
        )

    def apply_to_points(self, points_lps_mm: ArrayLike) -> Floats:
        """Map points (..., 3) from fixed to moving space; use `.inverse` for a plan drawn on the moving volume.

        Raises:
            GeometryError: not (..., 3), or not finite.
        """
        points = np.asarray(points_lps_mm, dtype=np.float64)
        if points.shape[-1:] != (3,) or not np.isfinite(points).all():
            raise GeometryError(f"Points must be finite and of shape (..., 3), not {points.shape}.")
        grid = self.fixed_to_moving.grid
        index = np.clip(grid.lps_to_index(points), 0, np.asarray(grid.size_xyz) - 1)
        nearest = grid.index_to_lps(index)
        residual = self.fixed_to_moving.at(nearest) + nearest - apply_affine(self.affine_lps, nearest)
        return apply_affine(self.affine_lps, points) + residual

    def resample(self, volume: Volume, *, nearest: bool = False, grid: Grid | None = None) -> Volume:
        """Resample a volume from moving to fixed space.

        Args:
            volume: on any grid of moving space.
            nearest: use nearest-neighbour instead of linear interpolation (label maps).
            grid: the output grid; the fixed grid when None.

        Returns:
            The volume on `grid`, in its original dtype, integers rounded. Outside the input the value is 0 for label
            maps, else the smallest value of the volume.
        """
        import SimpleITK as sitk

        grid = grid or self.fixed_to_moving.grid
        resampler = sitk.ResampleImageFilter()
        resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
        resampler.SetDefaultPixelValue(0.0 if nearest else float(volume.array_kji.min()))
        array, dtype = volume.array_kji, volume.array_kji.dtype
        is_rounded = np.issubdtype(dtype, np.integer) and not nearest
        if is_rounded:  # the filter would truncate, not round
            array = array.astype(np.float32 if dtype.itemsize < 4 else np.float64)
        image = to_simpleitk(array, volume.grid)
        del array
        resampled = np.empty(grid.shape_kji, dtype)
        for first, last in slab_ranges(grid.shape_kji, VOXELS_AT_ONCE):
            slab = grid.crop((0, 0, first), (*grid.size_xyz[:2], last - first))
            set_reference(resampler, slab)
            resampler.SetTransform(to_sitk_transform(self._on_slab(grid, slab, first, last)))
            values = array_of(resampler.Execute(image))
            resampled[first:last] = np.rint(values) if is_rounded else values
        return Volume(resampled, grid, volume.name)

    def _on_slab(self, grid: Grid, slab: Grid, first: int, last: int) -> Transform:
        """The same map with its forward field on slices of a grid; valid for resampling, which uses only that field."""
        if self.kind in LINEAR:
            return self
        if grid == self.fixed_to_moving.grid:
            return replace(self, fixed_to_moving=DisplacementField(self.fixed_to_moving.vectors_kji[first:last], slab))
        return self._resampled_on(slab)

    def _resampled_on(self, grid: Grid) -> Transform:
        points = grid.voxel_centres_lps_mm()
        field = DisplacementField((self.apply_to_points(points) - points).astype(np.float32), grid)
        return replace(self, fixed_to_moving=field)


def invertible(matrix_4x4: ArrayLike) -> Floats:
    """A validated, read-only copy of an affine matrix.

    Raises:
        GeometryError: not 4 x 4, not finite, or singular.
    """
    matrix = np.array(matrix_4x4, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-6:
        raise GeometryError(
            f"The affine part of a transform must be an invertible 4 x 4 matrix, not {matrix.tolist()}."
        )
    matrix.setflags(write=False)
    return matrix


def affine_transform(kind: str, matrix_lps: ArrayLike, fixed_grid: Grid, moving_grid: Grid) -> Transform:
    """A rigid or affine map (4 x 4, LPS mm) as a Transform with displacement fields on both grids.

    Raises:
        GeometryError: a matrix that cannot be inverted.
    """
    matrix = invertible(matrix_lps)
    forward = DisplacementField(affine_displacements(matrix, fixed_grid), fixed_grid)
    backward = DisplacementField(affine_displacements(np.linalg.inv(matrix), moving_grid), moving_grid)
    return Transform(kind, forward, backward, matrix)


def transform_before_move(transform: Transform, matrix_lps: ArrayLike, moving_grid: Grid | None = None) -> Transform:
    """Convert a transform fitted to a moved moving volume to one for the volume at its original position.

    Args:
        transform: fixed to moved; its inverse is on the moved grid, `moving_grid.moved_by(matrix_lps)`.
        matrix_lps: 4 x 4, the matrix T by which the moving volume was moved before the fit.
        moving_grid: the grid of the moving volume at its original position; derived from the moved grid when None.

    Returns:
        x -> T^-1(x + u(x)) on the fixed grid, and its inverse on the grid of the moving volume. A rigid transform stays
        rigid if T is rigid.

    Raises:
        GeometryError: a matrix that cannot be inverted or shears the voxels, or a moving grid that does not match the
            moved one.
    """
    moving_to_moved = invertible(matrix_lps)
    moved_to_moving = invertible(np.linalg.inv(moving_to_moved))
    moved_grid = transform.moving_to_fixed.grid
    if moving_grid is None:
        moving_grid = moved_grid.moved_by(moved_to_moving)
    elif not moving_grid.moved_by(moving_to_moved).same_space(moved_grid):
        raise GeometryError("The fit's moving grid is not the moving volume's grid moved by the matrix.")
    keeps_kind = transform.kind != "rigid" or np.allclose(
        moving_to_moved[:3, :3].T @ moving_to_moved[:3, :3], np.eye(3), atol=1e-6
    )
    forward, backward = transform.fixed_to_moving, transform.moving_to_fixed
    moved_displacements = affine_displacements(moving_to_moved, moving_grid)
    return Transform(
        transform.kind if keeps_kind else "affine",
        DisplacementField(_followed_by(forward, moved_to_moving), forward.grid),
        DisplacementField(backward.vectors_kji + moved_displacements, moving_grid),
        moved_to_moving @ transform.affine_lps,
    )


def _followed_by(field: DisplacementField, matrix: Floats) -> NDArray[np.float32]:
    """Displacements of x -> M(x + u(x)) on the field's grid: (M x - x) + L u, with L the linear part of M."""
    rotated = field.vectors_kji.astype(np.float64) @ matrix[:3, :3].T
    return (affine_displacements(matrix, field.grid) + rotated).astype(np.float32)


def to_sitk_transform(transform: Transform) -> sitk.Transform:
    """The fixed-to-moving map for SimpleITK's resamplers and transform files, LPS.

    Rigid and affine maps become an AffineTransform. A deformable map becomes a CompositeTransform of the affine part
    and a displacement field that is applied first, so that points beyond the fixed grid still follow the affine part.
    """
    import SimpleITK as sitk

    affine = sitk.AffineTransform(transform.affine_lps[:3, :3].ravel().tolist(), transform.affine_lps[:3, 3].tolist())
    if transform.kind in LINEAR:
        return affine
    field = transform.fixed_to_moving
    residual = field.vectors_kji - affine_displacements(transform.affine_lps, field.grid)
    local = (residual @ np.linalg.inv(transform.affine_lps[:3, :3]).T.astype(np.float32)).astype(np.float64)
    displacement = sitk.DisplacementFieldTransform(to_simpleitk(local, field.grid))
    return sitk.CompositeTransform([affine, displacement])
