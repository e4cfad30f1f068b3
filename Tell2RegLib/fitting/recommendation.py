"""Recommends a transform: the simplest one that the regions do not reject (docs/method.md, "Steps").

A rigid map is rejected when it leaves more than voxelisation noise in a pair; an affine map, too, and also when the
regions do not determine it, because it follows a bend of a single region that it cannot describe. The deformable
transform remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from Tell2RegLib.fitting.linear import FULL_SUPPORT, LinearMaps
from Tell2RegLib.fitting.residual import NOISE_VOXELS, residual_voxels
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import ANY_DEFORMABLE


@dataclass(frozen=True)
class Recommendation:
    """The recommended transform of a fit.

    Args:
        kind: "rigid", "affine" or "deformable".
        reason: one sentence.
    """

    kind: str
    reason: str


def recommended(pairs: Sequence[RegionPair], maps: LinearMaps) -> Recommendation:
    """The simplest transform that aligns every accepted pair to within voxelisation noise."""
    rigid, worst_rigid = _largest_residual(pairs, maps.rigid)
    if rigid < NOISE_VOXELS:
        return Recommendation("rigid", _enough("rigid", rigid))
    affine, worst_affine = _largest_residual(pairs, maps.affine)
    if affine < NOISE_VOXELS and maps.support.mean >= FULL_SUPPORT:
        return Recommendation("affine", f"{_enough('affine', affine)} The rigid transform leaves {rigid:.2f}.")
    if affine < NOISE_VOXELS:
        return Recommendation(
            ANY_DEFORMABLE,
            f"The rigid transform leaves {rigid:.2f} voxels in '{worst_rigid}', and the regions determine only "
            f"{100 * maps.support.mean:.0f} % of the affine transform.",
        )
    return Recommendation(
        ANY_DEFORMABLE,
        f"The affine transform leaves a mismatch of {affine:.2f} voxels in '{worst_affine}', more than voxelisation "
        f"explains ({NOISE_VOXELS:g}).",
    )


def _enough(kind: str, residual: float) -> str:
    return (
        f"The {kind} transform aligns every region to within voxelisation noise ({residual:.2f} voxels at most): a "
        "deformation would fit the noise."
    )


def _largest_residual(pairs: Sequence[RegionPair], fixed_to_moving_lps: Floats) -> tuple[float, str]:
    return max((residual_voxels(pair, fixed_to_moving_lps), pair.name) for pair in pairs)
