"""What a detector's backbone saw in slices, kept while memory is plentiful: a new word needs no new look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from Tell2RegLib.models.inference import free_bytes
from Tell2RegLib.models.protocol import Slices
from Tell2RegLib.support.hashing import array_key

SHARE = 0.25
"""Of the memory that would be free without them: what the features may take. The networks need the rest."""
UNKNOWN_FREE = 2 << 30
"""Bytes, taken for free where the system does not tell."""
CALLS = 2
"""Features that were of no use in so many calls make room: a fixed and a moving volume take turns."""


@dataclass(eq=False)
class _Kept:
    features: Tensor
    used: int
    """Number of the call that used them last."""


class SliceFeatures:
    """Features of slices by the slices' content.

    What does not fit is not kept, and nothing in use makes room for it: to throw out the oldest of a volume that is too
    large as a whole would throw out each slice just before it is needed again.

    Args:
        device: where the features are.
        free: bytes that a device has to spare, None where unknown.

    `computed` counts the slices whose features had to be computed, `reused` those that were there.
    """

    def __init__(self, device: torch.device, free: Callable[[torch.device], int | None] = free_bytes) -> None:
        self.computed = 0
        self.reused = 0
        self._device = device
        self._free = free
        self._kept: dict[str, _Kept] = {}
        self._call = 0

    def __len__(self) -> int:
        return len(self._kept)

    def new_call(self) -> None:
        """A volume is looked at."""
        self._call += 1

    def clear(self) -> None:
        """Let everything go: the memory is needed."""
        self._kept.clear()

    def of(self, slices: Slices, about: object, compute: Callable[[list[int]], Tensor]) -> Tensor:
        """Features of slices, kept or computed.

        Args:
            slices: (B, J, I).
            about: what else the features depend on.
            compute: the numbers of some of the slices to their features, (len(numbers), ...).

        Returns:
            (B, ...).
        """
        keys = [array_key(repr(about), one) for one in slices]
        known = {key: kept.features for key in keys if (kept := self._kept.get(key)) is not None}
        for key in known:
            self._kept[key].used = self._call
        new = [number for number, key in enumerate(keys) if key not in known]
        fresh = compute(new) if new else ()  # may be stopped: nothing is counted or kept before
        self.computed += len(new)
        self.reused += len(keys) - len(new)
        for number, features in zip(new, fresh, strict=True):
            self._keep(keys[number], features)
        if len(new) == len(keys):
            return fresh
        own = dict(zip(new, fresh, strict=True))
        return torch.stack([own[n] if n in own else known[key] for n, key in enumerate(keys)])

    def _keep(self, key: str, features: Tensor) -> None:
        size = features.nbytes
        if not self._fits(size):
            self._drop_unused()
            if not self._fits(size):
                return
        # of a batch's features a view would keep the whole batch
        self._kept[key] = _Kept(features.clone(), self._call)

    def _fits(self, size: int) -> bool:
        free = self._free(self._device)
        free = UNKNOWN_FREE if free is None else free
        held = sum(kept.features.nbytes for kept in self._kept.values())
        return held + size <= SHARE * (free + held)

    def _drop_unused(self) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if self._call - kept.used <= CALLS}
