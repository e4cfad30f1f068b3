"""Loads weights in the layouts of the official checkpoints, or explains why they do not match.

GroundingDINO's files hold {"model": ...} with every name behind "module.", and names that no network of today has.
SAM's are flat. A tensor that the network has under two names may come under either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from Tell2RegLib.errors import ModelError

PREFIX = "module."
"""Prefix left by training on several devices."""

STRAY = ("bert.embeddings.position_ids", "label_enc.weight", "pixel_mean", "pixel_std")
"""Of no use: counting numbers and labels of its training, in the official GroundingDINO files; SAM's normalisation,
which every SAM has and some programs file with the weights."""


def load_official(
    network: nn.Module, tensors: Mapping[str, Any], *, architecture: str, source: str = "The checkpoint"
) -> None:
    """Load weights into a network.

    Args:
        network: built for these weights; changed in place.
        tensors: name -> tensor, as in the file.
        architecture: the network in words, such as "SAM ViT-B".
        source: the file in words, for the error.

    Raises:
        ModelError: a tensor is missing, of another shape or not part of such a network.
    """
    expected = network.state_dict()
    available = _with_aliases(_plain(tensors), expected)
    missing = [name for name, tensor in expected.items() if name not in available and tensor.is_floating_point()]
    surplus = [name for name in available if name not in expected]
    problem = f"{source} is not a checkpoint of {architecture}: "
    if missing:
        raise ModelError(f"{problem}{len(missing)} of its {len(expected)} tensors are missing, such as '{missing[0]}'.")
    for name, tensor in expected.items():
        if name in available and available[name].shape != tensor.shape:
            shapes = f"{_size(available[name])} instead of {_size(tensor)}"
            raise ModelError(f"{problem}its tensor '{name}' measures {shapes}.")
    if surplus:
        raise ModelError(f"{problem}it holds '{surplus[0]}' and {len(surplus) - 1} more that such a network has not.")
    network.load_state_dict({name: available.get(name, tensor) for name, tensor in expected.items()})


def content_hash(network: nn.Module) -> str:
    """SHA-256 over names, shapes and float32 values: the same for the same weights, however they were stored."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype)
        digest.update(values.contiguous().numpy().reshape(-1).view("uint8").data)
    return digest.hexdigest()


def _plain(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Without the root, the prefix and what is known to be stray."""
    inner = tensors.get("model")
    content = inner if isinstance(inner, Mapping) else tensors
    named = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if named and all(name.startswith(PREFIX) for name in named):
        named = {name.removeprefix(PREFIX): value for name, value in named.items()}
    return {name: value for name, value in named.items() if name not in STRAY}


def _with_aliases(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With every name of a tensor that the network shares between several, if one of them is there."""
    first_name: dict[tuple[int, torch.Size], str] = {}
    for name, tensor in expected.items():
        if name in tensors:
            first_name.setdefault((tensor.data_ptr(), tensor.shape), name)
    for name, tensor in expected.items():
        shared = first_name.get((tensor.data_ptr(), tensor.shape))
        if name not in tensors and shared is not None and tensor.numel():
            tensors[name] = tensors[shared]
    return tensors


def _size(tensor: Tensor) -> str:
    return " x ".join(str(n) for n in tensor.shape) or "one number"
