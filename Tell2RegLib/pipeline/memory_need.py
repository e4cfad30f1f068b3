"""Predicts the memory that a registration needs, and refuses what the machine cannot hold.

Nearly all of it are arrays with a fixed number of bytes per voxel of the two volumes, and per voxel of the lattice on
which a deformation is fitted; the numbers are measured (docs/reliability.md, "Memory").
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from Tell2RegLib.errors import ResourceError
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform_kinds import LINEAR
from Tell2RegLib.support.system_memory import free_memory

log = logging.getLogger(__name__)

BASE_BYTES = 900_000_000
"""Python, the packages and PyTorch."""
FIXED_BYTES, MOVING_BYTES = 36, 20
"""Per voxel of the fixed and of the moving volume: both displacement fields, and what is computed from them."""
LATTICE_BYTES = 150
"""Per voxel of the finest lattice, where a resolution was chosen; otherwise it has few voxels."""
NOTABLE_SHARE = 0.5
"""A need above this share of the free memory is reported."""


def memory_need(fixed: Grid, moving: Grid, pairs: Sequence[RegionPair], settings: FitSettings) -> int:
    """Predicted peak memory of fit, measures and writing, in bytes.

    Args:
        fixed, moving: grids of the volumes.
        pairs: those to be fitted; none before they are known.
        settings: of the fit.
    """
    dense = FIXED_BYTES * int(np.prod(fixed.size_xyz)) + MOVING_BYTES * int(np.prod(moving.size_xyz))
    return BASE_BYTES + dense + int(LATTICE_BYTES * _lattice_voxels(pairs, settings))


def _lattice_voxels(pairs: Sequence[RegionPair], settings: FitSettings) -> float:
    """Voxels of the boxes of all regions at the finest resolution."""
    if settings.resolution_mm is None:
        return settings.max_voxels
    if settings.kind in LINEAR:
        return 0.0
    boxes = [max(_box_mm3(pair.fixed), _box_mm3(pair.moving)) for pair in pairs]
    return sum(boxes) / settings.resolution_mm**3


def _box_mm3(region: Region) -> float:
    return float(np.prod(region.box_grid.size_xyz)) * region.grid.voxel_volume_mm3


def check_memory(fixed: Grid, moving: Grid, pairs: Sequence[RegionPair], settings: FitSettings) -> None:
    """Compare the predicted need with the free memory; one near to it is logged. Arguments as in `memory_need`.

    Raises:
        ResourceError: the registration does not fit.
    """
    need, free = memory_need(fixed, moving, pairs, settings), free_memory()
    if free is None or need <= NOTABLE_SHARE * free:
        return
    text = (
        f"Registering {_size(fixed)} with {_size(moving)} voxels needs about {_gigabytes(need)} of memory, and "
        f"{_gigabytes(free)} are free."
    )
    if need <= free:
        log.warning(text)
        return
    advice = "Close other programs, crop the volumes to the anatomy of interest, or resample them to larger voxels."
    if settings.resolution_mm is not None and LATTICE_BYTES * _lattice_voxels(pairs, settings) > need / 2:
        advice = f"Use a coarser --resolution than {settings.resolution_mm:g} mm."
    raise ResourceError(f"{text} {advice}")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count < 1e11 else f"{count / 1e9:.0f} GB"


def _size(grid: Grid) -> str:
    return " x ".join(map(str, grid.size_xyz))
