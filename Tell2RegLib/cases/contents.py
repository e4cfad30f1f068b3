"""The files of a case as values: what a fit may use, and apart from it the truth, which a fit must never see."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.cases.table import Case
from Tell2RegLib.errors import InputError
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.matching.points_by_name import BY_ORDER, point_order
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.label_names import read_label_names
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform_files import read_linear_map
from Tell2RegLib.space.volume import Volume, read_volume


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Corresponding points of two volumes.

    Args:
        names: one per point.
        fixed_lps_mm, moving_lps_mm: (P, 3), LPS mm, the n-th of one corresponding to the n-th of the other.

    Raises:
        InputError: the lists differ in length.
    """

    names: tuple[str, ...]
    fixed_lps_mm: Floats
    moving_lps_mm: Floats

    def __post_init__(self) -> None:
        if not self.fixed_lps_mm.shape == self.moving_lps_mm.shape == (len(self.names), 3):
            raise InputError(
                f"{len(self.names)} landmarks need two lists of that many points, not {self.fixed_lps_mm.shape} and "
                f"{self.moving_lps_mm.shape}."
            )


NO_LANDMARKS = Landmarks((), np.zeros((0, 3)), np.zeros((0, 3)))


@dataclass(frozen=True, eq=False)
class Truth:
    """What a registration is compared with.

    Args:
        landmarks: corresponding points.
        regions: corresponding regions, each on a grid of its own.
        remarks: sentences about how they were paired.
    """

    landmarks: Landmarks = NO_LANDMARKS
    regions: tuple[RegionPair, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaseContents:
    """What a registration of a case may use, and its truth.

    Args:
        fixed, moving: the volumes.
        fixed_regions, moving_regions: on the grids of the volumes; empty if the case names none.
        truth: never for the fit.
        initial_lps: the initial transform (4 x 4, fixed to moving); None without one.
        calibration: file of a calibration; None without one.
        all_pairs: use every pair in full.
    """

    fixed: Volume
    moving: Volume
    fixed_regions: tuple[Region, ...] = ()
    moving_regions: tuple[Region, ...] = ()
    truth: Truth = field(default_factory=Truth)
    initial_lps: Floats | None = None
    calibration: Path | None = None
    all_pairs: bool = False


def read_contents(case: Case) -> CaseContents:
    """Read every file of a case.

    Raises:
        InputError: a file that cannot be read, or landmarks that do not correspond.
        GeometryError: regions that are not on their volume's voxels.
        NothingFound: true regions without a common name.
    """
    fixed, moving = (read_volume(*source) for source in zip((case.fixed, case.moving), case.series, strict=True))
    reading: dict[str, Any] = {
        "names": read_label_names(case.label_names) if case.label_names else None,
        "only": case.region_names,
        "resample": case.resample_regions,
    }
    return CaseContents(
        fixed=fixed,
        moving=moving,
        fixed_regions=read_regions(case.fixed_regions, fixed.grid, **reading) if case.fixed_regions else (),
        moving_regions=read_regions(case.moving_regions, moving.grid, **reading) if case.moving_regions else (),
        truth=read_truth(case),
        initial_lps=read_linear_map(case.initial_transform) if case.initial_transform else None,
        calibration=case.calibration,
        all_pairs=case.all_pairs,
    )


def read_truth(case: Case) -> Truth:
    """Read the landmarks and true regions of a case; the latter may be on grids of their own.

    Raises: see `read_contents`.
    """
    landmarks = NO_LANDMARKS
    remarks: tuple[str, ...] = ()
    if case.fixed_points and case.moving_points:
        fixed, moving = read_points(case.fixed_points), read_points(case.moving_points)
        order = point_order(fixed, moving)
        remarks = () if order is not None else (BY_ORDER,)
        fixed_lps_mm = fixed.points_lps_mm[order if order is not None else slice(None)]
        landmarks = Landmarks(moving.names, fixed_lps_mm, moving.points_lps_mm)
    regions: tuple[RegionPair, ...] = ()
    if case.fixed_true_regions and case.moving_true_regions:
        names = read_label_names(case.label_names) if case.label_names else None
        true_regions = (case.fixed_true_regions, case.moving_true_regions)
        regions = pairs_by_name(*(read_regions(path, names=names) for path in true_regions))
    return Truth(landmarks, regions, remarks)
