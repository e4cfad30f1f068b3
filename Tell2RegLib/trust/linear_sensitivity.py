"""How far the affine map of a fit would change with other outlines, or without one of its pairs; from derivatives.

Jittered outlines and pairs that are dropped would each need another fit. Their effect follows, to first order, from the
Gauss-Newton terms of every pair at the affine map (`fitting.linear`): the covariance of its parameters, and the step
that remains to be taken when the term of one pair is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.fitting.linear import INDEPENDENT_POINTS, NARROW_RAMP, points_inside, ramp_mm_of
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.linear_terms import mismatch_terms, sampled
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.region import RegionPair

LEAST_MISMATCH = 0.02
"""Mismatch of a pair that is always left, as a share of the region: of voxels and of outlines."""


@dataclass(frozen=True, eq=False)
class LinearSensitivity:
    """The covariance of an affine map, and its changes without each pair.

    The twelve parameters are small changes before the map: rotation, scale and shear about the regions' centre
    (`fitting.linear_prior`), then a shift, in fixed space.

    Args:
        centre_lps_mm: (3,), the regions' centre, fixed space.
        covariance: (12, 12), given the mismatch that remains and the default prior.
        changes: (K, 12), the change of the parameters without each pair; K is 0 for a single pair.
    """

    centre_lps_mm: Floats
    covariance: Floats
    changes: Floats

    @classmethod
    def of(cls, pairs: Sequence[RegionPair], affine_lps: Floats) -> LinearSensitivity:
        """Of accepted pairs, about their affine map (4 x 4, fixed to moving)."""
        radius_mm = float(np.mean([pair.fixed.radius_mm for pair in pairs]))
        terms = mismatch_terms(pairs, ramp_mm_of(radius_mm, NARROW_RAMP))
        centre = np.concatenate([points_inside(term) for term in terms]).mean(axis=0)
        normals, slopes, losses = [], [], []
        for term in terms:
            value, gradient = sampled(term, apply_affine(affine_lps, term.points))
            residual = value - term.target
            jacobian = np.einsum("ni,nip->np", gradient @ affine_lps[:3, :3], _slopes(term.points - centre))
            normals.append(term.weight * (jacobian.T @ jacobian))
            slopes.append(term.weight * (jacobian.T @ residual))
            losses.append(term.weight * float(residual @ residual))
        noise = (float(np.mean(losses)) + LEAST_MISMATCH) / INDEPENDENT_POINTS
        prior = np.zeros((12, 12))
        prior[:9, :9] = noise * np.linalg.inv(LinearPrior.from_settings(FitSettings()).covariance)
        prior[9:, 9:] = noise * np.eye(3) / 100.0**2  # a shift of 100 mm, so that no matrix is singular
        total = sum(normals) + prior
        changes = [np.linalg.solve(total - n, s) for n, s in zip(normals, slopes, strict=True)]
        return cls(
            centre,
            noise * np.linalg.inv(total).astype(np.float64),
            np.array(changes if len(pairs) > 1 else []).reshape(-1, 12),
        )

    def spread_mm(self, fixed_lps_mm: Floats) -> Floats:
        """(N,), standard deviation of the affine map at points (N, 3) of fixed space."""
        slopes = _slopes(fixed_lps_mm - self.centre_lps_mm)
        spread: Floats = np.sqrt(np.einsum("nip,pq,niq->n", slopes, self.covariance, slopes))
        return spread

    def leave_one_out_mm(self, fixed_lps_mm: Floats) -> Floats:
        """(N,), root-mean-square change at points (N, 3) of fixed space when one pair is left out; 0 for one pair."""
        if not len(self.changes):
            return np.zeros(len(fixed_lps_mm))
        moved = np.einsum("nip,kp->kni", _slopes(fixed_lps_mm - self.centre_lps_mm), self.changes)
        change: Floats = np.sqrt(np.mean(np.sum(moved**2, axis=2), axis=0))
        return change


def _slopes(offsets: Floats) -> Floats:
    """(N, 3, 12), change of points (N, 3) about the centre by the parameters."""
    x, y, z = offsets.T
    zero, unit = np.zeros_like(x), np.ones_like(x)
    rows = (
        (zero, z, -y, x, zero, zero, zero, z, y, unit, zero, zero),
        (-z, zero, x, zero, y, zero, z, zero, x, zero, unit, zero),
        (y, -x, zero, zero, zero, z, y, x, zero, zero, zero, unit),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=1)
