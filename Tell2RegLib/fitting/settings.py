"""What a fit can be told: one frozen value, every number with its unit and its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from Tell2RegLib.errors import InputError, ResourceError

KINDS = ("rigid", "affine", "svf", "ffd", "ddf")
DEFORMABLE = ("svf", "ffd", "ddf")
SMOOTHNESS_OF_FOUND = 2.0
"""For regions that words found: their outlines are rougher than drawn ones, and a stiffer field follows less of that
(docs/method.md)."""
Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def default_smoothness(by_words: bool) -> float:
    """What suits regions that words found, or regions that are given."""
    return SMOOTHNESS_OF_FOUND if by_words else FitSettings.smoothness


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How region pairs become a transform (method.md section 7).

    Args:
        kind: "rigid", "affine"; "svf", a velocity field integrated by scaling and squaring (the default: smooth,
            with an exact inverse); "ffd", a control grid of displacements; "ddf", a displacement per voxel of the
            fitting lattice (the paper's own).
        smoothness: weight lambda of the field's roughness against the overlap; larger is stiffer.
        bending: measure roughness by second instead of first derivatives.
        resolution_mm: finest lattice on which masks are compared; None takes the fixed voxels, coarsened until
            the regions' boxes hold at most `max_voxels`.
        control_spacing: finest control grid spacing, in lattice voxels ("svf" and "ffd").
        margin_mm: how far beyond the regions the field may reach before it is affine.
        max_steps: at most so many optimiser steps on each of the three levels.
        tolerance: a level stops when its loss falls by less than this share over ten steps.
        max_voxels: see `resolution_mm`.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: a value out of its range.
    """

    kind: str = "svf"
    smoothness: float = 0.5
    bending: bool = False
    resolution_mm: float | None = None
    control_spacing: float = 4.0
    margin_mm: float = 20.0
    max_steps: int = 100
    tolerance: float = 8e-2
    max_voxels: int = 1_500_000
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"There is no transform '{self.kind}'; choose one of {', '.join(KINDS)}.")
        for name, low in (("smoothness", 0.0), ("margin_mm", 0.0), ("tolerance", 0.0)):
            if not getattr(self, name) >= low:
                raise InputError(f"'{name}' must be at least {low}, not {getattr(self, name)}.")
        if self.resolution_mm is not None and not self.resolution_mm > 0:
            raise InputError(f"'resolution_mm' must be positive, not {self.resolution_mm}.")
        if not self.control_spacing >= 1 or self.max_steps < 1 or self.max_voxels < 1000:
            raise InputError("'control_spacing' and 'max_steps' must be at least 1, 'max_voxels' at least 1000.")


def choose_device(name: str) -> str:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: another word.
        ResourceError: a CUDA device that is not there.
    """
    import torch

    if name == "cpu":
        return "cpu"
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if name == "cuda" or (name.startswith("cuda:") and name[5:].isdigit()):
        number = int(name[5:] or 0) if ":" in name else 0
        if number >= count:
            raise ResourceError(f"There is no device '{name}': {count} CUDA device(s) found. Use --device cpu.")
        return name
    raise InputError(f"There is no device '{name}'; use auto, cpu, cuda or cuda:N.")
