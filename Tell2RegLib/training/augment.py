"""Slices made different: moved, turned, scaled, mirrored (with left and right renamed), brighter, noisier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

MIRRORED = (0, 1, 2, 3, 4, 6, 5, 7, 9, 8, 10)
"""Label -> label in the mirror: left and right femoral head and obturator internus change places."""


@dataclass(frozen=True)
class Amount:
    """How much is changed at most, either way.

    Args:
        rotation_deg, shift, scale: of the picture; shift as a share of its sides, scale as a factor's logarithm.
        plain: share of slices whose place stays as it is.
        mirror: share of slices that are mirrored left to right.
    """

    rotation_deg: float = 8.0
    shift: float = 0.07
    scale: float = 0.16
    plain: float = 0.2
    mirror: float = 0.5


def augmented(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator, amount: Amount | None = None
) -> tuple[Tensor, Tensor]:
    """Slices and their labels, moved alike and seen differently.

    Args:
        images: (B, H, W).
        labels: (B, J, I), of the same slices at any resolution.
        rng: where chance comes from.
        amount: how much.

    Returns:
        Images (B, 1, H, W) float32 in 0..255 and labels (B, J, I) uint8; what comes from outside is 0.
    """
    import torch
    import torch.nn.functional as F

    amount = amount or Amount()
    mirrored = rng.random(len(images)) < amount.mirror
    matrices = [_matrix(rng, amount, images.shape[1:], bool(flip)) for flip in mirrored]
    theta = torch.from_numpy(np.stack(matrices))
    picture = torch.from_numpy(images).float()[:, None]
    label_maps = torch.from_numpy(labels).float()[:, None]
    picture = F.grid_sample(picture, F.affine_grid(theta, list(picture.shape), False), align_corners=False)
    label_maps = F.grid_sample(
        label_maps, F.affine_grid(theta, list(label_maps.shape), False), mode="nearest", align_corners=False
    ).to(torch.uint8)[:, 0]
    swap = torch.tensor(MIRRORED, dtype=torch.uint8)
    for n in np.flatnonzero(mirrored):
        label_maps[n] = swap[label_maps[n].long()]
    return _with_changed_intensities(picture, rng), label_maps


def _matrix(rng: np.random.Generator, amount: Amount, size: tuple[int, ...], flip: bool) -> NDArray[np.float32]:
    """(2, 3) from places in the new picture to places in the old one, both -1..1 across (torch's affine_grid)."""
    if rng.random() < amount.plain:
        linear, shift = np.eye(2), np.zeros(2)
    else:
        angle = np.deg2rad(rng.uniform(-1, 1) * amount.rotation_deg)
        aspect = size[1] / size[0]
        rotation_matrix = np.array([[np.cos(angle), -np.sin(angle) / aspect], [np.sin(angle) * aspect, np.cos(angle)]])
        linear = rotation_matrix * np.exp(rng.uniform(-1, 1) * amount.scale) * np.exp(rng.uniform(-0.05, 0.05, (1, 2)))
        shift = rng.uniform(-2, 2, 2) * amount.shift
    if flip:
        linear = linear @ np.diag([-1.0, 1.0])
    return np.concatenate([linear, shift[:, None]], axis=1).astype(np.float32)


def _with_changed_intensities(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Another gamma, gain, offset and a little noise for each picture (B, 1, H, W) in 0..255."""
    import torch

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (len(picture), 1, 1, 1)).astype(np.float32))

    gamma, gain, offset, noise = draw(-0.3, 0.3).exp(), draw(0.85, 1.15), draw(-12, 12), draw(0, 6)
    grain = torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32))
    changed = 255 * (picture / 255).clamp(0, 1) ** gamma * gain + offset * (picture > 0) + noise * grain
    return changed.clamp(0, 255)
