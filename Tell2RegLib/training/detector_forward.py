"""GroundingDINO for training: the package's own modules, with every stage's answer, images shared by captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions as numbers.

    Args:
        ids: (B, T) tokens, padded.
        mask: (B, T) where tokens are.
        spans: per caption, per prompt: first and last + 1 of its tokens.
    """

    ids: Tensor
    mask: Tensor
    spans: list[list[tuple[int, int]]]


@dataclass(frozen=True, eq=False)
class Answer:
    """What one stage says: logits (B, Q, T) and boxes (B, Q, 4) as centre and size, 0..1."""

    logits: Tensor
    boxes: Tensor


@dataclass(frozen=True, eq=False)
class Answers:
    """Everything the loss looks at.

    Args:
        layers: the encoder's proposals, then each decoder layer.
        dense: the encoder's answer at every token.
        positions: (N, 2) centres of these tokens, 0..1.
    """

    layers: list[Answer]
    dense: Answer
    positions: Tensor


def encode_captions(prompts: Sequence[Sequence[str]], tokenizer: Any) -> Captions:
    """Captions "prompt . prompt ." as inference writes them, remembering where each prompt's tokens are."""
    import torch

    first, last, dot = tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", "."])
    rows, spans = [], []
    for caption in prompts:
        row, positions = [first], []
        for prompt in caption:
            tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            positions.append((len(row), len(row) + len(tokens)))
            row += [*tokens, dot]
        rows.append([*row, last])
        spans.append(positions)
    longest = max(len(row) for row in rows)
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[n < len(row) for n in range(longest)] for row in rows])
    return Captions(ids, mask, spans)


def encode_text(network: Any, captions: Captions) -> dict[str, Tensor]:
    """What the transformer wants to know about the captions."""
    from groundingdino.models.GroundingDINO.bertwarper import generate_masks_with_special_tokens_and_transfer_map

    attention, positions, _ = generate_masks_with_special_tokens_and_transfer_map(
        {"input_ids": captions.ids}, network.specical_tokens, None
    )
    encoded = network.bert(input_ids=captions.ids, attention_mask=attention, position_ids=positions)
    return {
        "encoded_text": network.feat_map(encoded["last_hidden_state"]),
        "text_token_mask": captions.mask,
        "position_ids": positions,
        "text_self_attention_masks": attention,
    }


def encode_images(network: Any, pixels: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Features, masks and positions of every level for normalized images (B, 3, H, W) without padding."""
    import torch
    from groundingdino.util.misc import NestedTensor

    unmasked = torch.zeros(len(pixels), *pixels.shape[2:], dtype=torch.bool, device=pixels.device)
    features, positions = network.backbone(NestedTensor(pixels, unmasked))
    levels = [network.input_proj[n](feature.tensors) for n, feature in enumerate(features)]
    masks = [feature.mask for feature in features]
    return levels, masks, positions


def answer(network: Any, pixels: Tensor, captions: Captions) -> Answers:
    """All stages' answers; with M times as many captions as images, each image is asked M captions in a row."""
    import torch
    from groundingdino.models.GroundingDINO.utils import gen_encoder_output_proposals
    from groundingdino.util.misc import inverse_sigmoid

    images = encode_images(network, pixels)
    each = len(captions.ids) // len(pixels)
    levels, masks, positions = ([part.repeat_interleave(each, 0) for part in parts] for parts in images)
    text = encode_text(network, captions)
    transformer = network.transformer
    with _recorded(transformer.enc_out_class_embed) as logits, _recorded(transformer.enc_out_bbox_embed) as deltas:
        hidden, references, encoded, proposals, _ = transformer(levels, masks, None, positions, None, None, text)
    tokens = len(captions.ids[0])
    layers = [Answer(network.class_embed[0](encoded[-1], text)[..., :tokens], proposals[-1])]
    for state, reference, box_head, class_head in zip(
        hidden, references, network.bbox_embed, network.class_embed, strict=False
    ):
        boxes = (box_head(state) + inverse_sigmoid(reference)).sigmoid()
        layers.append(Answer(class_head(state, text)[..., :tokens], boxes))
    shapes = torch.tensor([level.shape[-2:] for level in levels])
    flat = torch.zeros(1, int(shapes.prod(1).sum()), 1)
    _, anchors = gen_encoder_output_proposals(flat, flat[..., 0].bool(), shapes)
    dense = Answer(logits[0][..., :tokens], (deltas[0] + anchors).sigmoid())
    return Answers(layers, dense, anchors[0, :, :2].sigmoid())


class _recorded:  # noqa: N801 - used like a function
    """Keeps what a module returns while it is watched."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.outputs: list[Tensor] = []
        self.handle = module.register_forward_hook(lambda _, __, output: self.outputs.append(output))

    def __enter__(self) -> list[Tensor]:
        return self.outputs

    def __exit__(self, *_: object) -> None:
        self.handle.remove()
