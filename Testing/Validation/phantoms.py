"""The cases: pairs of synthetic pelves, each spoilt in its own way, with the truth that the phantom knows exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from Tell2RegLib.cases.contents import CaseContents, Landmarks, Truth
from Tell2RegLib.phantom import PhantomPair, centred_grid, make_pair, make_subject
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import RegionPair
from Testing.Validation import spoiling
from Testing.Validation.spoiling import Sides, Spoiling

ZONES = ("transition zone", "peripheral zone")
"""The true regions of every case; they are never regions of a fit."""
SIZE, SPACING_MM = (144, 120, 72), 2.0
Grids = Callable[[int, np.random.Generator], tuple[Grid, Grid]]
"""From a subject's seed to the grids of the fixed and the moving volume."""


def usual_grids(_: int, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """2 mm voxels along the patient's axes."""
    del rng
    return centred_grid(SIZE, (SPACING_MM,) * 3), centred_grid(SIZE, (SPACING_MM,) * 3)


def oblique_grids(_: int, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Slices tilted by 15 to 40 degrees, another tilt in either volume; the moving grid is left-handed."""

    def tilted() -> np.ndarray:
        axis = rng.normal(size=3)
        return Rotation.from_rotvec(np.radians(rng.uniform(15, 40)) * axis / np.linalg.norm(axis)).as_matrix()

    size = (140, 140, 90)
    fixed = centred_grid(size, (SPACING_MM,) * 3, tilted())
    return fixed, centred_grid(size, (SPACING_MM,) * 3, tilted() @ np.diag([1.0, 1.0, -1.0]))


def anisotropic_grids(_: int, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Thick transverse slices in the fixed volume, thick sagittal ones in the moving volume."""
    thick = float(rng.uniform(4.0, 6.0))
    fixed = centred_grid((200, 170, round(150 / thick)), (1.4, 1.4, thick))
    return fixed, centred_grid((round(280 / thick), 170, 105), (thick, 1.4, 1.4))


def cropped_grids(seed: int, rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Fields of view of 110 x 100 x 76 mm around the prostate that cut other organs, differently in either volume."""
    subject = make_subject(seed)
    warp = draw_warp(subject, np.random.default_rng([seed, 4]))
    moving = subject.from_anatomy([subject.prostate.centre])[0]
    grids = [
        centred_grid((55, 50, 38), (SPACING_MM,) * 3, centre_lps_mm=tuple(centre + rng.uniform(-8, 8, 3)))
        for centre in (warp.inverse(moving), moving)
    ]
    return grids[0], grids[1]


@dataclass(frozen=True)
class Kind:
    """One kind of case.

    Args:
        help: for the table of kinds.
        spoil: what is done to the regions.
        grids: of the two volumes.
    """

    help: str
    spoil: Spoiling = spoiling.sound
    grids: Grids = usual_grids


KINDS: dict[str, Kind] = {
    "all regions": Kind("prostate and eight organs, sound"),
    "gland only": Kind("the prostate alone", spoiling.gland_only),
    "two regions": Kind("the prostate and one other organ", spoiling.gland_and_one),
    "missing organs": Kind("three organs missing in one volume, three others in the other", spoiling.missing),
    "wrong pair": Kind("one organ is paired with another one", spoiling.wrong_pair),
    "swapped pairs": Kind("two moving regions have each other's names", spoiling.exchanged_pairs),
    "scaled pair": Kind(f"one moving region {spoiling.SCALE:g} times as large, or as small", spoiling.scaled),
    "cropped view": Kind("a field of view of 110 x 100 x 76 mm that cuts organs", grids=cropped_grids),
    "oblique": Kind("slices tilted by 15 to 40 degrees, one grid left-handed", grids=oblique_grids),
    "anisotropic": Kind(
        "slices of 4 to 6 mm, transverse in one volume, sagittal in the other", grids=anisotropic_grids
    ),
    "rough masks": Kind(
        f"outlines displaced by smooth noise of {spoiling.ROUGHNESS_MM:g} mm (one standard deviation)", spoiling.rough
    ),
    "noisy masks": Kind(
        f"{100 * spoiling.FLIPPED_SHARE:g} % of the voxels near outlines flipped, {spoiling.ISLANDS} islands a region",
        spoiling.noisy,
    ),
    "truncated masks": Kind(
        f"{100 * spoiling.TRUNCATED_SHARE:g} % of the slices of the prostate and of two organs missing in one volume",
        spoiling.truncated,
    ),
}
"""Kinds of cases by name; in each turn, every kind gets one case."""


def make_case(seed: int, kind: str) -> CaseContents:
    """The case of a seed; the same on every machine."""
    rng = np.random.default_rng([seed, 91])
    pair = make_pair(seed, *KINDS[kind].grids(seed, rng))
    fixed, moving = KINDS[kind].spoil(organs_of(pair), rng)
    return CaseContents(pair.fixed.volume, pair.moving.volume, fixed, moving, truth_of(pair))


def cases_without_an_organ(seed: int) -> dict[str, CaseContents]:
    """By organ: a sound case in which it is no region of the fit, but the only true region."""
    pair = make_pair(seed, *usual_grids(seed, np.random.default_rng(seed)))
    fixed, moving = organs_of(pair)
    cases = {}
    for region in fixed:
        partner = next((candidate for candidate in moving if candidate.name == region.name), None)
        if partner is not None:
            left = tuple(tuple(item for item in side if item.name != region.name) for side in (fixed, moving))
            truth = Truth(regions=(RegionPair(region, partner),))
            cases[region.name] = CaseContents(pair.fixed.volume, pair.moving.volume, *left, truth)
    return cases


def organs_of(pair: PhantomPair) -> Sides:
    """The regions of both volumes without the zones of the prostate."""
    fixed, moving = (
        tuple(region for region in scan.regions() if region.name not in ZONES) for scan in (pair.fixed, pair.moving)
    )
    return fixed, moving


def truth_of(pair: PhantomPair) -> Truth:
    """The plan's targets, and the zones of the prostate."""
    landmarks = Landmarks(
        tuple(target.name for target in pair.plan),
        np.array([target.fixed_lps_mm for target in pair.plan]),
        np.array([target.moving_lps_mm for target in pair.plan]),
    )
    zones = tuple(RegionPair(pair.fixed.region(zone), pair.moving.region(zone)) for zone in ZONES)
    return Truth(landmarks, zones)
