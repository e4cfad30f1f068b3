"""Fixtures that several files of this room share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Tell2RegLib.space import volume as v
from Tell2RegLib.space.grid import Grid


@pytest.fixture
def a_volume(a_hostile_grid: Grid, values_of: Callable) -> v.Volume:
    return v.Volume(values_of(a_hostile_grid), a_hostile_grid, "a volume")
