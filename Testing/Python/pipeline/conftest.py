"""Fixtures that the tests of finding share."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.space.volume import Volume
from Testing.Python.by_words import Bench, a_bench
from Testing.Python.small import centred_grid


@pytest.fixture(scope="module")
def made() -> Bench:
    return a_bench()


@pytest.fixture
def bench(made: Bench) -> Bench:
    return made.fresh()


@pytest.fixture(scope="module")
def three_volumes() -> tuple[Volume, ...]:
    grid = centred_grid((13, 12, 2), (1.0, 1.0, 2.0))
    rng = np.random.default_rng(4)
    return tuple(Volume(rng.integers(0, 255, grid.shape_kji).astype(np.float32), grid, name=f"{n}") for n in range(3))
