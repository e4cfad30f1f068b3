"""The options of looking for words, as the terminal and the worker take them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from Tell2RegLib.words import Networks, Words


@dataclass(frozen=True, kw_only=True)
class Looking:
    """How to look for words and pair what is found; the options are those of `tell2reg register`.

    `threshold` is of the similarity; None takes the default of the matching.
    """

    models: str
    source: str
    device: str
    box_threshold: float | None
    spacing_mm: float
    slice_step: int
    keep_embeddings: Path | None
    paper_mode: bool = False
    threshold: float | None = None
    cross_prompts: bool | None = None

    def words(self, prompts: Sequence[str], networks: Networks | None = None) -> Words:
        """The words with their source, loaded; `networks` are those of earlier runs.

        Raises:
            InputError: no prompts, an empty one, or there is no such source; before anything is loaded.
            ModelError: the models are not there, or damaged.
        """
        from Tell2RegLib.matching.settings import MatchSettings
        from Tell2RegLib.models.embedding_store import EmbeddingStore
        from Tell2RegLib.sources.grounded_sam import cleaned_prompts
        from Tell2RegLib.sources.registry import make_source
        from Tell2RegLib.sources.settings import WordsSettings
        from Tell2RegLib.words import Words, words_by_models

        prompts = cleaned_prompts(prompts)
        matching = MatchSettings.paper() if self.paper_mode else MatchSettings()
        if self.threshold is not None:
            matching = replace(matching, threshold=self.threshold)
        if self.cross_prompts is not None:
            matching = replace(matching, cross_prompts=self.cross_prompts)
        if self.source != "grounded_sam":
            return Words(prompts=prompts, source=make_source(self.source), matching=matching)
        settings = WordsSettings.paper if self.paper_mode else WordsSettings
        return words_by_models(
            prompts,
            self.models,
            device=self.device,
            settings=settings(spacing_mm=self.spacing_mm, slice_step=self.slice_step),
            matching=matching,
            box_threshold=self.box_threshold,
            store=EmbeddingStore(self.keep_embeddings) if self.keep_embeddings else None,
            networks=networks,
        )
