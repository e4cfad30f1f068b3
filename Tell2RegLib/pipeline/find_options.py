"""The options of finding regions from prompts, shared by terminal and worker, and the query that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.support.device import GRAMMAR, check_device
from Tell2RegLib.support.settings import check_settings, setting

if TYPE_CHECKING:
    from Tell2RegLib.pipeline.prompt_query import Networks, PromptQuery

SOURCE_OPTIONS = ("device", "box_threshold", "spacing_mm", "slice_step")
"""Options that a plug-in is handed where its maker has a parameter of that name."""


@dataclass(frozen=True, kw_only=True)
class FindOptions:
    """How regions are found by prompts and paired: the options of `tell2reg register`, of the worker and of the panel.

    Raises:
        InputError: a value out of its range.
    """

    models: str = setting("demo", "Set of models; see 'tell2reg models list'.")
    source: str = setting("grounded_sam", "Region source; plug-ins add others.")
    device: str = setting("auto", f"Compute device: {GRAMMAR}.", check=check_device)
    box_threshold: float | None = setting(
        None, "Minimum score of a box; the default depends on the models.", low=0, high=1
    )
    spacing_mm: float = setting(1.0, "Pixel size of the slices that the networks process.", unit="mm", above=0)
    slice_step: int = setting(1, "Process every n-th slice only; slices between are interpolated.", low=1, whole=True)
    keep_embeddings: Path | None = setting(
        None, "Folder for cached slice embeddings, reused by later runs (up to 4 GB)."
    )
    paper_mode: bool = setting(False, "Pair as in the paper: slice by slice, across prompts, without geometric check.")
    threshold: float = setting(MatchSettings.threshold, "Minimum cosine similarity of a pair.", low=-1, below=1)
    cross_prompts: bool | None = setting(None, "Allow pairs of different prompts; by default only in paper mode.")

    def __post_init__(self) -> None:
        check_settings(self)

    def words(self, prompts: Sequence[str], networks: Networks | None = None) -> PromptQuery:
        """The words with their source, loaded; `networks` are those of earlier runs.

        Raises:
            InputError: no prompts, an empty one, or there is no such source; before anything is loaded.
            ModelError: the models are not there, or damaged.
        """
        from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
        from Tell2RegLib.pipeline.prompt_query import PromptQuery, query_by_models
        from Tell2RegLib.region_sources.grounded_sam import cleaned_prompts
        from Tell2RegLib.region_sources.registry import accepted_options, make_source
        from Tell2RegLib.region_sources.settings import DetectionSettings

        prompts = cleaned_prompts(prompts)
        matching = MatchSettings.paper() if self.paper_mode else MatchSettings()
        matching = replace(matching, threshold=self.threshold)
        if self.cross_prompts is not None:
            matching = replace(matching, cross_prompts=self.cross_prompts)
        store = EmbeddingStore(self.keep_embeddings) if self.keep_embeddings else None
        if self.source != "grounded_sam":
            offered = {name: getattr(self, name) for name in SOURCE_OPTIONS}
            source = make_source(self.source, **accepted_options(self.source, offered))
            return PromptQuery(prompts=prompts, source=source, matching=matching, store=store)
        settings = DetectionSettings.paper if self.paper_mode else DetectionSettings
        return query_by_models(
            prompts,
            self.models,
            device=self.device,
            settings=settings(spacing_mm=self.spacing_mm, slice_step=self.slice_step),
            matching=matching,
            box_threshold=self.box_threshold,
            store=store,
            networks=networks,
        )
