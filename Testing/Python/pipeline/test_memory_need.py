"""The memory of a registration is predicted before it starts, and refused where the machine has less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Tell2RegLib.errors import ResourceError
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline import memory_need as module
from Tell2RegLib.pipeline.memory_need import check_memory, memory_need
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.workflows.register import register
from Testing.Python import small

GB = 10**9
LARGE = Grid((512, 512, 400), (0.7, 0.7, 1.0))
SMALL = Grid((64, 64, 40), (3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def sides() -> tuple[small.Side, small.Side]:
    return small.a_side("fixed", small.centred_grid()), small.a_side("moving", small.centred_grid(), small.RIGID)


@pytest.fixture(scope="module")
def pairs(sides: tuple[small.Side, small.Side]) -> list[RegionPair]:
    return [RegionPair(fixed, moving) for fixed, moving in zip(*(side.regions for side in sides), strict=True)]


def machine_with(free: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: free)


def test_the_need_grows_with_both_volumes() -> None:
    settings = FitSettings()
    needs = [memory_need(*grids, (), settings) for grids in ((SMALL, SMALL), (SMALL, LARGE), (LARGE, LARGE))]
    assert needs == sorted(needs)
    assert needs[0] < 2 * GB < needs[1] < needs[2] <= 8 * GB


def test_what_does_not_fit_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    machine_with(3 * GB, monkeypatch)
    with pytest.raises(ResourceError, match=r"512 x 512 x 400 .* about \d\.\d GB.*and 3\.0 GB are free.*crop the vol"):
        check_memory(LARGE, LARGE, (), FitSettings())
    check_memory(SMALL, SMALL, (), FitSettings())


def test_a_resolution_that_no_machine_can_hold_is_named(
    pairs: list[RegionPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(16 * GB, monkeypatch)
    fine = FitSettings(kind="svf", resolution_mm=0.01)
    with pytest.raises(ResourceError, match="coarser --resolution than 0.01 mm"):
        check_memory(SMALL, SMALL, pairs, fine)
    check_memory(SMALL, SMALL, pairs, replace(fine, resolution_mm=1.0))
    check_memory(SMALL, SMALL, pairs, replace(fine, kind="rigid"))


def test_a_need_near_to_the_free_memory_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine_with(10 * GB, monkeypatch)
    check_memory(SMALL, SMALL, (), FitSettings())
    assert caplog.messages == []
    check_memory(LARGE, LARGE, (), FitSettings())
    assert ["needs about 7.0 GB of memory, and 10.0 GB are free" in text for text in caplog.messages] == [True]


def test_nothing_is_refused_where_the_memory_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    machine_with(None, monkeypatch)
    check_memory(LARGE, LARGE, (), FitSettings())


def test_a_run_is_refused_before_the_fit(sides: tuple[small.Side, small.Side], monkeypatch: pytest.MonkeyPatch) -> None:
    machine_with(GB // 2, monkeypatch)
    fixed, moving = sides
    stages: list[str] = []
    volumes: tuple[Volume, Volume] = (fixed.volume, moving.volume)
    with pytest.raises(ResourceError, match="are free"):
        register(
            *volumes,
            fixed_regions=fixed.regions,
            moving_regions=moving.regions,
            progress=lambda stage, done, total: stages.append(stage),
        )
    assert "fit" not in stages
