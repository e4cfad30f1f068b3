"""Registers a case as a new one would be, and measures the errors of its landmarks with the cues that hint at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from Tell2RegLib.calibration.error_learning import ErrorObservations, TargetErrors
from Tell2RegLib.cases.contents import CaseContents, Truth
from Tell2RegLib.evaluation.metrics import target_registration_error_mm
from Tell2RegLib.fitting import FitResult, FitSettings, fit
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.matching import check_pairs, pairs_by_name
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.transform_kinds import LINEAR, state_of
from Tell2RegLib.support.progress import Check
from Tell2RegLib.trust.cues import Registered, cues_of
from Tell2RegLib.trust.domain import CaseFacts


def targets_of(truth: Truth) -> tuple[Floats, Floats]:
    """Corresponding points (fixed, moving), each (N, 3), LPS mm: the landmarks; without any, the centroids of the true
    regions."""
    if truth.landmarks.names or not truth.regions:
        return truth.landmarks.fixed_lps_mm, truth.landmarks.moving_lps_mm
    fixed, moving = (
        np.array([getattr(pair, side).centroid_lps_mm() for pair in truth.regions]) for side in ("fixed", "moving")
    )
    return fixed, moving


def observe(
    name: str,
    patients: tuple[str, ...],
    contents: CaseContents,
    prior: LinearPrior,
    settings: FitSettings,
    check: Check | None = None,
) -> ErrorObservations:
    """Register a case that shows the errors of targets, and measure these.

    Args:
        name, patients: of the case.
        contents: with regions, and landmarks or true regions.
        prior: of the linear part, learned from other patients.
        settings: of the fit.
        check: called often; raises to cancel.

    Raises:
        NothingFound: no pair of regions is accepted.
    """
    pairs = pairs_by_name(contents.fixed_regions, contents.moving_regions)
    pairs = check_pairs(pairs, prior.rotation).pairs
    result = fit(pairs, settings, prior=prior, check=check)
    facts = CaseFacts.of(contents.fixed, contents.moving, pairs)
    return ErrorObservations(name, patients, facts, errors_by_kind(result, pairs, *targets_of(contents.truth)))


def errors_by_kind(
    result: FitResult, pairs: Sequence[RegionPair], fixed_lps_mm: Floats, moving_lps_mm: Floats
) -> dict[str, TargetErrors]:
    """The errors and cues of corresponding points (N, 3) under every transform of a fit.

    Args:
        result: the fit.
        pairs: those that it was given.
        fixed_lps_mm, moving_lps_mm: the points.
    """
    grids = (result.transform.fixed_to_moving.grid, result.transform.moving_to_fixed.grid)
    matrices = dict(zip(LINEAR, (result.rigid_lps, result.affine_lps), strict=True))
    transforms = {kind: affine_transform(kind, matrix, *grids) for kind, matrix in matrices.items()}
    transforms[state_of(result.transform.kind)] = result.transform
    errors = {}
    for kind, transform in transforms.items():
        registered = Registered(transform, result.rigid_lps, result.affine_lps, pairs)
        propagated = transform.inverse.apply_to_points(moving_lps_mm)
        errors[kind] = TargetErrors(
            cues_of(registered, moving_lps_mm), target_registration_error_mm(propagated, fixed_lps_mm)
        )
    return errors
