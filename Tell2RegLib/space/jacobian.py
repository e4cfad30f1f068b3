"""The Jacobian determinant of a displacement field: local volume change, and folding.

Derivatives are taken along the voxel axes and converted to mm with the grid's matrix, so oblique, flipped, left-handed
and anisotropic grids give the same numbers as axis-aligned ones. Fields are processed in slabs of slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats, Grid

VoxelVectors = NDArray[np.float32]

USUAL_JACOBIAN = (0.5, 2.0)
"""det J of soft tissue seldom leaves this range within one region, that of bone never: the report and the trust check
report what does."""

SLAB_VOXELS = 200_000
"""Approximate number of voxels per slab, so that temporary arrays fit into the processor's cache."""


def jacobian_determinant(vectors_kji: NDArray, grid: Grid) -> NDArray[np.float32]:
    """det of d(x + u)/dx at every voxel: local volume change, 1 = none, <= 0 = folded.

    Differences are taken along i, j, k: central inside, one-sided at the border, none on an axis of one voxel. With A
    the grid's index-to-LPS matrix and D the differences of u per voxel step, J = I + D A^-1 = (A + D) A^-1, hence
    det J = det(A + D) / det A: right for every direction, handedness and spacing.

    Args:
        vectors_kji: displacements (K, J, I, 3), components (x, y, z) in mm LPS.
        grid: their grid.

    Returns:
        (K, J, I) float32.

    Raises:
        GeometryError: the vectors are not on the grid.
    """
    _check_vectors(vectors_kji, grid)
    axes = grid.index_to_lps_matrix[:3, :3]
    result = np.empty(grid.shape_kji, dtype=np.float32)
    for first, last in slab_ranges(grid.shape_kji):
        result[first:last] = _slab_jacobian(vectors_kji, first, last, axes)
    return result


def jacobian_at(field: DisplacementField, points_lps_mm: ArrayLike) -> Floats:
    """det of d(x + u)/dx at points (..., 3), LPS mm; at voxel centres equal to `jacobian_determinant`.

    Beyond the grid, the value at its nearest point.

    Returns:
        (...), one number per point.
    """
    last = np.asarray(field.grid.size_xyz) - 1.0
    index = np.clip(field.grid.lps_to_index(points_lps_mm), 0.0, last)
    low = np.clip(index[..., None, :] - np.eye(3), 0.0, last)
    high = np.clip(index[..., None, :] + np.eye(3), 0.0, last)
    steps = (high - low).sum(axis=-1, keepdims=True)
    moved = field.at(field.grid.index_to_lps(high)) - field.at(field.grid.index_to_lps(low))
    axes = field.grid.index_to_lps_matrix[:3, :3]
    columns = np.swapaxes(moved / np.maximum(steps, 1e-9), -1, -2) + axes
    return np.linalg.det(columns) / np.linalg.det(axes)


def folded_voxels(vectors_kji: NDArray, grid: Grid, threshold: float = 0.0) -> NDArray[np.bool_]:
    """Voxels (K, J, I) at a corner where a one-sided det J is at most `threshold`; see `one_sided_jacobians`.

    Args and raises: as `jacobian_determinant`.
    """
    folded = np.zeros(grid.shape_kji, dtype=bool)
    for box, determinant in one_sided_jacobians(vectors_kji, grid):
        folded[box] |= determinant <= threshold
    return folded


def one_sided_jacobians(vectors_kji: NDArray, grid: Grid) -> Iterator[tuple[tuple[slice, ...], VoxelVectors]]:
    """det J by all forward and backward differences: where all are positive, no difference scheme sees a fold.

    In each cell of 2 x 2 x 2 voxels each of the eight corners gives one determinant, from the three cell edges that
    meet there; together these cover all one-sided schemes. The central determinant of a voxel is the mean of eight of
    them (a determinant is linear in each column), so it cannot be smaller than the smallest of these.

    Yields:
        Slab by slab and corner by corner, the voxels (k, j, i slices of the grid) and their determinants.

    Args and raises: as `jacobian_determinant`.
    """
    _check_vectors(vectors_kji, grid)
    axes = grid.index_to_lps_matrix[:3, :3]
    cells_k = max(grid.shape_kji[0] - 1, 1)
    for first, last in slab_ranges((cells_k, *grid.shape_kji[1:])):
        planar = to_planar(vectors_kji[first : last + 1])
        edges = [_edges(planar, axis, axes[:, 2 - axis]) for axis in range(3)]
        edges[0] /= np.float32(np.linalg.det(axes))  # negative where left-handed
        for (k, j, i), determinant in _corners(edges, grid.shape_kji):
            starts = (first + k, j, i)
            yield tuple(slice(o, o + n) for o, n in zip(starts, determinant.shape, strict=True)), determinant


def _check_vectors(vectors_kji: NDArray, grid: Grid) -> None:
    if vectors_kji.shape != (*grid.shape_kji, 3):
        raise GeometryError(f"The field has shape {vectors_kji.shape}, but its grid needs {(*grid.shape_kji, 3)}.")


def slab_ranges(shape_kji: Sequence[int], voxels: int = SLAB_VOXELS) -> Iterator[tuple[int, int]]:
    """First slice and end of each slab of about `voxels` voxels."""
    step = max(1, voxels // (shape_kji[1] * shape_kji[2]))
    for first in range(0, shape_kji[0], step):
        yield first, min(first + step, shape_kji[0])


def to_planar(vectors_kji: NDArray) -> VoxelVectors:
    """(K, J, I, 3) as a contiguous float32 (3, K, J, I)."""
    return np.ascontiguousarray(np.moveaxis(vectors_kji, -1, 0), dtype=np.float32)


def _slab_jacobian(vectors_kji: NDArray, first: int, last: int, axes: Floats) -> VoxelVectors:
    """det J of slices first..last-1."""
    low = max(first - 1, 0)
    padded_slab = to_planar(vectors_kji[low : last + 1])
    inner = slice(first - low, last - low)
    slab = padded_slab[:, inner]
    columns = [_central(slab, 3), _central(slab, 2), _central(padded_slab, 1)[:, inner]]
    for axis, column in enumerate(columns):
        column += axes[:, axis].astype(np.float32)[:, None, None, None]
    return _determinant(*columns) / np.float32(np.linalg.det(axes))


def _central(planar: VoxelVectors, axis: int) -> VoxelVectors:
    """Differences per voxel step along an axis: central inside, one-sided at both ends, zero on a single voxel."""
    result = np.zeros_like(planar)
    if planar.shape[axis] > 1:
        values, out = np.moveaxis(planar, axis, 0), np.moveaxis(result, axis, 0)
        np.subtract(values[2:], values[:-2], out=out[1:-1])
        out[1:-1] *= np.float32(0.5)
        out[0], out[-1] = values[1] - values[0], values[-1] - values[-2]
    return result


def _determinant(a: NDArray, b: NDArray, c: NDArray) -> VoxelVectors:
    """det of the matrix with columns a, b, c, each (3, ...)."""
    return a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])


def _edges(planar: VoxelVectors, axis: int, step_mm: Floats) -> VoxelVectors:
    """Cell edges along an axis under x + u: (3, ...), one fewer along the axis, but at least one."""
    step = step_mm.astype(np.float32)[:, None, None, None]
    difference = np.diff(planar, axis=axis + 1) if planar.shape[axis + 1] > 1 else np.zeros_like(planar)
    difference += step
    return difference


def _corners(
    edges_kji: Sequence[VoxelVectors], points_kji: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], VoxelVectors]]:
    """For each corner of a cell, the triple products of the three edges that meet there, over all cells."""
    cells = [edges_kji[axis].shape[axis + 1] for axis in range(3)]
    for corner in np.ndindex(*(min(n, 2) for n in points_kji)):
        box = [slice(offset, offset + n) for offset, n in zip(corner, cells, strict=True)]
        along_k = edges_kji[0][:, :, box[1], box[2]]
        along_j = edges_kji[1][:, box[0], :, box[2]]
        along_i = edges_kji[2][:, box[0], box[1], :]
        yield corner, _determinant(along_i, along_j, along_k)
