"""Every choice of the panel in a parameter node, so that a saved scene reopens with its pairs and decisions."""

from typing import TYPE_CHECKING, Any

from slicer import (
    vtkMRMLGridTransformNode,
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTextNode,
)
from slicer.parameterNodeWrapper import parameterNodeWrapper

from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.logic.setting_parameters import SettingParameters
from Tell2RegLib.space.transform_kinds import ANY_DEFORMABLE, LINEAR

SEGMENTATIONS = "segmentations"
"""The parameter `source` when the regions come from two segmentations; otherwise it is a source of the library."""
SOURCE_OF_EARLIER_NAME = {"words": FindOptions.source}
"""Sources by the names that they have in scenes of earlier versions."""
SHOWN = ("none", *LINEAR, ANY_DEFORMABLE)
"""Transforms under which the views can show the moving volume."""
VIEWS = ("side", "fade", "checkerboard", "flicker")
"""Display modes of the views."""
CARRY_BY = (ANY_DEFORMABLE, *reversed(LINEAR))
"""The transforms of a fit that can propagate a plan."""


@parameterNodeWrapper
class Tell2RegParameterNode(SettingParameters):
    """The user's choices, and the nodes that result from them.

    The settings of the library (models, device, spacingMm, similarityThreshold, smoothness, ...) are parameters of the
    same names as in docs/settings.md, in Slicer's spelling: see setting_parameters.py. 0 and "" leave the choice to the
    library where it has one.

    fixedVolume, movingVolume, initialTransform: the input; the transform lays the moving volume roughly on the other.
    calibration: path of a file of `tell2reg calibrate` for these two kinds of scan; "" for none.
    prompts: one per line.  preset: where they come from.
    source: a source of regions by words, or SEGMENTATIONS; fixedSegmentation and movingSegmentation are the input of
        the latter.
    shown: what the views show of the moving volume, one of SHOWN;  view: how, one of VIEWS.
    direction: of the plan, "movingToFixed" or "fixedToMoving";  trueTargets: where its targets truly are, where known.
    carryBy: the transform of the plan, one of CARRY_BY;  carriedPlan: the verdicts as JSON (verdict_record.py).
    pairs: the rows of the table as JSON (scene/pair_decisions.py);  fittedPairs: those that the fit used.
    words: what was found, a sentence per prompt and side;  modelHashes, foundParameters, fitSummary: JSON, for the
        record and the panel.
    fixedRegions ... provenance: nodes that Tell2Reg made.
    """

    if TYPE_CHECKING:  # what the wrapper adds

        def __init__(self, node: Any) -> None: ...

        parameterNode: Any
        connectGui: Any
        disconnectGui: Any

    fixedVolume: vtkMRMLScalarVolumeNode
    movingVolume: vtkMRMLScalarVolumeNode
    initialTransform: vtkMRMLLinearTransformNode
    calibration: str = ""

    preset: str = ""
    prompts: str = ""
    fixedSegmentation: vtkMRMLSegmentationNode
    movingSegmentation: vtkMRMLSegmentationNode

    shown: str = "none"
    view: str = "side"
    direction: str = "movingToFixed"
    trueTargets: vtkMRMLMarkupsFiducialNode
    carryBy: str = "deformable"
    carriedPlan: str = ""

    pairs: str = ""
    fittedPairs: str = ""
    words: str = ""
    modelHashes: str = ""
    foundParameters: str = ""
    fitSummary: str = ""

    fixedRegions: vtkMRMLSegmentationNode
    movingRegions: vtkMRMLSegmentationNode
    movingShown: vtkMRMLScalarVolumeNode
    deformableTransform: vtkMRMLGridTransformNode
    inverseTransform: vtkMRMLGridTransformNode
    rigidTransform: vtkMRMLLinearTransformNode
    affineTransform: vtkMRMLLinearTransformNode
    jacobianMap: vtkMRMLScalarVolumeNode
    checkerboard: vtkMRMLScalarVolumeNode
    pairsTable: vtkMRMLTableNode
    targetsTable: vtkMRMLTableNode
    provenance: vtkMRMLTextNode


def byWords(parameters: Any) -> bool:
    """Whether the regions are looked for by words, with whichever source, and not taken from segmentations."""
    return bool(parameters.source != SEGMENTATIONS)


def promptsOf(text: str) -> tuple[str, ...]:
    """The prompts, one per line, without empty lines and duplicates."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
