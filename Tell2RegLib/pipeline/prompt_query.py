"""A query: prompts, the source that detects their regions, and the settings of matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.grounded_sam_networks import Networks, grounded_sam_by_models
from Tell2RegLib.region_sources.prompts import cleaned_prompts
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.settings import DetectionSettings

if TYPE_CHECKING:
    from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore


@dataclass(frozen=True, kw_only=True)
class PromptQuery:
    """Prompts with the source and the settings that turn them into pairs.

    Args:
        prompts: the user's prompts, the same for both volumes.
        source: the region source.
        matching: which regions are pairs.
        models: SHA-256 of the source's weights, by name, for the record.
        store: the cache of embeddings on disk, if used.
        unverified: names of weights with an unknown hash.
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
    models: str,
    *,
    device: str = "auto",
    settings: DetectionSettings | None = None,
    matching: MatchSettings | None = None,
    box_threshold: float | None = None,
    store: EmbeddingStore | None = None,
    networks: Networks | None = None,
) -> PromptQuery:
    """A query for GroundingDINO and SAM, with their networks loaded.

    Args:
        prompts: the user's prompts.
        models, device, settings, box_threshold, networks: see `grounded_sam_by_models`.
        matching: which regions are pairs.
        store: the cache of embeddings on disk.

    Raises:
        InputError: no prompts, or an empty one; raised before anything is loaded.
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
