"""The demo pair: two synthetic pelves related by a known warp, with a biopsy plan; generated, not downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from Tell2RegLib.phantom import make_pair
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.results.result_folder import DEMO_FILES
from Tell2RegLib.space.point_files import PointList, write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume, write_volume

SEED = 7
PROMPTS = ("prostate", "bladder", "rectum", "femoral head", "pubic symphysis", "obturator internus")
"""What the demo looks for. "femoral head" and "obturator internus" find two regions each, left and right. The seminal
vesicles are left out: the demo's detector finds them on too few slices (Resources/DemoWeights/MODEL_CARD.md)."""
ZONES = ("transition zone", "peripheral zone")
"""Zones of the prostate, which is itself a region; not used as regions of the demo."""


@dataclass(frozen=True, eq=False)
class DemoPair:
    """Two volumes, regions in both, a plan on the moving one, and the known truth."""

    fixed: Volume
    moving: Volume
    fixed_regions: tuple[Region, ...]
    moving_regions: tuple[Region, ...]
    plan: PointList
    plan_truth: PointList


def make_demo_pair(seed: int = SEED) -> DemoPair:
    """The demo pair of a seed; the same on every machine."""
    pair = make_pair(seed)
    names = tuple(target.name for target in pair.plan)
    return DemoPair(
        fixed=pair.fixed.volume,
        moving=pair.moving.volume,
        fixed_regions=_organs(pair.fixed.regions()),
        moving_regions=_organs(pair.moving.regions()),
        plan=PointList(names, np.array([target.moving_lps_mm for target in pair.plan])),
        plan_truth=PointList(names, np.array([target.fixed_lps_mm for target in pair.plan])),
    )


def _organs(regions: tuple[Region, ...]) -> tuple[Region, ...]:
    return tuple(region for region in regions if region.name not in ZONES)


def write_demo_pair(pair: DemoPair, folder: Path) -> dict[str, Path]:
    """Write the demo pair as the files that a user would have; returns their paths by role."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {role: folder / name for role, name in DEMO_FILES.items()}
    write_volume(pair.fixed, files["fixed"])
    write_volume(pair.moving, files["moving"])
    write_segmentation(pair.fixed_regions, files["fixed regions"])
    write_segmentation(pair.moving_regions, files["moving regions"])
    write_points(files["moving points"], pair.plan.names, pair.plan.points_lps_mm)
    write_points(files["fixed points"], pair.plan_truth.names, pair.plan_truth.points_lps_mm)
    return files
