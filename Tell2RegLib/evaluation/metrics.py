"""Metrics: agreement of regions, quality of a displacement field, distances of points.

Everything is computed in physical space (LPS mm, docs/coordinates.md), so oblique, flipped, left-handed and anisotropic
grids give the same numbers as axis-aligned ones. Definitions follow docs/glossary.md; where Learn2Reg defines a
metric differently, both are given under separate names. torch is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.jacobian import SLAB_VOXELS, VoxelVectors, jacobian_determinant, slab_ranges, to_planar
from Tell2RegLib.space.region import Region

if TYPE_CHECKING:
    from torch import Tensor


# --- regions ---


def dice(a: Region, b: Region) -> float:
    """Dice overlap 2 |A and B| / (|A| + |B|) of two regions on one grid, 0..1 (1 = the same voxels).

    Only the intersection of both bounding boxes is evaluated, so many pairs on a large grid are cheap.

    Raises:
        GeometryError: the regions are on different grids.
    """
    return 2.0 * float(common_voxels(a, b)) / float(np.count_nonzero(a.box_kji) + np.count_nonzero(b.box_kji))


def common_voxels(a: Region, b: Region) -> int:
    """Number of voxels that two regions on one grid share.

    Raises:
        GeometryError: the regions are on different grids.
    """
    _check_same_grid(a, b)
    start = np.maximum(a.start_kji, b.start_kji)
    stop = np.minimum(np.add(a.start_kji, a.box_kji.shape), np.add(b.start_kji, b.box_kji.shape))
    if np.any(stop <= start):
        return 0
    return int(np.count_nonzero(_cropped_mask(a, start, stop) & _cropped_mask(b, start, stop)))


def volume_ratio(a: Region, b: Region) -> float:
    """Volume of `b` over volume of `a` (moving over fixed); each on its own grid."""
    return b.volume_ml / a.volume_ml


def centroid_distance_mm(a: Region, b: Region) -> float:
    """Distance of the two regions' centroids in mm; each on its own grid."""
    return float(np.linalg.norm(a.centroid_lps_mm() - b.centroid_lps_mm()))


def hausdorff95_mm(a: Region, b: Region) -> float:
    """95 % Hausdorff distance of the two surfaces in mm: the larger of the two directed 95th percentiles.

    The percentile is taken in each direction alone and the larger is reported (as MONAI does, and as Huttenlocher
    1993 defines the partial Hausdorff distance): pooling both directions first, as some tools do, lets the region with
    the larger surface hide a large error of the other. Percentiles interpolate linearly.
    """
    return max(float(np.percentile(directed, 95)) for directed in surface_distances_mm(a, b))


def surface_distances_mm(a: Region, b: Region) -> tuple[Floats, Floats]:
    """Distances in mm from each surface voxel of `a` to the surface of `b`, and vice versa.

    A surface voxel belongs to the region and has one of its six neighbours outside it (the volume's border counts as
    outside). Distances are between voxel centres in LPS, computed with a k-d tree: exact for any spacing and direction
    and for regions on two different grids, and cheaper than a distance map of their common box.

    Returns:
        Two arrays (P_a,) and (P_b,), one value per surface voxel.
    """
    from scipy.spatial import cKDTree

    points = [region.box_grid.index_to_lps(np.argwhere(surface_kji(region.box_kji))[:, ::-1]) for region in (a, b)]
    trees = [cKDTree(p, balanced_tree=False, compact_nodes=False) for p in points]
    return trees[1].query(points[0])[0], trees[0].query(points[1])[0]


def surface_kji(mask_kji: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a mask (K, J, I) with one of their six neighbours outside it or outside the array."""
    padded = np.pad(mask_kji, 1)
    inner = mask_kji.copy()
    for axis in range(3):
        for shift in (slice(None, -2), slice(2, None)):
            window = [slice(1, -1)] * 3
            window[axis] = shift
            inner &= padded[tuple(window)]
    return mask_kji & ~inner


def is_detected(true_region: Region, detected: Sequence[Region], min_dice: float) -> bool:
    """Whether one of the detected regions overlaps a true region with a Dice of at least `min_dice`.

    Raises:
        GeometryError: detected and true regions are on different grids.
    """
    return any(dice(region, true_region) >= min_dice for region in detected)


def _check_same_grid(a: Region, b: Region) -> None:
    if a.grid is not b.grid and a.grid != b.grid and not a.grid.same_space(b.grid):
        raise GeometryError(
            f"The regions '{a.name}' (grid {a.grid.size_xyz}) and '{b.name}' (grid {b.grid.size_xyz}) are on different "
            "grids, but their overlap requires a common grid. Resample one of them first."
        )


def _cropped_mask(region: Region, start_kji: NDArray, stop_kji: NDArray) -> NDArray[np.bool_]:
    """The region's mask between two corners inside its box."""
    first, last = start_kji - region.start_kji, stop_kji - region.start_kji
    return region.box_kji[first[0] : last[0], first[1] : last[1], first[2] : last[2]]


# --- points ---


def target_registration_error_mm(points_a: ArrayLike, points_b: ArrayLike) -> Floats:
    """Distances in mm between corresponding points, both (P, 3) in LPS mm and in the same space.

    Map the points to one space first: this function only subtracts. The centroids of fitted regions are not targets.

    Returns:
        (P,) distances.

    Raises:
        InputError: the two lists differ in shape.

    >>> target_registration_error_mm([[0, 0, 0]], [[2, 3, 6]]).tolist()
    [7.0]
    """
    a, b = np.asarray(points_a, dtype=np.float64), np.asarray(points_b, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 3:
        raise InputError(
            f"The target error requires two equally long lists of 3-D points, not shapes {a.shape} and {b.shape}."
        )
    return np.linalg.norm(a - b, axis=1)


# --- fields ---


@dataclass(frozen=True)
class FieldQuality:
    """Quality of a displacement field; J is the Jacobian of x + u(x), by central differences.

    Args:
        folding_percent: percentage of voxels with det J <= 0.
        min_jacobian: smallest det J.
        sdlogj: standard deviation of log det J over the voxels with det J > 0; NaN when every voxel folds. Folded
            voxels have no logarithm and count in `folding_percent` only.
        sdlogj_l2r: Learn2Reg's definition: std of log(clip(det J + 3, 1e-9, 1e9)) over all voxels except a border of
            two. The + 3 is in the challenge's code; it makes values about four times smaller than `sdlogj`.
        max_displacement_mm: length of the longest displacement.
    """

    folding_percent: float
    min_jacobian: float
    sdlogj: float
    sdlogj_l2r: float
    max_displacement_mm: float


def field_quality(field: DisplacementField) -> FieldQuality:
    """Measure folding, variation of the local volume change, and size of a field."""
    jacobian = jacobian_determinant(field.vectors_kji, field.grid)
    longest = max(float(np.einsum("...c,...c->...", plane, plane).max()) for plane in field.vectors_kji) ** 0.5
    positive = sum(int(np.count_nonzero(plane > 0)) for plane in jacobian)
    return FieldQuality(
        folding_percent=100.0 * (jacobian.size - positive) / jacobian.size,
        min_jacobian=float(jacobian.min()),
        sdlogj=_deviation(np.log(plane[plane > 0]) for plane in jacobian),
        sdlogj_l2r=_learn2reg_sdlogj(jacobian),
        max_displacement_mm=longest,
    )


def _learn2reg_sdlogj(jacobian_kji: VoxelVectors) -> float:
    """As in the evaluation code of MDL-UzL/L2R; an axis too short for the border of two is not cropped."""
    inner = jacobian_kji[tuple(slice(2, -2) if n > 4 else slice(None) for n in jacobian_kji.shape)]
    return _deviation(np.log(np.clip(plane + 3.0, 1e-9, 1e9)) for plane in inner)


def _deviation(blocks: Iterable[NDArray]) -> float:
    """Standard deviation of the values of all blocks, in float64, with one block at a time in memory; NaN of none.

    Mean and sum of squares of each block are combined as by Chan, Golub and LeVeque (1983).
    """
    count, mean, squares = 0, 0.0, 0.0
    for block in blocks:
        values = np.asarray(block, dtype=np.float64)
        if not values.size:
            continue
        shift = float(values.mean()) - mean
        squares += float(np.sum((values - (mean + shift)) ** 2)) + shift**2 * count * values.size / (
            count + values.size
        )
        count += values.size
        mean += shift * values.size / count
    return float(np.sqrt(squares / count)) if count else float("nan")


def inverse_error_mm(forward: DisplacementField, backward: DisplacementField) -> tuple[float, float]:
    """The inverse-consistency error of two fields: mean and maximum of |psi(phi(x)) - x| in mm.

    phi(x) = x + u(x) is `forward` at its voxels, psi the trilinear interpolation of `backward`. Voxels with phi(x)
    outside the backward grid are excluded.

    Returns:
        (mean, maximum) in mm; (nan, nan) when no voxel maps into the backward grid.
    """
    import torch

    inverse_vectors = torch.from_numpy(to_planar(backward.vectors_kji))
    total, count, largest = 0.0, 0, float("nan")
    for first, last in slab_ranges(forward.grid.shape_kji, 5 * SLAB_VOXELS):
        error = _slab_inverse_error(forward, inverse_vectors, backward.grid, first, last)
        if error.numel():
            total, count = total + float(error.sum(dtype=torch.float64)), count + error.numel()
            largest = float(np.fmax(largest, float(error.max())))
    return (total / count if count else float("nan")), largest


def _slab_inverse_error(
    forward: DisplacementField, inverse_vectors: Tensor, inverse_grid: Grid, first: int, last: int
) -> Tensor:
    """|u(x) + v(x + u(x))| of the voxels of slices first..last-1 that map into the backward grid, 1-D.

    `inverse_vectors` is v as (3, K, J, I). Positions are converted from voxels directly to cube coordinates, without
    LPS in between, so that float32 is accurate to about 1e-5 voxels however far the patient is from the origin.
    """
    import torch

    from Tell2RegLib.space.interpolation import cube_matrix, sample

    u = torch.from_numpy(np.array(forward.vectors_kji[first:last], dtype=np.float32))
    lps_to_cube = cube_matrix(inverse_grid.size_xyz) @ inverse_grid.lps_to_index_matrix
    at_i, at_j, at_k, at_0 = torch.from_numpy((lps_to_cube @ forward.grid.index_to_lps_matrix)[:3].T.astype(np.float32))
    k, j, i = (torch.arange(*ends)[:, None] for ends in ((first, last), (0, u.shape[1]), (0, u.shape[2])))
    start = ((k * at_k + at_0)[:, None] + j * at_j)[:, :, None] + i * at_i
    cube = (start + u @ torch.from_numpy(lps_to_cube[:3, :3].T.astype(np.float32))).reshape(-1, 3)
    last_cube = torch.tensor([1.0 if n > 1 else -1.0 for n in inverse_grid.size_xyz])
    inside = ((cube >= -1.0 - 1e-5) & (cube <= last_cube + 1e-5)).all(dim=1)
    x, y, z = u.reshape(-1, 3).T + sample(inverse_vectors, cube)
    return (x * x + y * y + z * z)[inside].sqrt()
