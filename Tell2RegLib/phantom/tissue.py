"""What tissues look like in T2-weighted MR: brightness, texture, receive bias and noise, drawn anew for every scan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from Tell2RegLib.phantom.shapes import Array


class Tissue(IntEnum):
    """What a layer of the anatomy is made of."""

    AIR = 0
    SKIN = auto()
    FAT = auto()
    PELVIC_FAT = auto()
    MUSCLE = auto()
    LEVATOR = auto()
    CORTEX = auto()
    MARROW = auto()
    CARTILAGE = auto()
    DISC = auto()
    BLADDER_WALL = auto()
    URINE = auto()
    BOWEL_WALL = auto()
    MUCOSA = auto()
    STOOL = auto()
    GAS = auto()
    CAPSULE = auto()
    PERIPHERAL = auto()
    STROMA = auto()
    FIBROUS = auto()
    NODULE = auto()
    URETHRA = auto()
    VESICLE = auto()
    VESSEL = auto()
    VEIN = auto()


# brightness, spread between scans, then as shares of the brightness: fine grain, medium mottle, dark strands
# (negative: bright ones)
_LOOK: dict[Tissue, tuple[float, float, float, float, float]] = {
    Tissue.AIR: (2, 0.0, 0.0, 0.0, 0.0),
    Tissue.SKIN: (210, 0.2, 0.10, 0.05, 0.0),
    Tissue.FAT: (570, 0.05, 0.03, 0.04, 0.16),
    Tissue.PELVIC_FAT: (530, 0.04, 0.05, 0.09, 0.42),
    Tissue.MUSCLE: (105, 0.18, 0.14, 0.12, -0.55),
    Tissue.LEVATOR: (135, 0.18, 0.12, 0.10, 0.0),
    Tissue.CORTEX: (28, 0.2, 0.0, 0.0, 0.0),
    Tissue.MARROW: (370, 0.16, 0.07, 0.09, 0.10),
    Tissue.CARTILAGE: (330, 0.15, 0.05, 0.05, 0.0),
    Tissue.DISC: (205, 0.2, 0.10, 0.12, 0.0),
    Tissue.BLADDER_WALL: (120, 0.18, 0.10, 0.10, 0.0),
    Tissue.URINE: (860, 0.12, 0.004, 0.012, 0.0),
    Tissue.BOWEL_WALL: (150, 0.18, 0.12, 0.12, 0.0),
    Tissue.MUCOSA: (310, 0.2, 0.12, 0.15, 0.1),
    Tissue.STOOL: (270, 0.35, 0.16, 0.28, 0.1),
    Tissue.GAS: (12, 0.2, 0.2, 0.2, 0.0),
    Tissue.CAPSULE: (120, 0.2, 0.08, 0.05, 0.0),
    Tissue.PERIPHERAL: (690, 0.12, 0.07, 0.11, 0.16),
    Tissue.STROMA: (300, 0.14, 0.13, 0.14, 0.18),
    Tissue.FIBROUS: (130, 0.15, 0.12, 0.12, 0.0),
    Tissue.NODULE: (320, 0.12, 0.13, 0.15, 0.22),
    Tissue.URETHRA: (560, 0.15, 0.08, 0.05, 0.0),
    Tissue.VESICLE: (720, 0.15, 0.06, 0.08, 0.62),
    Tissue.VESSEL: (35, 0.3, 0.1, 0.1, 0.0),
    Tissue.VEIN: (560, 0.3, 0.05, 0.05, 0.0),
}

_LATTICE = 128
_FINE_MM, _MEDIUM_MM, _COARSE_MM = 0.42, 1.0, 2.7
"""Pitch of the texture lattice, which repeats every 128 steps."""


@dataclass(frozen=True)
class Contrast:
    """How one scan shows tissues.

    Args:
        brightness: one value per `Tissue`.
        bias: coefficients of the log of the receive field, for x, y, z and their products (in 100 mm).
        noise: standard deviation of the noise in each of the two channels.
        blur: through-plane blur, standard deviation in voxels.
    """

    brightness: tuple[float, ...]
    bias: tuple[float, ...]
    noise: float
    blur: float


def draw_contrast(rng: np.random.Generator) -> Contrast:
    """The contrast of a scan at random."""
    gain = rng.uniform(0.8, 1.25)
    brightness = [
        float(appearance[0] * gain * (1 + appearance[1] * rng.uniform(-1, 1)))
        for appearance in (_LOOK[tissue] for tissue in Tissue)
    ]
    fat = rng.uniform(0.85, 1.15)
    for tissue in (Tissue.FAT, Tissue.PELVIC_FAT):
        brightness[tissue] *= fat
    # A surface array sees what is near it: brighter in front, behind and a little to one side.
    bias = rng.normal(0, [0.05, 0.05, 0.06, 0.02, 0.02, 0.02])
    offsets = [rng.uniform(0.00, 0.06), rng.uniform(0.05, 0.25), rng.uniform(-0.12, -0.02)]
    return Contrast(
        brightness=tuple(brightness),
        bias=tuple(float(b) for b in (*bias, *offsets)),
        noise=float(gain * rng.uniform(9, 20)),
        blur=float(rng.uniform(0.30, 0.50)),
    )


def bias_field(contrast: Contrast, points_lps_mm: NDArray[np.float64]) -> Array:
    """The receive field at scanner points (N, 3): a factor about 1, (N,)."""
    x, y, z = (np.ascontiguousarray(points_lps_mm[:, n], dtype=np.float32) * np.float32(0.01) for n in range(3))
    cx, cy, cz, xy, xz, yz, xx, yy, zz = (np.float32(c) for c in contrast.bias)
    log_field = x * (cx + xy * y + xz * z + xx * x) + y * (cy + yz * z + yy * y) + z * (cz + zz * z)
    return np.exp(log_field)


def add_noise(signal: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Rician noise: the magnitude of a signal with normal noise in two channels."""
    real = signal + np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)


class Texture:
    """Smooth random textures, fixed in the anatomy: defined at every point, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._lattice = _lattice()
        self._offset = np.random.default_rng([seed, 2]).integers(0, _LATTICE, (3, 3))

    def at(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Fine grain, medium mottle (both of unit variance) and dark strands (0..1) at points, (N,) each."""
        fine = self._sample(x, y, z, _FINE_MM, 0)
        medium = self._sample(y, z, x, _MEDIUM_MM, 1)
        coarse = self._sample(z, x, y, _COARSE_MM, 2)
        patches = np.clip(np.float32(0.45) + np.float32(0.6) * coarse, 0, 1.3)
        strands = np.exp(medium * medium * np.float32(-7)) * patches
        return fine, medium, strands

    def _sample(self, x: Array, y: Array, z: Array, pitch_mm: float, texture: int) -> Array:
        scale = np.float32(1 / pitch_mm)
        # Far from 0, so that truncation rounds down everywhere.
        offset = (self._offset[texture] + (1 << 14)).astype(np.float32)
        i, j, k = (
            (p * scale + shift).astype(np.int32) & (_LATTICE - 1) for p, shift in zip((x, y, z), offset, strict=True)
        )
        return self._lattice[(k * _LATTICE + j) * _LATTICE + i]


@lru_cache(maxsize=1)
def _lattice() -> Array:
    """One block of smooth noise of unit variance that repeats without a seam; every patient starts elsewhere in it."""
    noise = np.random.default_rng(2).standard_normal((_LATTICE,) * 3, dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, 2.6, mode="wrap")
    lattice: Array = (smooth / smooth.std()).ravel()
    lattice.setflags(write=False)
    return lattice


def tissue_values(tissue: Tissue, brightness: float, texture: tuple[Array, Array, Array]) -> Array:
    """Signal of a tissue where its texture is `texture` (fine, medium, strands)."""
    _, _, fine_share, medium_share, strand_share = _LOOK[tissue]
    fine, medium, strands = texture
    value = np.full_like(fine, brightness)
    for share, pattern in ((fine_share, fine), (medium_share, medium), (-strand_share, strands)):
        if share:
            value += np.float32(brightness * share) * pattern
    return np.maximum(value, 0)
