"""Prepares slices for the networks: resized exactly as by the packages, normalised, in three channels.

Both packages resize with Pillow, on 8-bit pictures. So do we, one grey channel instead of three equal ones: torch's own
resizing of 8-bit pictures is no faster and differs by one grey level in a few pixels of a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import SliceStack


def check_slices(slices: SliceStack) -> None:
    """Raises InputError unless these are 8-bit grey slices, (S, J, I)."""
    if slices.ndim != 3 or slices.dtype != np.uint8 or 0 in slices.shape[1:]:
        raise InputError(
            f"Slices must be 8-bit grey pictures, (S, J, I); these are {slices.dtype} of shape {slices.shape}."
        )


def resized(slices: SliceStack, hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Slices (S, J, I) at another size, bilinear with antialiasing, rounded to 8 bits."""
    if slices.shape[1:] == hw:
        return slices
    size = (hw[1], hw[0])

    def resize_slice(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR))

    threads = min(torch.get_num_threads(), len(slices))
    if threads < 2:
        return np.stack([resize_slice(grey) for grey in slices])
    with ThreadPoolExecutor(threads) as pool:  # Pillow lets other threads run while it resizes
        return np.stack(list(pool.map(resize_slice, slices)))


def normalised(slices: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float], device: torch.device) -> Tensor:
    """(S, 3, J, I) float32 on a device: (value - mean) / std of each channel.

    Args:
        slices: (S, J, I).
        mean, std: of three channels, for values 0..255.
        device: where to.
    """
    grey = torch.from_numpy(np.ascontiguousarray(slices)).to(device).float()[:, None]
    centre = torch.tensor(mean, device=device).reshape(1, 3, 1, 1)
    spread = torch.tensor(std, device=device).reshape(1, 3, 1, 1)
    return (grey - centre) / spread


def short_side_size(hw: tuple[int, int], short: int, longest: int) -> tuple[int, int]:
    """The size at which the short side measures `short`, unless the long one would exceed `longest`.

    As GroundingDINO's transform rounds it.

    >>> short_side_size((200, 200), 800, 1333), short_side_size((100, 300), 800, 1333)
    ((800, 800), (444, 1332))
    """
    height, width = hw
    small, large = float(min(hw)), float(max(hw))
    if large / small * short > longest:
        short = int(round(longest * small / large))
    if (width <= height and width == short) or (height <= width and height == short):
        return hw
    if width < height:
        return int(short * height / width), short
    return short, int(short * width / height)


def long_side_size(hw: tuple[int, int], long: int) -> tuple[int, int]:
    """The size at which the long side measures `long`, as SAM's transform rounds it.

    >>> long_side_size((200, 150), 1024)
    (1024, 768)
    """
    scale = long * 1.0 / max(hw)
    return int(hw[0] * scale + 0.5), int(hw[1] * scale + 0.5)
