"""The pairs of segmentations that every tool gets: always of two different patients, so that shapes truly differ.

Everything is drawn from seeds and described by formulas, so a case is the same on every machine, and the same anatomy
can be put on a coarser or finer grid (growth with voxels) or be asked for with fewer organs (growth with regions).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """Pairs of regions on two grids.

    Args:
        name: short, for the command line.
        title: what it is, for the table.
        pairs: at least one.
    """

    name: str
    title: str
    pairs: tuple[RegionPair, ...]

    @property
    def fixed_grid(self) -> Grid:
        return self.pairs[0].fixed.grid

    @property
    def moving_grid(self) -> Grid:
        return self.pairs[0].moving.grid

    @property
    def voxels(self) -> int:
        return int(np.prod(self.fixed_grid.size_xyz))


# --- organs: irregular blobs laid out like an abdomen ---


@dataclass(frozen=True)
class Organ:
    """Where an organ usually is and how large it is: centre and half axes in mm, LPS, from the middle of the trunk."""

    name: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]


ORGANS = (
    Organ("liver", (-62, -18, 62), (68, 56, 44)),
    Organ("stomach", (52, -42, 52), (36, 30, 32)),
    Organ("spleen", (94, 34, 60), (24, 32, 32)),
    Organ("right kidney", (-58, 48, -8), (22, 22, 38)),
    Organ("left kidney", (62, 48, 2), (22, 22, 38)),
    Organ("pancreas", (8, -2, 16), (46, 13, 14)),
    Organ("aorta", (12, 32, 10), (10, 10, 90)),
    Organ("inferior vena cava", (-18, 24, 10), (11, 10, 86)),
    Organ("gallbladder", (-46, -62, 10), (14, 18, 17)),
    Organ("duodenum", (-30, -14, -6), (15, 18, 30)),
    Organ("bladder", (0, -24, -92), (32, 26, 20)),
    Organ("right adrenal", (-36, 40, 42), (9, 8, 12)),
    Organ("left adrenal", (38, 42, 44), (9, 8, 12)),
    Organ("oesophagus", (10, 12, 94), (10, 10, 16)),
    Organ("spine", (0, 72, 0), (22, 22, 100)),
    Organ("ascending colon", (-92, 0, -44), (20, 22, 40)),
    Organ("descending colon", (96, 12, -44), (17, 20, 44)),
    Organ("right psoas", (-40, 58, -72), (17, 17, 32)),
    Organ("left psoas", (40, 58, -72), (17, 17, 32)),
    Organ("small bowel", (8, -52, -38), (46, 30, 28)),
)
"""Made-up sizes and places of about the right kind; in the order in which a case with few regions takes them."""


@dataclass(frozen=True, eq=False)
class Blob:
    """One patient's organ: the points where |shape^-1 (x - centre)| is less than a smooth function of the direction."""

    name: str
    centre: Floats
    shape: Floats  # 3 x 3: half axes times rotation
    waves: Floats  # (W, 5): amplitude, three frequencies, phase

    def mask(self, points_lps_mm: Floats) -> NDArray[np.bool_]:
        """Which points (..., 3) lie inside."""
        local = (points_lps_mm - self.centre) @ np.linalg.inv(self.shape).T
        radius = np.linalg.norm(local, axis=-1)
        deviation = np.abs(self.waves[:, 0]).sum()
        inside = radius < 1.0 - deviation
        near = ~inside & (radius < 1.0 + deviation)  # only here the direction matters
        direction = local[near] / radius[near, None]
        phases = direction @ self.waves[:, 1:4].T + self.waves[:, 4]
        inside[near] = radius[near] < 1.0 + (np.cos(phases) * self.waves[:, 0]).sum(axis=-1)
        return inside

    def reach(self) -> float:
        """No point farther than this from the centre is inside, mm."""
        return float(np.linalg.norm(self.shape, 2) * (1.0 + np.abs(self.waves[:, 0]).sum()))


def patient(seed: int, count: int) -> tuple[Blob, ...]:
    """The first organs of a patient: build, place, size and outline differ from patient to patient."""
    rng = np.random.default_rng([seed, len(ORGANS)])
    build = _rotation(rng.normal(0, 4, 3)) @ np.diag(rng.normal(1.0, 0.06, 3))
    shift = rng.normal(0, 5, 3)
    blobs = []
    for number, organ in enumerate(ORGANS):  # all are drawn, so that the first ones do not depend on the count
        rng = np.random.default_rng([seed, number])
        usual = np.random.default_rng([number])
        size = np.asarray(organ.radii) * np.exp(rng.normal(0, 0.10, 3))
        centre = build @ np.asarray(organ.centre) + shift + rng.normal(0, 5, 3)
        shape = build @ _rotation(rng.normal(0, 6, 3)) @ np.diag(size)
        waves = np.concatenate([_waves(usual, 0.10), _waves(rng, 0.05)])
        blobs.append(Blob(organ.name, centre, shape, waves))
    return tuple(blobs[:count])


def _waves(rng: np.random.Generator, size: float, count: int = 6) -> Floats:
    amplitudes = rng.normal(0, size, (count, 1)) / np.sqrt(count / 2)
    return np.hstack([amplitudes, rng.normal(0, 2.5, (count, 3)), rng.uniform(0, 2 * np.pi, (count, 1))])


def _rotation(degrees: Floats) -> Floats:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(degrees, degrees=True).as_matrix()


def regions_of(blobs: tuple[Blob, ...], grid: Grid) -> tuple[Region, ...]:
    """The organs on a grid. Where two overlap the smaller one wins, as in a label map."""
    labels = np.zeros(grid.shape_kji, np.uint8)
    order = sorted(range(len(blobs)), key=lambda n: -abs(np.linalg.det(blobs[n].shape)))
    for number in order:
        box = _box_around(blobs[number], grid)
        index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij")[::-1], axis=-1)
        labels[box][blobs[number].mask(grid.index_to_lps(index))] = number + 1
    return tuple(Region.from_mask(blob.name, labels == n + 1, grid) for n, blob in enumerate(blobs))


def _centred(size_xyz: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Grid:
    """A straight grid around the origin."""
    return Grid(size_xyz, spacing_mm, tuple(-(n - 1) / 2 * s for n, s in zip(size_xyz, spacing_mm, strict=True)))  # type: ignore[arg-type]


def _box_around(blob: Blob, grid: Grid) -> tuple[slice, ...]:
    reach = blob.reach() / np.asarray(grid.spacing_mm)
    centre = grid.lps_to_index(blob.centre)
    first = np.clip(np.floor(centre - reach), 0, grid.size_xyz).astype(int)
    last = np.clip(np.ceil(centre + reach) + 1, 0, grid.size_xyz).astype(int)
    return tuple(slice(a, b) for a, b in zip(first[::-1], last[::-1], strict=True))


def organs(count: int = 15, size_xyz: tuple[int, int, int] = (160, 160, 96)) -> Case:
    """Organs of two patients in a field of view of 320 x 320 x 240 mm, at any resolution."""
    spacing = tuple(extent / n for extent, n in zip((320.0, 320.0, 240.0), size_xyz, strict=True))
    grid = _centred(size_xyz, spacing)  # type: ignore[arg-type]
    fixed, moving = (regions_of(patient(seed, count), grid) for seed in (1, 2))
    pairs = tuple(RegionPair(a, b) for a, b in zip(fixed, moving, strict=True))
    size = " x ".join(str(n) for n in size_xyz)
    return Case(f"organs-{count}-{size_xyz[0]}", f"{count} organs of two patients, {size} voxels", pairs)


# --- the gland ---


def gland() -> Case:
    """The paper's own setting: one gland per patient, 200 x 200 x 96 voxels of 1 mm."""
    grid = _centred((200, 200, 96), (1.0, 1.0, 1.0))
    return Case("gland", "Prostate-like gland of two patients, 200 x 200 x 96 voxels of 1 mm", (_gland_pair(grid),))


def small_gland() -> Case:
    """The same two glands on a grid small enough for the research loop's 10,000 steps."""
    grid = _centred((36, 36, 32), (2.5, 2.5, 2.5))
    return Case("small-gland", "The same two glands, cropped, 36 x 36 x 32 voxels of 2.5 mm", (_gland_pair(grid),))


def _gland_pair(grid: Grid) -> RegionPair:
    """Two glands as unlike as those of two real patients: Dice about 0.7 as they lie, below 0.9 after an affine."""
    fixed, moving = (regions_of((_gland(seed),), grid)[0] for seed in (1, 2))
    return RegionPair(fixed, moving)


def _gland(seed: int) -> Blob:
    rng, usual = np.random.default_rng([seed, 1000]), np.random.default_rng([1000])
    shape = _rotation(rng.normal(0, 6, 3)) @ np.diag(np.array([25.0, 19.0, 22.0]) * np.exp(rng.normal(0, 0.08, 3)))
    waves = np.concatenate([_waves(usual, 0.10), _waves(rng, 0.08)])
    return Blob("prostate", rng.normal(0, 3, 3), shape, waves)


SIZES_M = {0.5: (94, 94, 57), 1.0: (118, 118, 72), 2.0: (149, 149, 90), 4.0: (188, 188, 113)}
"""Grids of about so many million voxels, all over the same field of view."""

REGION_COUNTS = (1, 2, 5, 10, 20)

CASES: dict[str, Callable[[], Case]] = {
    "gland": gland,
    "small-gland": small_gland,
    "organs": organs,
    "tiny-organs": lambda: organs(4, (48, 48, 32)),
    **{f"voxels-{millions}": (lambda size=size: organs(10, size)) for millions, size in SIZES_M.items()},
    **{f"regions-{count}": (lambda count=count: organs(count)) for count in REGION_COUNTS},
}
"""Every case by name; building one takes seconds, so it is done when asked for."""
