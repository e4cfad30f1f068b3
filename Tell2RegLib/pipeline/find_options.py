"""The options of finding regions from prompts, shared by terminal, worker and panel, and the query that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.support.device import GRAMMAR, check_device
from Tell2RegLib.support.settings import check_settings, recorded, setting, settings_of

if TYPE_CHECKING:
    from Tell2RegLib.pipeline.prompt_query import PromptQuery
    from Tell2RegLib.region_sources.grounded_sam_networks import Networks
    from Tell2RegLib.space.volume import Volume

DEFAULT_MODELS = "demo"
"""The set of models where nobody chose one; only for volumes that these know."""
PAIRING = ("paper_mode", "similarity_threshold", "cross_prompts")
"""The options that pair regions; the others find them."""


@dataclass(frozen=True, kw_only=True)
class FindOptions:
    """How regions are found by prompts and paired: the options of `tell2reg register`, of the worker and of the panel.

    Raises:
        InputError: a value out of its range.
    """

    models: str | None = setting(
        None,
        "Set of models; see 'tell2reg models list'. Required, except for volumes like the demo pair, which "
        "use the demo networks.",
    )
    source: str = setting("grounded_sam", "Region source; plug-ins add others.")
    device: str = setting("auto", f"Compute device: {GRAMMAR}.", check=check_device)
    box_threshold: float | None = setting(
        None,
        "Minimum score of a box; the default depends on the models.",
        low=0,
        high=1,
        step=0.01,
        label="Minimum box score",
    )
    spacing_mm: float = setting(
        DetectionSettings.spacing_mm,
        "Pixel size of the slices that the networks process.",
        unit="mm",
        above=0,
        usual=(0.25, 5.0),
        step=0.25,
        label="Pixel size",
    )
    slice_step: int = setting(
        DetectionSettings.slice_step,
        "Process every n-th slice only; slices between are interpolated.",
        low=1,
        whole=True,
        usual=(1, 10),
        label="Every n-th slice",
    )
    keep_embeddings: Path | None = setting(
        None, "Folder for cached slice embeddings, reused by later runs (up to 4 GB).", panel=False
    )
    paper_mode: bool = setting(
        False,
        "Pair as in the paper: slice by slice, across prompts, without geometric check.",
        label="As in the paper, slice by slice",
    )
    similarity_threshold: float = setting(
        MatchSettings.threshold,
        "Minimum cosine similarity of a pair.",
        low=-1,
        below=1,
        usual=(0.0, 0.99),
        step=0.01,
        flag="--threshold",
        label="Minimum similarity",
    )
    cross_prompts: bool | None = setting(
        None, "Allow pairs of different prompts; by default only in paper mode.", label="Pair different prompts"
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def query(self, prompts: Sequence[str], volumes: Sequence[Volume], networks: Networks | None = None) -> PromptQuery:
        """The prompts with their source, its networks loaded.

        Args:
            prompts: the user's prompts.
            volumes: the volume, or the fixed and the moving one, in which they are to be detected.
            networks: those of earlier runs.

        Raises:
            InputError: no prompts, an empty one, or an unknown source, raised before anything is loaded; or no models
                were chosen, and the demo networks do not know the volumes.
            ModelError: the models are missing or damaged.
        """
        from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
        from Tell2RegLib.pipeline.prompt_query import PromptQuery
        from Tell2RegLib.region_sources.prompts import cleaned_prompts
        from Tell2RegLib.region_sources.registry import make_source_by_options, runs_models
        from Tell2RegLib.region_sources.suitability import check_default

        prompts = cleaned_prompts(prompts)
        offered = {
            declared.name: getattr(self, declared.name) for declared in settings_of(self) if declared.name != "source"
        }
        chosen = replace(self, models=self.models or DEFAULT_MODELS) if runs_models(self.source) else self
        source = make_source_by_options(self.source, {**offered, "models": chosen.models, "networks": networks})
        if self.models is None:
            check_default(source, volumes)
        return PromptQuery(
            prompts=prompts,
            source=source,
            matching=self._matching(),
            models=dict(getattr(source, "weights", {})),
            store=EmbeddingStore(self.keep_embeddings) if self.keep_embeddings else None,
            unverified=tuple(getattr(source, "unverified", ())),
            options=recorded(chosen),
        )

    def _matching(self) -> MatchSettings:
        matching = MatchSettings.paper() if self.paper_mode else MatchSettings()
        matching = replace(matching, threshold=self.similarity_threshold)
        return matching if self.cross_prompts is None else replace(matching, cross_prompts=self.cross_prompts)
