"""How words become pairs: what to look for, who looks, and which regions count as the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.grounded_sam import GroundedSam, cleaned_prompts
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.settings import DetectionSettings

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.model_sets import ModelFiles
    from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore


@dataclass(frozen=True, kw_only=True)
class PromptQuery:
    """How words become pairs.

    Args:
        prompts: what to look for in both volumes.
        source: who looks.
        matching: which regions are pairs.
        models: SHA-256 of the weights behind the source by their names, for the record.
        store: embeddings on disk, where they are to be kept.
        unverified: names of the weights whose hash nobody knows.
    """

    prompts: Sequence[str]
    source: RegionSource
    matching: MatchSettings = field(default_factory=MatchSettings)
    models: Mapping[str, str] = field(default_factory=dict)
    store: EmbeddingStore | None = None
    unverified: tuple[str, ...] = ()


class Networks:
    """The networks of one set, kept between runs; they are let go before others are loaded.

    `loads` counts how often networks were loaded.
    """

    def __init__(self) -> None:
        self.loads = 0
        self._key: Hashable = None
        self._loaded: GroundedSam | None = None

    def get(self, files: ModelFiles, device: str, box_threshold: float | None) -> GroundedSam:
        """The networks of a set, with settings that suit them.

        Raises:
            ModelError: a file does not hold what it should, or the packages to run it are missing.
        """
        key = (files.name, tuple(files.sha256.items()), device, box_threshold)
        if self._loaded is None or key != self._key:
            self.release()
            self._loaded = grounded_sam(files, device=device, box_threshold=box_threshold)
            self._key = key
            self.loads += 1
        return self._loaded

    def release(self) -> None:
        """Let the networks and their memory go."""
        if self._loaded is not None:
            from Tell2RegLib.models.inference import free_unused

            self._loaded = None
            free_unused()


def query_by_models(
    prompts: Sequence[str],
    models: str = "demo",
    *,
    device: str = "auto",
    settings: DetectionSettings | None = None,
    matching: MatchSettings | None = None,
    box_threshold: float | None = None,
    store: EmbeddingStore | None = None,
    networks: Networks | None = None,
) -> PromptQuery:
    """Words looked for by GroundingDINO and SAM.

    Args:
        prompts: what to look for.
        models: a set of weights that is installed: "demo", "fast", "paper" or "medical".
        device: "auto", "cpu", "cuda" or "cuda:N".
        settings: of the slices, filters and linking.
        matching: which regions are pairs.
        box_threshold: boxes must score above it; None takes what suits the weights.
        store: embeddings on disk.
        networks: those of earlier runs; loaded anew when None.

    Raises:
        InputError: no prompts, or an empty one; before anything is loaded.
        ModelError: the set is unknown, not installed or damaged, or the packages to run it are missing.
    """
    from Tell2RegLib.models.catalogue.model_sets import model_files

    prompts = cleaned_prompts(prompts)
    files = model_files(models)
    source = (networks or Networks()).get(files, device, box_threshold)
    return PromptQuery(
        prompts=prompts,
        source=replace(source, settings=_suited(settings or DetectionSettings(), source.settings)),
        matching=matching or MatchSettings(),
        models=files.sha256,
        store=store,
        unverified=files.unverified,
    )


def grounded_sam(
    files: ModelFiles,
    *,
    device: str = "auto",
    settings: DetectionSettings | None = None,
    box_threshold: float | None = None,
) -> GroundedSam:
    """The two networks of a set, loaded.

    Raises:
        ModelError: a file does not hold what it should, or the packages to run it are missing.
    """
    from Tell2RegLib.models.loading import load_detector, load_segmenter, suited_region_score

    options = {} if box_threshold is None else {"box_threshold": box_threshold}
    detector = load_detector(files, device=device, **options)
    segmenter = load_segmenter(files, device=device)
    suited = DetectionSettings(region_score=suited_region_score(files) if box_threshold is None else 0.0)
    return GroundedSam(detector, segmenter, _suited(settings or DetectionSettings(), suited))


def _suited(settings: DetectionSettings, suited: DetectionSettings) -> DetectionSettings:
    """Settings that say nothing of the region score take that of the networks."""
    return settings if settings.region_score is not None else replace(settings, region_score=suited.region_score)
