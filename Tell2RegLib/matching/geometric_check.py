"""Checks whether the positions of pairs are consistent: a robust similarity transform between their centroids.

m = s R f + t maps fixed to moving centroids. Every subset of one, two and three pairs proposes a transform; proposals
are scored by the number of pairs they explain and how well. The search is exhaustive, not random. Each proposal is
regularised towards no rotation and scale 1: one pair gives a translation, two pairs do not rotate about their axis, and
three collinear pairs are well-posed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.matching.assignment import Indices
from Tell2RegLib.matching.settings import GeometrySettings
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region

REGULARISATION_MM = 15.0
"""Weight of the regularisation towards no rotation and scale 1: as if three axes of this length were unchanged."""
MAX_POOLED, MAX_IN_TRIPLES = 64, 16
"""Maximum number of pairs that propose transforms alone and in twos, and in threes; bounds the run time."""
CANDIDATE_WEIGHT = 0.8
"""Weight of a possible pair relative to an assigned one."""
NEARLY_AS_GOOD = 0.5
"""Proposals whose score is within this distance of the best, in pairs, are alternatives."""
REFINEMENTS = 5


@dataclass(frozen=True, eq=False)
class RegionPositions:
    """Positions and sizes of regions.

    Args:
        centres: (N, 3), centroids, LPS mm.
        volumes_ml: (N,).
        radii_mm: (N,), radii of balls with the same mean square distance to the centroid.
    """

    centres: Floats
    volumes_ml: Floats
    radii_mm: Floats

    @classmethod
    def of(cls, regions: Sequence[Region]) -> RegionPositions:
        """Measure every region."""
        centres, radii = np.zeros((len(regions), 3)), np.zeros(len(regions))
        for n, region in enumerate(regions):
            points = region.points_lps_mm()
            centres[n] = points.mean(axis=0)
            radii[n] = np.sqrt(5 / 3 * np.mean(np.sum((points - centres[n]) ** 2, axis=1)))
        return cls(centres, np.array([region.volume_ml for region in regions]), radii)


@dataclass(frozen=True, eq=False)
class Alignment:
    """The alignment that most pairs support, and how every possible pair compares with it.

    Args:
        distance_mm: (N, M), from the mapped fixed centroid to the moving one.
        tolerance_mm: (N, M), largest allowed distance.
        volume_ratio: (N, M), moving to fixed volume, corrected for the alignment's scale.
        fits: (N, M), whether position and size are consistent with this alignment.
        agrees: (N, M), the same for this alignment or one with nearly the same score.
        discrepancy: (N, M), in position or size, whichever is larger: 0 for none, 1 at the limit or beyond.
        support: number of one-to-one pairs consistent with the alignment.
    """

    distance_mm: Floats
    tolerance_mm: Floats
    volume_ratio: Floats
    fits: NDArray[np.bool_]
    agrees: NDArray[np.bool_]
    discrepancy: Floats
    support: int


def align(
    fixed: RegionPositions, moving: RegionPositions, chosen: Indices, candidates: Indices, settings: GeometrySettings
) -> Alignment | None:
    """Find the transform that explains most pairs; None for fewer than two pairs.

    Args:
        fixed, moving: N and M regions.
        chosen: the assigned pairs, most similar first.
        candidates: all possible pairs, most similar first, those of `chosen` included.
        settings: tolerances and limits.
    """
    if len(chosen) < 2:
        return None
    scorer = _Scorer(fixed, moving, chosen, candidates, settings)
    pool = [*chosen, *(pair for pair in candidates if pair not in set(chosen))][:MAX_POOLED]
    proposals = _plausible(_proposals(fixed, moving, pool, chosen[:MAX_IN_TRIPLES]), settings)
    scores = scorer.scores(proposals)
    best_index = int(np.argmax(scores))
    refined = _refined(proposals.only(best_index), scorer, fixed, moving, settings)
    alternatives = proposals.only(np.flatnonzero(scores >= scores[best_index] - NEARLY_AS_GOOD))
    distance, ratio = scorer.distances(refined)[0], scorer.ratios(refined)[0]
    fits = scorer.agrees(refined)[0]
    agrees = fits | scorer.agrees(alternatives).any(axis=0)
    size_difference = np.abs(np.log(ratio)) / max(np.log(settings.most_volume_ratio), 1e-9)
    discrepancy = np.minimum(np.maximum(distance / scorer.tolerance, size_difference), 1)
    return Alignment(distance, scorer.tolerance, ratio, fits, agrees, discrepancy, len(scorer.explained_pairs(refined)))


@dataclass(frozen=True, eq=False)
class _Transforms:
    """B similarity transforms: scale (B,), rotation (B, 3, 3), translation `shift` (B, 3)."""

    scale: Floats
    rotation: Floats
    shift: Floats

    def only(self, selection: int | NDArray) -> _Transforms:
        index = np.atleast_1d(selection)
        return _Transforms(self.scale[index], self.rotation[index], self.shift[index])

    @property
    def rotation_deg(self) -> Floats:
        cosine = (np.trace(self.rotation, axis1=1, axis2=2) - 1) / 2
        return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))

    def __call__(self, points: Floats) -> Floats:
        """Map points (N, 3) by every transform, (B, N, 3)."""
        rotated = np.einsum("bxy,ny->bnx", self.rotation, points)
        return self.scale[:, None, None] * rotated + self.shift[:, None]


def fit_similarity(fixed: Floats, moving: Floats) -> tuple[Floats, Floats, Floats]:
    """Regularised scale (B,), rotation (B, 3, 3) and translation (B, 3) between points (B, P, 3); never a
    reflection."""
    mean_f, mean_m = fixed.mean(axis=1), moving.mean(axis=1)
    f, m = fixed - mean_f[:, None], moving - mean_m[:, None]
    pull = REGULARISATION_MM**2
    product = np.einsum("bpx,bpy->bxy", m, f) + pull * np.eye(3)
    u, values, v = np.linalg.svd(product)
    sign = np.ones((len(f), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ v))
    rotation = (u * sign[:, None]) @ v
    scale = np.sum(values * sign, axis=1) / (np.sum(f**2, axis=(1, 2)) + 3 * pull)
    shift = mean_m - scale[:, None] * np.einsum("bxy,by->bx", rotation, mean_f)
    return scale, rotation, shift


def _proposals(fixed: RegionPositions, moving: RegionPositions, pool: Indices, triple_pool: Indices) -> _Transforms:
    """The transforms of all single pairs and twos of one pool, and of all threes of another."""
    transforms = []
    for size, pairs in ((1, pool), (2, pool), (3, triple_pool)):
        groups = [group for group in combinations(pairs, size) if _one_to_one(group)]
        if groups:
            i, j = np.moveaxis(np.array(groups), -1, 0)
            transforms.append(fit_similarity(fixed.centres[i], moving.centres[j]))
    return _Transforms(*(np.concatenate(values) for values in zip(*transforms, strict=True)))


def _one_to_one(group: Sequence[tuple[int, int]]) -> bool:
    return all(len(set(side)) == len(group) for side in zip(*group, strict=True))


def _plausible(proposals: _Transforms, settings: GeometrySettings) -> _Transforms:
    """Proposals within the limits of scale and rotation; the translations of single pairs always are."""
    scale_allowed = np.abs(np.log(np.maximum(proposals.scale, 1e-9))) <= np.log(settings.most_scale)
    return proposals.only(np.flatnonzero(scale_allowed & (proposals.rotation_deg <= settings.most_turn_deg)))


def _refined(
    start: _Transforms, scorer: _Scorer, fixed: RegionPositions, moving: RegionPositions, settings: GeometrySettings
) -> _Transforms:
    """Refit the transform to all pairs that it explains, as long as the score improves."""
    best_transform, best_score = start, scorer.exact_score(start)
    for _ in range(REFINEMENTS):
        i, j = np.array(scorer.explained_pairs(best_transform), dtype=int).reshape(-1, 2).T
        if not len(i):
            break
        refitted = _plausible(_Transforms(*fit_similarity(fixed.centres[i][None], moving.centres[j][None])), settings)
        if not len(refitted.scale) or (new_score := scorer.exact_score(refitted)) <= best_score + 1e-9:
            break
        best_transform, best_score = refitted, new_score
    return best_transform


class _Scorer:
    """Scores transforms by the pairs that they explain."""

    def __init__(
        self,
        fixed: RegionPositions,
        moving: RegionPositions,
        chosen: Indices,
        candidates: Indices,
        settings: GeometrySettings,
    ) -> None:
        self._fixed, self._moving, self._settings = fixed, moving, settings
        radii = np.maximum(fixed.radii_mm[:, None], moving.radii_mm[None])
        self.tolerance: Floats = settings.tolerance_mm + settings.tolerance_radii * radii
        self._weight = np.zeros(self.tolerance.shape)
        for pairs, weight in ((candidates, CANDIDATE_WEIGHT), (chosen, 1.0)):
            for i, j in pairs:
                self._weight[i, j] = weight

    def distances(self, transforms: _Transforms) -> Floats:
        """(B, N, M), distances between mapped fixed and moving centroids, mm."""
        positions = transforms(self._fixed.centres)
        return np.linalg.norm(positions[:, :, None] - self._moving.centres[None, None], axis=-1)

    def ratios(self, transforms: _Transforms) -> Floats:
        """(B, N, M), moving to fixed volume, corrected for the transform's scale."""
        ratio = self._moving.volumes_ml[None] / self._fixed.volumes_ml[:, None]
        return ratio / transforms.scale[:, None, None] ** 3

    def agrees(self, transforms: _Transforms) -> NDArray[np.bool_]:
        """(B, N, M), whether position and size are consistent."""
        similar_size = np.abs(np.log(self.ratios(transforms))) <= np.log(self._settings.most_volume_ratio)
        return (self.distances(transforms) < self.tolerance) & similar_size

    def gains(self, transforms: _Transforms) -> Floats:
        """(B, N, M), contribution of each pair to the score: its weight at distance 0, nothing beyond the tolerance."""
        quality = 1 - (self.distances(transforms) / self.tolerance) ** 2
        return np.where(self.agrees(transforms), self._weight * np.maximum(quality, 0), 0.0)

    def scores(self, transforms: _Transforms) -> Floats:
        """(B,), an upper bound of the sum over one-to-one pairs, minus the cost of rotation and scale."""
        gains = self.gains(transforms)
        bound = np.minimum(gains.max(axis=2).sum(axis=1), gains.max(axis=1).sum(axis=1))
        return bound - self._cost(transforms)

    def exact_score(self, transform: _Transforms) -> float:
        """The exact score of one transform, with the best one-to-one pairs."""
        gains = self.gains(transform)[0]
        return float(sum(gains[i, j] for i, j in self.explained_pairs(transform)) - self._cost(transform)[0])

    def explained_pairs(self, transform: _Transforms) -> Indices:
        """The one-to-one pairs that one transform explains best."""
        from scipy.optimize import linear_sum_assignment

        gains = self.gains(transform)[0]
        rows, columns = linear_sum_assignment(gains, maximize=True)
        return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if gains[i, j] > 0]

    def _cost(self, transforms: _Transforms) -> Floats:
        """(B,), half a pair at the largest rotation plus half a pair at the largest scale."""
        rotation_fraction = transforms.rotation_deg / self._settings.most_turn_deg
        scale_fraction = np.log(transforms.scale) / np.log(self._settings.most_scale)
        return 0.5 * rotation_fraction**2 + 0.5 * scale_fraction**2
