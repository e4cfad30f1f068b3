"""What one case says of the linear offset: a normal likelihood from its regions, and linearised landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.cases.contents import NO_LANDMARKS, Landmarks
from Tell2RegLib.fitting.linear import LinearEvidence, linear_maps
from Tell2RegLib.fitting.linear_prior import LinearPrior, derivative, linear_part
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.support.progress import Check


@dataclass(frozen=True, eq=False)
class CaseEvidence:
    """The evidence of one case.

    Args:
        name, patients: of the case.
        precision, information: (9, 9) and (9,), the regions' likelihood (`LinearEvidence`).
        landmark_slopes: (P, 3, 9), change of the mapped landmarks by the parameters, mm.
        landmark_targets: (P, 3), mm: landmark_slopes @ parameters equals these where a landmark fits exactly.
    """

    name: str
    patients: tuple[str, ...]
    precision: Floats
    information: Floats
    landmark_slopes: Floats
    landmark_targets: Floats

    def landmark_errors_mm(self, parameters: Floats) -> Floats:
        """(P,), distance of each mapped landmark from its place."""
        distances: Floats = np.linalg.norm(self.landmark_targets - self.landmark_slopes @ parameters, axis=-1)
        return distances


def case_evidence(
    name: str,
    patients: tuple[str, ...],
    pairs: Sequence[RegionPair],
    prior: LinearPrior,
    landmarks: Landmarks = NO_LANDMARKS,
    check: Check | None = None,
) -> CaseEvidence:
    """The evidence of a case, linearised at its most probable affine map.

    Landmarks count about the regions' centre, which the regions determine by themselves.

    Args:
        name, patients: of the case.
        pairs: at least one.
        prior: at which the map is estimated.
        landmarks: none or more.
        check: called often; raises to cancel.
    """
    evidence = linear_maps(pairs, prior, check).evidence
    slopes, targets = _landmark_terms(evidence, landmarks)
    return CaseEvidence(name, patients, evidence.precision, evidence.information, slopes, targets)


def _landmark_terms(evidence: LinearEvidence, landmarks: Landmarks) -> tuple[Floats, Floats]:
    offsets = landmarks.fixed_lps_mm - evidence.centre
    by_parameters = derivative(evidence.parameters).reshape(3, 3, 9)
    slopes = np.einsum("ijp,nj->nip", by_parameters, offsets) + evidence.centre_change
    mapped = offsets @ linear_part(evidence.parameters).T + evidence.mapped_centre
    return slopes, landmarks.moving_lps_mm - mapped + slopes @ evidence.parameters
