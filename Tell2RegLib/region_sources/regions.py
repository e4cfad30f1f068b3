"""The masks of all slices -> 3-D regions with names, scores and prototypes, on the volume's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.region_sources.assembly import fill_between, region_from_masks
from Tell2RegLib.region_sources.linking import link
from Tell2RegLib.region_sources.protocol import Detection, DetectionOutcome
from Tell2RegLib.region_sources.prototypes import mean_prototype
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, plain_name


@dataclass(frozen=True, eq=False)
class Piece:
    """A mask that passed the filters of its slice.

    Args:
        number: of its finding.
        k: its slice on the working grid.
    """

    number: int
    k: int
    mask: NDArray[np.bool_]
    score: float
    prototype: NDArray

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())


def regions_of_findings(
    prompts: Sequence[str],
    findings: Sequence[Detection],
    looked_at: Sequence[int],
    working: Grid,
    grid: Grid,
    settings: DetectionSettings,
) -> tuple[tuple[Region, ...], tuple[Detection, ...]]:
    """Regions prompt by prompt, and the findings with the region that each is part of, or why it is part of none.

    Several regions of one prompt are numbered from the second, by falling score times volume: "femoral head",
    "femoral head 2". The number is no place: which is which in the other volume is decided by matching.

    Args:
        findings: those with fate "kept" have masks and prototypes.
        looked_at: the slices that the networks saw.
        working: the grid of the slices.
        grid: the volume's own.
    """
    regions: list[Region] = []
    result = list(findings)
    for prompt in prompts:
        pieces = _pieces(findings, prompt)
        masks, slices = [piece.mask for piece in pieces], [piece.k for piece in pieces]
        chains = [[pieces[n] for n in chain] for chain in link(masks, slices, looked_at, settings)]
        for outcome, region, chain in _judged(prompt, chains, len(looked_at), working, grid, settings):
            number = len(regions) if region is not None else None
            for piece in chain:
                result[piece.number] = replace(result[piece.number], outcome=outcome, region=number)
            if region is not None:
                regions.append(replace(region, name=_free_name(prompt, regions)))
    return tuple(regions), tuple(result)


def _pieces(findings: Sequence[Detection], prompt: str) -> list[Piece]:
    return [
        Piece(n, finding.box.slice_index, finding.mask.mask, finding.box.score, finding.prototype)
        for n, finding in enumerate(findings)
        if finding.box.prompt == prompt and finding.outcome == "kept"
        if finding.mask is not None and finding.prototype is not None
    ]


def _judged(
    prompt: str, chains: list[list[Piece]], slices: int, working: Grid, grid: Grid, settings: DetectionSettings
) -> list[tuple[DetectionOutcome, Region | None, list[Piece]]]:
    """Every chain with its fate and, where it is kept, its region; the strongest first."""
    dropped: list[tuple[DetectionOutcome, Region | None, list[Piece]]] = []
    built: list[tuple[Region, list[Piece]]] = []
    for chain in chains:
        if len(chain) < min(settings.min_slices, slices):
            dropped.append(("speck", None, chain))
            continue
        if max(piece.score for piece in chain) < (settings.region_score or 0.0):
            dropped.append(("unsure", None, chain))
            continue
        region = _region(prompt, chain, working, grid)
        if region.volume_ml < settings.min_volume_ml:
            dropped.append(("small", None, chain))
        else:
            built.append((region, chain))
    built.sort(key=lambda both: (-(both[0].score or 0) * both[0].volume_ml, both[0].start_kji, both[0].box_kji.shape))
    most = len(built) if settings.most_regions is None else settings.most_regions
    dropped += [("beyond_most", None, chain) for _, chain in built[most:]]
    return [("kept", region, chain) for region, chain in built[:most]] + dropped


def _region(prompt: str, chain: list[Piece], working: Grid, grid: Grid) -> Region:
    areas = [piece.area for piece in chain]
    return region_from_masks(
        prompt,
        fill_between({piece.k: piece.mask for piece in chain}),
        working,
        grid,
        prompt=prompt,
        score=float(np.average([piece.score for piece in chain], weights=areas)),
        prototype=mean_prototype([piece.prototype for piece in chain], areas),
    )


def _free_name(prompt: str, regions: Sequence[Region]) -> str:
    taken = {plain_name(region.name) for region in regions}
    name, number = prompt, 1
    while plain_name(name) in taken:
        number += 1
        name = f"{prompt} {number}"
    return name
