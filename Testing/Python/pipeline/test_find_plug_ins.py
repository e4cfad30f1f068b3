"""A source of another package with steps of its own: cached, reported and cancelled like the built-in one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.region_sources.protocol import SearchStep, StepControl, VolumeSearch
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker
from Testing.Python.pipeline.sources import Finder, Networks, Thresholds, content


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
    assert [content(item) for item in detected] == [content(item) for item in alone]


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
