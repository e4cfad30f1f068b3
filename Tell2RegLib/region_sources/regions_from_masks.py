"""Builds 3-D regions with names, scores and prototypes, on the volume's grid, from the masks of all slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.region_sources.assembly import fill_between, region_from_masks
from Tell2RegLib.region_sources.linking import link
from Tell2RegLib.region_sources.prototypes import mean_prototype
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.region_sources.source_result import Detection, DetectionOutcome
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, plain_name


@dataclass(frozen=True, eq=False)
class Piece:
    """A mask that passed the filters of its slice.

    Args:
        number: index of its detection.
        k: index of its slice on the working grid.
        mask: (J, I).
        score: score of its box.
        prototype: (C,).
    """

    number: int
    k: int
    mask: NDArray[np.bool_]
    score: float
    prototype: NDArray

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(self.mask.sum())


def regions_of_detections(
    prompts: Sequence[str],
    detections: Sequence[Detection],
    slice_indices: Sequence[int],
    working_grid: Grid,
    grid: Grid,
    settings: DetectionSettings,
) -> tuple[tuple[Region, ...], tuple[Detection, ...]]:
    """Build the regions of each prompt, and update the detections with their region or the reason for discarding them.

    Several regions of one prompt are numbered from the second, by decreasing product of score and volume: "femoral
    head", "femoral head 2". The number says nothing about position; matching decides which region corresponds to which.

    Args:
        prompts: the user's prompts.
        detections: those with the outcome "kept" have masks and prototypes.
        slice_indices: the processed slices.
        working_grid: the grid of the slices.
        grid: the grid of the volume.
        settings: limits of linking and of regions.
    """
    regions: list[Region] = []
    result = list(detections)
    for prompt in prompts:
        pieces = _pieces(detections, prompt)
        masks, slices = [piece.mask for piece in pieces], [piece.k for piece in pieces]
        chains = [[pieces[n] for n in chain] for chain in link(masks, slices, slice_indices, settings)]
        for outcome, region, chain in _chain_outcomes(prompt, chains, len(slice_indices), working_grid, grid, settings):
            number = len(regions) if region is not None else None
            for piece in chain:
                result[piece.number] = replace(result[piece.number], outcome=outcome, region=number)
            if region is not None:
                regions.append(replace(region, name=_unused_name(prompt, regions)))
    return tuple(regions), tuple(result)


def _pieces(detections: Sequence[Detection], prompt: str) -> list[Piece]:
    return [
        Piece(n, detection.box.slice_index, detection.mask.mask, detection.box.score, detection.prototype)
        for n, detection in enumerate(detections)
        if detection.box.prompt == prompt and detection.outcome == "kept"
        if detection.mask is not None and detection.prototype is not None
    ]


def _chain_outcomes(
    prompt: str, chains: list[list[Piece]], slices: int, working_grid: Grid, grid: Grid, settings: DetectionSettings
) -> list[tuple[DetectionOutcome, Region | None, list[Piece]]]:
    """Every chain with its outcome and, if accepted, its region; accepted ones first, by score times volume."""
    dropped: list[tuple[DetectionOutcome, Region | None, list[Piece]]] = []
    accepted: list[tuple[Region, list[Piece]]] = []
    for chain in chains:
        if len(chain) < min(settings.min_slices, slices):
            dropped.append(("speck", None, chain))
            continue
        if max(piece.score for piece in chain) < (settings.region_score or 0.0):
            dropped.append(("unsure", None, chain))
            continue
        region = _region(prompt, chain, working_grid, grid)
        if region.volume_ml < settings.min_volume_ml:
            dropped.append(("small", None, chain))
        else:
            accepted.append((region, chain))
    accepted.sort(
        key=lambda region_and_chain: (
            -(region_and_chain[0].score or 0) * region_and_chain[0].volume_ml,
            region_and_chain[0].start_kji,
            region_and_chain[0].box_kji.shape,
        )
    )
    max_regions = len(accepted) if settings.most_regions is None else settings.most_regions
    dropped += [("beyond_most", None, chain) for _, chain in accepted[max_regions:]]
    return [("kept", region, chain) for region, chain in accepted[:max_regions]] + dropped


def _region(prompt: str, chain: list[Piece], working_grid: Grid, grid: Grid) -> Region:
    areas = [piece.area for piece in chain]
    return region_from_masks(
        prompt,
        fill_between({piece.k: piece.mask for piece in chain}),
        working_grid,
        grid,
        prompt=prompt,
        score=float(np.average([piece.score for piece in chain], weights=areas)),
        prototype=mean_prototype([piece.prototype for piece in chain], areas),
    )


def _unused_name(prompt: str, regions: Sequence[Region]) -> str:
    used_names = {plain_name(region.name) for region in regions}
    name, number = prompt, 1
    while plain_name(name) in used_names:
        number += 1
        name = f"{prompt} {number}"
    return name
