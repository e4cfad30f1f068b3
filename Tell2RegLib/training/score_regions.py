"""Regions on subjects that nothing was learnt from: of organs that are there, and of organs that were removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.phantom import ORGANS, PhantomVolume, make_subject, render
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.prompt_query import query_by_models
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.results.result import DETECTED_DICE
from Tell2RegLib.space.region import Region
from Tell2RegLib.training.data import SCAN_SEED_OFFSET


def score_regions(seeds: Iterable[int], every: int = 2) -> dict[str, Any]:
    """How many subjects gave a region for each organ, and how many did when that organ was removed from them.

    Args:
        seeds: of subjects.
        every: slice step.
    """
    source = query_by_models(ORGANS, "demo", device="cpu", settings=DetectionSettings(slice_step=every)).source
    seeds = list(seeds)
    detected, invented = (dict.fromkeys(ORGANS, 0) for _ in range(2))

    def regions_of(scan: PhantomVolume, prompts: Sequence[str]) -> tuple[Region, ...]:
        (result,) = find_regions(source, [scan.volume], prompts)
        return result.regions

    for seed in seeds:
        complete_scan = render(make_subject(seed), seed=SCAN_SEED_OFFSET + seed)
        true = {region.name: region for region in complete_scan.regions()}
        for region in regions_of(complete_scan, ORGANS):
            detected[region.prompt] += region.prompt in true and dice(region, true[region.prompt]) >= DETECTED_DICE
        for organ in ORGANS:
            scan_without_organ = render(make_subject(seed, without=(organ,)), seed=SCAN_SEED_OFFSET + seed)
            invented[organ] += bool(regions_of(scan_without_organ, [organ]))
    return {"seeds": [min(seeds), max(seeds)], "subjects": len(seeds), "found": detected, "invented": invented}


def regions_table(numbers: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    first, last = numbers["seeds"]
    lines = [
        f"Regions out of whole scans, subjects {first} to {last}, and the same subjects without the organ:",
        "",
        f"| prompt | found (Dice {DETECTED_DICE} or more), of {numbers['subjects']} | a region though it was removed |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {numbers['found'][name]} | {numbers['invented'][name]} |" for name in numbers["found"]]
    return "\n".join(lines)
