"""Words to a result with simulated networks: what is used again, what is counted, what is told of nothing found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.finding import find_regions
from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.markups import PointList
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.measuring import detection_ratio
from Tell2RegLib.memory import Memory
from Tell2RegLib.models.embedding_store import EmbeddingStore
from Tell2RegLib.pipeline import finish, register
from Tell2RegLib.stages import WORD_STAGES, Clock
from Testing.Python.by_words import PROMPTS, QUICK, SPACING_MM, Bench, a_bench

BENT = FitSettings(resolution_mm=8.0, max_steps=5)


@pytest.fixture(scope="module")
def made() -> Bench:
    return a_bench()


@pytest.fixture
def bench(made: Bench) -> Bench:
    return made.fresh()


# --- what is used again ---


def test_new_words_encode_nothing_again_and_look_only_for_themselves(bench: Bench) -> None:
    memory = Memory()
    bench.run(bench.words("prostate", "bladder"), memory=memory)
    assert (memory.runs["encode"], memory.runs["detect"], memory.runs["segment"]) == (2, 4, 4)
    bench.run(bench.words("prostate", "bladder", "rectum"), memory=memory)
    assert (memory.runs["encode"], memory.runs["detect"], memory.runs["segment"]) == (2, 6, 6)
    assert bench.calls["embed"] == 2
    assert bench.calls["detect"] == 4  # two volumes, twice: the second time for the one new word


def test_fewer_words_need_no_network_at_all(bench: Bench) -> None:
    memory = Memory()
    bench.run(bench.words("prostate", "bladder"), memory=memory)
    before = dict(bench.calls)
    result = bench.run(bench.words("bladder"), memory=memory)
    assert bench.calls == before
    assert [pair.prompt for pair in result.pairs] == ["bladder"]


def test_another_smoothness_detects_encodes_and_segments_nothing_again(bench: Bench) -> None:
    memory, words = Memory(), bench.words(*PROMPTS)
    first = bench.run(words, memory=memory, settings=BENT)
    before, fits = dict(bench.calls), memory.runs["fit"]
    second = bench.run(words, memory=memory, settings=replace(BENT, smoothness=2.0))
    assert bench.calls == before
    assert memory.runs["fit"] == fits + 1
    assert not np.array_equal(first.transform.fixed_to_moving.vectors_kji, second.transform.fixed_to_moving.vectors_kji)


def test_a_rejected_pair_only_fits_again_and_the_same_pairs_not_even_that(bench: Bench) -> None:
    memory, volumes = Memory(), (bench.pair.fixed.volume, bench.pair.moving.volume)
    found = bench.run(bench.words(*PROMPTS), memory=memory)
    before = dict(bench.calls)
    pairs = (found.pairs[0].rejected("the user said no"), *found.pairs[1:])
    curated = finish(*volumes, pairs, settings=QUICK, memory=memory)
    again = finish(*volumes, pairs, settings=QUICK, memory=memory)
    assert bench.calls == before
    assert memory.runs["fit"] == 2
    assert again.transform is curated.transform
    assert [metric.accepted for metric in curated.metrics] == [False] + [True] * (len(pairs) - 1)


def test_other_filters_detect_nothing_again_but_judge_every_mask_anew(bench: Bench) -> None:
    memory = Memory()
    bench.run(bench.words("prostate"), memory=memory)
    detected, segmented = bench.calls["detect"], bench.calls["segment"]
    result = bench.run(bench.words("prostate", mask_largest=0.01), memory=memory)
    assert bench.calls["detect"] == detected
    assert bench.calls["segment"] > segmented
    assert result.status == "no_pairs"


def test_the_result_is_the_same_with_and_without_memory(bench: Bench) -> None:
    memory, words = Memory(), bench.words(*PROMPTS)
    bench.run(bench.words("bladder"), memory=memory)
    reused, fresh = bench.run(words, memory=memory), bench.run(words)
    np.testing.assert_array_equal(
        reused.transform.fixed_to_moving.vectors_kji, fresh.transform.fixed_to_moving.vectors_kji
    )
    assert reused.metrics == fresh.metrics
    assert reused.record()["words"] == fresh.record()["words"]


def test_the_stages_together_find_what_the_source_finds_alone(bench: Bench) -> None:
    words, volume = bench.words(*PROMPTS), bench.pair.fixed.volume
    (found,) = find_regions(words.source, [volume], PROMPTS)
    alone = words.source.find(volume, PROMPTS)
    assert [(r.name, r.prompt, r.score) for r in found.regions] == [(r.name, r.prompt, r.score) for r in alone.regions]
    assert all(np.array_equal(a.box_kji, b.box_kji) for a, b in zip(found.regions, alone.regions, strict=True))
    assert found.counts == alone.counts


def test_embeddings_on_disk_serve_the_next_process(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="needs the extra 'networks'")
    words = replace(bench.words("prostate"), store=EmbeddingStore(tmp_path))
    bench.run(words)
    assert bench.calls["embed"] == 2
    memory = Memory()
    bench.run(words, memory=memory)  # as a process that remembers nothing
    assert bench.calls["embed"] == 2
    assert memory.runs["encode"] == 0
    assert memory.reused["encode"] == 2


def test_memory_forgets_what_was_used_longest_ago() -> None:
    memory = Memory(most=2)
    for key in "abc":
        memory.get("stage", key, lambda key=key: key)
    assert not memory.has("stage", "a")
    memory.get("stage", "b", lambda: "never made")
    memory.get("stage", "d", lambda: "d")
    assert memory.has("stage", "b")
    assert not memory.has("stage", "c")
    assert (memory.runs["stage"], memory.reused["stage"]) == (4, 1)


# --- what is told ---


def test_a_run_with_words_leaves_pairs_a_transform_and_the_story_of_every_prompt(bench: Bench) -> None:
    pair = bench.pair
    truth = tuple(scan.regions() for scan in (pair.fixed, pair.moving))
    plan = PointList(("a target",), np.array([pair.plan[0].moving_lps_mm]))
    result = bench.run(bench.words(*PROMPTS), true_regions=truth, plan=plan)
    assert result.status == "ok"
    assert {p.prompt for p in result.pairs if p.accepted} == set(PROMPTS)
    rows = {row["prompt"]: row for row in result.record()["words"]}
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
    assert "Nothing was found in the fixed volume: 'dog': nothing was found on any of the" in result.reason
    assert bench.calls["embed"] == 0  # no box, so nothing to encode for
    assert result.fitted is None


def test_regions_that_do_not_look_alike_are_told_and_kept(bench: Bench) -> None:
    words = replace(bench.words("prostate"), matching=MatchSettings(threshold=0.9999))
    result = bench.run(words)
    assert result.status == "no_pairs"
    assert "no two look alike" in result.reason
    assert [region.prompt for region in result.unpaired_fixed] == ["prostate"]


def test_pairs_that_are_all_rejected_leave_no_transform_but_their_numbers(bench: Bench) -> None:
    found = bench.run(bench.words("prostate"))
    pairs = [pair.rejected("not the same") for pair in found.pairs]
    result = finish(bench.pair.fixed.volume, bench.pair.moving.volume, pairs, settings=QUICK)
    assert result.status == "no_pairs"
    assert "not the same" in result.reason
    assert result.metrics[0].dice_before is not None
    assert result.metrics[0].dice_after is None


def test_a_prompt_asks_for_every_true_region_that_holds_its_words(bench: Bench) -> None:
    truth = (bench.pair.fixed.regions(), bench.pair.moving.regions())
    words = bench.words("femoral head", "left femoral head", "head femoral")
    found = find_regions(words.source, [bench.pair.fixed.volume, bench.pair.moving.volume], words.prompts)
    assert detection_ratio("femoral head", found, truth) == 1.0  # type: ignore[arg-type]
    assert detection_ratio("left femoral head", found, truth) == 1.0  # type: ignore[arg-type]
    assert detection_ratio("head femoral", found, truth) is None  # type: ignore[arg-type]


# --- progress, cancel, wrong input ---


def test_progress_runs_through_every_stage_in_order_and_never_back(bench: Bench) -> None:
    seen: list[tuple[str, float]] = []
    bench.run(bench.words(*PROMPTS), progress=lambda stage, done, total: seen.append((stage, done / total)))
    assert list(dict.fromkeys(stage for stage, _ in seen)) == [stage for stage in WORD_STAGES if stage != "models"]
    for stage in ("detect", "embed", "segment", "fit"):
        shares = [share for name, share in seen if name == stage]
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
    memory = Memory()

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
    with pytest.raises(InputError, match="either words to look for, or regions"):
        register(bench.pair.fixed.volume, bench.pair.moving.volume, **given)  # type: ignore[arg-type]


def test_no_words_at_all_are_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="at least one prompt"):
        bench.run(bench.words())


def test_the_clock_adds_up_a_stage_that_is_entered_twice() -> None:
    clock = Clock()
    for _ in range(2):
        with clock.stage("stage"):
            pass
    assert set(clock.timing()) == {"stage", "total"}
