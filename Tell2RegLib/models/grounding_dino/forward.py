"""The forward pass of GroundingDINO for slices of one size, without padding, with the package's weights.

Three stages, so that each is done once for what it depends on: words (`encode_text`, once a caption), slices
(`image_features`, once a slice) and both together (`locate`). The last follows the package's transformer and differs in
the order of sums: deformable attention (deformable_attention.py) and the attention between image and words
(text_fusion.py) are computed another way, and proposals that are not chosen get no box. The backbone is in swin.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from Tell2RegLib.models.gpu_kernels import norm_of_sum
from Tell2RegLib.models.grounding_dino.deformable_attention import deformable_attention
from Tell2RegLib.models.grounding_dino.swin import swin_features
from Tell2RegLib.models.grounding_dino.text_fusion import fuse
from Tell2RegLib.support.progress import Check

PROPOSAL_SIZE = 0.05
"""Of the slice: side of the box that a pixel of the first level proposes; on each further level twice that."""

NEAREST_EDGE = 0.01
"""Of the slice: pixels closer to its edge propose nothing."""


@dataclass(frozen=True)
class Run:
    """How layers are run.

    Args:
        halved: makes a context in which products may be in 16 bits, for those that stand it.
        check: called between layers.
    """

    halved: Callable[[], AbstractContextManager[object]]
    check: Check


@dataclass(frozen=True, eq=False)
class Text:
    """A caption as the network reads it: features (1, T, C), and who may attend to whom."""

    features: Tensor
    position: Tensor
    attention_mask: Tensor


@dataclass(frozen=True, eq=False)
class Levels:
    """Constants that depend on the size of the slices only.

    Args:
        shapes: rows and columns of each level.
        position: (1, S, C), where each pixel lies, on which level.
        centres: (1, S, 2), x and y as fractions.
        proposals: (1, S, 4), a box around each pixel before the sigmoid; infinite near the edge.
    """

    shapes: tuple[tuple[int, int], ...]
    position: Tensor
    centres: Tensor
    proposals: Tensor


# --- once a caption ---


def encode_text(network: Any, tokens: Any) -> Text:
    """Words to features.

    Args:
        network: a groundingdino GroundingDINO.
        tokens: one tokenized caption, as tensors on the network's device.
    """
    from groundingdino.models.GroundingDINO.bertwarper import generate_masks_with_special_tokens_and_transfer_map
    from groundingdino.models.GroundingDINO.utils import get_sine_pos_embed

    mask, position, _ = generate_masks_with_special_tokens_and_transfer_map(
        tokens, network.specical_tokens, network.tokenizer
    )
    bert = network.bert
    token_embeddings = bert.embeddings(
        input_ids=tokens["input_ids"], token_type_ids=tokens["token_type_ids"], position_ids=position
    )
    barred = torch.zeros_like(mask, dtype=token_embeddings.dtype).masked_fill(
        ~mask, torch.finfo(token_embeddings.dtype).min
    )
    features = network.feat_map(bert.encoder(token_embeddings, attention_mask=barred[:, None])[0])
    return Text(features, get_sine_pos_embed(position[..., None], num_pos_feats=256, exchange_xy=False), mask)


# --- once a slice ---


def image_features(network: Any, images: Tensor, run: Run) -> tuple[Tensor, tuple[tuple[int, int], ...]]:
    """SliceStack (B, 3, H, W) to the features of all levels, (B, S, C), and the levels' shapes."""
    with run.halved():
        stages = swin_features(network.backbone[0], images, run.check)
    run.check()
    maps = [stage.float() for stage in stages]
    levels = [project(feature_map) for project, feature_map in zip(network.input_proj, maps, strict=False)]
    for project in network.input_proj[len(maps) :]:
        levels.append(project(maps[-1] if len(levels) == len(maps) else levels[-1]))
    shapes = tuple((int(level.shape[2]), int(level.shape[3])) for level in levels)
    return torch.cat([level.flatten(2).transpose(1, 2) for level in levels], dim=1), shapes


def prepare_levels(network: Any, shapes: tuple[tuple[int, int], ...], device: torch.device) -> Levels:
    """What `locate` needs to know of slices of this size."""
    from groundingdino.util.misc import NestedTensor

    positions, centres, sizes = [], [], []
    for level, (height, width) in enumerate(shapes):
        empty_mask = torch.zeros(1, height, width, dtype=torch.bool, device=device)
        position = network.backbone[1](NestedTensor(empty_mask[:, None].float(), empty_mask))
        positions.append(position.flatten(2).transpose(1, 2) + network.transformer.level_embed[level])
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        centres.append(torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1).flatten(0, 1))
        sizes.append(torch.full_like(centres[-1], PROPOSAL_SIZE * 2**level))
    boxes = torch.cat([torch.cat(centres), torch.cat(sizes)], dim=1)[None]
    usable = ((boxes > NEAREST_EDGE) & (boxes < 1 - NEAREST_EDGE)).all(-1, keepdim=True)
    proposals = torch.log(boxes / (1 - boxes)).masked_fill(~usable, torch.inf)
    return Levels(shapes, torch.cat(positions, dim=1), boxes[..., :2], proposals)


# --- slices and caption together ---


def locate(network: Any, image: Tensor, levels: Levels, text: Text, run: Run) -> tuple[Tensor, Tensor]:
    """Locate the caption's tokens in the slices.

    Args:
        network: a groundingdino GroundingDINO.
        image: (B, S, C) of `image_features`.
        levels: for their shapes.
        text: the caption.
        run: how.

    Returns:
        Logits (B, Q, T) and boxes (B, Q, 4): centre x and y, width and height, as fractions of the slice.
    """
    memory, text_memory = _encode(network.transformer.encoder, image, levels, text, run)
    boxes, queries = _propose(network.transformer, memory, text_memory, levels)
    return _decode(network, queries, boxes, memory, text_memory, levels, run)


def _encode(encoder: Any, image: Tensor, levels: Levels, text: Text, run: Run) -> tuple[Tensor, Tensor]:
    batch = image.shape[0]
    text_features = text.features.expand(batch, -1, -1)
    text_mask = ~text.attention_mask.expand(batch, -1, -1)
    text_positions = text.position.expand(batch, -1, -1).transpose(0, 1)
    for fusion, enhance, layer in zip(encoder.fusion_layers, encoder.text_layers, encoder.layers, strict=True):
        run.check()
        image, text_features = fuse(fusion, image, text_features)
        text_features = enhance(src=text_features.transpose(0, 1), src_mask=text_mask, pos=text_positions).transpose(
            0, 1
        )
        run.check()
        image_attention = deformable_attention(
            layer.self_attn, image + levels.position, image, levels.centres, levels.shapes, run.halved
        )
        image = norm_of_sum(layer.norm1, image, image_attention)
        run.check()
        with run.halved():
            hidden = layer.linear2(layer.activation(layer.linear1(image)))
        image = norm_of_sum(layer.norm2, image, hidden)
    return image, text_features


def _propose(transformer: Any, memory: Tensor, text_memory: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """The pixels that agree best with any word: their boxes (before the sigmoid), and the queries that look there."""
    outside = levels.proposals.isinf().any(-1, keepdim=True)
    candidates = transformer.enc_output_norm(transformer.enc_output(memory.masked_fill(outside, 0.0)))
    best_indices = (
        (candidates @ text_memory.transpose(1, 2)).amax(-1).topk(transformer.num_queries, dim=1).indices[..., None]
    )
    selected = candidates.gather(1, best_indices.expand(-1, -1, candidates.shape[-1]))
    start = levels.proposals.expand(memory.shape[0], -1, -1).gather(1, best_indices.expand(-1, -1, 4))
    boxes = transformer.enc_out_bbox_embed(selected) + start
    if transformer.tgt_embed is None:
        return boxes, selected
    return boxes, transformer.tgt_embed.weight.expand(memory.shape[0], -1, -1)


def _decode(
    network: Any, queries: Tensor, boxes: Tensor, memory: Tensor, text_memory: Tensor, levels: Levels, run: Run
) -> tuple[Tensor, Tensor]:
    from groundingdino.models.GroundingDINO.utils import gen_sineembed_for_position
    from groundingdino.util.misc import inverse_sigmoid

    decoder = network.transformer.decoder
    reference = previous_boxes = boxes.sigmoid()
    for layer, refine in zip(decoder.layers, decoder.bbox_embed, strict=True):
        run.check()
        previous_boxes = reference
        position = decoder.ref_point_head(gen_sineembed_for_position(previous_boxes))
        queries = _decode_layer(layer, queries, position, previous_boxes, memory, text_memory, levels, run)
        reference = (refine(queries) + inverse_sigmoid(previous_boxes)).sigmoid()
    hidden_states = decoder.norm(queries)
    final = (network.bbox_embed[-1](hidden_states) + inverse_sigmoid(previous_boxes)).sigmoid()
    return hidden_states @ text_memory.transpose(1, 2), final


def _decode_layer(
    layer: Any,
    queries: Tensor,
    position: Tensor,
    reference: Tensor,
    memory: Tensor,
    text_memory: Tensor,
    levels: Levels,
    run: Run,
) -> Tensor:
    queries = layer.norm2(queries + _attend(layer.self_attn, queries + position, queries + position, queries))
    queries = layer.catext_norm(queries + _attend(layer.ca_text, queries + position, text_memory, text_memory))
    attended = deformable_attention(layer.cross_attn, queries + position, memory, reference, levels.shapes, run.halved)
    queries = layer.norm1(queries + attended)
    return layer.norm3(queries + layer.linear2(layer.activation(layer.linear1(queries))))


def _attend(module: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """torch's MultiheadAttention with its weights, batch first, by the fused kernel.

    Where TF32 will do for products, fp16 will: it has as many bits, and a kernel that is many times as fast.
    """
    width, heads = module.embed_dim, module.num_heads
    projections = zip(
        (query, key, value), module.in_proj_weight.split(width), module.in_proj_bias.split(width), strict=True
    )
    q, k, v = (F.linear(x, weight, bias).unflatten(-1, (heads, -1)).transpose(1, 2) for x, weight, bias in projections)
    if query.is_cuda and torch.backends.cuda.matmul.allow_tf32:
        q, k, v = q.half(), k.half(), v.half()
    mixed = F.scaled_dot_product_attention(q, k, v).to(query.dtype)
    return module.out_proj(mixed.transpose(1, 2).flatten(2))
