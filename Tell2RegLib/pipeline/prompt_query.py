"""How words become pairs: what to look for, who looks, and which regions count as the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.grounded_sam import cleaned_prompts
from Tell2RegLib.region_sources.grounded_sam_networks import Networks, grounded_sam_by_models
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.settings import DetectionSettings

if TYPE_CHECKING:
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
        options: the user's options behind all this, for the record; empty when Python code made the query.
    """

    prompts: Sequence[str]
    source: RegionSource
    matching: MatchSettings = field(default_factory=MatchSettings)
    models: Mapping[str, str] = field(default_factory=dict)
    store: EmbeddingStore | None = None
    unverified: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


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
        models, device, settings, box_threshold, networks: see `grounded_sam_by_models`.
        matching: which regions are pairs.
        store: embeddings on disk.

    Raises:
        InputError: no prompts, or an empty one; before anything is loaded.
        ModelError: the set is unknown, not installed or damaged, or the packages to run it are missing.
    """
    prompts = cleaned_prompts(prompts)
    source = grounded_sam_by_models(
        models, device=device, settings=settings, box_threshold=box_threshold, networks=networks
    )
    return PromptQuery(
        prompts=prompts,
        source=source,
        matching=matching or MatchSettings(),
        models=source.weights,
        store=store,
        unverified=source.unverified,
    )
