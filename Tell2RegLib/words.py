"""How words become pairs: what to look for, who looks, and which regions count as the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.sources.grounded_sam import GroundedSam
from Tell2RegLib.sources.protocol import RegionSource
from Tell2RegLib.sources.settings import WordsSettings

if TYPE_CHECKING:
    from Tell2RegLib.models.embedding_store import EmbeddingStore
    from Tell2RegLib.models.sets import ModelFiles


@dataclass(frozen=True, kw_only=True)
class Words:
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


def words_by_models(
    prompts: Sequence[str],
    models: str = "demo",
    *,
    device: str = "auto",
    settings: WordsSettings | None = None,
    matching: MatchSettings | None = None,
    box_threshold: float | None = None,
    store: EmbeddingStore | None = None,
) -> Words:
    """Words looked for by GroundingDINO and SAM.

    Args:
        prompts: what to look for.
        models: a set of weights that is installed: "demo", "fast", "paper" or "medical".
        device: "auto", "cpu", "cuda" or "cuda:N".
        settings: of the slices, filters and linking.
        matching: which regions are pairs.
        box_threshold: boxes must score above it; None takes what suits the weights.
        store: embeddings on disk.

    Raises:
        ModelError: the set is unknown, not installed or damaged, or the packages to run it are missing.
    """
    from Tell2RegLib.models.sets import model_files

    files = model_files(models)
    source = grounded_sam(files, device=device, settings=settings, box_threshold=box_threshold)
    return Words(
        prompts=tuple(prompts),
        source=source,
        matching=matching or MatchSettings(),
        models=files.sha256,
        store=store,
        unverified=files.unverified,
    )


def grounded_sam(
    files: ModelFiles,
    *,
    device: str = "auto",
    settings: WordsSettings | None = None,
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
    settings = settings or WordsSettings()
    if settings.region_score is None:
        settings = replace(settings, region_score=suited_region_score(files) if box_threshold is None else 0.0)
    return GroundedSam(detector, segmenter, settings)
