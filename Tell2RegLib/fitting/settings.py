"""Settings of a fit: one frozen value, every number declared with its range, unit and purpose."""

from __future__ import annotations

from dataclasses import dataclass

from Tell2RegLib.space.transform_kinds import AUTO, AUTO_DEFORMABLE, KINDS
from Tell2RegLib.support.device import GRAMMAR, check_device
from Tell2RegLib.support.settings import check_settings, setting

LEAST_SMOOTHNESS = 1.5
"""The default smoothness for regions that determine an affine map (docs/method.md)."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Settings of a fit (docs/method.md); docs/settings.md lists defaults, ranges and kinds of transform.

    Raises:
        InputError: a value out of its range.
    """

    kind: str = setting(
        AUTO,
        f"Kind of transform, one of {', '.join((AUTO, *KINDS))}; {AUTO} is the simplest that the regions do not "
        f"reject: rigid, affine or {AUTO_DEFORMABLE}.",
        choices=(AUTO, *KINDS),
        flag="--transform",
        panel=False,
    )
    smoothness: float | None = setting(
        None,
        "Weight of the field's roughness against the overlap; larger is stiffer. By default derived from "
        f"how much of an affine map the regions determine: from {LEAST_SMOOTHNESS:g} (all of it) upwards.",
        low=0,
        usual=(0.0, 10.0),
        step=0.05,
        varies=True,
    )
    decay_mm: float | None = setting(
        None,
        "Distance from the outlines over which the deformation decays to the affine map; by default derived together "
        "with smoothness, and unlimited where smoothness is given.",
        unit="mm",
        above=0,
        expert=True,
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
    rotation_spread_deg: float = setting(
        8.0,
        "Prior standard deviation of the rotation about each patient axis between two scans.",
        unit="degrees",
        above=0,
        high=180,
        expert=True,
    )
    scale_spread: float = setting(
        0.5,
        "Prior standard deviation of the logarithm of the isotropic scale between two scans.",
        above=0,
        high=2,
        expert=True,
    )
    anisotropy_spread: float = setting(
        0.06,
        "Prior standard deviation of the logarithm of the scale along a patient axis beyond the isotropic one.",
        above=0,
        high=2,
        expert=True,
    )
    shear_spread: float = setting(
        0.05, "Prior standard deviation of the shear in each plane of the patient.", above=0, high=2, expert=True
    )
    device: str = setting("cpu", f"Device of the deformable fit: {GRAMMAR}.", check=check_device)

    def __post_init__(self) -> None:
        check_settings(self)
