"""What the module does, for the panel and for scripts: nodes in, nodes out; no widget, no dialog.

From a script in Slicer:

    logic = slicer.util.getModuleLogic("Tell2Reg")
    logic.registerVolumes(fixedNode, movingNode, ["prostate", "bladder"])      # find, fit; raises in one sentence
    logic.parameters.deformableTransform                                       # vtkMRMLGridTransformNode
    copies, trusts = logic.propagate([planNode])                               # copies; the plan stays as it is
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting.settings import default_smoothness
from Tell2RegLib.slicer_module.logic import plan
from Tell2RegLib.slicer_module.logic.core import DEMO, FIND, FIT, REPORT
from Tell2RegLib.slicer_module.logic.parameters import (
    SEARCH_DEFAULTS,
    WORDS,
)
from Tell2RegLib.slicer_module.logic.propagation import PropagationLogic
from Tell2RegLib.slicer_module.logic.search import SearchLogic
from Tell2RegLib.slicer_module.run.runs import Outcome


class Tell2RegLogic(SearchLogic, PropagationLogic):
    """Finds, pairs, fits and carries; every choice and result is in `parameters`, the parameter node.

    Signals: `pairsChanged()`, `fitChanged()`, `regionsFound(FoundSummary)`, `demoLoaded(DemoNodes)`, and those of
    `runs`.

    Args:
        runs: who runs the worker; `run/application.py` makes one for Slicer.
    """

    def registerVolumes(
        self,
        fixedNode: Any,
        movingNode: Any,
        prompts: Sequence[str] | None = None,
        fixedSegmentation: Any = None,
        movingSegmentation: Any = None,
        models: str = "demo",
        device: str = "auto",
        smoothness: float | None = None,
        initialTransform: Any = None,
        **options: Any,
    ) -> Any:
        """Find regions by words, or take those of two segmentations, pair them, and fit; returns when all is done.

        Whatever is not given has its default, also when the panel or an earlier call chose something else. The nodes of
        an earlier result are kept: they stay in the scene in a folder of their own, named after their volumes.

        Args:
            fixedNode, movingNode: vtkMRMLScalarVolumeNode.
            prompts: the words; None to take the segmentations.
            fixedSegmentation, movingSegmentation: vtkMRMLSegmentationNode.
            models, device: as the library calls them.
            smoothness: of the fit; None takes what suits words or drawn regions.
            initialTransform: vtkMRMLLinearTransformNode, rigid: lays the moving volume roughly onto the fixed one.
            options: of the search, by their names in the parameter node: `similarityThreshold=0.9`, `sliceStep=2`, ...

        Returns:
            The grid transform node, from parent: the moving volume put under it is shown in fixed space.

        Raises:
            Tell2RegError: what went wrong, in one sentence.
        """
        own = self.getParameterNode()
        unknown = sorted(set(options) - set(SEARCH_DEFAULTS))
        if unknown:
            raise InputError(f"There is no option '{unknown[0]}'; there are {', '.join(SEARCH_DEFAULTS)}.")
        self._setAside()
        own.fixedVolume, own.movingVolume, own.initialTransform = fixedNode, movingNode, initialTransform
        own.trueTargets, own.direction = None, plan.MOVING_TO_FIXED
        for name, value in {**SEARCH_DEFAULTS, **options}.items():
            setattr(own, name, value)
        own.models, own.device = models, device
        own.source = "segmentations" if prompts is None else WORDS
        own.prompts = "\n".join(prompts or ())
        own.fixedSegmentation, own.movingSegmentation = fixedSegmentation, movingSegmentation
        own.smoothness = default_smoothness(prompts is not None) if smoothness is None else smoothness
        self.findRegions(waitForCompletion=True)
        self.fit(waitForCompletion=True)
        return own.deformableTransform


__all__ = ["DEMO", "FIND", "FIT", "REPORT", "Outcome", "Tell2RegLogic"]
