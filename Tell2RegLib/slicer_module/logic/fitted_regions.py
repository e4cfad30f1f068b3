"""The regions used by the latest fit, and whether they were edited since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import slicer

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.slicer_module.logic import input_checks
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode
from Tell2RegLib.slicer_module.scene.fit_summary import voxelsOf
from Tell2RegLib.slicer_module.scene.pair_decisions import PairRow
from Tell2RegLib.space.region import RegionPair


class FittedRegions:
    """The regions of the latest fit; their voxels are read again only when they have changed."""

    def __init__(self) -> None:
        self._lastStamps: tuple = ()
        self._edited = False

    def edited(self, parameters: Tell2RegParameterNode, rows: Sequence[PairRow], fitted: str | None) -> bool:
        """Whether voxels of the regions have changed since the fit, or a region is gone.

        Args:
            parameters: the parameter node.
            rows: the pairs that the fit used.
            fitted: the hash of their voxels then (fit_summary.py); None where it is not known.
        """
        needed = ("fixedVolume", "movingVolume", "fixedRegions", "movingRegions")
        if fitted is None or any(getattr(parameters, name) is None for name in needed):
            return False
        stamps = (fitted, *(_stamps(parameters, row) for row in rows))
        if stamps != self._lastStamps:
            self._lastStamps, self._edited = stamps, _voxels(parameters, rows) != fitted
        return self._edited


def pairsNow(parameters: Tell2RegParameterNode, rows: Sequence[PairRow]) -> tuple[RegionPair, ...]:
    """The pairs with the current segments at their current positions; pairs with a missing segment are omitted."""
    if parameters.fixedRegions is None or parameters.movingRegions is None:
        return ()
    patient = tuple(replace(row, accepted=False) for row in rows)
    read = input_checks.readPairs(parameters, patient, *input_checks.unregisteredGrids(parameters))
    return tuple(replace(pair, accepted=True) for _, pair in read)


def _voxels(parameters: Tell2RegParameterNode, rows: Sequence[PairRow]) -> str:
    try:
        return voxelsOf(pairsNow(parameters, rows))
    except Tell2RegError:
        return ""


def _stamps(parameters: Tell2RegParameterNode, row: PairRow) -> tuple:
    """Modification times of the voxels of a pair's two segments; decisions do not change them."""
    return (
        _stamp(parameters.fixedRegions, row.fixed),
        _stamp(parameters.movingRegions, row.moving),
    )


def _stamp(node: Any, segment: str) -> tuple:
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentObject = node.GetSegmentation().GetSegment(segment)
    labelmap = segmentObject.GetRepresentation(name) if segmentObject is not None else None
    return (node.GetID(), segment, labelmap.GetMTime() if labelmap is not None else -1)
