"""Prototypes: the mean embedding over a mask (docs/words-to-regions.md, "In each volume")."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.space.grid import Floats

VANISHED = 1e-6
"""Masks with a smaller sum, in cells of the features, have vanished at the size of the features."""


def mask_prototype(mask: NDArray[np.bool_], embeddings: Embeddings, number: int) -> NDArray[np.float32]:
    """e = sum(E M') / sum(M'), (C,): the features averaged over a mask.

    M' is the mask at the size of the features: the fraction of each cell that it covers. The slice occupies the first
    `covered_hw` rows and columns of the features; the padding beyond does not contribute. For a mask that vanishes at
    that size, the features at its centroid are used.

    Args:
        mask: (J, I), pixels of a slice, not empty.
        embeddings: features of slices of this shape.
        number: index of the slice in `embeddings`.

    Raises:
        InputError: an empty mask, one of another shape than the slices, or features that are not finite.
    """
    if mask.shape != tuple(embeddings.slice_hw):
        raise InputError(f"A mask of shape {mask.shape} does not match slices of shape {embeddings.slice_hw}.")
    if not mask.any():
        raise InputError("An empty mask has no prototype.")
    features = embeddings.features[number]
    weights = _share_of_cells(mask, features.shape[1:], embeddings.covered_hw)
    if weights.sum() < VANISHED:
        j, i = np.argwhere(mask).mean(axis=0)
        row, column = (
            min(int((position + 0.5) / size * covered), cells - 1)
            for position, size, covered, cells in zip(
                (j, i), mask.shape, embeddings.covered_hw, features.shape[1:], strict=True
            )
        )
        return features[:, row, column].astype(np.float32)
    rows, columns = _span(weights.sum(axis=1)), _span(weights.sum(axis=0))
    weights_in_box = weights[rows, columns]
    total = np.einsum("chw,hw->c", features[:, rows, columns].astype(np.float64), weights_in_box)
    if not np.isfinite(total).all():
        raise InputError(
            f"The embeddings of '{embeddings.model}' contain values that are not finite. Compute them in fp32."
        )
    return (total / weights_in_box.sum()).astype(np.float32)


def _span(weights: NDArray) -> slice:
    occupied = np.flatnonzero(weights)
    return slice(int(occupied[0]), int(occupied[-1]) + 1)


def _share_of_cells(mask: NDArray[np.bool_], shape_hw: Sequence[int], covered_hw: tuple[float, float]) -> Floats:
    """The fraction of each cell (H, W) that the mask covers, 0..1."""
    rows = _overlaps(mask.shape[0], shape_hw[0], covered_hw[0])
    columns = _overlaps(mask.shape[1], shape_hw[1], covered_hw[1])
    high, wide = _span(mask.sum(axis=1)), _span(mask.sum(axis=0))
    return rows[:, high] @ mask[high, wide].astype(np.float64) @ columns[:, wide].T


@lru_cache(maxsize=8)
def _overlaps(pixels: int, cells: int, covered: float) -> Floats:
    """(cells, pixels), the overlap of each pixel with each cell, when the pixels divide `covered` cells evenly.

    >>> _overlaps(3, 2, 1.5).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 0.5]]
    """
    edges = np.arange(pixels + 1) * (covered / pixels)
    cell = np.arange(cells)[:, None]
    return np.clip(np.minimum(edges[1:], cell + 1) - np.maximum(edges[:-1], cell), 0.0, None)


def mean_prototype(prototypes: Sequence[NDArray], areas: Sequence[int]) -> NDArray[np.float32]:
    """The mean of prototypes, weighted by the areas of their masks."""
    return np.average(np.asarray(prototypes, dtype=np.float64), axis=0, weights=np.asarray(areas)).astype(np.float32)
