"""Reads the chosen nodes as library values, and explains why they cannot be used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode, byWords, promptsOf
from Tell2RegLib.slicer_module.scene.pair_decisions import PairRow, Rows
from Tell2RegLib.slicer_module.scene.result_volumes import belongsToOthers, nameOfVolume, whyNotFor
from Tell2RegLib.slicer_module.scene.segmentations import regions_from_segmentation
from Tell2RegLib.slicer_module.scene.volumes import (
    grid_of_node,
    linear_lps_of,
    volume_from_node,
    volumes_overlap,
    why_unusable,
)
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.volume import Volume


def whyNotImages(parameters: Tell2RegParameterNode) -> str:
    """Why the chosen volumes cannot be registered, one sentence; empty if they can."""
    fixed, moving = parameters.fixedVolume, parameters.movingVolume
    for side, node in (("fixed", fixed), ("moving", moving)):
        if node is None:
            return f"Choose a {side} volume."
    if fixed.GetID() == moving.GetID():
        return "Fixed and moving are the same volume: choose two different ones."
    return why_unusable(fixed) or why_unusable(moving) or _whyNotInitial(parameters.initialTransform)


def _whyNotInitial(node: Any) -> str:
    try:
        _matrixOf(node)
    except InputError as error:
        return str(error)
    return ""


def imagesWarning(parameters: Tell2RegParameterNode) -> str:
    """A warning about usable volumes that look wrong; empty if there is none."""
    if whyNotImages(parameters) or parameters.initialTransform is not None:
        return ""
    if not volumes_overlap(parameters.fixedVolume, parameters.movingVolume):
        return (
            "The two volumes do not overlap. Regions can still be found and fitted; if both volumes belong to the "
            "same examination, check their positions."
        )
    return ""


def whyNotFind(parameters: Tell2RegParameterNode) -> str:
    """Why regions cannot be searched for; empty if they can."""
    reason = whyNotImages(parameters)
    if reason:
        return reason
    if byWords(parameters):
        return "" if promptsOf(parameters.prompts) else "Enter at least one prompt, one per line."
    for side, node in (("fixed", parameters.fixedSegmentation), ("moving", parameters.movingSegmentation)):
        if node is None:
            return f"Choose the segmentation of the {side} volume, or use prompts instead."
        if node.GetSegmentation().GetNumberOfSegments() == 0:
            return f"The segmentation '{node.GetName()}' of the {side} volume has no segments."
    if parameters.fixedSegmentation.GetID() == parameters.movingSegmentation.GetID():
        return "Fixed and moving segments are in the same segmentation: choose one for each volume."
    return ""


def whyForeign(parameters: Tell2RegParameterNode) -> str:
    """The volumes of the results, one sentence, if others are chosen now; empty otherwise."""
    fixed, moving = parameters.fixedVolume, parameters.movingVolume
    if fixed is None or moving is None:
        return ""
    results = (
        (parameters.fixedRegions, {"fixed": fixed}),
        (parameters.movingRegions, {"moving": moving}),
        (parameters.deformableTransform, {"fixed": fixed, "moving": moving}),
    )
    if not any(node is not None and belongsToOthers(node, **volumes) for node, volumes in results):
        return ""
    names = [resultVolume(parameters, side) or "?" for side in ("fixed", "moving")]
    subject = "The regions belong" if parameters.deformableTransform is None else "The regions and the transform belong"
    return (
        f"{subject} to other volumes (fixed '{names[0]}', moving '{names[1]}'): choose those again (step 1), or find "
        "regions in the present ones (step 3)."
    )


def resultVolume(parameters: Tell2RegParameterNode, side: str) -> str:
    """The name of the "fixed" or "moving" volume of the results; empty if unknown."""
    nodes = (getattr(parameters, f"{side}Regions"), parameters.deformableTransform)
    return next((name for node in nodes if node is not None and (name := nameOfVolume(node, side))), "")


def whyNotFit(parameters: Tell2RegParameterNode, rows: Rows) -> str:
    """Why nothing can be fitted; empty when it can."""
    reason = whyNotImages(parameters) or whyForeign(parameters)
    if reason:
        return reason
    if parameters.calibration and parameters.initialTransform is not None:
        return "Choose either an initial transform (step 1) or a calibration: both set the expected orientation."
    if not rows or parameters.fixedRegions is None or parameters.movingRegions is None:
        return "Find regions first (step 3)."
    if not any(row.accepted for row in rows):
        return "Accept at least one pair (step 3)."
    remedy = "find regions in the present ones (step 3)"
    return whyNotFor(parameters.fixedRegions, "regions", remedy, fixed=parameters.fixedVolume) or whyNotFor(
        parameters.movingRegions, "regions", remedy, moving=parameters.movingVolume
    )


def whyNotUse(parameters: Tell2RegParameterNode) -> str:
    """Why there is no transform to use; empty when there is."""
    fixed, moving = parameters.fixedVolume, parameters.movingVolume
    if fixed is None or moving is None:
        return "Choose a fixed and a moving volume (step 1)."
    reason = why_unusable(fixed) or why_unusable(moving) or whyForeign(parameters)
    if reason:
        return reason
    if parameters.deformableTransform is None or parameters.inverseTransform is None:
        return "Fit a transform first (step 4)."
    if parameters.affineTransform is None or parameters.rigidTransform is None:
        return "The rigid or the affine transform was deleted: fit again (step 4)."
    return whyNotFor(parameters.deformableTransform, "transforms", "fit again (step 4)", fixed=fixed, moving=moving)


def raiseIf(reason: str) -> None:
    """Raise a reason as an error, for scripts.

    Raises:
        InputError: there is a reason.
    """
    if reason:
        raise InputError(reason)


def initialMatrix(parameters: Tell2RegParameterNode) -> Floats | None:
    """The chosen initial transform of the moving volume, 4 x 4, LPS mm; None without one."""
    return _matrixOf(parameters.initialTransform)


def _matrixOf(node: Any) -> Floats | None:
    if node is None:
        return None
    matrix = linear_lps_of(node)
    part = matrix[:3, :3]
    if not np.allclose(part.T @ part, np.eye(3), atol=1e-3):
        raise InputError(
            f"The initial transform '{node.GetName()}' contains scaling or shear: choose a rigid one (the fit "
            "estimates both)."
        )
    return matrix


def readVolumes(parameters: Tell2RegParameterNode) -> tuple[Volume, Volume]:
    """The two volumes in world space, the moving one where the initial transform lays it.

    Raises:
        InputError: they cannot be used.
    """
    raiseIf(whyNotImages(parameters))
    fixed = volume_from_node(parameters.fixedVolume)
    return fixed, volume_from_node(parameters.movingVolume, more_lps=initialMatrix(parameters))


def readGrids(parameters: Tell2RegParameterNode) -> tuple[Grid, Grid]:
    """The grids of the two volumes of `readVolumes`, without their voxels.

    Raises:
        InputError: they cannot be used.
    """
    raiseIf(whyNotImages(parameters))
    return grid_of_node(parameters.fixedVolume), grid_of_node(parameters.movingVolume, initialMatrix(parameters))


def unregisteredGrids(parameters: Tell2RegParameterNode) -> tuple[Grid, Grid]:
    """The grids of the two volumes without the initial transform."""
    return grid_of_node(parameters.fixedVolume), grid_of_node(parameters.movingVolume)


def readPairs(
    parameters: Tell2RegParameterNode, rows: Rows, fixed: Grid, moving: Grid
) -> tuple[tuple[PairRow, RegionPair], ...]:
    """The pairs with the current segments, including edited ones.

    A rejected pair that has lost a segment is left out.

    Args:
        parameters: the parameter node.
        rows: the pairs as they were decided.
        fixed, moving: the volumes' grids, where the regions are to lie.

    Raises:
        InputError: a segment of an accepted pair is gone or empty.
    """
    fixedRegions, movingRegions = readRegions(parameters, fixed, moving)
    pairs = []
    for row in rows:
        lostSide = "fixed" if row.fixed not in fixedRegions else "moving" if row.moving not in movingRegions else ""
        if lostSide and row.accepted:
            raise InputError(
                f"The {lostSide} segment of '{row.name}' is empty or was deleted: draw it again, or reject the pair."
            )
        if not lostSide:
            pairs.append((row, _pair(row, fixedRegions[row.fixed], movingRegions[row.moving])))
    return tuple(pairs)


def readRegions(
    parameters: Tell2RegParameterNode, fixed: Grid, moving: Grid
) -> tuple[dict[str, Region], dict[str, Region]]:
    """Every segment of Tell2Reg's two segmentations by its id, on these grids; empty ones are left out."""
    lying = grid_of_node(parameters.movingVolume)
    fixedRegions, _ = regions_from_segmentation(parameters.fixedRegions, fixed, in_parent=False)
    movingRegions, _ = regions_from_segmentation(parameters.movingRegions, lying, in_parent=False)
    return fixedRegions, {segment: replace(region, grid=moving) for segment, region in movingRegions.items()}


def _pair(row: PairRow, fixed: Region, moving: Region) -> RegionPair:
    fixedRegion, movingRegion = (
        replace(region, name=row.name, prompt=row.prompt, color=row.color) for region in (fixed, moving)
    )
    return RegionPair(fixedRegion, movingRegion, row.similarity, row.accepted, row.reason, row.weight)
