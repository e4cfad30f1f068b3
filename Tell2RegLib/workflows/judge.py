"""Judges the points of a file that `apply` propagates with the transform of a result folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import ErrorEstimate, TargetTrust, judge_targets
from Tell2RegLib.results.stored_fit import read_stored_fit
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.trust.cues import Registered

EARLIER = ErrorEstimate(reason="The result was written by an earlier version. Register again.")


def judge_points(
    folder: str | Path,
    transform: Transform,
    source: str | Path,
    *,
    inverse: bool = False,
    settings: TrustSettings | None = None,
) -> tuple[TargetTrust, ...]:
    """The verdicts on the points of a file, propagated from moving to fixed space, or back with `inverse`.

    Errors are always predicted from moving to fixed space: points that are propagated back are taken where they lead.

    Args:
        folder: the result folder.
        transform: its transform.
        source: the file of points.
        inverse: propagate from fixed to moving space.
        settings: `TrustSettings()` when None.

    Raises:
        InputError: a file that cannot be read.
    """
    stored, points = read_stored_fit(folder), read_points(source)
    drawn, pairs, linear = points.points_lps_mm, stored.pairs, (stored.rigid_lps, stored.affine_lps)
    on_moving = transform.apply_to_points(drawn) if inverse else drawn
    registered = Registered(transform, *linear, pairs)
    estimates = stored.predictor.estimates(registered, on_moving) if stored.predictor else (EARLIER,) * len(points)
    if inverse:
        transform, linear = transform.inverse, (_inverted(linear[0]), _inverted(linear[1]))
        pairs = tuple(replace(pair, fixed=pair.moving, moving=pair.fixed) for pair in pairs)
    return judge_targets(points.names, drawn, transform, *linear, pairs, settings, estimates=estimates)


def _inverted(matrix: np.ndarray) -> np.ndarray:
    inverse: np.ndarray = np.linalg.inv(matrix).astype(np.float64)
    return inverse
