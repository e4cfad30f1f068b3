"""How far each target of a plan can be trusted where it was carried: rules on what is known, no promise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.jacobian import jacobian_at
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform, invertible
from Tell2RegLib.support.settings import setting

GOOD, CHECK, DO_NOT_TRUST = "good", "check", "do not trust"
VERDICTS = (GOOD, CHECK, DO_NOT_TRUST)
"""From the best to the worst; a target gets the worst that any rule gives it."""
_NEIGHBOURS = 8
"""So many nearest voxel centres are looked at for the nearest voxel: voxels are boxes, not points."""


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """From where on a target is to be checked, or not to be trusted; docs/settings.md lists defaults.

    All of them are ours, by judgement: they are not fitted to measured errors.

    Raises:
        InputError: bounds that are not finite, negative, or in the wrong order.
    """

    near_mm: float = setting(
        5.0,
        "'good' up to this distance from an accepted region (4.9 mm is the radius of a 0.5 ml lesion).",
        unit="mm",
        low=0,
    )
    far_mm: float = setting(20.0, "'do not trust' beyond this distance from every accepted region.", unit="mm", low=0)
    jacobian_check: tuple[float, float] = setting(
        (0.5, 2.0),
        "'check' outside this range of the Jacobian determinant: tissue rarely halves or doubles its volume.",
    )
    jacobian_never: tuple[float, float] = setting(
        (0.1, 5.0), "'do not trust' at or outside this range of the Jacobian determinant: nearly folding or tearing."
    )
    spread_check_mm: float = setting(
        5.0, "'check' when rigid, affine and fitted transform disagree by more.", unit="mm", low=0
    )
    spread_never_mm: float = setting(
        15.0, "'do not trust' when rigid, affine and fitted transform disagree by more.", unit="mm", low=0
    )
    round_ratio: float = setting(
        1.25, "A region counts as round if two of its semi-axes differ by at most this factor.", low=1
    )
    centre_mm: float = setting(
        10.0,
        "If a single round region constrains the transform, 'good' up to this distance from its centre: a rotation "
        "by 15 degrees, hardly visible at its surface, is 2.6 mm there.",
        unit="mm",
        low=0,
    )

    def __post_init__(self) -> None:
        (low, high), (least, most) = self.jacobian_check, self.jacobian_never
        for name, values in (
            ("near_mm, far_mm", (self.near_mm, self.far_mm)),
            ("spread_check_mm, spread_never_mm", (self.spread_check_mm, self.spread_never_mm)),
            ("jacobian_never, jacobian_check", (least, low, high, most)),
            ("1, round_ratio", (1.0, self.round_ratio)),
            ("0, centre_mm", (0.0, self.centre_mm)),
        ):
            if not all(math.isfinite(value) and value >= 0 for value in values) or list(values) != sorted(values):
                raise InputError(f"The bounds {name} are {values}, but must be positive and grow from left to right.")


@dataclass(frozen=True, eq=False)
class TargetTrust:
    """How far a carried target can be trusted, and why.

    Args:
        name: the target's.
        moving_lps_mm: where it was drawn, (3,).
        fixed_lps_mm: where the fitted transform carries it, (3,).
        moved_mm: distance of the two.
        nearest_mm: from where it was drawn to the nearest accepted moving region, 0 inside; None without any.
        nearest_name: that pair's name (of several that hold the target, the smallest region's); empty without any.
        det_j: of the fixed-to-moving field at the carried place: local volume, moving over fixed.
        spread_mm: the largest distance between where the transforms of the fit carry it.
        inside_volume: whether the carried place lies in a voxel of the fixed grid.
        verdict: one of `VERDICTS`.
        reasons: in the user's words, what weighs most first; never empty.
    """

    name: str
    moving_lps_mm: Floats
    fixed_lps_mm: Floats
    moved_mm: float
    nearest_mm: float | None
    nearest_name: str
    det_j: float
    spread_mm: float
    inside_volume: bool
    verdict: str
    reasons: tuple[str, ...]


def judge_targets(
    names: Sequence[str],
    moving_lps: ArrayLike,
    transform: Transform,
    rigid_lps: ArrayLike,
    affine_lps: ArrayLike,
    pairs: Sequence[RegionPair],
    settings: TrustSettings | None = None,
    deformable: Transform | None = None,
) -> tuple[TargetTrust, ...]:
    """Carry targets from moving to fixed space and say how far each can be trusted there.

    Args:
        names: one per target.
        moving_lps: (N, 3) places on the moving volume, LPS mm.
        transform: the transform that carries them.
        rigid_lps, affine_lps: 4 x 4, fixed to moving: the linear results of the same fit.
        pairs: those of the fit; rejected ones count for nothing.
        settings: `TrustSettings()` when None.
        deformable: the deformable result of the same fit, where `transform` is one of the linear ones.

    Raises:
        InputError: names and places do not match.
        GeometryError: a place that is not finite, or a matrix that cannot be inverted.
    """
    drawn = np.array(moving_lps, dtype=np.float64).reshape(-1, 3)
    if len(drawn) != len(names):
        raise InputError(f"There are {len(names)} names for {len(drawn)} targets; give one name per target.")
    if not names:
        return ()
    grid = transform.fixed_to_moving.grid
    carried = transform.inverse.apply_to_points(drawn)
    linear = [apply_affine(np.linalg.inv(invertible(matrix)), drawn) for matrix in (rigid_lps, affine_lps)]
    others = linear if deformable is None else [*linear, deformable.inverse.apply_to_points(drawn)]
    spread = _largest_distance([carried, *others])
    moved = np.linalg.norm(carried - drawn, axis=1)
    det_j = jacobian_at(transform.fixed_to_moving, carried)
    index = grid.lps_to_index(carried)
    inside = np.all((index >= -0.5) & (index <= np.asarray(grid.size_xyz) - 0.5), axis=-1)
    settings = settings or TrustSettings()
    alone = _alone_and_round(pairs, settings)
    judged = []
    for n, (nearest_mm, nearest_name) in enumerate(_nearest(drawn, pairs)):
        known = (nearest_mm, nearest_name, float(det_j[n]), float(spread[n]), bool(inside[n]))
        rules = [*_by_place(*known[:2], settings), *_by_transform(*known[2:], settings)]
        verdict, reasons = _worst([*rules, *_by_turn(drawn[n], alone, settings)])
        judged.append(TargetTrust(names[n], drawn[n], carried[n], float(moved[n]), *known, verdict, reasons))
    return tuple(judged)


def _largest_distance(ways: Sequence[Floats]) -> Floats:
    """(N,): the largest distance between any two of the places (N, 3) that each target is carried to."""
    return np.max([np.linalg.norm(a - b, axis=-1) for a, b in combinations(ways, 2)], axis=0)


# --- rules ---


Judgement = tuple[str, str]
"""A verdict and the sentence behind it."""


def _worst(judgements: Sequence[Judgement]) -> tuple[str, tuple[str, ...]]:
    """The worst verdict; all sentences that speak against the target, the worst first, else those for it."""
    ranked = sorted(judgements, key=lambda one: -VERDICTS.index(one[0]))
    worst = ranked[0][0]
    return worst, tuple(sentence for verdict, sentence in ranked if verdict != GOOD or worst == GOOD)


def _by_place(nearest_mm: float | None, name: str, settings: TrustSettings) -> Iterator[Judgement]:
    if nearest_mm is None:
        yield DO_NOT_TRUST, "No pair of regions is accepted, so nothing holds the transform."
    elif nearest_mm == 0:
        yield GOOD, f"Lies inside an accepted region ({name})."
    else:
        verdict = GOOD if nearest_mm <= settings.near_mm else CHECK if nearest_mm <= settings.far_mm else DO_NOT_TRUST
        yield verdict, f"Lies {_mm(nearest_mm)} from the nearest accepted region ({name})."


def _alone_and_round(pairs: Sequence[RegionPair], settings: TrustSettings) -> Region | None:
    """The only accepted moving region, if it is round about some axis: how far it was turned is hard to tell then."""
    used = [pair.moving for pair in pairs if pair.accepted]
    if len(used) != 1:
        return None
    return used[0] if is_round(used[0], settings.round_ratio) else None


def is_round(region: Region, round_ratio: float | None = None) -> bool:
    """Whether a region is round about some axis, so that it hardly says how it is turned about that.

    Args:
        region: the region.
        round_ratio: of two half axes; `TrustSettings.round_ratio` when None.
    """
    points = region.points_lps_mm()
    # A voxel's own extent, so that a region of one slice or one voxel has a thickness.
    own = np.mean(np.square(region.grid.spacing_mm)) / 12
    spread = np.cov(points.T) if len(points) > 1 else np.zeros((3, 3))
    axes = np.sqrt(np.linalg.eigvalsh(spread + own * np.eye(3)))
    ratio = TrustSettings().round_ratio if round_ratio is None else round_ratio
    return bool((axes[1:] / axes[:-1]).min() <= ratio)


def _by_turn(drawn: Floats, alone: Region | None, settings: TrustSettings) -> Iterator[Judgement]:
    if alone is None:
        return
    away = float(np.linalg.norm(drawn - alone.centroid_lps_mm()))
    if away > settings.centre_mm:
        yield CHECK, f"One nearly round region alone does not say how it is turned ({_mm(away)} from its centre)."


def _by_transform(det_j: float, spread_mm: float, inside: bool, settings: TrustSettings) -> Iterator[Judgement]:
    if not inside:
        yield DO_NOT_TRUST, "Is carried to a place outside the other volume."
    (low, high), (least, most) = settings.jacobian_check, settings.jacobian_never
    if not low <= det_j <= high:
        verdict = CHECK if least < det_j < most else DO_NOT_TRUST
        yield verdict, f"The transform {_change(det_j)} there."
    if spread_mm > settings.spread_check_mm:
        verdict = CHECK if spread_mm <= settings.spread_never_mm else DO_NOT_TRUST
        yield verdict, f"Rigid, affine and fitted transform disagree by {_mm(spread_mm)} there."


def _change(det_j: float) -> str:
    """What happens to tissue on its way from moving to fixed space."""
    if det_j <= 0:
        return "folds space"
    return f"{'stretches' if det_j < 1 else 'squeezes'} tissue to {1 / det_j:.2g} times its volume"


def _mm(distance: float) -> str:
    return f"{distance:.0f} mm" if distance >= 9.95 else f"{distance:.1f} mm"


# --- the nearest region ---


def _nearest(points_lps_mm: Floats, pairs: Sequence[RegionPair]) -> list[tuple[float | None, str]]:
    """Distance to and name of the nearest accepted moving region for every point; (None, "") without any."""
    used = sorted((p for p in pairs if p.accepted), key=lambda pair: (pair.moving.volume_ml, pair.name))
    if not used:
        return [(None, "")] * len(points_lps_mm)
    away = np.stack([distances_mm(pair.moving, points_lps_mm) for pair in used])
    first = away.argmin(axis=0)
    return [(float(away[which, n]), used[which].name) for n, which in enumerate(first)]


def distances_mm(region: Region, points_lps_mm: Floats) -> Floats:
    """Distances (P,) from points (P, 3) to a region, mm; 0 inside. Its voxels are boxes, as the volume shows them."""
    from scipy.spatial import cKDTree

    grid = region.box_grid
    index = grid.lps_to_index(points_lps_mm)
    voxels = np.argwhere(_surface(region.box_kji))[:, ::-1]
    tree = cKDTree(grid.index_to_lps(voxels), balanced_tree=False, compact_nodes=False)
    _, near = tree.query(points_lps_mm, k=np.arange(1, min(_NEIGHBOURS, len(voxels)) + 1))
    gaps = index[:, None] - voxels[near]
    beyond = gaps - np.clip(gaps, -0.5, 0.5)
    away = np.linalg.norm(grid.index_to_lps_vectors(beyond), axis=-1).min(axis=1)
    nearest = np.floor(index + 0.5).astype(int)
    held = grid.contains_index(nearest)
    held[held] = region.box_kji[tuple(nearest[held].T[::-1])]
    return np.where(held, 0.0, away)


def _surface(mask_kji: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a mask with a neighbour across a face that is not in it."""
    padded = np.pad(mask_kji, 1)
    inner = (slice(1, -1),) * 3
    deep = mask_kji.copy()
    for axis in range(3):
        for step in (-1, 1):
            deep &= np.roll(padded, step, axis)[inner]
    return mask_kji & ~deep
