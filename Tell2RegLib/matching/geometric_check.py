"""Do pairs lie where the other pairs say? A similarity transform between centroids that outliers cannot bend.

m = s R f + t from fixed to moving centroids. Every one, two and three of the pairs propose a transform; each proposal
is judged by how many pairs it explains, and how well. Nothing is drawn at random. Each proposal is pulled towards no
rotation and scale 1, so that one pair gives a shift, two pairs leave the turn about their axis alone, and three pairs
in a row are no danger.
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

PULL_MM = 15.0
"""Pull towards no rotation and scale 1: as if three axes of this length had stayed as they were."""
MOST_POOLED, MOST_IN_THREES = 64, 16
"""So many pairs propose transforms alone and in twos, and in threes: the time is bounded."""
OTHERS_WEIGHT = 0.8
"""What a pair that could be made counts beside one that was made."""
NEARLY_AS_GOOD = 0.5
"""A proposal that explains half a pair less than the best may be right too."""
REFINEMENTS = 5


@dataclass(frozen=True, eq=False)
class Places:
    """Where regions are, and how large.

    Args:
        centres: (N, 3) centroids, LPS mm.
        volumes_ml: (N,).
        radii_mm: (N,) of the balls of the same mean square distance to the centroid.
    """

    centres: Floats
    volumes_ml: Floats
    radii_mm: Floats

    @classmethod
    def of(cls, regions: Sequence[Region]) -> Places:
        """Of every region."""
        centres, radii = np.zeros((len(regions), 3)), np.zeros(len(regions))
        for n, region in enumerate(regions):
            points = region.points_lps_mm()
            centres[n] = points.mean(axis=0)
            radii[n] = np.sqrt(5 / 3 * np.mean(np.sum((points - centres[n]) ** 2, axis=1)))
        return cls(centres, np.array([region.volume_ml for region in regions]), radii)


@dataclass(frozen=True, eq=False)
class Alignment:
    """What the pairs agree on.

    Args:
        distance_mm: (N, M) from where a fixed region's centroid goes to that of a moving one.
        tolerance_mm: (N, M) what is allowed.
        volume_ratio: (N, M) moving to fixed, at the scale of all.
        fits: (N, M) whether place and size agree with this alignment.
        agrees: (N, M) the same, with this alignment or with one that is nearly as good.
        discrepancy: (N, M) in place or in size, whichever is larger: 0 none, 1 all that is allowed or more.
        support: how many pairs, one to one, agree with it.
    """

    distance_mm: Floats
    tolerance_mm: Floats
    volume_ratio: Floats
    fits: NDArray[np.bool_]
    agrees: NDArray[np.bool_]
    discrepancy: Floats
    support: int


def align(
    fixed: Places, moving: Places, chosen: Indices, candidates: Indices, settings: GeometrySettings
) -> Alignment | None:
    """The transform that explains most pairs; None when there are no two pairs to compare.

    Args:
        fixed, moving: N and M regions.
        chosen: the pairs that were made, most similar first.
        candidates: all that could be made, most similar first; those of `chosen` among them.
    """
    if len(chosen) < 2:
        return None
    judge = _Judge(fixed, moving, chosen, candidates, settings)
    pool = [*chosen, *(pair for pair in candidates if pair not in set(chosen))][:MOST_POOLED]
    proposals = _kept(_proposals(fixed, moving, pool, chosen[:MOST_IN_THREES]), settings)
    scores = judge.scores(proposals)
    best = int(np.argmax(scores))
    refined = _refined(proposals.only(best), judge, fixed, moving, settings)
    rivals = proposals.only(np.flatnonzero(scores >= scores[best] - NEARLY_AS_GOOD))
    distance, ratio = judge.distances(refined)[0], judge.ratios(refined)[0]
    fits = judge.agrees(refined)[0]
    agrees = fits | judge.agrees(rivals).any(axis=0)
    size = np.abs(np.log(ratio)) / max(np.log(settings.most_volume_ratio), 1e-9)
    discrepancy = np.minimum(np.maximum(distance / judge.tolerance, size), 1)
    return Alignment(distance, judge.tolerance, ratio, fits, agrees, discrepancy, len(judge.explained(refined)))


@dataclass(frozen=True, eq=False)
class _Transforms:
    """B similarity transforms: scale (B,), rotation (B, 3, 3), shift (B, 3)."""

    scale: Floats
    rotation: Floats
    shift: Floats

    def only(self, which: int | NDArray) -> _Transforms:
        index = np.atleast_1d(which)
        return _Transforms(self.scale[index], self.rotation[index], self.shift[index])

    @property
    def turn_deg(self) -> Floats:
        cosine = (np.trace(self.rotation, axis1=1, axis2=2) - 1) / 2
        return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))

    def __call__(self, points: Floats) -> Floats:
        """(B, N, 3)."""
        turned = np.einsum("bxy,ny->bnx", self.rotation, points)
        return self.scale[:, None, None] * turned + self.shift[:, None]


def fit_similarity(fixed: Floats, moving: Floats) -> tuple[Floats, Floats, Floats]:
    """Scale (B,), rotation (B, 3, 3) and shift (B, 3) from points (B, P, 3) to points; never a mirror image."""
    mean_f, mean_m = fixed.mean(axis=1), moving.mean(axis=1)
    f, m = fixed - mean_f[:, None], moving - mean_m[:, None]
    pull = PULL_MM**2
    product = np.einsum("bpx,bpy->bxy", m, f) + pull * np.eye(3)
    u, values, v = np.linalg.svd(product)
    sign = np.ones((len(f), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ v))
    rotation = (u * sign[:, None]) @ v
    scale = np.sum(values * sign, axis=1) / (np.sum(f**2, axis=(1, 2)) + 3 * pull)
    shift = mean_m - scale[:, None] * np.einsum("bxy,by->bx", rotation, mean_f)
    return scale, rotation, shift


def _proposals(fixed: Places, moving: Places, pool: Indices, in_threes: Indices) -> _Transforms:
    """A transform of every one and two of the pool, and of every three of its first."""
    parts = []
    for size, pairs in ((1, pool), (2, pool), (3, in_threes)):
        groups = [group for group in combinations(pairs, size) if _one_to_one(group)]
        if groups:
            i, j = np.moveaxis(np.array(groups), -1, 0)
            parts.append(fit_similarity(fixed.centres[i], moving.centres[j]))
    return _Transforms(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _one_to_one(group: Sequence[tuple[int, int]]) -> bool:
    return all(len(set(side)) == len(group) for side in zip(*group, strict=True))


def _kept(proposals: _Transforms, settings: GeometrySettings) -> _Transforms:
    """Those that bodies lying alike can differ by; the shifts of single pairs are always among them."""
    scaled = np.abs(np.log(np.maximum(proposals.scale, 1e-9))) <= np.log(settings.most_scale)
    return proposals.only(np.flatnonzero(scaled & (proposals.turn_deg <= settings.most_turn_deg)))


def _refined(
    start: _Transforms, judge: _Judge, fixed: Places, moving: Places, settings: GeometrySettings
) -> _Transforms:
    """The transform fitted again to all that it explains, as long as that makes it better."""
    best, score = start, judge.exact_score(start)
    for _ in range(REFINEMENTS):
        i, j = np.array(judge.explained(best), dtype=int).reshape(-1, 2).T
        if not len(i):
            break
        again = _kept(_Transforms(*fit_similarity(fixed.centres[i][None], moving.centres[j][None])), settings)
        if not len(again.scale) or (better := judge.exact_score(again)) <= score + 1e-9:
            break
        best, score = again, better
    return best


class _Judge:
    """How many pairs transforms explain, and how well."""

    def __init__(
        self, fixed: Places, moving: Places, chosen: Indices, candidates: Indices, settings: GeometrySettings
    ) -> None:
        self._fixed, self._moving, self._settings = fixed, moving, settings
        radii = np.maximum(fixed.radii_mm[:, None], moving.radii_mm[None])
        self.tolerance: Floats = settings.tolerance_mm + settings.tolerance_radii * radii
        self._weight = np.zeros(self.tolerance.shape)
        for pairs, weight in ((candidates, OTHERS_WEIGHT), (chosen, 1.0)):
            for i, j in pairs:
                self._weight[i, j] = weight

    def distances(self, transforms: _Transforms) -> Floats:
        """(B, N, M), mm."""
        places = transforms(self._fixed.centres)
        return np.linalg.norm(places[:, :, None] - self._moving.centres[None, None], axis=-1)

    def ratios(self, transforms: _Transforms) -> Floats:
        """(B, N, M), moving to fixed volume at the scale of the transform."""
        ratio = self._moving.volumes_ml[None] / self._fixed.volumes_ml[:, None]
        return ratio / transforms.scale[:, None, None] ** 3

    def agrees(self, transforms: _Transforms) -> NDArray[np.bool_]:
        """(B, N, M), whether place and size agree."""
        alike = np.abs(np.log(self.ratios(transforms))) <= np.log(self._settings.most_volume_ratio)
        return (self.distances(transforms) < self.tolerance) & alike

    def gains(self, transforms: _Transforms) -> Floats:
        """(B, N, M), what each pair adds to the score: its weight at its place, nothing beyond the tolerance."""
        quality = 1 - (self.distances(transforms) / self.tolerance) ** 2
        return np.where(self.agrees(transforms), self._weight * np.maximum(quality, 0), 0.0)

    def scores(self, transforms: _Transforms) -> Floats:
        """(B,), an upper bound of the sum over one-to-one pairs, less what turns and scales cost."""
        gains = self.gains(transforms)
        bound = np.minimum(gains.max(axis=2).sum(axis=1), gains.max(axis=1).sum(axis=1))
        return bound - self._cost(transforms)

    def exact_score(self, transform: _Transforms) -> float:
        """The same with the best one-to-one pairs, for one transform."""
        gains = self.gains(transform)[0]
        return float(sum(gains[i, j] for i, j in self.explained(transform)) - self._cost(transform)[0])

    def explained(self, transform: _Transforms) -> Indices:
        """The one-to-one pairs that one transform explains best."""
        from scipy.optimize import linear_sum_assignment

        gains = self.gains(transform)[0]
        rows, columns = linear_sum_assignment(gains, maximize=True)
        return [(i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if gains[i, j] > 0]

    def _cost(self, transforms: _Transforms) -> Floats:
        """Half a pair for the largest turn, half a pair for the largest scale."""
        turn = transforms.turn_deg / self._settings.most_turn_deg
        scale = np.log(transforms.scale) / np.log(self._settings.most_scale)
        return 0.5 * turn**2 + 0.5 * scale**2
