"""GroundingDINO's attention between image and words, computed from the side of the few words.

The package projects every pixel into four heads of 256 and compares that with the words. With a handful of words it is
the same, and some fifty times less work, to bring the words' projections back to the pixels' own channels first, and to
average pixels before projecting them. Only the order of summation differs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from Tell2RegLib.models.gpu_kernels import norm_of_sum


def fuse(block: Any, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """The package's BiAttentionBlock with its weights, without padding.

    Args:
        block: it.
        image: (B, S, C).
        text: (B, T, C).

    Returns:
        Both, each changed by the other.
    """
    attention = block.attn
    image = norm_of_sum(block.layer_norm_v, image)
    text = block.layer_norm_l(text)
    scores = _scores(attention, image, text)
    to_words = text + block.gamma_l * _to_text(attention, scores, image)
    if image.is_cuda:
        return _added_in_place(block, scores, text, image), to_words
    return image + block.gamma_v * _to_image(attention, scores, text), to_words


def _scores(attention: Any, image: Tensor, text: Tensor) -> Tensor:
    """(B, heads, S, T): how well each pixel and each word agree."""
    heads, width = attention.num_heads, attention.head_dim
    batch, count, _ = text.shape
    keys = attention.l_proj(text).reshape(batch, count, heads, width) * attention.scale
    weight = attention.v_proj.weight.reshape(heads, width, -1)
    compact = torch.einsum("bthd,hdc->bcht", keys, weight).flatten(2)
    constant = torch.einsum("bthd,hd->bht", keys, attention.v_proj.bias.reshape(heads, width)).flatten(1)
    scores = torch.baddbmm(constant[:, None], image, compact)
    return scores.reshape(batch, -1, heads, count).transpose(1, 2)


def _to_image(attention: Any, scores: Tensor, text: Tensor) -> Tensor:
    """(B, S, C): what each pixel hears from the words."""
    return torch.baddbmm(attention.out_v_proj.bias, _shares(scores), _heard(attention, text))


def _added_in_place(block: Any, scores: Tensor, words: Tensor, image: Tensor) -> Tensor:
    """The image (B, S, C), which is changed, with the weighted `_to_image` added: one product and no other pass.

    The shares of a head add up to 1, so its part of the bias can be added to what each word says.
    """
    heads = block.attn.num_heads
    heard = (_heard(block.attn, words) + block.attn.out_v_proj.bias / heads) * block.gamma_v
    return image.baddbmm_(_shares(scores), heard)


def _shares(scores: Tensor) -> Tensor:
    """(B, S, heads * T): how much of what a pixel hears comes from each word."""
    return scores.softmax(dim=-1).transpose(1, 2).flatten(2)


def _heard(attention: Any, words: Tensor) -> Tensor:
    """(B, heads * T, C): what each word says to a pixel."""
    heads, width = attention.num_heads, attention.head_dim
    batch, count, _ = words.shape
    values = attention.values_l_proj(words).reshape(batch, count, heads, width)
    weight = attention.out_v_proj.weight.reshape(-1, heads, width)
    return torch.einsum("bthd,chd->bhtc", values, weight).flatten(1, 2)


def _to_text(attention: Any, scores: Tensor, image: Tensor) -> Tensor:
    """(B, T, C): what each word hears from the pixels."""
    heads, width = attention.num_heads, attention.head_dim
    batch, _, pixels, count = scores.shape
    shares = scores.transpose(2, 3).softmax(dim=-1).reshape(batch, heads * count, pixels)
    average = torch.bmm(shares, image).reshape(batch, heads, count, -1)
    weight = attention.values_v_proj.weight.reshape(heads, width, -1)
    bias = attention.values_v_proj.bias.reshape(heads, width)
    values = torch.einsum("bhtc,hdc->bthd", average, weight) + bias
    return attention.out_l_proj(values.flatten(2))
