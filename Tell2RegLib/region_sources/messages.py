"""The sentences about what a source detected, and what it did not, for terminal, worker, panel and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from Tell2RegLib.region_sources.source_result import DetectionOutcome, PromptCount, SourceResult

OUTCOME_TEXTS: Mapping[DetectionOutcome, str] = {
    "kept": "part of a region",
    "no_box": "no area on the slice",
    "spans_slice": "as wide or as high as the slice",
    "twice": "overlaps a box with a higher score",
    "no_mask": "nothing segmented",
    "mask_small": "mask too small",
    "mask_large": "mask too large",
    "in_larger": "mask inside a larger one",
    "speck": "on too few slices",
    "unsure": "score too low on all slices",
    "small": "region too small",
    "beyond_most": "more regions than the limit",
}


def prompt_sentence(count: PromptCount) -> str:
    """One sentence on one prompt: its regions, its boxes, and the filters that discarded boxes."""
    if not count.boxes:
        return f"'{count.prompt}': nothing detected on any of the {count.slices} slices."
    regions_text = "no region" if not count.regions else counted(count.regions, "region")
    boxes_text = f"{counted(count.boxes, 'box')} on {count.slices - count.slices_without} of {count.slices} slices"
    why = ", ".join(f"{boxes} ({OUTCOME_TEXTS[outcome]})" for outcome, boxes in count.dropped.items())
    return f"'{count.prompt}': {regions_text}; {boxes_text}{f', discarded: {why}' if why else ''}."


def result_sentences(result: SourceResult) -> tuple[str, ...]:
    """One sentence per prompt."""
    if result.slice_indices:
        return tuple(prompt_sentence(count) for count in result.counts)
    return tuple(
        f"'{c.prompt}': {counted(c.regions, 'region') if c.regions else 'nothing was found'}." for c in result.counts
    )


def nothing_found(result: SourceResult, side: str = "", advice: str = "") -> str:
    """Why there is nothing to go on with, and what to do; see `SourceResult.nothing_found`."""
    where = f" in the {side} volume" if side else ""
    return f"Nothing was found{where}: {' '.join(result_sentences(result))} {advice or 'Try other words.'}"


def counted(number: int, noun: str) -> str:
    """'1 box', '2 boxes'."""
    return f"{number} {noun if number == 1 else noun + ('es' if noun.endswith('x') else 's')}"
