"""The result of a search with simulated networks: what is reported, counted, cancelled and refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.pipeline.measure import detection_ratio
from Tell2RegLib.results.record import record_of
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.support.progress import ProgressTracker
from Tell2RegLib.support.stages import WORD_STAGES
from Tell2RegLib.workflows.register import finish, register
from Testing.Python.by_words import PROMPTS, QUICK, SPACING_MM, Bench

# --- what is told ---


def test_a_run_with_words_leaves_pairs_a_transform_and_the_story_of_every_prompt(bench: Bench) -> None:
    pair = bench.pair
    truth = tuple(scan.regions() for scan in (pair.fixed, pair.moving))
    plan = PointList(("a target",), np.array([pair.plan[0].moving_lps_mm]))
    result = bench.run(bench.words(*PROMPTS), true_regions=truth, plan=plan)
    assert result.status == "ok"
    assert {p.prompt for p in result.pairs if p.accepted} == set(PROMPTS)
    rows = {row["prompt"]: row for row in record_of(result)["words"]}
    assert rows["femoral head"]["pairs"] == 2
    assert rows["femoral head"]["detection_ratio"] == 1.0
    assert result.targets[0].name == "a target"
    assert {metric.name for metric in result.truth} >= {"bladder", "left femoral head"}
    assert set(WORD_STAGES) - {"models"} <= set(result.timing_s)
    assert result.provenance["prompts"] == list(PROMPTS)
    assert result.provenance["parameters"]["words"]["spacing_mm"] == SPACING_MM
    assert result.provenance["parameters"]["matching"]["threshold"] == MatchSettings().threshold


def test_words_that_find_nothing_end_in_a_plain_sentence(bench: Bench) -> None:
    result = bench.run(bench.words("dog"))
    assert result.status == "no_pairs"
    assert "Nothing was found in the fixed volume: 'dog': nothing detected on any of the" in result.reason
    assert bench.calls["embed"] == 0  # no box, so nothing to encode for
    assert result.fitted is None


def test_regions_that_do_not_look_alike_are_told_and_kept(bench: Bench) -> None:
    words = replace(bench.words("prostate"), matching=MatchSettings(threshold=0.9999))
    result = bench.run(words)
    assert result.status == "no_pairs"
    assert "no two are similar enough" in result.reason
    assert [region.prompt for region in result.unpaired_fixed] == ["prostate"]


def test_pairs_that_are_all_rejected_leave_no_transform_but_their_numbers(bench: Bench) -> None:
    detected = bench.run(bench.words("prostate"))
    pairs = [pair.rejected("not the same") for pair in detected.pairs]
    result = finish(bench.pair.fixed.volume, bench.pair.moving.volume, pairs, settings=QUICK)
    assert result.status == "no_pairs"
    assert "not the same" in result.reason
    assert result.metrics[0].dice_before is not None
    assert result.metrics[0].dice_after is None


def test_a_prompt_asks_for_every_true_region_that_holds_its_words(bench: Bench) -> None:
    truth = (bench.pair.fixed.regions(), bench.pair.moving.regions())
    words = bench.words("femoral head", "left femoral head", "head femoral")
    detected = find_regions(words.source, [bench.pair.fixed.volume, bench.pair.moving.volume], words.prompts)
    assert detection_ratio("femoral head", detected, truth) == 1.0  # type: ignore[arg-type]
    assert detection_ratio("left femoral head", detected, truth) == 1.0  # type: ignore[arg-type]
    assert detection_ratio("head femoral", detected, truth) is None  # type: ignore[arg-type]


# --- progress, cancel, wrong input ---


def test_progress_runs_through_every_stage_in_order_and_never_back(bench: Bench) -> None:
    recorded: list[tuple[str, float]] = []
    bench.run(bench.words(*PROMPTS), progress=lambda stage, done, total: recorded.append((stage, done / total)))
    assert list(dict.fromkeys(stage for stage, _ in recorded)) == [stage for stage in WORD_STAGES if stage != "models"]
    for stage in ("detect", "embed", "segment", "fit"):
        shares = [share for name, share in recorded if name == stage]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)


@pytest.mark.parametrize("stage", ["prepare", "detect", "embed", "segment", "pair", "fit", "measure"])
def test_cancel_works_in_every_stage(bench: Bench, stage: str) -> None:
    reached: list[str] = []

    def cancelled() -> bool:
        return bool(reached) and reached[-1] == stage

    with pytest.raises(Cancelled):
        bench.run(bench.words("prostate"), progress=lambda name, *_: reached.append(name), cancelled=cancelled)
    assert reached[-1] == stage


def test_a_cancelled_run_leaves_what_was_whole_to_the_next(bench: Bench) -> None:
    memory = InMemoryCache()

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "fit":
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.run(bench.words("prostate"), memory=memory, progress=stop)
    before = dict(bench.calls)
    assert bench.run(bench.words("prostate"), memory=memory).status == "ok"
    assert bench.calls == before


@pytest.mark.parametrize("given", [{}, {"prompts": ["prostate"], "fixed_regions": (), "moving_regions": ()}])
def test_words_or_regions_not_both_not_neither(bench: Bench, given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="either prompts, or regions"):
        register(bench.pair.fixed.volume, bench.pair.moving.volume, **given)  # type: ignore[arg-type]


def test_no_words_at_all_are_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="no prompt. Give at least one"):
        bench.run(bench.words())


def test_the_clock_adds_up_a_stage_that_is_entered_twice() -> None:
    tracker = ProgressTracker()
    for _ in range(2):
        with tracker.stage("stage"):
            pass
    assert set(tracker.timing()) == {"stage", "total"}
