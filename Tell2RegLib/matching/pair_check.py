"""Checks pairs against each other: place, size and shape, left and right, and whether a volume looks mirrored.

A doubtful pair is weighed down in the fit; a pair in the wrong place is rejected only when at least three others agree
without it. Wrong sides and a mirrored volume are stated, nothing more: which name or header is at fault, only a person
can know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from Tell2RegLib.matching.pair_model import PairJudgement, judge_pairs
from Tell2RegLib.matching.region_geometry import RegionGeometry
from Tell2RegLib.matching.sides import on_the_wrong_side
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair

FULL_WEIGHT, STEEPNESS = 0.8, 3
"""Pairs at least as probable as the first have the weight 1; below, the weight falls with this power, because a
deformation follows a pair nearly as far with a weight of 0.1 as with 1 (docs/method.md)."""
LEAST_WEIGHT = 0.001
"""Weight of a pair that is certainly wrong but not rejected."""
LEAST_AGREEING = 1.5
"""A pair in the wrong place keeps its weight unless the probabilities of the other pairs add up to this."""
REJECTED_BELOW, LEAST_SUPPORT = 0.1, 2.5
"""A less probable pair in the wrong place is rejected if the probabilities of the other pairs add up to the second."""
MIRRORED_EVIDENCE, MIRRORED_LEAST, MIRRORED_MORE, MIRRORED_SHARE = 10.0, 5, 2, 0.75
"""A volume looks mirrored if a reflection explains the pairs better by this log density, at least so many pairs, so
many more than no reflection, and this share of all."""
AXES = ("left and right", "front and back", "top and bottom")
"""What a reflection along x, y or z exchanges."""


@dataclass(frozen=True, eq=False)
class PairCheck:
    """Checked pairs, and what the check says about the volumes.

    Args:
        pairs: the accepted ones in their order, with weights and reasons, then the rejected ones.
        remarks: one sentence each, about a volume.
    """

    pairs: tuple[RegionPair, ...]
    remarks: tuple[str, ...] = ()


def check_pairs(pairs: Sequence[RegionPair], expected_rotation: Floats | None = None) -> PairCheck:
    """Check the accepted pairs against each other; rejected pairs remain as they are.

    Args:
        pairs: in any order; what the check says of a pair does not depend on it.
        expected_rotation: (3, 3), from fixed to moving, as an initial transform gives it; none when None.
    """
    accepted = [pair for pair in pairs if pair.accepted]
    if not accepted:
        return PairCheck(tuple(pairs))
    evidence = _Evidence.of(accepted, expected_rotation)
    weights = pair_weights(evidence.judgement.right)
    checked = [_checked(pair, n, evidence, float(weights[n])) for n, pair in enumerate(accepted)]
    rejected_before = [pair for pair in pairs if not pair.accepted]
    ordered = sorted(checked, key=lambda pair: not pair.accepted)
    return PairCheck((*ordered, *rejected_before), evidence.remarks())


def remarks_about(pairs: Sequence[RegionPair], expected_rotation: Floats | None = None) -> tuple[str, ...]:
    """What all pairs, the rejected ones too, say about the volumes: see `PairCheck.remarks`."""
    return _Evidence.of(pairs, expected_rotation).remarks() if pairs else ()


def pair_weights(right: Floats) -> Floats:
    """Weights (N,) in the fit for probabilities (N,) that the pairs are right; the largest weight is 1.

    >>> pair_weights(np.array([0.97, 0.4, 0.0])).tolist()
    [1.0, 0.125, 0.001]
    """
    share = np.minimum(right / FULL_WEIGHT, 1.0)
    return np.round(np.maximum((share / share.max()) ** STEEPNESS, LEAST_WEIGHT), 3)


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What is known about some pairs together.

    Args:
        regions: of the pairs, by volume: "fixed" and "moving".
        wrong_sides: by volume and number of the pair, see `on_the_wrong_side`.
        rotation: the expected one.
    """

    regions: Mapping[str, Sequence[Region]]
    wrong_sides: Mapping[str, Mapping[int, str]]
    geometry: tuple[RegionGeometry, RegionGeometry]
    rotation: Floats
    judgement: PairJudgement

    @classmethod
    def of(cls, pairs: Sequence[RegionPair], expected_rotation: Floats | None) -> _Evidence:
        regions = {"fixed": [pair.fixed for pair in pairs], "moving": [pair.moving for pair in pairs]}
        geometry = RegionGeometry.of(regions["fixed"]), RegionGeometry.of(regions["moving"])
        rotation = np.eye(3) if expected_rotation is None else expected_rotation
        sides = {volume: on_the_wrong_side(some) for volume, some in regions.items()}
        return cls(regions, sides, geometry, rotation, judge_pairs(*geometry, rotation))

    def remarks(self) -> tuple[str, ...]:
        """See `PairCheck.remarks`."""
        return (*_about_mirrored(self), *_about_sides(self))


# --- pairs ---


def _checked(pair: RegionPair, n: int, evidence: _Evidence, weight: float) -> RegionPair:
    """A pair with its weight and reason, or rejected."""
    judgement = evidence.judgement
    notes = [f"{wrong[n]} in the {volume} volume" for volume, wrong in evidence.wrong_sides.items() if n in wrong]
    support = float(judgement.right.sum() - judgement.right[n])
    if judgement.right[n] < FULL_WEIGHT:
        contradiction = _contradiction(n, judgement)
        is_misplaced = judgement.misplaced[n] > 0.5
        if judgement.right[n] < REJECTED_BELOW and is_misplaced and support >= LEAST_SUPPORT:
            return pair.rejected("; ".join([f"rejected: {contradiction}; possibly another structure", *notes]))
        is_undecided = judgement.misplaced[n] > judgement.missized[n] and support < LEAST_AGREEING
        if is_undecided:
            weight = 1.0
            notes.insert(0, "contradicts the other pairs, and too few agree to tell which is wrong")
        elif weight < 1:
            notes.insert(0, f"doubtful, counts {100 * weight:.2g} %: {contradiction}")
        else:
            notes.insert(0, f"unusual, check it: {contradiction}")
    reason = "; ".join(part for part in (pair.reason, *notes) if part)
    return replace(pair, weight=weight, reason=reason)


def _contradiction(n: int, judgement: PairJudgement) -> str:
    """In what a pair contradicts the others."""
    as_implied = " as the other pairs imply" if len(judgement.right) > 1 else ""
    parts = []
    if judgement.misplaced[n] >= judgement.missized[n] / 2:
        parts.append(f"{judgement.distance_mm[n]:.0f} mm from where the other pairs imply")
    if judgement.missized[n] >= judgement.misplaced[n] / 2:
        ratio = judgement.volume_ratio[n]
        side, ratio = ("moving", ratio) if ratio > 1 else ("fixed", 1 / ratio)
        parts.append(f"{ratio:.1f} times as large in the {side} volume{as_implied}")
    return " and ".join(parts)


# --- volumes ---


def _about_mirrored(evidence: _Evidence) -> Iterator[str]:
    """Whether a reflection explains the pairs clearly better than a rotation."""
    proper, count = evidence.judgement, len(evidence.judgement.right)
    otherwise = int(np.sum(proper.right > 0.5))
    if count < max(MIRRORED_LEAST, otherwise + MIRRORED_MORE):
        return
    reflections = [evidence.rotation @ np.diag(np.where(np.arange(3) == axis, -1.0, 1.0)) for axis in range(3)]
    judgements = [judge_pairs(*evidence.geometry, reflection) for reflection in reflections]
    axis = int(np.argmax([judgement.evidence for judgement in judgements]))
    explained = int(np.sum(judgements[axis].right > 0.5))
    is_clear = judgements[axis].evidence >= proper.evidence + MIRRORED_EVIDENCE
    if is_clear and explained >= max(MIRRORED_LEAST, otherwise + MIRRORED_MORE, MIRRORED_SHARE * count):
        yield (
            f"One volume looks mirrored against the other: with {AXES[axis]} exchanged, {explained} of {count} pairs "
            f"fit together, otherwise {otherwise}. Check the orientation of both volumes, and the names of the regions."
        )


def _about_sides(evidence: _Evidence) -> Iterator[str]:
    """Regions on the wrong side, one sentence per volume."""
    for volume, wrong in evidence.wrong_sides.items():
        if wrong:
            listed = "; ".join(f"'{evidence.regions[volume][n].name}' {error}" for n, error in wrong.items())
            yield f"Wrong side in the {volume} volume: {listed}. Check the names, and the orientation of the volume."
