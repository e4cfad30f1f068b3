"""What SimpleITK alone offers for aligning segmentations: demons, and a B-spline on distance maps.

Also what all classical tools share here: the closed-form affine start (each of them is lost without one) and the
pictures that they see.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import array_of, set_reference, to_simpleitk
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome

DISTANCE_LIMIT_MM = 20.0
"""Distance maps are cut off here: far from an organ its distance says nothing about where it should go."""


# --- shared ---


def affine_start(case: Case) -> sitk.AffineTransform:
    """Centroids on centroids (least squares); with fewer than five regions, centre and widths of them all."""
    if len(case.pairs) >= 5:
        fixed, moving = (
            np.array([getattr(pair, side).centroid_lps_mm() for pair in case.pairs]) for side in ("fixed", "moving")
        )
        solution = np.linalg.lstsq(np.hstack([fixed, np.ones((len(fixed), 1))]), moving, rcond=None)[0]
        return affine_of(solution[:3].T, solution[3])
    fixed, moving = (
        np.concatenate([getattr(pair, side).points_lps_mm() for pair in case.pairs]) for side in ("fixed", "moving")
    )
    widths = moving.std(axis=0) / fixed.std(axis=0)
    return affine_of(np.diag(widths), moving.mean(axis=0) - widths * fixed.mean(axis=0))


def affine_of(linear: np.ndarray, shift: np.ndarray) -> sitk.AffineTransform:
    """SimpleITK's form of x -> linear x + shift."""
    return sitk.AffineTransform(linear.ravel().tolist(), shift.tolist())


def distance_map(region: Region) -> sitk.Image:
    """Signed distance in mm to a region's surface, inside negative, cut off on both sides."""
    mask = to_simpleitk(region.mask_kji(), region.grid)
    distance = sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True)
    return sitk.Clamp(distance, sitk.sitkFloat32, -DISTANCE_LIMIT_MM, DISTANCE_LIMIT_MM)


def one_picture(case: Case, side: str) -> sitk.Image:
    """All regions in one image, for tools that take one per side.

    A single region gives its distance map. Several are painted on grey levels of their own, 40 to 100 on 0, in an
    order that keeps neighbours apart, and smoothed by 1.5 voxels.
    """
    if len(case.pairs) == 1:
        return distance_map(getattr(case.pairs[0], side))
    grid: Grid = getattr(case, f"{side}_grid")
    levels = np.random.default_rng(0).permutation(np.linspace(40, 100, len(case.pairs)))
    picture = np.zeros(grid.shape_kji, np.float32)
    for pair, level in zip(case.pairs, levels, strict=True):
        region: Region = getattr(pair, side)
        picture[region.slices_kji][region.box_kji] = level
    return sitk.SmoothingRecursiveGaussian(to_simpleitk(picture, grid), [1.5 * s for s in grid.spacing_mm])


def resampled(image: sitk.Image, grid: Grid, transform: sitk.Transform) -> sitk.Image:
    """A picture of the moving side on the fixed grid; beyond its border, its first voxel's value."""
    resampler = sitk.ResampleImageFilter()
    set_reference(resampler, grid)
    resampler.SetTransform(transform)
    resampler.SetDefaultPixelValue(image[0, 0, 0])
    return resampler.Execute(image)


def field_of(transform: sitk.Transform, grid: Grid) -> DisplacementField:
    """The displacements of a SimpleITK transform at the voxels of a grid."""
    sampler = sitk.TransformToDisplacementFieldFilter()
    sampler.SetSize(grid.size_xyz)
    sampler.SetOutputSpacing(grid.spacing_mm)
    sampler.SetOutputOrigin(grid.origin_lps_mm)
    sampler.SetOutputDirection(grid.direction)
    sampler.SetOutputPixelType(sitk.sitkVectorFloat32)
    return DisplacementField(array_of(sampler.Execute(transform)), grid)


# --- the tools ---


def demons(case: Case) -> Outcome:
    """Diffeomorphic demons after the affine start: 200, 100 and 20 iterations at quarter, half and full size."""
    start = affine_start(case)
    fixed = one_picture(case, "fixed")
    moving = resampled(one_picture(case, "moving"), case.fixed_grid, start)
    field = None
    for shrink, steps in ((4, 200), (2, 100), (1, 20)):
        low, high = (sitk.BinShrink(image, [shrink] * 3) if shrink > 1 else image for image in (fixed, moving))
        field = sitk.Resample(field, low) if field else sitk.Image(low.GetSize(), sitk.sitkVectorFloat64)
        field.CopyInformation(low)
        tool = sitk.DiffeomorphicDemonsRegistrationFilter()
        tool.SetNumberOfIterations(steps)
        tool.SetStandardDeviations(1.0)
        field = tool.Execute(low, high, field)
    local = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    return Outcome(field_of(sitk.CompositeTransform([start, local]), case.fixed_grid))


def bspline(case: Case) -> Outcome:
    """B-spline by mean squares of the pictures: 10 cells per axis, a quarter then half of the size, 3,000 samples."""
    start = affine_start(case)
    fixed, moving = one_picture(case, "fixed"), one_picture(case, "moving")
    spline = sitk.BSplineTransformInitializer(fixed, [10, 10, 10], 3)
    method = sitk.ImageRegistrationMethod()
    method.SetInitialTransform(spline, inPlace=True)
    method.SetMovingInitialTransform(start)
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel([min(1.0, 3_000 * n**3 / case.voxels) for n in (4, 2)], 1)
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsLBFGSB(numberOfIterations=40, maximumNumberOfFunctionEvaluations=60)
    method.Execute(fixed, moving)
    return Outcome(field_of(sitk.CompositeTransform([start, spline]), case.fixed_grid))
