"""How far the whole run is, told from how far its stages are."""

from __future__ import annotations

import pytest

from Tell2RegLib.terminal import SHARES, Bars

STAGES = ("read", "models", "detect", "embed", "fit")


def total() -> float:
    return sum(SHARES.get(stage, 2) for stage in STAGES)


def test_the_whole_run_moves_on_with_every_stage_and_ends_when_the_last_one_ends() -> None:
    bars, seen = Bars(STAGES), []
    for stage in STAGES:
        for done in range(5):
            bars(stage, done, 4)
            seen.append(bars.whole_done)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(total())


def test_a_stage_that_is_passed_by_counts_as_done() -> None:
    bars = Bars(STAGES)
    bars("read", 1, 1)
    bars("fit", 0, 1)  # nothing had to be looked for
    assert bars.whole_done == pytest.approx(total() - SHARES["fit"])
    bars("fit", 1, 1)
    assert bars.whole_done == pytest.approx(total())


def test_a_stage_that_nobody_announced_changes_nothing() -> None:
    bars = Bars(STAGES)
    bars("read", 1, 2)
    before = bars.whole_done
    bars("write", 1, 2)
    assert bars.whole_done == before


def test_nothing_is_done_before_the_first_stage() -> None:
    assert Bars(STAGES).whole_done == 0
