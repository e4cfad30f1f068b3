"""Every choice of the panel, in a parameter node: a saved scene reopens with pairs and decisions as they were."""

from typing import TYPE_CHECKING, Annotated, Any

from slicer import (
    vtkMRMLGridTransformNode,
    vtkMRMLLinearTransformNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTextNode,
)
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from Tell2RegLib.fitting.settings import SMOOTHNESS_OF_FOUND
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.space.transform_kinds import ANY_DEFORMABLE, LINEAR

WORDS, SEGMENTATIONS = "words", "segmentations"
"""Where regions come from."""
SHOWN = ("none", *LINEAR, ANY_DEFORMABLE)
"""What the views can show of the moving volume."""
VIEWS = ("side", "fade", "checkerboard", "flicker")
"""How they show it."""
CARRY_BY = (ANY_DEFORMABLE, *reversed(LINEAR))
"""The transforms of a fit that can carry a plan."""


SEARCH_DEFAULTS: dict[str, Any] = {
    "similarityThreshold": FindOptions.threshold,
    "boxThreshold": FindOptions.box_threshold or 0.0,
    "spacingMm": FindOptions.spacing_mm,
    "sliceStep": FindOptions.slice_step,
    "paperMode": FindOptions.paper_mode,
    "crossPrompts": bool(FindOptions.cross_prompts),
}
"""Options of the search and what they are until somebody chooses."""


@parameterNodeWrapper
class Tell2RegParameterNode:
    """What a person chose, and the nodes that came of it.

    fixedVolume, movingVolume, initialTransform: the input; the transform lays the moving volume roughly on the other.
    prompts: one per line.  preset: where they come from.
    source: "words" or "segmentations"; fixedSegmentation and movingSegmentation are the input of the latter.
    models, device: as the library calls them.
    similarityThreshold, boxThreshold (0: what suits the weights), spacingMm, sliceStep, paperMode, crossPrompts: see
        docs/words-to-regions.md.
    smoothness: of the fit, see docs/method.md.
    shown: what the views show of the moving volume, one of SHOWN;  view: how, one of VIEWS.
    direction: of the plan, "movingToFixed" or "fixedToMoving";  trueTargets: where its targets truly are, where known.
    carryBy: the transform that carries the plan, one of CARRY_BY;  carriedPlan: the verdicts as JSON (plan_record.py).
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

    preset: str = ""
    prompts: str = ""
    similarityThreshold: Annotated[float, WithinRange(0.0, 0.99)] = SEARCH_DEFAULTS["similarityThreshold"]
    boxThreshold: Annotated[float, WithinRange(0.0, 1.0)] = SEARCH_DEFAULTS["boxThreshold"]
    spacingMm: Annotated[float, WithinRange(0.25, 5.0)] = SEARCH_DEFAULTS["spacingMm"]
    sliceStep: Annotated[int, WithinRange(1, 10)] = SEARCH_DEFAULTS["sliceStep"]
    paperMode: bool = SEARCH_DEFAULTS["paperMode"]
    crossPrompts: bool = SEARCH_DEFAULTS["crossPrompts"]

    source: str = WORDS
    fixedSegmentation: vtkMRMLSegmentationNode
    movingSegmentation: vtkMRMLSegmentationNode
    models: str = FindOptions.models
    device: str = FindOptions.device

    smoothness: Annotated[float, WithinRange(0.01, 10.0)] = SMOOTHNESS_OF_FOUND
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


def promptsOf(text: str) -> tuple[str, ...]:
    """The words, one per line, without empty lines and repetitions."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
