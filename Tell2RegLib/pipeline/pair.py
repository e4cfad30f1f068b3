"""Pairs the regions that the same prompts detect in two volumes, and explains a result without pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from logging import getLogger
from typing import Any

from Tell2RegLib.matching import PairCheck, check_pairs, unpaired
from Tell2RegLib.matching.by_prototype import match_source_results, regions_without_partner
from Tell2RegLib.matching.settings import MatchSettings
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.region_sources.suitability import unsuited_warning
from Tell2RegLib.results.result import UNSUITED
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.progress import ProgressTracker

log = getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PairingResult:
    """The pairs of a registration, and their origin.

    Args:
        pairs: accepted and rejected pairs.
        fixed, moving: all regions of both sides.
        reason: why there are no pairs.
        source_results: results of the source on both volumes; None for given regions.
        prompts: the user's prompts.
        models: SHA-256 of the weights, by name.
        parameters: settings of detection and matching, for the record.
        remarks: what the check of the pairs says about the volumes, one sentence each.
    """

    pairs: tuple[RegionPair, ...]
    fixed: Sequence[Region] = ()
    moving: Sequence[Region] = ()
    reason: str = ""
    source_results: tuple[SourceResult, SourceResult] | None = None
    prompts: Sequence[str] = ()
    models: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def regions_without_partner(self) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
        """The fixed and the moving regions without a pair."""
        if self.source_results is None:
            return unpaired(self.pairs, self.fixed, self.moving)
        return regions_without_partner(self.pairs, *self.source_results)


def match_by_prompts(
    fixed: Volume,
    moving: Volume,
    query: PromptQuery,
    *,
    all_pairs: bool = False,
    expected_rotation: Floats | None = None,
    tracker: ProgressTracker | None = None,
    memory: InMemoryCache | None = None,
) -> PairingResult:
    """Detect regions by prompts in both volumes and pair similar ones.

    Args:
        fixed, moving: any geometry.
        query: the prompts, the source and the settings of matching.
        all_pairs: use every pair in full, without the check of the pairs against each other (`check_pairs`), as
            without the geometric check.
        expected_rotation: (3, 3), from fixed to moving space, for that check; none when None.
        tracker: told of the stages of `find_regions`, and of "pair".
        memory: results of earlier runs.

    Raises:
        InputError: no prompts, or an empty one.
        Cancelled: the tracker said so.
    """
    tracker = tracker or ProgressTracker()
    warning = unsuited_warning(query.source, (fixed, moving))
    if warning:
        log.warning(warning)
    fixed_result, moving_result = find_regions(
        query.source, (fixed, moving), query.prompts, tracker=tracker, memory=memory, store=query.store
    )
    with tracker.stage("pair"):
        pairs = match_source_results(fixed_result, moving_result, query.matching)
        is_checked = query.matching.geometry and not all_pairs
        checked = check_pairs(pairs, expected_rotation) if is_checked else PairCheck(pairs)
    reason = "" if pairs else _why_no_pairs(fixed_result, moving_result, query.matching, warning)
    return PairingResult(
        checked.pairs,
        fixed_result.regions,
        moving_result.regions,
        reason,
        source_results=(fixed_result, moving_result),
        prompts=tuple(query.prompts),
        models=query.models,
        parameters=_parameters(query)
        | ({"all_pairs": True} if all_pairs else {})
        | ({UNSUITED: warning} if warning else {}),
        remarks=checked.remarks,
    )


def _parameters(query: PromptQuery) -> dict[str, Any]:
    source_settings = getattr(query.source, "settings", None)
    # A plug-in may keep its settings as it likes; a dataclass gets into the record.
    recorded_settings = (
        {"words": asdict(source_settings)}
        if is_dataclass(source_settings) and not isinstance(source_settings, type)
        else {}
    )
    options = {"options": dict(query.options)} if query.options else {}
    unverified = {"unverified_models": list(query.unverified)} if query.unverified else {}
    return {
        "source": query.source.name,
        **options,
        **recorded_settings,
        "matching": asdict(query.matching),
        **unverified,
    }


def _why_no_pairs(fixed: SourceResult, moving: SourceResult, matching: MatchSettings, warning: str) -> str:
    """Why, and what to do: as the warning says, where the networks do not know the volumes."""
    for side, result in (("fixed", fixed), ("moving", moving)):
        if not result.regions:
            return result.nothing_found(side, warning)
    numbers = (
        f"{len(fixed.regions)} region(s) were found in the fixed volume and {len(moving.regions)} in the moving one, "
        f"but no two are similar enough (above {matching.threshold:g})."
    )
    return f"{numbers} {warning or 'Try other prompts or a lower threshold.'}"


def why_none_is_used(pairs: Sequence[RegionPair]) -> str:
    """Why there is nothing to fit if no pair is accepted, as a sentence."""
    if not pairs:
        return "There are no pairs of regions to fit. Find regions, or pair some manually."
    first = f"'{pairs[0].name}': {pairs[0].reason}" if pairs[0].reason else f"'{pairs[0].name}' was rejected"
    return f"None of the {len(pairs)} pair(s) is accepted ({first}). Accept at least one, or try other prompts."
