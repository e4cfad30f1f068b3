"""Simulated networks: they know the truth of the volumes that they were made for, and blur it on purpose.

They stand for a detector and a segmenter wherever no network is needed: the same protocols, no torch, the same answers
on every run. A slice is recognised by its content; a slice that they were not made for has nothing in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.phantom import LABELS, PhantomVolume
from Tell2RegLib.space.volume import Volume, axial_slices, resample
from Tell2RegLib.support.progress import StepProgress

Truth = dict[bytes, NDArray[np.uint8]]
"""Labels (J, I) of a slice, by the hash of its content."""
PromptQuery = Mapping[str, Sequence[int]]
"""Which labels a prompt means."""

CELLS = 32
CHANNELS = 24
LOOK_ALIKE = {6: 5, 9: 8}
"""The right one of a pair of organs looks almost like the left one."""

PELVIS: PromptQuery = {
    "prostate": (1, 2),
    "femoral head": (5, 6),
    "obturator internus": (8, 9),
    **{name: (value,) for value, name in LABELS.items()},
}


@dataclass(frozen=True)
class Blur:
    """How far the simulated networks are from the truth.

    Args:
        jitter_px: standard deviation of a box's edges.
        missed: share of the boxes that are not given.
        false: share of slices and known prompts with a box where nothing is.
        whole: share of slices and known prompts with a box around the whole slice.
        features: standard deviation of the noise in the embeddings, whose own values are about one.
    """

    jitter_px: float = 1.0
    missed: float = 0.05
    false: float = 0.02
    whole: float = 0.02
    features: float = 0.1


@dataclass(frozen=True, eq=False)
class SimulatedNetworks:
    """A detector and a segmenter in one, for volumes with label maps.

    Args:
        truth: labels by slice.
        words: labels by prompt.
        blur: how good the networks are.

    Attributes:
        calls: how often each method ran, for tests of what is reused.
    """

    truth: Truth
    words: PromptQuery
    blur: Blur = field(default_factory=Blur)
    name: str = "simulated"
    calls: dict[str, int] = field(default_factory=lambda: {"detect": 0, "embed": 0, "segment": 0})
    _by_features: Truth = field(default_factory=dict)

    # --- detector ---

    def detect(
        self, slices: SliceStack, prompts: Sequence[str], *, step: StepProgress | None = None
    ) -> tuple[Box, ...]:
        self.calls["detect"] += 1
        boxes: list[Box] = []
        for number, image in enumerate(slices):
            labels = self.truth.get(content_hash(image))
            for prompt in prompts if labels is not None else ():
                rng = _rng(content_hash(image), prompt)
                boxes += sorted(self._boxes(labels, number, prompt, rng), key=lambda box: -box.score)
            if step:
                step(number + 1, len(slices))
        return tuple(boxes)

    def _boxes(self, labels: NDArray, number: int, prompt: str, rng: np.random.Generator) -> list[Box]:
        boxes = []
        high, wide = labels.shape
        values = self.words.get(prompt, ())
        for _, box in _parts(np.isin(labels, values)):
            edges = np.array([box[1].start, box[0].start, box[1].stop, box[0].stop], dtype=float)
            edges += rng.normal(size=4) * self.blur.jitter_px
            if rng.random() >= self.blur.missed:
                boxes.append(_box(number, prompt, edges, rng.uniform(0.4, 0.9), labels.shape))
        if values and rng.random() < self.blur.false:
            corner, size = rng.uniform(0.1, 0.7, 2) * (wide, high), rng.uniform(0.08, 0.2, 2) * (wide, high)
            boxes.append(_box(number, prompt, np.r_[corner, corner + size], rng.uniform(0.2, 0.4), labels.shape))
        if values and rng.random() < self.blur.whole:
            boxes.append(_box(number, prompt, np.array([0.0, 0.0, wide, high]), 0.3, labels.shape))
        return boxes

    # --- segmenter ---

    def embed(self, slices: SliceStack, *, step: StepProgress | None = None) -> Embeddings:
        self.calls["embed"] += 1
        high, wide = slices.shape[1:]
        covered = (CELLS * high / max(high, wide), CELLS * wide / max(high, wide))
        features = np.zeros((len(slices), CHANNELS, CELLS, CELLS), dtype=np.float32)
        for number, image in enumerate(slices):
            labels = self.truth.get(content_hash(image), np.zeros((high, wide), dtype=np.uint8))
            features[number] = self._features(labels, covered, _rng(content_hash(image), "features"))
            self._by_features[content_hash(features[number])] = labels
            if step:
                step(number + 1, len(slices))
        return Embeddings(features, covered, (high, wide), "simulated 1")

    def _features(self, labels: NDArray, covered: tuple[float, float], rng: np.random.Generator) -> NDArray:
        """The look of whatever lies in the middle of each cell; the padding has one of its own."""
        high, wide = labels.shape
        j, i = (
            ((np.arange(CELLS) + 0.5) / cover * size).astype(int)
            for cover, size in zip(covered, (high, wide), strict=True)
        )
        inside = (j < high)[:, None] & (i < wide)
        cells = np.where(inside, labels[np.minimum(j, high - 1)][:, np.minimum(i, wide - 1)], 250)
        looks = np.moveaxis(_LOOKS[cells], -1, 0)
        return (looks + rng.normal(size=looks.shape) * self.blur.features).astype(np.float32)

    def segment(
        self, embeddings: Embeddings, boxes: Sequence[Box], *, step: StepProgress | None = None
    ) -> tuple[Mask, ...]:
        self.calls["segment"] += 1
        masks = []
        for number, box in enumerate(boxes):
            labels = self._by_features[content_hash(embeddings.features[box.slice_index])]
            masks.append(Mask(box, *self._mask(labels, box)))
            if step:
                step(number + 1, len(boxes))
        return tuple(masks)

    def _mask(self, labels: NDArray, box: Box) -> tuple[NDArray[np.bool_], float]:
        """The part of an organ whose own box is most like this one, or an ellipse where none is."""
        best, mask = 0.0, None
        for values in {tuple(values) for values in self.words.values()}:
            for part, (rows, columns) in _parts(np.isin(labels, values)):
                overlap = _overlap(box.xyxy_px, (columns.start, rows.start, columns.stop, rows.stop))
                if overlap > best:
                    best, mask = overlap, part
        return (mask, best) if mask is not None and best > 0.4 else (_ellipse(box, labels.shape), 0.3)


def simulated(
    volumes: Sequence[tuple[Volume, Volume]], words: PromptQuery, *, spacing_mm: float = 1.0, blur: Blur | None = None
) -> SimulatedNetworks:
    """Networks that know these volumes and their label maps, at this spacing of the working grid."""
    truth: Truth = {}
    for volume, labels in volumes:
        slices = axial_slices(volume, spacing_mm)
        # Outside the volume `resample` gives the smallest value: 0, the background.
        on_slices = resample(labels, slices.grid, nearest=True).array_kji.astype(np.uint8)
        truth.update({content_hash(image): plane for image, plane in zip(slices.array_kji, on_slices, strict=True)})
    return SimulatedNetworks(truth, words, blur or Blur())


def simulated_pelvis(*scans: PhantomVolume, spacing_mm: float = 1.0, blur: Blur | None = None) -> SimulatedNetworks:
    """Networks that know these phantom scans, and the words in `PELVIS`."""
    return simulated([(scan.volume, scan.labels) for scan in scans], PELVIS, spacing_mm=spacing_mm, blur=blur)


def without_calls(networks: SimulatedNetworks) -> SimulatedNetworks:
    """The same networks with their counters at zero."""
    return replace(networks, calls=dict.fromkeys(networks.calls, 0))


def content_hash(array: NDArray) -> bytes:
    """Of the values of an array."""
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()


def _looks() -> NDArray:
    rng = np.random.default_rng(7)
    looks = rng.normal(size=(256, CHANNELS)) + 0.8
    for value, like in LOOK_ALIKE.items():
        looks[value] = looks[like] + rng.normal(size=CHANNELS) * 0.05
    looks[2] = looks[1] + rng.normal(size=CHANNELS) * 0.3
    return looks.astype(np.float32)


_LOOKS = _looks()


def _rng(content: bytes, words: str) -> np.random.Generator:
    return np.random.default_rng(list(content + words.encode()))


def _parts(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], tuple[slice, slice]]]:
    """Every connected part of a mask and its box."""
    if not mask.any():
        return []
    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    return [(numbers == n, box) for n, box in enumerate(ndimage.find_objects(numbers), start=1)]


def _box(number: int, prompt: str, edges: NDArray, score: float, shape: tuple[int, ...]) -> Box:
    high, wide = shape
    left, top, right, bottom = np.clip(edges, 0, [wide, high, wide, high]).tolist()
    return Box(number, prompt, (left, top, right, bottom), float(score), prompt)


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Overlap over union of two boxes."""
    wide, high = (min(a[n + 2], b[n + 2]) - max(a[n], b[n]) for n in (0, 1))
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def _ellipse(box: Box, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    left, top, right, bottom = box.xyxy_px
    j, i = np.mgrid[: shape[0], : shape[1]] + 0.5
    wide, high = max(right - left, 1e-6) / 2, max(bottom - top, 1e-6) / 2
    return ((i - left - wide) / wide) ** 2 + ((j - top - high) / high) ** 2 <= 1
