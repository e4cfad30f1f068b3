"""Teaching the demo detector to find the phantom's organs by their names."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from Tell2RegLib.models.grounding_dino.network import DEMO, DetectorConfig, build_detector, build_tokenizer
from Tell2RegLib.support.resources import resource_path
from Tell2RegLib.training.augment import augmented
from Tell2RegLib.training.boxes import boxes_of
from Tell2RegLib.training.data import SliceSet
from Tell2RegLib.training.detector_forward import answer, encode_captions
from Tell2RegLib.training.detector_loss import Target, detector_loss
from Tell2RegLib.training.detector_score import Tally, detected_boxes
from Tell2RegLib.training.loop import Schedule, train
from Tell2RegLib.training.sampling_matrix import fast_attention
from Tell2RegLib.training.words import draw_captions, draw_near_misses, draw_prompt, draw_removed, draw_slices, truth

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CAPTIONS = 2
"""Captions asked of each slice of a batch."""


def new_detector(config: DetectorConfig = DEMO, seed: int = 1) -> tuple[torch.nn.Module, Any]:
    """An untaught detector and its tokenizer; the same seed is always the same network."""
    import torch

    tokenizer = build_tokenizer(resource_path("DemoWeights/vocab.txt"))
    torch.manual_seed(seed)
    network = build_detector(config, tokenizer)
    with torch.no_grad():  # logits are products of normed vectors of 256 numbers: +-16 at the start, too sure to learn
        network.transformer.encoder.text_layers[-1].norm2.weight.fill_(0.12)
    return network, tokenizer


def normalized(pictures: Tensor, config: DetectorConfig = DEMO) -> Tensor:
    """Grey slices (B, 1, H, W) in 0..255 -> what the network wants (B, 3, H, W)."""
    import torch

    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (config.pixel_mean, config.pixel_std))
    return (pictures / 255 - mean) / std


def targets_of(
    caption: Sequence[str], spans: Sequence[tuple[int, int]], labels: Tensor, area: Any, tokens: int
) -> Target:
    """Boxes of one slice and the tokens that ask for each; a box asked for in two ways is one box."""
    import torch

    targets: dict[tuple[int, ...], Tensor] = {}
    for prompt, (first, last) in zip(caption, spans, strict=True):
        for group in truth(prompt, area) or ():
            targets.setdefault(group, torch.zeros(tokens))[first:last] = 1
    if not targets:
        return Target(torch.zeros(0, 4), torch.zeros(0, tokens))
    return Target(boxes_of(labels, list(targets)), torch.stack(list(targets.values())))


def train_detector(
    training: SliceSet, validation: SliceSet, schedule: Schedule, out: Path, start: Path | None = None
) -> torch.nn.Module:
    """A taught detector; `out` holds its weights at every checkpoint (see `loop.train`).

    At first most captions join several prompts, which teaches many words with one look; later most are single, as in
    use. `start` are weights of an earlier run, which then counts as the first part.
    """
    import torch

    config = DEMO
    network, tokenizer = new_detector(config, schedule.seed)
    if start is not None:
        network.load_state_dict(torch.load(start, weights_only=True))

    def loss_of(rng: np.random.Generator, step: int) -> Tensor:
        joined = 0.7 if start is None and step < schedule.steps * 0.3 else 0.3
        near_count = round(schedule.near_misses * schedule.batch)
        missed, missing = draw_near_misses(rng, training.area, near_count)
        removed, lacking = draw_removed(rng, training.area, training.lacks, round(schedule.removed * schedule.batch))
        absent = [*missing, *lacking]
        plain_slices = draw_slices(rng, training.area, schedule.batch - len(absent))
        chosen = np.concatenate([missed, removed, plain_slices])
        pictures, labels = augmented(training.small[chosen], training.labels[chosen], rng)
        area = np.stack(
            [np.bincount(slice_labels.ravel(), minlength=11) / slice_labels.size for slice_labels in labels.numpy()]
        )
        prompts = [caption for slice_labels in area for caption in draw_captions(rng, slice_labels, CAPTIONS, joined)]
        prompts[: len(absent) * CAPTIONS : CAPTIONS] = [[draw_prompt(rng, name)] for name in absent]
        captions = encode_captions(prompts, tokenizer)
        tokens = captions.ids.shape[1]
        targets = [
            targets_of(caption, captions.spans[n], labels[n // CAPTIONS], area[n // CAPTIONS], tokens)
            for n, caption in enumerate(prompts)
        ]
        return detector_loss(answer(network, normalized(pictures, config), captions), targets, captions.mask)

    def score(taught: torch.nn.Module) -> dict[str, Any]:
        subset = np.arange(0, len(validation), 9)
        counts = Tally()
        boxes = detected_boxes(taught, tokenizer, validation, subset, config=config)
        counts.add(boxes, validation.labels[subset], validation.area[subset], 0.3)
        return counts.summary()

    with warnings.catch_warnings(), fast_attention():
        warnings.simplefilter("ignore")  # of the packages, about PyTorch's future
        train(network, loss_of, schedule, out, score)
    return network
