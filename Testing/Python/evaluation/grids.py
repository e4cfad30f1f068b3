"""The grids of the tests of metrics: every direction, and a sheared one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from Tell2RegLib.space.grid import Grid

SIZE, SPACING, ORIGIN = (26, 22, 17), (1.0, 1.5, 2.5), (-130.0, 45.0, 900.0)


OBLIQUE = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()


DIRECTIONS = {
    "straight": np.eye(3),
    "oblique": OBLIQUE,
    "flipped": OBLIQUE @ np.diag([-1, -1, 1]),
    "left_handed": OBLIQUE @ np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]),
}


GRIDS = {name: Grid(SIZE, SPACING, ORIGIN, tuple(d.ravel())) for name, d in DIRECTIONS.items()}


SHEARED = Grid(SIZE, SPACING, ORIGIN, (1.0, 0.2, 0.1, 0.0, 0.98, -0.3, 0.0, 0.0, 0.95))


ALL_GRIDS = [*GRIDS.values(), SHEARED]


every_grid = pytest.mark.parametrize("grid", ALL_GRIDS, ids=[*GRIDS, "sheared"])


orthogonal_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=list(GRIDS))


def centre_of(grid: Grid) -> NDArray:
    return grid.index_to_lps((np.asarray(grid.size_xyz) - 1) / 2)
