"""Words to regions in several volumes, stage by stage, using again what earlier runs found."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from Tell2RegLib.memory import Memory, volume_key
from Tell2RegLib.models.embedding_store import slices_key
from Tell2RegLib.models.protocol import Box
from Tell2RegLib.sources.grounded_sam import GroundedSam, Prepared, cleaned_prompts
from Tell2RegLib.sources.protocol import Finding, Found, RegionSource
from Tell2RegLib.sources.registry import check_found
from Tell2RegLib.stages import Clock
from Tell2RegLib.volume import Volume

if TYPE_CHECKING:
    from Tell2RegLib.models.embedding_store import EmbeddingStore
    from Tell2RegLib.models.protocol import Embeddings

LARGE = 4
"""So many results of stages that hold whole volumes are kept: two pairs."""


def find_regions(
    source: RegionSource,
    volumes: Sequence[Volume],
    prompts: Sequence[str],
    *,
    clock: Clock | None = None,
    memory: Memory | None = None,
    store: EmbeddingStore | None = None,
) -> tuple[Found, ...]:
    """What the same words find in each volume.

    Args:
        source: a `GroundedSam` runs stage by stage over all volumes; any other source volume by volume.
        volumes: any geometry.
        prompts: the user's words.
        clock: told of the stages "prepare", "detect", "embed", "segment"; or "find" for other sources.
        memory: what earlier calls found.
        store: embeddings on disk.

    Raises:
        InputError: no prompts, or an empty one.
        Cancelled: the clock said so.
    """
    clock, memory, prompts = clock or Clock(), memory or Memory(), cleaned_prompts(prompts)
    if isinstance(source, GroundedSam):
        return _Search(source, prompts, clock, memory, store).over(volumes)
    with clock.stage("find"):
        return tuple(_find_otherwise(source, volume, prompts, clock, memory) for volume in volumes)


def _find_otherwise(
    source: RegionSource, volume: Volume, prompts: tuple[str, ...], clock: Clock, memory: Memory
) -> Found:
    def find() -> Found:
        return check_found(source.find(volume, prompts, progress=clock.tell, check=clock.check), volume)

    if not _is_hashable(source):  # it may be changed in place, and nothing would tell
        return find()
    return memory.get("find", (source, volume_key(volume), prompts), find)


def _is_hashable(source: RegionSource) -> bool:
    try:
        hash(source)
    except TypeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class _Seen:
    """A volume on its way through the stages."""

    volume: Volume
    prepared: Prepared
    slices: str
    """Key of the slices."""


@dataclass(frozen=True, eq=False)
class _Search:
    """One call of `find_regions`."""

    source: GroundedSam
    prompts: tuple[str, ...]
    clock: Clock
    memory: Memory
    store: EmbeddingStore | None

    def over(self, volumes: Sequence[Volume]) -> tuple[Found, ...]:
        count = len(volumes)
        with self.clock.stage("prepare"):
            seen = [self._prepared(volume, number, count) for number, volume in enumerate(volumes)]
        with self.clock.stage("detect"):
            findings = [self._detected(one, number, count) for number, one in enumerate(seen)]
        with self.clock.stage("embed"):
            embeddings = [
                self._embedded(one, own, number, count)
                for number, (one, own) in enumerate(zip(seen, findings, strict=True))
            ]
        with self.clock.stage("segment"):
            return tuple(
                self._linked(one, own, features, number, count)
                for number, (one, own, features) in enumerate(zip(seen, findings, embeddings, strict=True))
            )

    def _prepared(self, volume: Volume, number: int, count: int) -> _Seen:
        self.clock.tell("prepare", number, count)
        own = self.source.settings
        key = (volume_key(volume), own.spacing_mm, own.slice_spacing_mm, own.slice_step)
        prepared = self.memory.get("prepare", key, lambda: self.source.prepare(volume), most=LARGE)
        return _Seen(volume, prepared, slices_key(prepared.stack) + repr(prepared.looked_at))

    def _detected(self, seen: _Seen, number: int, count: int) -> dict[str, tuple[Finding, ...]]:
        """Findings by prompt, before the segmenter; only words that are new here are looked for."""
        detector, memory = self.source.detector, self.memory

        def key(prompt: str) -> Hashable:
            return seen.slices, detector.name, prompt, self._beside

        new = [prompt for prompt in self.prompts if not memory.has("detect", key(prompt))]
        if new and self._beside:
            new = list(self.prompts)
        # What is known comes first: keeping what is new may push it out.
        known = [prompt for prompt in self.prompts if prompt not in new]
        found: dict[str, tuple[Box, ...]] = {prompt: memory.get("detect", key(prompt), tuple) for prompt in known}
        boxes = self.source.detect(seen.prepared, new, step=self.clock.part("detect", number, count)) if new else ()
        for prompt in new:
            own = tuple(box for box in boxes if box.prompt == prompt)
            found[prompt] = memory.get("detect", key(prompt), lambda own=own: own)  # type: ignore[misc]
        return {prompt: self.source.filter_boxes(seen.prepared, found[prompt]) for prompt in self.prompts}

    @property
    def _beside(self) -> tuple[str, ...]:
        """The prompts that a result depends on besides its own: all, where the detector reads them together."""
        return self.prompts if getattr(self.source.detector, "joined", False) else ()

    def _embedded(
        self, seen: _Seen, findings: dict[str, tuple[Finding, ...]], number: int, count: int
    ) -> Embeddings | None:
        """Features of the slices; None when no box needs them."""
        key = (seen.slices, self.source.segmenter.name)
        needed = any(finding.fate == "kept" for own in findings.values() for finding in own)
        if not needed and not self.memory.has("embed", key):
            return None
        return self.memory.get("embed", key, lambda: self._encode(seen, number, count), most=LARGE)

    def _encode(self, seen: _Seen, number: int, count: int) -> Embeddings:
        stack, model = seen.prepared.stack, self.source.segmenter.name
        kept = self.store.get(stack, model) if self.store else None
        if kept is not None:
            self.memory.reused["encode"] += 1
            return kept
        self.memory.runs["encode"] += 1
        embeddings = self.source.embed(seen.prepared, step=self.clock.part("embed", number, count))
        if self.store:
            self.store.put(stack, model, embeddings)
        return embeddings

    def _linked(
        self,
        seen: _Seen,
        findings: dict[str, tuple[Finding, ...]],
        embeddings: Embeddings | None,
        number: int,
        count: int,
    ) -> Found:
        judged: list[Finding] = []
        for place, prompt in enumerate(self.prompts):
            self.clock.tell("segment", number * len(self.prompts) + place, count * len(self.prompts))
            judged += self._segmented(seen, prompt, findings[prompt], embeddings)
        judged.sort(key=lambda finding: (finding.box.slice_index, finding.box.prompt, -finding.box.score))
        return self.source.link(seen.volume, self.prompts, seen.prepared, judged, embeddings)

    def _segmented(
        self, seen: _Seen, prompt: str, findings: tuple[Finding, ...], embeddings: Embeddings | None
    ) -> tuple[Finding, ...]:
        if embeddings is None or not findings:
            return findings
        source, own = self.source, self.source.settings
        filters = (own.box_margin, own.box_overlap, own.mask_smallest, own.mask_largest, own.mask_overlap)
        key = (seen.slices, source.detector.name, source.segmenter.name, prompt, self._beside, filters)

        def segment() -> tuple[Finding, ...]:
            return source.segment(seen.prepared, findings, embeddings, step=lambda *_: self.clock.check())

        return self.memory.get("segment", key, segment)
