"""Words to pairs: what both volumes hold of them, which regions belong together, and why there may be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from Tell2RegLib.matching import unpaired
from Tell2RegLib.matching.by_prototype import match_found, without_partner
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.region_sources.protocol import SourceResult
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker


@dataclass(frozen=True, eq=False)
class PairingResult:
    """Pairs, and where they come from.

    Args:
        pairs: accepted and rejected ones.
        fixed, moving: all regions of both sides.
        reason: why there are no pairs.
        found: what the words found.
        prompts: the words.
        models: SHA-256 of the weights that found them by their names.
        parameters: of looking and matching, for the record.
    """

    pairs: tuple[RegionPair, ...]
    fixed: Sequence[Region] = ()
    moving: Sequence[Region] = ()
    reason: str = ""
    found: tuple[SourceResult, SourceResult] | None = None
    prompts: Sequence[str] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def without_partner(self) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
        """The fixed and the moving regions that are in no pair."""
        if self.found is None:
            return unpaired(self.pairs, self.fixed, self.moving)
        return without_partner(self.pairs, *self.found)


def match_by_words(
    fixed: Volume,
    moving: Volume,
    words: PromptQuery,
    *,
    clock: ProgressTracker | None = None,
    memory: InMemoryCache | None = None,
) -> PairingResult:
    """Look for words in both volumes and pair what looks alike.

    Args:
        fixed, moving: any geometry.
        words: what to look for, who looks, and which regions count as the same.
        clock: told of the stages of `find_regions`, and of "pair".
        memory: what earlier runs found.

    Raises:
        InputError: no prompts, or an empty one.
        Cancelled: the clock said so.
    """
    clock = clock or ProgressTracker()
    ours, theirs = find_regions(
        words.source, (fixed, moving), words.prompts, clock=clock, memory=memory, store=words.store
    )
    with clock.stage("pair"):
        pairs = match_found(ours, theirs, words.matching)
    reason = "" if pairs else _why_no_pairs(ours, theirs, words.matching)
    return PairingResult(
        pairs,
        ours.regions,
        theirs.regions,
        reason,
        found=(ours, theirs),
        prompts=tuple(words.prompts),
        models=words.models,
        parameters=_parameters(words),
    )


def _parameters(words: PromptQuery) -> dict[str, Any]:
    own = getattr(words.source, "settings", None)
    # A plug-in may keep its settings as it likes; a dataclass gets into the record.
    looking = {"words": asdict(own)} if is_dataclass(own) and not isinstance(own, type) else {}
    options = {"options": dict(words.options)} if words.options else {}
    unknown = {"unverified_models": list(words.unverified)} if words.unverified else {}
    return {"source": words.source.name, **options, **looking, "matching": asdict(words.matching), **unknown}


def _why_no_pairs(fixed: SourceResult, moving: SourceResult, matching: MatchSettings) -> str:
    for side, own in (("fixed", fixed), ("moving", moving)):
        if not own.regions:
            return own.nothing_found(side)
    return (
        f"{len(fixed.regions)} region(s) were found in the fixed volume and {len(moving.regions)} in the moving one, "
        f"but no two look alike (similarity above {matching.threshold:g}). Try other words or a lower threshold."
    )


def why_none_is_used(pairs: Sequence[RegionPair]) -> str:
    """Why there is nothing to fit when none of the pairs is accepted."""
    if not pairs:
        return "There are no pairs of regions to fit. Find regions, or pair some by hand."
    first = f"'{pairs[0].name}': {pairs[0].reason}" if pairs[0].reason else f"'{pairs[0].name}' was rejected"
    return f"None of the {len(pairs)} pair(s) may be used ({first}). Accept at least one, or try other words."
