"""The geometry of a volume (`Grid`), and conversions between its coordinate frames.

Frames (docs/coordinates.md):
    index   (i, j, k) voxel coordinates, 0 at the centre of the first voxel, fractions allowed
    lps     (x, y, z) millimetres; x grows to the patient's Left, y to Posterior, z to Superior
    cube    (x, y, z) in [-1, 1], -1 and 1 at the centres of the first and last voxels (torch's grid_sample
            with align_corners=True)
Arrays are (k, j, i). Points depend on the origin and vectors do not, so they have separate methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError

Floats = NDArray[np.float64]
VoxelBox = tuple[slice, slice, slice]
"""A box of voxels: slices along k, j, i."""

MAX_SHEAR = 1e-4
"""Largest change of the cosine between voxel axes in `Grid.moved_by`: 0.05 mm at 500 mm."""


@dataclass(frozen=True)
class Grid:
    """The lattice of voxel centres of a volume: size, spacing, origin, direction (as in ITK, LPS mm).

    Args:
        size_xyz: number of voxels along i, j, k.
        spacing_mm: distance between voxel centres along i, j, k; all positive.
        origin_lps_mm: centre of voxel (0, 0, 0).
        direction: 3 x 3, row-major, columns are the unit vectors of i, j, k. Any handedness is legal, and columns
            need not be exactly orthogonal, but they must be invertible.

    Raises:
        GeometryError: a value that no volume can have.

    >>> grid = Grid((4, 3, 2), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    >>> grid.shape_kji
    (2, 3, 4)
    >>> grid.index_to_lps([1, 1, 1]).tolist()
    [11.0, 22.0, 33.0]
    """

    size_xyz: tuple[int, int, int]
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        # Plain Python numbers: equal grids compare and hash equal, whatever they were made from.
        object.__setattr__(self, "size_xyz", tuple(int(n) for n in self.size_xyz))
        object.__setattr__(self, "spacing_mm", tuple(float(s) for s in self.spacing_mm))
        object.__setattr__(self, "origin_lps_mm", tuple(float(o) for o in self.origin_lps_mm))
        object.__setattr__(self, "direction", tuple(float(d) for d in np.asarray(self.direction).ravel()))
        if len(self.size_xyz) != 3 or min(self.size_xyz) < 1:
            raise GeometryError(f"A grid needs three sizes of at least 1 voxel, not {self.size_xyz}.")
        if len(self.spacing_mm) != 3 or not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise GeometryError(f"Voxel spacing must be three positive numbers in mm, not {self.spacing_mm}.")
        if len(self.origin_lps_mm) != 3 or not np.isfinite(self.origin_lps_mm).all():
            raise GeometryError(f"The origin must be three finite numbers in mm, not {self.origin_lps_mm}.")
        if len(self.direction) != 9 or not np.isfinite(self.direction).all():
            raise GeometryError(f"The direction must be nine finite numbers, not {self.direction}.")
        if abs(np.linalg.det(np.reshape(self.direction, (3, 3)))) < 1e-3:
            raise GeometryError(f"The direction matrix {self.direction} is singular: its axes do not span space.")

    # --- sizes ---

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Shape of an array on this grid, slow axis first."""
        i, j, k = self.size_xyz
        return (k, j, i)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel (the absolute determinant of `index_to_lps_matrix`)."""
        return float(abs(np.linalg.det(self.index_to_lps_matrix[:3, :3])))

    # --- frames ---

    @cached_property
    def index_to_lps_matrix(self) -> Floats:
        """4 x 4 matrix from (i, j, k, 1) to (x, y, z, 1)."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        matrix[:3, 3] = self.origin_lps_mm
        matrix.setflags(write=False)
        return matrix

    @cached_property
    def lps_to_index_matrix(self) -> Floats:
        """4 x 4 matrix from (x, y, z, 1) to (i, j, k, 1)."""
        matrix = np.linalg.inv(self.index_to_lps_matrix).astype(np.float64)
        matrix.setflags(write=False)
        return matrix

    def index_to_lps(self, index_ijk: ArrayLike) -> Floats:
        """Points (..., 3) from (i, j, k) to LPS mm."""
        return apply_affine(self.index_to_lps_matrix, index_ijk)

    def lps_to_index(self, points_lps_mm: ArrayLike) -> Floats:
        """Points (..., 3) from LPS mm to (i, j, k)."""
        return apply_affine(self.lps_to_index_matrix, points_lps_mm)

    def index_to_lps_vectors(self, vectors_ijk: ArrayLike) -> Floats:
        """Vectors (..., 3) from voxels to LPS mm; independent of the origin."""
        return np.asarray(vectors_ijk, dtype=np.float64) @ self.index_to_lps_matrix[:3, :3].T

    def lps_to_index_vectors(self, vectors_lps_mm: ArrayLike) -> Floats:
        """Vectors (..., 3) from LPS mm to voxels; independent of the origin."""
        return np.asarray(vectors_lps_mm, dtype=np.float64) @ self.lps_to_index_matrix[:3, :3].T

    def index_to_cube(self, index_ijk: ArrayLike) -> Floats:
        """Points (..., 3) from (i, j, k) to [-1, 1]; an axis of one voxel maps to 0."""
        steps = np.asarray(self.size_xyz) - 1
        index = np.asarray(index_ijk, dtype=np.float64)
        return np.where(steps > 0, 2.0 * index / np.maximum(steps, 1) - 1.0, 0.0)

    # --- derived grids ---

    def voxel_centres_lps_mm(self) -> Floats:
        """Positions of all voxel centres, (K, J, I, 3)."""
        k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in self.shape_kji), indexing="ij")
        return self.index_to_lps(np.stack([i, j, k], axis=-1))

    def corners_lps_mm(self) -> Floats:
        """The eight corner voxel centres, (8, 3)."""
        last = np.asarray(self.size_xyz) - 1
        return self.index_to_lps([[i, j, k] for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])])

    def crop(self, start_ijk: ArrayLike, size_xyz: ArrayLike) -> Grid:
        """The same lattice with another first voxel, which may lie outside, and another size."""
        size = tuple(int(n) for n in np.asarray(size_xyz))
        return Grid(size, self.spacing_mm, tuple(self.index_to_lps(start_ijk)), self.direction)  # type: ignore[arg-type]

    def moved_by(self, matrix_lps: ArrayLike) -> Grid:
        """The grid after an affine map (4 x 4, LPS): a rotation, a flip, or a scale along the grid's axes.

        Raises:
            GeometryError: a map that cannot be inverted, or that shears the voxels, which a grid cannot represent.
        """
        matrix = np.asarray(matrix_lps, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise GeometryError(f"A grid can only be moved by a finite affine 4 x 4 matrix, not by {matrix.tolist()}.")
        moved = matrix @ self.index_to_lps_matrix
        spacing = np.linalg.norm(moved[:3, :3], axis=0)
        if spacing.min() < 1e-9:
            raise GeometryError(f"The matrix {matrix.tolist()} flattens space: it cannot be inverted.")
        direction, old_direction = moved[:3, :3] / spacing, np.reshape(self.direction, (3, 3))
        if np.abs(direction.T @ direction - old_direction.T @ old_direction).max() > MAX_SHEAR:
            raise GeometryError(
                "The map shears the voxels or scales them obliquely to their axes, which a grid cannot represent. "
                "Resample the volume with the map first."
            )
        return Grid(self.size_xyz, tuple(spacing), tuple(moved[:3, 3]), tuple(direction.ravel()))

    def contains_index(self, index_ijk: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (..., 3) lie between the first and last voxel centres on all axes."""
        index = np.asarray(index_ijk)
        return np.all((index >= -1e-6) & (index <= np.asarray(self.size_xyz) - 1 + 1e-6), axis=-1)

    def same_space(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have the same voxels, up to rounding in file headers."""
        if self.size_xyz != other.size_xyz:
            return False
        return bool(np.abs(self.corners_lps_mm() - other.corners_lps_mm()).max() <= tolerance_mm)


def apply_affine(matrix_4x4: ArrayLike, points: ArrayLike) -> Floats:
    """Map points (..., 3) by a 4 x 4 affine matrix."""
    matrix = np.asarray(matrix_4x4, dtype=np.float64)
    return np.asarray(points, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
