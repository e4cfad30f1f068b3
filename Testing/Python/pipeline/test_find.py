"""Words to a result with simulated networks: what is used again, and that memory changes no result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.results.record import record_of
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.workflows.register import finish
from Testing.Python.by_words import PROMPTS, QUICK, Bench
from Testing.Python.pipeline.sources import Finder, Networks, content

BENT = FitSettings(resolution_mm=8.0, max_steps=5)


# --- what is used again ---


def test_new_words_encode_nothing_again_and_look_only_for_themselves(bench: Bench) -> None:
    memory = InMemoryCache()
    bench.run(bench.words("prostate", "bladder"), memory=memory)
    assert (memory.runs["encode"], memory.runs["detect"], memory.runs["segment"]) == (2, 4, 4)
    bench.run(bench.words("prostate", "bladder", "rectum"), memory=memory)
    assert (memory.runs["encode"], memory.runs["detect"], memory.runs["segment"]) == (2, 6, 6)
    assert bench.calls["embed"] == 2
    assert bench.calls["detect"] == 4  # two volumes, twice: the second time for the one new word


def test_fewer_words_need_no_network_at_all(bench: Bench) -> None:
    memory = InMemoryCache()
    bench.run(bench.words("prostate", "bladder"), memory=memory)
    before = dict(bench.calls)
    result = bench.run(bench.words("bladder"), memory=memory)
    assert bench.calls == before
    assert [pair.prompt for pair in result.pairs] == ["bladder"]


def test_another_smoothness_detects_encodes_and_segments_nothing_again(bench: Bench) -> None:
    memory, words = InMemoryCache(), bench.words(*PROMPTS)
    first = bench.run(words, memory=memory, settings=BENT)
    before, fits = dict(bench.calls), memory.runs["fit"]
    second = bench.run(words, memory=memory, settings=replace(BENT, smoothness=2.0))
    assert bench.calls == before
    assert memory.runs["fit"] == fits + 1
    assert not np.array_equal(first.transform.fixed_to_moving.vectors_kji, second.transform.fixed_to_moving.vectors_kji)


def test_a_rejected_pair_only_fits_again_and_the_same_pairs_not_even_that(bench: Bench) -> None:
    memory, volumes = InMemoryCache(), (bench.pair.fixed.volume, bench.pair.moving.volume)
    detected = bench.run(bench.words(*PROMPTS), memory=memory)
    before = dict(bench.calls)
    pairs = (detected.pairs[0].rejected("the user said no"), *detected.pairs[1:])
    curated = finish(*volumes, pairs, settings=QUICK, memory=memory)
    again = finish(*volumes, pairs, settings=QUICK, memory=memory)
    assert bench.calls == before
    assert memory.runs["fit"] == 2
    assert again.transform is curated.transform
    assert [metric.accepted for metric in curated.metrics] == [False] + [True] * (len(pairs) - 1)


def test_other_filters_detect_nothing_again_but_judge_every_mask_anew(bench: Bench) -> None:
    memory = InMemoryCache()
    bench.run(bench.words("prostate"), memory=memory)
    detected, segmented = bench.calls["detect"], bench.calls["segment"]
    result = bench.run(bench.words("prostate", mask_largest=0.01), memory=memory)
    assert bench.calls["detect"] == detected
    assert bench.calls["segment"] > segmented
    assert result.status == "no_pairs"


def test_the_result_is_the_same_with_and_without_memory(bench: Bench) -> None:
    memory, words = InMemoryCache(), bench.words(*PROMPTS)
    bench.run(bench.words("bladder"), memory=memory)
    reused, fresh = bench.run(words, memory=memory), bench.run(words)
    np.testing.assert_array_equal(
        reused.transform.fixed_to_moving.vectors_kji, fresh.transform.fixed_to_moving.vectors_kji
    )
    assert reused.metrics == fresh.metrics
    assert record_of(reused)["words"] == record_of(fresh)["words"]


def test_the_stages_together_find_what_the_source_finds_alone(bench: Bench) -> None:
    words, volume = bench.words(*PROMPTS), bench.pair.fixed.volume
    (detected,) = find_regions(words.source, [volume], PROMPTS)
    alone = words.source.find(volume, PROMPTS)
    assert [(r.name, r.prompt, r.score) for r in detected.regions] == [
        (r.name, r.prompt, r.score) for r in alone.regions
    ]
    assert all(np.array_equal(a.box_kji, b.box_kji) for a, b in zip(detected.regions, alone.regions, strict=True))
    assert detected.counts == alone.counts


def test_embeddings_on_disk_serve_the_next_process(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="needs the extra 'networks'")
    words = replace(bench.words("prostate"), store=EmbeddingStore(tmp_path))
    bench.run(words)
    assert bench.calls["embed"] == 2
    memory = InMemoryCache()
    bench.run(words, memory=memory)  # as a process that remembers nothing
    assert bench.calls["embed"] == 2
    assert memory.runs["encode"] == 0
    assert memory.reused["encode"] == 2


def test_memory_forgets_what_was_used_longest_ago() -> None:
    memory = InMemoryCache(max_results=2)
    for key in "abc":
        memory.get("stage", key, lambda key=key: key)
    assert not memory.has("stage", "a")
    memory.get("stage", "b", lambda: "never made")
    memory.get("stage", "d", lambda: "d")
    assert memory.has("stage", "b")
    assert not memory.has("stage", "c")
    assert (memory.runs["stage"], memory.reused["stage"]) == (4, 1)


# --- memory changes no result ---

SEARCHES = st.lists(
    st.tuples(
        st.lists(st.integers(0, 2), min_size=1, max_size=2),
        st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True),
    ),
    min_size=2,
    max_size=4,
)
"""Calls one after another: numbers of volumes, and prompts."""


@pytest.mark.parametrize("joined", [False, True])
@given(searches=SEARCHES, max_results=st.integers(1, 8))
def test_no_order_of_words_and_volumes_gives_another_result_with_memory_than_without(
    three_volumes: tuple[Volume, ...], joined: bool, searches: list[tuple[list[int], list[str]]], max_results: int
) -> None:
    source = GroundedSam(Networks(joined), Networks(joined))
    memory = InMemoryCache(max_results=max_results)
    for numbers, prompts in searches:
        volumes = [three_volumes[number] for number in numbers]
        remembered = find_regions(source, volumes, prompts, memory=memory)
        assert [content(detected) for detected in remembered] == [
            content(detected) for detected in find_regions(source, volumes, prompts)
        ]


def test_a_source_with_another_option_is_asked_anew_and_an_equal_one_is_not(three_volumes: tuple[Volume, ...]) -> None:
    memory = InMemoryCache()
    detected = [find_regions(Finder(option), three_volumes[:1], ["a"], memory=memory)[0] for option in (1, 2, 1)]
    assert [item.source for item in detected] == ["finder 1", "finder 2", "finder 1"]
    assert (memory.runs["find"], memory.reused["find"]) == (2, 1)


def test_a_source_that_may_change_is_asked_every_time(three_volumes: tuple[Volume, ...]) -> None:
    memory, source = InMemoryCache(), Finder([1])
    before = find_regions(source, three_volumes[:1], ["a"], memory=memory)
    source.option[0] = 2
    after = find_regions(source, three_volumes[:1], ["a"], memory=memory)
    assert [detected.source for detected in (*before, *after)] == ["finder [1]", "finder [2]"]
