"""Slices of synthetic patients to learn from and to be judged by, rendered once and kept in a scratch folder.

A slice is made as inference makes it: the volume on its axial working grid at 1 mm, 8 bits, then resized to each
network's input. Seeds below 1000 belong to the demo and the tests; what is learnt from, chosen by and judged by have
ranges of their own, and so have the seeds that draw contrast and noise (`make_pair` uses up to 1999 for those).
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.grounding_dino.network import DEMO as DETECTOR
from Tell2RegLib.models.sam.network import DEMO as SEGMENTER
from Tell2RegLib.models.slice_preparation import long_side_size, resized, short_side_size
from Tell2RegLib.phantom import LABELS, ORGANS, make_subject, render
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.space.volume import axial_slices, resample

TRAINING = range(1000, 2000)
VALIDATION = range(2000, 3000)
HELD_OUT = range(3000, 4000)
SCAN_SEED_OFFSET = 100_000
"""Added to a subject's seed to draw its contrast and noise."""
KEPT_SIDE_PX = 288
"""Long side of the pictures that both networks' inputs are made from for training: about 1 mm a pixel."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SliceSet:
    """Slices of several subjects, one after the other.

    Args:
        small: (S, 96, W) uint8, the detector's input.
        square: (S, H, 256) uint8, the segmenter's input without its padding.
        labels: (S, J, I) uint8 at 1 mm, values as in `phantom.LABELS`.
        area: (S, 11) share of the slice that each label covers; column 0 is the background.
        lacks: (S, 11) labels that no slice of the same subject holds.
    """

    small: Bytes
    square: Bytes
    labels: Bytes
    area: NDArray[np.float32]
    lacks: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.small)


def lacking(seed: int) -> tuple[str, ...]:
    """Organs that the subject of a seed goes without: every fourth lacks one to three."""
    if seed % 4 != 3:
        return ()
    rng = np.random.default_rng([seed, 77])
    return tuple(rng.choice(ORGANS, size=int(rng.integers(1, 4)), replace=False).tolist())


@dataclass(frozen=True, eq=False)
class Scan:
    """One scan as inference sees it.

    Args:
        slices: (S, J, I) uint8, 1 mm in plane.
        labels: (S, J, I) uint8, values as in `phantom.LABELS`.
        area: (S, 11) share of the slice that each label covers; column 0 is the background.
        without: organs that the subject lacks.
    """

    slices: Bytes
    labels: Bytes
    area: NDArray[np.float32]
    without: tuple[str, ...]


def make_scan(seed: int) -> Scan:
    """A scan of the subject of a seed; odd seeds are bent as the second scan of a pair is."""
    without = lacking(seed)
    subject = make_subject(seed, without=without)
    warp = draw_warp(subject, np.random.default_rng([seed, 4])) if seed % 2 else None
    scan = render(subject, seed=SCAN_SEED_OFFSET + seed, warp=warp)
    slices = axial_slices(scan.volume)
    labels = resample(scan.labels, slices.grid, nearest=True).array_kji.astype(np.uint8)
    area = np.stack([(labels == value).mean(axis=(1, 2)) for value in (0, *LABELS)], axis=1).astype(np.float32)
    return Scan(slices.array_kji, labels, area, without)


def make_slices(seed: int) -> dict[str, NDArray]:
    """The scan of a seed at the networks' sizes: the fields of `SliceSet`."""
    scan = make_scan(seed)
    hw = (scan.slices.shape[1], scan.slices.shape[2])
    image = resized(scan.slices, long_side_size(hw, KEPT_SIDE_PX))
    small = resized(image, short_side_size(hw, DETECTOR.short_side_px, DETECTOR.long_side_px))
    square = resized(image, long_side_size(hw, SEGMENTER.image_size_px))
    return {"small": small, "square": square, "labels": scan.labels, "area": scan.area}


def _write(seed: int, cache: Path) -> None:
    path = cache / f"{seed}.npz"
    if not path.exists():
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, **make_slices(seed))  # type: ignore[arg-type]
        unfinished.rename(path)


def load_slices(seeds: Iterable[int], cache: Path, *, workers: int = 2) -> SliceSet:
    """The slices of these subjects, rendered where the cache lacks them (2 to 4 s each)."""
    seeds = list(seeds)
    cache.mkdir(parents=True, exist_ok=True)
    missing = [seed for seed in seeds if not (cache / f"{seed}.npz").exists()]
    if missing:
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(_write, missing, [cache] * len(missing)))
    files = []
    for seed in seeds:
        with np.load(cache / f"{seed}.npz") as file:
            arrays = {name: file[name] for name in file.files}
        absent = arrays["area"].max(axis=0, keepdims=True) == 0
        files.append(arrays | {"lacks": np.repeat(absent, len(arrays["area"]), axis=0)})
    return SliceSet(**{name: np.concatenate([arrays[name] for arrays in files]) for name in files[0]})
