"""GroundingDINO as a Detector: each caption and each slice is processed once, whatever the number of prompts.

What the backbone saw is kept (`feature_cache`), so words that are added later cost their own part only.

In fp32 the same boxes and scores as the package's `predict`. In 16 bits, where a device is faster with them, run
the backbone and the large products of the encoder; words, their fusion with the image, the decoder and the boxes stay
in 32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.grounding_dino.backbone_feature_cache import BackboneFeatureCache
from Tell2RegLib.models.grounding_dino.captions import Caption, phrase_of, plan_captions, prompt_of
from Tell2RegLib.models.grounding_dino.forward import (
    Levels,
    Run,
    Text,
    encode_text,
    image_features,
    locate,
    prepare_levels,
)
from Tell2RegLib.models.grounding_dino.network import DetectorConfig, build_detector
from Tell2RegLib.models.inference import Precision, batch_size, check_of, choose, in_batches, is_out_of_memory
from Tell2RegLib.models.official_checkpoints import content_hash, load_official
from Tell2RegLib.models.protocol import Box, SliceStack
from Tell2RegLib.models.slice_preparation import check_slices, normalised, resized, short_side_size
from Tell2RegLib.support.progress import StepProgress

THRESHOLD = 0.15
"""Default threshold of boxes and of tokens, from the research code."""

BYTES_PER_PIXEL = 1500
"""Approximate peak memory in bytes per input pixel, for the official sizes."""


class GroundingDinoDetector:
    """Detects boxes by prompts.

    Args:
        network: a groundingdino GroundingDINO with its weights and its tokenizer.
        config: what it was built from; its input size and normalisation are used.
        title: of the model in words; `name` adds all that boxes depend on.
        device, precision: see `inference.choose`.
        box_threshold: boxes whose best token is at most that probable are dropped, 0..1.
        text_threshold: tokens above it make up `Box.phrase`, 0..1.
        joined: all prompts in one caption: faster, but they influence one another. Each box then belongs to the prompt
            of its best token. Otherwise each prompt is a caption of its own, as in the paper.
        batch: slices at once; None: as memory allows.
        content: SHA-256 of the weights where it is known already; otherwise it is computed, a second a gigabyte.
    """

    def __init__(
        self,
        network: Any,
        config: DetectorConfig,
        *,
        title: str = "GroundingDINO",
        device: str = "auto",
        precision: Precision = "auto",
        box_threshold: float = THRESHOLD,
        text_threshold: float = THRESHOLD,
        joined: bool = False,
        batch: int | None = None,
        content: str | None = None,
    ) -> None:
        for kind, threshold in (("box", box_threshold), ("text", text_threshold)):
            if not 0 <= threshold <= 1:
                raise InputError(f"A {kind} threshold of {threshold} cannot be used: take a value from 0 to 1.")
        self.title = title
        self.compute = choose(device, precision)
        self.network = network.eval().to(self.compute.device)
        self.config = config
        self.box_threshold = box_threshold
        self.text_threshold = text_threshold
        self.joined = joined
        self.batch = batch
        self.content = content or content_hash(network)
        self.name = (
            f"{title} {self.content[:12]}, boxes above {box_threshold:g}, text above {text_threshold:g}, "
            f"{'one caption' if joined else 'a caption each'}, {self.compute.format}"
        )
        self.feature_cache = BackboneFeatureCache(self.compute.device)
        self._texts: dict[str, Text] = {}
        self._levels: dict[tuple[int, int], Levels] = {}

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Any],
        config: DetectorConfig,
        tokenizer: Any,
        *,
        source: str = "The checkpoint",
        **options: Any,
    ) -> GroundingDinoDetector:
        """From the weights of an official checkpoint.

        Args:
            tensors: name -> tensor (`checkpoint.read_tensors`).
            config: which GroundingDINO they are of.
            tokenizer: of the vocabulary they were made with (`detector_network.build_tokenizer`).
            source: the file in words, for the error.
            options: of the class.

        Raises:
            ModelError: they are not of such a network.
        """
        network = build_detector(config, tokenizer)
        load_official(network, tensors, architecture=options.get("title", "GroundingDINO"), source=source)
        return cls(network, config, **options)

    def detect(
        self, slices: SliceStack, prompts: Sequence[str], *, step: StepProgress | None = None
    ) -> tuple[Box, ...]:
        """All boxes above the thresholds, by slice, prompt and decreasing score.

        Positions are the network's own: a box may reach a little beyond the slice. `step` is also called between the
        layers, so that a large network can be cancelled soon.

        Raises:
            InputError: these are not 8-bit slices, or a prompt is empty or too long.
            ResourceError: not even one slice fits into memory.
        """
        check_slices(slices)
        tokenizer = self.network.tokenizer
        captions = plan_captions(prompts, tokenizer, longest=self.config.max_text_len, joined=self.joined)
        if not captions or not len(slices):
            return ()
        hw = short_side_size(
            (int(slices.shape[1]), int(slices.shape[2])), self.config.short_side_px, self.config.long_side_px
        )

        def work(start: int, stop: int) -> list[Box]:
            run = Run(self.compute.halved, check_of(step, start, len(slices)))
            try:
                return self._detect_batch(slices[start:stop], hw, start, captions, run)
            except (MemoryError, RuntimeError) as error:
                if is_out_of_memory(error):
                    self.feature_cache.clear()
                raise

        self.feature_cache.new_call()

        bytes_each = BYTES_PER_PIXEL * hw[0] * hw[1]
        size = batch_size(self.compute, bytes_each=bytes_each, pixels_each=hw[0] * hw[1], requested=self.batch)
        batches = in_batches(len(slices), size, work, task=f"Detection by {self.title}", step=step)
        order = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
        boxes = [box for boxes in batches for box in boxes]
        return tuple(sorted(boxes, key=lambda box: (box.slice_index, order[box.prompt], -box.score)))

    def _detect_batch(
        self, slices: SliceStack, hw: tuple[int, int], first: int, captions: Sequence[Caption], run: Run
    ) -> list[Box]:
        """Boxes of a few slices, of which the first is number `first`."""
        boxes: list[Box] = []
        mean, std = ([255 * value for value in values] for values in (self.config.pixel_mean, self.config.pixel_std))
        with self.compute.running():

            def compute_features(numbers: list[int]) -> Tensor:
                images = normalised(resized(slices[numbers], hw), mean, std, self.compute.device)
                features, shapes = image_features(self.network, images, run)
                if hw not in self._levels:
                    self._levels[hw] = prepare_levels(self.network, shapes, self.compute.device)
                return features

            features = self.feature_cache.of(slices, hw, compute_features)
            answers = []
            for caption in captions:
                run.check()
                answers.append(locate(self.network, features, self._levels[hw], self._text(caption), run))
            # only now: to read an answer is to wait for a GPU, which should have the next caption's work by then
            for caption, (logits, box_coordinates) in zip(captions, answers, strict=True):
                boxes += self._boxes(logits, box_coordinates, caption, first, (slices.shape[1], slices.shape[2]))
        return boxes

    def _text(self, caption: Caption) -> Text:
        """The caption as the network reads it, once computed."""
        if caption.text not in self._texts:
            tokens = self.network.tokenizer([caption.text], return_tensors="pt").to(self.compute.device)
            self._texts[caption.text] = encode_text(self.network, tokens)
        return self._texts[caption.text]

    def _boxes(
        self, logits: Tensor, box_coordinates: Tensor, caption: Caption, first: int, hw: tuple[int, int]
    ) -> list[Box]:
        """The boxes above the threshold, in pixels of the slices."""
        probabilities = logits.sigmoid().cpu()
        numbers, queries = (probabilities.amax(-1) > self.box_threshold).nonzero().unbind(1)
        centre, size = box_coordinates.cpu()[numbers, queries].split(2, dim=-1)
        scale = torch.tensor([hw[1], hw[0], hw[1], hw[0]])
        corners = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * scale
        tokens_of = probabilities[numbers, queries].tolist()
        boxes = []
        for number, tokens, (x0, y0, x1, y1) in zip(numbers.tolist(), tokens_of, corners.tolist(), strict=True):
            phrase = phrase_of(tokens, caption, self.text_threshold, self.network.tokenizer)
            boxes.append(Box(first + number, prompt_of(tokens, caption), (x0, y0, x1, y1), max(tokens), phrase))
        return boxes
