"""Settings of a fit: one frozen value, every number declared with its range, unit and purpose."""

from __future__ import annotations

from dataclasses import dataclass

from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.device import GRAMMAR, check_device
from Tell2RegLib.support.settings import check_settings, setting

SMOOTHNESS_OF_GIVEN, SMOOTHNESS_OF_DETECTED = 0.5, 2.0
"""Defaults for given regions and for regions found by prompts. The outlines of the latter are rougher; a stiffer field
follows them less closely (docs/method.md)."""


def default_smoothness(by_words: bool) -> float:
    """Default smoothness for regions found by prompts (`by_words`) or for given regions."""
    return SMOOTHNESS_OF_DETECTED if by_words else SMOOTHNESS_OF_GIVEN


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings of a fit (docs/method.md); docs/settings.md lists defaults, ranges and kinds of transform.

    Raises:
        InputError: a value out of its range.
    """

    kind: str = setting(
        "svf", f"Kind of transform, one of {', '.join(KINDS)}.", choices=tuple(KINDS), flag="--transform", panel=False
    )
    smoothness: float = setting(
        SMOOTHNESS_OF_GIVEN,
        "Weight of the field's roughness against the overlap; larger is stiffer. The default is "
        f"{SMOOTHNESS_OF_GIVEN:g}, or {SMOOTHNESS_OF_DETECTED:g} for regions from prompts.",
        low=0,
        usual=(0.01, 10.0),
        step=0.05,
        varies=True,
    )
    bending: bool = setting(False, "Penalise second instead of first derivatives.", expert=True)
    resolution_mm: float | None = setting(
        None,
        "Finest lattice spacing for comparing regions; by default the fixed voxel size, coarsened until the regions' "
        "boxes hold at most max_voxels.",
        unit="mm",
        above=0,
        high=50,
        panel=False,
    )
    control_spacing: float = setting(
        4.0, "Finest control-grid spacing of svf and ffd.", unit="lattice voxels", low=1, expert=True
    )
    margin_mm: float = setting(
        20.0, "Distance beyond the regions at which the field becomes affine.", unit="mm", low=0, expert=True
    )
    max_steps: int = setting(
        100, "Maximum number of optimiser steps on each of the three levels.", low=1, whole=True, expert=True
    )
    tolerance: float = setting(
        8e-2,
        "A level stops when its loss falls by less than this fraction within convergence_window steps.",
        low=0,
        expert=True,
    )
    convergence_window: int = setting(
        10, "Window of the stopping rule; see tolerance.", unit="steps", low=1, whole=True, expert=True
    )
    step_size: float = setting(0.15, "Step size of Adam, as a fraction of the control spacing.", above=0, expert=True)
    refocus_steps: int = setting(
        10,
        "Number of steps after which the compared voxels are selected again.",
        unit="steps",
        low=1,
        whole=True,
        expert=True,
    )
    reach_voxels: int = setting(
        3,
        "Margin around region boundaries within which voxels are compared.",
        unit="voxels",
        low=1,
        whole=True,
        expert=True,
    )
    least_determinant: float = setting(
        0.3, "Lattice cells compressed below this fraction of their volume are penalised.", low=0, high=1, expert=True
    )
    folding_weight: float = setting(30.0, "Weight of this penalty against the overlap.", low=0, expert=True)
    max_voxels: int = setting(
        1_500_000, "Maximum number of lattice voxels; see resolution_mm.", low=1000, whole=True, expert=True
    )
    device: str = setting("cpu", f"Device of the deformable fit: {GRAMMAR}.", check=check_device)

    def __post_init__(self) -> None:
        check_settings(self)
