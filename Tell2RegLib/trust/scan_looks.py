"""What kind of scan a volume is, from its voxels: a few numbers that neither scale nor offset of the values changes.

Modalities are not told apart by name: many files do not say theirs. A model that was learned from some scans is
used for others only if these look alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.volume import Volume

LOOKS = (
    "share of the darkest value",
    "share of negative values",
    "middle of the values",
    "spread of the values",
    "graininess",
    "number of distinct values",
)
"""Names of the numbers of `looks_of`."""
TOLERANCES = (0.15, 0.1, 0.15, 0.15, 0.35, 1.0)
"""By how much each may lie beyond those of the scans that a model was learned from, at least."""
STEP_MM = 3.0
"""Distance of the voxels that are compared for graininess."""
MOST_VOXELS = 300_000
TINY = 1e-9


def looks_of(volume: Volume) -> Floats:
    """The numbers (6,) of a volume, in the order of `LOOKS`.

    Shares are 0..1; middle and spread are the median and the interquartile range between the percentiles 5 and 95; the
    graininess is the logarithm of the mean difference between voxels 3 mm apart over the standard deviation; the last
    is the logarithm of the number of distinct values, up to 10 000.
    """
    array = volume.array_kji
    values = _some(array).astype(np.float64)
    low, quarter, middle, three_quarters, high = np.percentile(values, (5, 25, 50, 75, 95))
    width, spread = max(high - low, TINY), max(float(values.std()), TINY)
    span = max(float(values.max() - values.min()), TINY)
    return np.array(
        [
            np.mean(values <= values.min() + 1e-3 * span),
            np.mean(values < -1e-3 * span),
            np.clip((middle - low) / width, 0, 1),
            np.clip((three_quarters - quarter) / width, 0, 1),
            np.log(max(_difference(volume), TINY) / spread + 0.02),
            np.log(min(len(np.unique(values)), 10_000)),
        ]
    )


def _some(array: NDArray) -> NDArray:
    """At most `MOST_VOXELS` voxels, evenly spread."""
    values = array.reshape(-1)
    return values[:: max(1, -(-values.size // MOST_VOXELS))]


def _difference(volume: Volume) -> float:
    """Mean difference of voxels about `STEP_MM` apart along the two finest axes of the grid."""
    differences = []
    for axis in np.argsort(volume.grid.spacing_mm)[:2]:
        step = max(1, round(STEP_MM / volume.grid.spacing_mm[axis]))
        along = np.moveaxis(volume.array_kji, 2 - int(axis), 0)
        if len(along) > step:
            first, second = (_some(part).astype(np.float64) for part in (along[:-step], along[step:]))
            differences.append(float(np.mean(np.abs(second - first))))
    return float(np.mean(differences)) if differences else 0.0
