"""Small synthetic patients, and what is at a place of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy import ndimage

from Tell2RegLib.phantom import (
    PhantomVolume,
    centred_grid,
)

SMALL = centred_grid((96, 80, 48), (3.0, 3.0, 3.0))


COARSE = centred_grid((58, 48, 29), (5.0, 5.0, 5.0))


seeds = st.integers(0, 10_000)


def labels_at(phantom: PhantomVolume, points_lps_mm: np.ndarray) -> np.ndarray:
    """Label of the nearest voxel; 255 outside the volume."""
    index = np.rint(phantom.labels.grid.lps_to_index(points_lps_mm)[..., ::-1]).T
    return ndimage.map_coordinates(phantom.labels.array_kji, index.reshape(3, -1), order=0, cval=255)
