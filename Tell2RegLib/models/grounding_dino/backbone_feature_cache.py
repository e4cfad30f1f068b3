"""Cache of the detector's backbone features in memory, so that a new prompt does not process the slices again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from Tell2RegLib.models.inference import free_bytes
from Tell2RegLib.models.protocol import SliceStack
from Tell2RegLib.support.hashing import array_key

SHARE = 0.25
"""Fraction of the memory (free plus cached) that the features may take; the networks need the rest."""
UNKNOWN_FREE = 2 << 30
"""Assumed free bytes where the system does not report them."""
CALLS = 2
"""Features unused for this number of calls may be dropped; fixed and moving volume alternate."""


@dataclass(eq=False)
class _Entry:
    features: Tensor
    used: int
    """Number of the call that used them last."""


class BackboneFeatureCache:
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
        self._entries: dict[str, _Entry] = {}
        self._call = 0

    def __len__(self) -> int:
        return len(self._entries)

    def new_call(self) -> None:
        """Start processing a volume."""
        self._call += 1

    def clear(self) -> None:
        """Drop all features, when the memory is needed."""
        self._entries.clear()

    def of(self, slices: SliceStack, context: object, compute: Callable[[list[int]], Tensor]) -> Tensor:
        """Features of slices, from the cache or computed.

        Args:
            slices: (B, J, I).
            context: what else the features depend on.
            compute: the numbers of some of the slices to their features, (len(numbers), ...).

        Returns:
            (B, ...).
        """
        keys = [array_key(repr(context), grey_slice) for grey_slice in slices]
        cached = {key: entry.features for key in keys if (entry := self._entries.get(key)) is not None}
        for key in cached:
            self._entries[key].used = self._call
        missing = [number for number, key in enumerate(keys) if key not in cached]
        fresh = compute(missing) if missing else ()  # may be stopped: nothing is counted or kept before
        self.computed += len(missing)
        self.reused += len(keys) - len(missing)
        for number, features in zip(missing, fresh, strict=True):
            self._keep(keys[number], features)
        if len(missing) == len(keys):
            return fresh
        computed = dict(zip(missing, fresh, strict=True))
        return torch.stack([computed[n] if n in computed else cached[key] for n, key in enumerate(keys)])

    def _keep(self, key: str, features: Tensor) -> None:
        size = features.nbytes
        if not self._fits(size):
            self._drop_unused()
            if not self._fits(size):
                return
        # of a batch's features a view would keep the whole batch
        self._entries[key] = _Entry(features.clone(), self._call)

    def _fits(self, size: int) -> bool:
        free = self._free(self._device)
        free = UNKNOWN_FREE if free is None else free
        cached_bytes = sum(entry.features.nbytes for entry in self._entries.values())
        return cached_bytes + size <= SHARE * (free + cached_bytes)

    def _drop_unused(self) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if self._call - entry.used <= CALLS}
