"""Images on a grid, by SimpleITK."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st

from Tell2RegLib.space.grid import Grid


def image_on(grid: Grid, array: np.ndarray, is_vector: bool = False) -> sitk.Image:
    """Made with SimpleITK alone, so that the library is compared with something else than itself."""
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    return image


spacings = st.tuples(*[st.floats(0.3, 6)] * 3)
