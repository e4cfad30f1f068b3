"""Regions and pairs of regions: frozen values that know their grid.

A region stores only the bounding box of its voxels, so that many organs fit into memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Floats, Grid

Color = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Region:
    """A named set of voxels on a grid.

    Args:
        name: name shown to the user.
        box_kji: bool, the voxels inside the bounding box; never empty, kept read-only.
        start_kji: first voxel of the box on the grid.
        grid: the grid of the whole volume.
        prompt: the prompt that detected it; empty when it was drawn or read from a file.
        score: confidence of the source, 0..1; None when the source gives none.
        color: red, green, blue in 0..1; None when the source gives none.
        prototype: (C,), mean embedding, kept read-only; None without a network.

    Raises:
        InputError: an empty region, or a prototype that is not a list of finite numbers.
        GeometryError: a box that extends beyond the grid.

    Use `Region.from_mask` to create one from a mask of the whole volume.
    """

    name: str
    box_kji: NDArray[np.bool_]
    start_kji: tuple[int, int, int]
    grid: Grid
    prompt: str = ""
    score: float | None = None
    color: Color | None = None
    prototype: NDArray | None = None

    def __post_init__(self) -> None:
        stop = np.add(self.start_kji, self.box_kji.shape)
        if min(self.start_kji) < 0 or np.any(stop > self.grid.shape_kji):
            raise GeometryError(f"The region '{self.name}' extends beyond its grid {self.grid.shape_kji}.")
        if not self.box_kji.any():
            raise InputError(f"The region '{self.name}' is empty.")
        box = self.box_kji.view()
        box.setflags(write=False)
        object.__setattr__(self, "box_kji", box)
        if self.prototype is not None:
            self._keep_prototype(self.prototype)

    def _keep_prototype(self, values: NDArray) -> None:
        prototype = np.asarray(values).view()
        if prototype.ndim != 1 or not np.isfinite(prototype).all():
            raise InputError(f"The prototype of the region '{self.name}' must be a list of finite numbers.")
        prototype.setflags(write=False)
        object.__setattr__(self, "prototype", prototype)

    @classmethod
    def from_mask(cls, name: str, mask_kji: NDArray, grid: Grid, **properties: object) -> Region:
        """A region from a mask (K, J, I) of the whole volume.

        Raises:
            InputError: the mask is empty.
            GeometryError: the mask is not on the grid.
        """
        if mask_kji.shape != grid.shape_kji:
            raise GeometryError(
                f"The mask of '{name}' has shape {mask_kji.shape}, but its grid needs {grid.shape_kji}."
            )
        mask = mask_kji.astype(bool, copy=False)
        box = bounding_box(mask)
        if box is None:
            raise InputError(f"The region '{name}' is empty.")
        start = tuple(int(s.start) for s in box)
        return cls(name, mask[box].copy(), start, grid, **properties)  # type: ignore[arg-type]

    def mask_kji(self) -> NDArray[np.bool_]:
        """The mask of the whole volume, (K, J, I)."""
        mask = np.zeros(self.grid.shape_kji, dtype=bool)
        mask[self.slices_kji] = self.box_kji
        return mask

    @property
    def slices_kji(self) -> tuple[slice, slice, slice]:
        """The slices of the box in an array of the whole volume."""
        a, b, c = (slice(s, s + n) for s, n in zip(self.start_kji, self.box_kji.shape, strict=True))
        return a, b, c

    @property
    def box_grid(self) -> Grid:
        """The grid of the box alone."""
        return self.grid.crop(self.start_kji[::-1], self.box_kji.shape[::-1])

    @property
    def volume_ml(self) -> float:
        """Volume in millilitres."""
        return float(self.box_kji.sum()) * self.grid.voxel_volume_mm3 / 1000.0

    @property
    def radius_mm(self) -> float:
        """Radius of the ball of the region's volume."""
        return float((3 * self.volume_ml * 1000 / (4 * np.pi)) ** (1 / 3))

    def points_lps_mm(self) -> Floats:
        """Centres of the region's voxels, (P, 3)."""
        return self.box_grid.index_to_lps(np.argwhere(self.box_kji)[:, ::-1])

    def centroid_lps_mm(self) -> Floats:
        """Mean of the voxel centres, (3,)."""
        return self.box_grid.index_to_lps(np.argwhere(self.box_kji).mean(axis=0)[::-1])


@dataclass(frozen=True, eq=False)
class RegionPair:
    """A fixed and a moving region that represent the same structure.

    Args:
        fixed, moving: the two regions, each on the grid of its volume.
        similarity: cosine or other similarity of the two; None when they were paired by name.
        accepted: whether the fit uses the pair.
        reason: why it was accepted or rejected, for display.
        weight: how much it counts in the fit, above 0 and at most 1.

    Raises:
        InputError: a weight out of its range.
    """

    fixed: Region
    moving: Region
    similarity: float | None = None
    accepted: bool = True
    reason: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise InputError(
                f"The weight of the pair '{self.name}' must lie above 0 and be at most 1, not {self.weight}."
            )

    @property
    def name(self) -> str:
        """The name of the pair: that of the fixed region, followed by that of the moving one where they differ."""
        if plain_name(self.fixed.name) == plain_name(self.moving.name):
            return self.fixed.name
        return f"{self.fixed.name} ~ {self.moving.name}"

    @property
    def prompt(self) -> str:
        """The prompt of the pair; empty without a prompt."""
        if self.fixed.prompt == self.moving.prompt:
            return self.fixed.prompt
        return f"{self.fixed.prompt} ~ {self.moving.prompt}"

    def rejected(self, reason: str) -> RegionPair:
        """The same pair, excluded from the fit."""
        return replace(self, accepted=False, reason=reason)


def plain_name(name: str) -> str:
    """A name without case, separators and outer spaces, for comparison: 'Seminal_Vesicles ' is 'seminal vesicles'."""
    return " ".join(re.split(r"[\s_\-]+", name.strip().casefold())).strip()


def bounding_box(mask_kji: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    """The smallest box of slices that contains every true voxel; None when there is none."""
    slices = []
    for axis in range(3):
        occupied = np.flatnonzero(mask_kji.any(axis=tuple(a for a in range(3) if a != axis)))
        if occupied.size == 0:
            return None
        slices.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return slices[0], slices[1], slices[2]
