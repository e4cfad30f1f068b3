"""Sources of other packages, as the tests of finding use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.pipeline.find import find_by_steps
from Tell2RegLib.region_sources.protocol import SearchStep, StepControl, VolumeSearch
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume


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


def content(detected: SourceResult) -> list[object]:
    detections = [(f.box, f.outcome, f.mask and f.mask.mask.tobytes(), f.region) for f in detected.detections]
    return [detected.prompts, detections, [(r.name, r.score, r.volume_ml) for r in detected.regions]]


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
