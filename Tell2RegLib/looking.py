"""The commands' options of looking for words, and what becomes of them: a source with its networks loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.terminal import Bars

if TYPE_CHECKING:
    from Tell2RegLib.matching.settings import MatchSettings
    from Tell2RegLib.words import Words


@dataclass(frozen=True)
class Looking:
    """The options of looking for words."""

    models: str
    source: str
    device: str
    box_threshold: float | None
    spacing_mm: float
    slice_step: int
    keep_embeddings: Path | None
    paper_mode: bool = False

    def words(self, bars: Bars, prompts: Sequence[str], matching: MatchSettings | None) -> Words:
        """The words with their source, loaded."""
        from Tell2RegLib.matching.settings import MatchSettings
        from Tell2RegLib.models.embedding_store import EmbeddingStore
        from Tell2RegLib.sources.registry import make_source
        from Tell2RegLib.sources.settings import WordsSettings
        from Tell2RegLib.words import Words, words_by_models

        matching = matching or MatchSettings()
        own = WordsSettings.paper if self.paper_mode else WordsSettings
        bars("models", 0, 1)
        if self.source == "grounded_sam":
            words = words_by_models(
                prompts,
                self.models,
                device=self.device,
                settings=own(spacing_mm=self.spacing_mm, slice_step=self.slice_step),
                matching=matching,
                box_threshold=self.box_threshold,
                store=EmbeddingStore(self.keep_embeddings) if self.keep_embeddings else None,
            )
        else:
            words = Words(prompts=tuple(prompts), source=make_source(self.source), matching=matching)
        bars("models", 1, 1)
        return words
