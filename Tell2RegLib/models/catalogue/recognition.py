"""Recognises the architecture of a checkpoint by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from Tell2RegLib.models.architectures import DETECTORS, SEGMENTERS
from Tell2RegLib.models.grounding_dino.network import DetectorConfig
from Tell2RegLib.models.sam.network import SegmenterConfig

WORDS_IN_BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class HasShape(Protocol):
    """Anything with the shape of a tensor."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, slowest first."""
        ...


def recognise(tensors: Mapping[str, HasShape]) -> tuple[str, str] | None:
    """Role and architecture of a checkpoint, such as ("segmenter", "vit-b"); None where nothing fits.

    A leading "module." in the names, as data-parallel training leaves it, does not count.
    """
    shapes = {name.removeprefix("module."): tuple(tensor.shape) for name, tensor in tensors.items()}
    for detector in DETECTORS.values():
        if _is_detector(shapes, detector.config):
            return "detector", detector.name
    for segmenter in SEGMENTERS.values():
        if _is_segmenter(shapes, segmenter.config):
            return "segmenter", segmenter.name
    return None


def is_vocabulary(text: str) -> bool:
    """Whether a text is a vocabulary of word pieces: one to a line, no line twice, BERT's marks among them."""
    lines = text.splitlines()
    return len(lines) == len(set(lines)) and set(WORDS_IN_BERT) <= set(lines)


def _is_detector(shapes: Mapping[str, tuple[int, ...]], config: DetectorConfig) -> bool:
    stages = range(len(config.depths))
    return (
        shapes.get("backbone.0.patch_embed.proj.weight") == (config.embed_dim, 3, 4, 4)
        and tuple(_count(shapes, rf"backbone\.0\.layers\.{n}\.blocks\.(\d+)\.") for n in stages) == config.depths
        and shapes.get("bert.embeddings.word_embeddings.weight") == (config.bert_vocab_size, config.bert_hidden_size)
        and _count(shapes, r"bert\.encoder\.layer\.(\d+)\.") == config.bert_num_hidden_layers
        and _count(shapes, r"transformer\.encoder\.layers\.(\d+)\.") == config.enc_layers
        and _count(shapes, r"transformer\.decoder\.layers\.(\d+)\.") == config.dec_layers
    )


def _is_segmenter(shapes: Mapping[str, tuple[int, ...]], config: SegmenterConfig) -> bool:
    side = config.embedding_size
    return (
        shapes.get("image_encoder.pos_embed") == (1, side, side, config.embed_dim)
        and _count(shapes, r"image_encoder\.blocks\.(\d+)\.") == config.depth
        and shapes.get("prompt_encoder.not_a_point_embed.weight") == (1, config.out_chans)
        and shapes.get("mask_decoder.mask_tokens.weight") == (config.num_multimask_outputs + 1, config.out_chans)
    )


def _count(names: Iterable[str], pattern: str) -> int:
    """Number of different values of the pattern's group in the names."""
    return len({match[1] for name in names if (match := re.match(pattern, name))})
