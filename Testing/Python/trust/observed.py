"""Cases with errors that follow a cue, for tests of what is learned from them."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.calibration.error_learning import ErrorObservations, TargetErrors
from Tell2RegLib.trust.cues import CUES
from Tell2RegLib.trust.domain import CaseFacts, SideFacts

REGIONS = {f"organ {letter}": (20.0 + n, 22.0 + n) for n, letter in enumerate("abcdefgh")}
LOOKS = np.array([0.1, 0.0, 0.4, 0.5, -1.0, 6.0])


def facts_of(regions: dict[str, tuple[float, float]] | None = None, **of_moving: object) -> CaseFacts:
    """A case like all others, but for what is given of its regions and of its moving volume."""
    usual = {"voxel_sides_mm": (1.0, 2.0), "size_mm": 100.0, "looks": LOOKS}
    return CaseFacts((SideFacts(**usual), SideFacts(**{**usual, **of_moving})), REGIONS if regions is None else regions)


def observations(patients: int, seed: int, targets: int = 5) -> list[ErrorObservations]:
    """One case per patient: errors grow with the first cue, and vary from patient to patient."""
    rng, cases = np.random.default_rng(seed), []
    for n in range(patients):
        cues = np.zeros((targets, len(CUES)))
        cues[:, 0] = rng.uniform(0, 1.5, targets)
        scale = np.exp(0.3 * rng.normal())
        errors = scale * np.exp(cues[:, 0]) * np.exp(0.4 * rng.normal(size=targets))
        kinds = {"deformable": TargetErrors(cues, errors)}
        cases.append(ErrorObservations(f"case {n}", (f"patient {n}",), facts_of(), kinds))
    return cases
