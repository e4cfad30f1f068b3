"""A small pair of volumes with regions, as values and as files: registered in a second or two."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume, write_volume
from Testing.Python.conftest import rotation

ROOT = Path(__file__).resolve().parents[2]

ORGANS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "prostate": ((2.0, 6.0, -12.0), (19.0, 15.0, 13.0)),
    "bladder": ((-3.0, -14.0, 18.0), (24.0, 17.0, 14.0)),
    "rectum": ((6.0, 32.0, -2.0), (11.0, 12.0, 25.0)),
    "left femoral head": ((46.0, 2.0, 3.0), (12.0, 13.0, 14.0)),
}
"""Centre and radii of ellipsoids in the fixed patient, LPS mm; nothing about them is symmetric."""

PLAN = {"L base": (7.0, 9.0, -8.0), "R apex": (-6.0, 3.0, -17.0)}
"""Targets in the fixed patient."""


def centred_grid(
    size_xyz: tuple[int, int, int] = (40, 36, 24),
    spacing_mm: tuple[float, float, float] = (3.5, 3.5, 4.0),
    direction: Floats | None = None,
    centre_lps_mm: tuple[float, float, float] = (6.0, 4.0, 0.0),
) -> Grid:
    """A grid around a point."""
    turned = np.eye(3) if direction is None else direction
    half = turned @ ((np.asarray(size_xyz) - 1) / 2 * spacing_mm)
    return Grid(size_xyz, spacing_mm, tuple(np.asarray(centre_lps_mm) - half), tuple(turned.ravel()))  # type: ignore[arg-type]


def affine_of(linear: Floats, shift_mm: tuple[float, float, float]) -> Floats:
    """4 x 4 from its two parts."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, shift_mm
    return matrix


RIGID = affine_of(rotation((1, -2, 3), 9), (7.0, -5.0, 6.0))
"""Fixed to moving: turned and shifted."""
AFFINE = affine_of(rotation((1, -2, 3), 9) @ np.diag([1.08, 0.94, 1.03]), (7.0, -5.0, 6.0))
"""Fixed to moving: stretched too."""


@dataclass(frozen=True, eq=False)
class Side:
    """One patient."""

    volume: Volume
    regions: tuple[Region, ...]


def a_side(name: str, grid: Grid, fixed_to_here: Floats | None = None) -> Side:
    """The patient on a grid, after a 4 x 4 map out of fixed space."""
    points = grid.voxel_centres_lps_mm()
    at = points if fixed_to_here is None else apply_affine(np.linalg.inv(fixed_to_here), points)
    values = 100 + 0.5 * at[..., 0] + 0.3 * at[..., 2]
    regions = []
    for number, (organ, (centre, radii)) in enumerate(ORGANS.items()):
        inside = np.sum(((at - centre) / radii) ** 2, axis=-1) <= 1
        values[inside] += 150 * (number + 1)
        regions.append(Region.from_mask(organ, inside, grid))
    return Side(Volume(np.rint(values).astype(np.int16), grid, name), tuple(regions))


@dataclass(frozen=True)
class Files:
    """A pair on disk."""

    folder: Path

    @property
    def inputs(self) -> dict[str, Path]:
        """The options that `register` needs, and their files."""
        return {
            "--fixed": self.folder / "fixed.nrrd",
            "--moving": self.folder / "moving.nrrd",
            "--fixed-regions": self.folder / "fixed.seg.nrrd",
            "--moving-regions": self.folder / "moving.seg.nrrd",
        }

    @property
    def points(self) -> dict[str, Path]:
        """The plan on the moving volume and its true places."""
        return {"--moving-points": self.folder / "plan.mrk.json", "--fixed-points": self.folder / "truth.mrk.json"}


def write_small_pair(folder: Path, fixed_to_moving: Floats = AFFINE) -> Files:
    """The pair as the files that a user would have; the moving grid is oblique, left-handed and smaller."""
    folder.mkdir(parents=True, exist_ok=True)
    turned = rotation((2, 1, -1), 20) @ np.diag([1.0, -1.0, 1.0])
    fixed = a_side("fixed.nrrd", centred_grid())
    moving_grid = centred_grid((36, 40, 26), (4.0, 3.5, 4.0), turned, (13.0, -1.0, 6.0))
    moving = a_side("moving.nrrd", moving_grid, fixed_to_moving)
    for name, side in (("fixed", fixed), ("moving", moving)):
        write_volume(side.volume, folder / f"{name}.nrrd")
        write_segmentation(side.regions, folder / f"{name}.seg.nrrd")
    positions = np.array(list(PLAN.values()))
    write_points(folder / "truth.mrk.json", list(PLAN), positions)
    write_points(folder / "plan.mrk.json", list(PLAN), apply_affine(fixed_to_moving, positions))
    return Files(folder)


def options(given: dict[str, Path]) -> list[str]:
    """A table of options as words of a command line."""
    return [word for option, path in given.items() for word in (option, str(path))]


def command(*words: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Run `tell2reg` with these words as a process of its own."""
    return subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-m", "Tell2RegLib.cli", *map(str, words)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **more,
    )


def environment() -> dict[str, str]:
    """One thread, so that tests can run side by side."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
