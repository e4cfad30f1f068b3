"""elastix, through itk-elastix: a B-spline by mean squares of the same pictures as SimpleITK's tools get."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.space.volume import array_of, to_simpleitk
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome
from Testing.Bench.simpleitk_tools import affine_start, distance_map, field_of, one_picture, resampled

NEAR_MM = 15.0
"""Samples are drawn no farther than this from a fixed region: elsewhere the maps are flat and the spline drifts."""


def load() -> None:
    """Loading elastix takes half a minute the first time it is used."""
    import itk

    _ = itk.ElastixRegistrationMethod, itk.ParameterObject


def elastix(case: Case) -> Outcome:
    """Three resolutions of 300 adaptive stochastic steps, 3,000 samples, final control points 12 mm apart."""
    import itk

    start = affine_start(case)
    fixed = _itk_image(one_picture(case, "fixed"))
    moving = _itk_image(resampled(one_picture(case, "moving"), case.fixed_grid, start))
    near = np.min([array_of(distance_map(pair.fixed)) for pair in case.pairs], axis=0) < NEAR_MM
    method = itk.ElastixRegistrationMethod.New(fixed, moving)
    method.SetFixedMask(_itk_image(to_simpleitk(near, case.fixed_grid)))
    method.SetParameterObject(_parameters())
    method.SetLogToConsole(False)
    method.UpdateLargestPossibleRegion()
    spline = _as_simpleitk(method.GetTransformParameterObject().GetParameterMap(0))
    return Outcome(field_of(sitk.CompositeTransform([start, spline]), case.fixed_grid))


def _parameters():  # type: ignore[no-untyped-def]
    import itk

    parameters = itk.ParameterObject.New()
    table = parameters.GetDefaultParameterMap("bspline", 3, 12.0)
    for key, value in {
        "Metric": "AdvancedMeanSquares",
        "Interpolator": "LinearInterpolator",
        "FixedImagePyramid": "FixedSmoothingImagePyramid",
        "MovingImagePyramid": "MovingSmoothingImagePyramid",
        "NumberOfSpatialSamples": 3000,
        "MaximumNumberOfIterations": 300,
        "MaximumStepLength": 0.25,
        "RandomSeed": 1,
        "ErodeMask": "false",
        "WriteResultImage": "false",
        "AutomaticTransformInitialization": "false",
    }.items():
        table[key] = [str(value)]
    parameters.AddParameterMap(table)
    return parameters


def _itk_image(image: sitk.Image):  # type: ignore[no-untyped-def]
    import itk

    copy = itk.image_from_array(array_of(image))
    copy.SetSpacing(image.GetSpacing())
    copy.SetOrigin(image.GetOrigin())
    copy.SetDirection(itk.matrix_from_array(np.reshape(image.GetDirection(), (3, 3))))
    return copy


def _as_simpleitk(table: dict[str, tuple[str, ...]]) -> sitk.BSplineTransform:
    """The same spline, from elastix's parameters."""
    keys = ("GridSize", "GridOrigin", "GridSpacing", "GridDirection")
    spline = sitk.BSplineTransform(3, 3)
    spline.SetFixedParameters([float(value) for key in keys for value in table[key]])
    spline.SetParameters([float(value) for value in table["TransformParameters"]])
    return spline
