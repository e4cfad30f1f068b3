"""The grammar of compute devices: auto, cpu, cuda or cuda:N."""

from __future__ import annotations

import re
from typing import Any

from Tell2RegLib.errors import InputError, ResourceError

GRAMMAR = "auto, cpu, cuda or cuda:N"
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


def check_device(value: Any) -> str:
    """A description of the allowed values, or "" if the value is a device; for `setting(check=...)`."""
    return "" if isinstance(value, str) and _DEVICE.fullmatch(value) else GRAMMAR


def choose_device(name: str) -> str:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: another value.
        ResourceError: a CUDA device that is not available.
    """
    if check_device(name):
        raise InputError(f"There is no device '{name}'; use {GRAMMAR}.")
    if name == "cpu":
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if int(name.partition(":")[2] or 0) >= count:
        raise ResourceError(f"There is no device '{name}': {count} CUDA device(s) found. Use --device cpu.")
    return name
