"""Words to a result with simulated networks: what is used again, what is counted, what is told of nothing found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.pipeline.find import find_by_steps, find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.pipeline.measure import detection_ratio
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.protocol import SearchStep, StepControl, VolumeSearch
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.results.record import record_of
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker
from Tell2RegLib.support.stages import WORD_STAGES
from Tell2RegLib.workflows.register import finish, register
from Testing.Python.by_words import PROMPTS, QUICK, SPACING_MM, Bench, a_bench
from Testing.Python.small import centred_grid

BENT = FitSettings(resolution_mm=8.0, max_steps=5)


@pytest.fixture(scope="module")
def made() -> Bench:
    return a_bench()


@pytest.fixture
def bench(made: Bench) -> Bench:
    return made.fresh()


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


@dataclass(frozen=True)
class Networks:
    """A box a slice and prompt, the same for the same slices and words; joined, every word moves every box."""

    joined: bool = False
    name: str = "a stub"

    def detect(self, slices: SliceStack, prompts: Sequence[str], **_: Any) -> tuple[Box, ...]:
        together = len(prompts) if self.joined else 1
        return tuple(
            Box(k, prompt, (1.0, 1.0, 9.0 + image[0, 0] % 3, 6.0 + ord(prompt) % 5), 0.9 / together)
            for k, image in enumerate(slices)
            for prompt in prompts
        )

    def embed(self, slices: SliceStack, **_: Any) -> Embeddings:
        return Embeddings(np.ones((len(slices), 2, 4, 4), np.float32), (4.0, 4.0), slices.shape[1:], "a stub")

    def segment(self, embeddings: Embeddings, boxes: Sequence[Box], **_: Any) -> tuple[Mask, ...]:
        rows, columns = np.indices(embeddings.slice_hw)
        return tuple(Mask(box, (columns < box.xyxy_px[2]) & (rows < box.xyxy_px[3]), box.score) for box in boxes)


@dataclass(frozen=True)
class Finder:
    """A source that says which words it was asked for with which option."""

    option: Any
    name: str = "finder"

    def find(self, volume: Volume, prompts: Sequence[str], **_: Any) -> SourceResult:
        return SourceResult(f"{self.name} {self.option}", tuple(prompts))


@pytest.fixture(scope="module")
def three_volumes() -> tuple[Volume, ...]:
    grid = centred_grid((13, 12, 2), (1.0, 1.0, 2.0))
    rng = np.random.default_rng(4)
    return tuple(Volume(rng.integers(0, 255, grid.shape_kji).astype(np.float32), grid, name=f"{n}") for n in range(3))


def _content(detected: SourceResult) -> list[object]:
    detections = [(f.box, f.outcome, f.mask and f.mask.mask.tobytes(), f.region) for f in detected.detections]
    return [detected.prompts, detections, [(r.name, r.score, r.volume_ml) for r in detected.regions]]


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
        assert [_content(detected) for detected in remembered] == [
            _content(detected) for detected in find_regions(source, volumes, prompts)
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


# --- a plug-in with steps of its own ---


@dataclass(frozen=True)
class Thresholds:
    """Cut, look for each word, cut again: three steps, one of each kind.

    Attributes:
        ran: which prompts each step ran for.
    """

    low: float = 10.0
    least: float = 0.0
    name: str = "thresholds"
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list, compare=False)

    def find(self, volume: Volume, prompts: Sequence[str], **given: Any) -> SourceResult:
        return find_by_steps(self, volume, prompts, **given)

    def search_steps(self) -> tuple[SearchStep, ...]:
        return (
            SearchStep(stage="cut", run=self._cut, key=lambda search, _: (search.volume_key, self.low)),
            SearchStep(
                stage="look",
                run=self._look,
                key=lambda search, prompt: (search.volume_key, self.low, prompt),
                unit="new_prompts",
                reports=True,
            ),
            SearchStep(
                stage="grow",
                run=self._grow,
                key=lambda search, prompt: (search.volume_key, self.low, self.least, prompt),
                unit="prompt",
                refine=lambda search, regions: SourceResult(
                    self.name, search.prompts, tuple(regions[prompt] for prompt in search.prompts)
                ),
            ),
        )

    def _cut(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> NDArray:
        self.ran.append(("cut", tuple(prompts)))
        return search.volume.array_kji > self.low

    def _look(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> dict[str, NDArray]:
        self.ran.append(("look", tuple(prompts)))
        masks = {}
        for number, prompt in enumerate(prompts):
            masks[prompt] = search.results["cut"] & (search.volume.array_kji > 10 * ord(prompt[0]) - 900)
            control.step(number + 1, len(prompts))
        return masks

    def _grow(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> dict[str, Region]:
        self.ran.append(("grow", tuple(prompts)))
        control.step(1, 1)
        masks = {prompt: search.results["look"][prompt] & (search.volume.array_kji > self.least) for prompt in prompts}
        return {
            prompt: Region.from_mask(prompt, mask, search.volume.grid, prompt=prompt) for prompt, mask in masks.items()
        }


def test_a_plug_in_with_steps_is_cached_step_by_step_and_word_by_word(three_volumes: tuple[Volume, ...]) -> None:
    memory, volumes, source = InMemoryCache(), three_volumes[:2], Thresholds()
    find_regions(source, volumes, ["a", "b"], memory=memory)
    assert source.ran == [*[("cut", ("a", "b"))] * 2, *[("look", ("a", "b"))] * 2, *[("grow", (w,)) for w in "abab"]]
    assert (memory.runs["cut"], memory.runs["look"], memory.runs["grow"]) == (2, 4, 4)
    source.ran.clear()
    detected = find_regions(source, volumes, ["a", "b", "c"], memory=memory)
    assert source.ran == [*[("look", ("c",))] * 2, *[("grow", ("c",))] * 2]
    assert (memory.runs["cut"], memory.runs["look"], memory.runs["grow"]) == (2, 6, 6)
    alone = [Thresholds().find(volume, ["a", "b", "c"]) for volume in volumes]
    assert [_content(item) for item in detected] == [_content(item) for item in alone]


def test_another_option_of_a_plug_in_runs_only_the_steps_that_depend_on_it(three_volumes: tuple[Volume, ...]) -> None:
    memory, source = InMemoryCache(), Thresholds()
    find_regions(source, three_volumes[:1], ["a"], memory=memory)
    source.ran.clear()
    find_regions(replace(source, least=200.0), three_volumes[:1], ["a"], memory=memory)
    assert source.ran == [("grow", ("a",))]


def test_a_plug_in_with_steps_reports_its_own_stages(three_volumes: tuple[Volume, ...]) -> None:
    recorded: list[tuple[str, float]] = []
    tracker = ProgressTracker(lambda stage, done, total: recorded.append((stage, done / total)))
    find_regions(Thresholds(), three_volumes[:2], ["a", "b"], tracker=tracker)
    assert list(dict.fromkeys(stage for stage, _ in recorded)) == ["cut", "look", "grow"]
    assert [share for stage, share in recorded if stage == "look"] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [share for stage, share in recorded if stage == "grow"] == [0, 0, 0.25, 0.5, 0.75, 1]
    assert set(tracker.timing()) == {"cut", "look", "grow", "total"}


@pytest.mark.parametrize("stage", ["cut", "look", "grow"])
def test_a_plug_in_is_cancelled_within_each_of_its_steps(three_volumes: tuple[Volume, ...], stage: str) -> None:
    memory, source, reached = InMemoryCache(), Thresholds(), []

    def stop(name: str, done: int, total: int) -> None:
        reached.append(name)

    def cancelled() -> bool:  # once the step has run for the first time
        return stage in [name for name, _ in source.ran]

    with pytest.raises(Cancelled):
        find_regions(source, three_volumes, ["a", "b"], tracker=ProgressTracker(stop, cancelled), memory=memory)
    assert [name for name, _ in source.ran].count(stage) == 1
    assert reached[-1] == stage
    assert memory.runs[stage] == (1 if stage == "cut" else 0)  # a step that did not end leaves nothing
    earlier = dict(memory.runs)
    source.ran.clear()
    find_regions(source, three_volumes, ["a", "b"], memory=memory)
    assert all(memory.reused[name] >= count for name, count in earlier.items())


def test_a_source_with_find_alone_is_told_of_cancel_as_a_step(three_volumes: tuple[Volume, ...]) -> None:
    class Slow:
        name = "slow"

        def find(self, volume: Volume, prompts: Sequence[str], *, progress: Any, check: Any) -> SourceResult:
            progress("layers", 1, 3)
            check()
            raise AssertionError("not cancelled")

    reports: list[str] = []
    tracker = ProgressTracker(lambda stage, *_: reports.append(stage), lambda: "layers" in reports)
    with pytest.raises(Cancelled):
        find_regions(Slow(), three_volumes[:1], ["a"], tracker=tracker)
    assert reports == ["find", "layers"]


def test_two_sources_with_the_same_stages_and_keys_share_nothing(three_volumes: tuple[Volume, ...]) -> None:
    class Others(Thresholds):
        pass

    memory, other_steps = InMemoryCache(), Others()
    find_regions(Thresholds(), three_volumes[:1], ["a"], memory=memory)
    find_regions(other_steps, three_volumes[:1], ["a"], memory=memory)
    assert [name for name, _ in other_steps.ran] == ["cut", "look", "grow"]


def test_what_the_last_step_gives_is_checked_as_what_find_gives(three_volumes: tuple[Volume, ...]) -> None:
    class Twins(Thresholds):
        def _grow(self, search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> dict[str, Region]:
            grown = super()._grow(search, prompts, control)
            return {prompt: replace(region, name="twin") for prompt, region in grown.items()}

    with pytest.raises(InputError, match="gave two regions the name 'twin'"):
        find_regions(Twins(), three_volumes[:1], ["a", "b"])


def test_embeddings_of_a_plug_in_are_kept_on_disk_too(three_volumes: tuple[Volume, ...], tmp_path: Path) -> None:
    pytest.importorskip("safetensors", reason="needs the extra 'networks'")
    slices = three_volumes[0].array_kji.astype(np.uint8)
    ran: list[str] = []

    class Encoder(Finder):
        def search_steps(self) -> tuple[SearchStep, ...]:
            def embed(search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> Embeddings:
                ran.append("embed")
                return Networks().embed(slices)

            def hand_over(search: VolumeSearch, prompts: Sequence[str], control: StepControl) -> SourceResult:
                return SourceResult(self.name, search.prompts, embeddings=search.results["embed"])

            return (
                SearchStep(stage="embed", run=embed, key=lambda *_: "slices", embeds=lambda _: (slices, "a stub")),
                SearchStep(stage="hand over", run=hand_over, key=lambda *_: None),
            )

    store = EmbeddingStore(tmp_path)
    first, second = (find_regions(Encoder(1), three_volumes[:1], ["a"], store=store)[0] for _ in range(2))
    assert ran == ["embed"]
    assert first.embeddings is not None
    assert second.embeddings is not None
    np.testing.assert_array_equal(first.embeddings.features, second.embeddings.features)


def test_no_code_asks_whether_a_source_is_the_built_in_one() -> None:
    package = Path(find_regions.__code__.co_filename).parents[0]
    while (package.parent / "__init__.py").exists():
        package = package.parent
    asking = re.compile(r"isinstance\([^)]*GroundedSam")
    assert [path for path in package.rglob("*.py") if asking.search(path.read_text(encoding="utf-8"))] == []


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
