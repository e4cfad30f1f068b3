"""The logic of the module for the panel and for scripts: nodes in, nodes out, without widgets and dialogs.

From a script in Slicer:

    logic = slicer.util.getModuleLogic("Tell2Reg")
    logic.registerVolumes(fixedNode, movingNode, ["prostate", "bladder"])      # find, fit; raises in one sentence
    logic.parameters.deformableTransform                                       # vtkMRMLGridTransformNode
    copies, trusts = logic.propagate([planNode])                               # copies; the plan stays as it is
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.logic import plan
from Tell2RegLib.slicer_module.logic.core import DEMO, FIND, FIT, REPORT
from Tell2RegLib.slicer_module.logic.parameters import SEGMENTATIONS
from Tell2RegLib.slicer_module.logic.propagation import PropagationLogic
from Tell2RegLib.slicer_module.logic.search import SearchLogic
from Tell2RegLib.slicer_module.logic.setting_parameters import SETTING_DEFAULTS, SETTING_PARAMETERS, raiseIfWrong
from Tell2RegLib.slicer_module.run.runs import Outcome


class Tell2RegLogic(SearchLogic, PropagationLogic):
    """Finds, pairs, fits and propagates; every choice and result is in `parameters`, the parameter node.

    Signals: `pairsChanged()`, `fitChanged()`, `regionsFound(SearchSummary)`, `demoLoaded(DemoNodes)`, and those of
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
        smoothness: float | None = None,
        initialTransform: Any = None,
        calibration: str | Path | None = None,
        **options: Any,
    ) -> Any:
        """Find regions by prompts or take those of two segmentations, pair them, and fit; returns when finished.

        Whatever is not given has its default, also when the panel or an earlier call chose something else. The nodes of
        an earlier result are kept: they stay in the scene in a folder of their own, named after their volumes.

        Args:
            fixedNode, movingNode: vtkMRMLScalarVolumeNode.
            prompts: the words; None to take the segmentations.
            fixedSegmentation, movingSegmentation: vtkMRMLSegmentationNode.
            smoothness: of the fit; None derives it from how much the regions determine.
            initialTransform: vtkMRMLLinearTransformNode, rigid: lays the moving volume roughly onto the fixed one.
            calibration: a file of `tell2reg calibrate` for these two kinds of scan, instead of an initial transform.
            options: other settings, by their names in the parameter node: `models="fast"`, `similarityThreshold=0.9`,
                `source="a plug-in"`, ...

        Returns:
            The grid transform node, from parent: the moving volume put under it is shown in fixed space.

        Raises:
            Tell2RegError: what went wrong, in one sentence.
        """
        parameters = self.getParameterNode()
        settings = {**SETTING_DEFAULTS, "smoothness": smoothness or 0.0, **options}
        _check(settings)
        self._setAside()
        parameters.fixedVolume, parameters.movingVolume, parameters.initialTransform = (
            fixedNode,
            movingNode,
            initialTransform,
        )
        parameters.calibration = str(calibration or "")
        parameters.trueTargets, parameters.direction = None, plan.MOVING_TO_FIXED
        for name, value in settings.items():
            setattr(parameters, name, value)
        if prompts is None:
            parameters.source = SEGMENTATIONS
        parameters.prompts = "\n".join(prompts or ())
        parameters.fixedSegmentation, parameters.movingSegmentation = fixedSegmentation, movingSegmentation
        self.findRegions(waitForCompletion=True)
        self.fit(waitForCompletion=True)
        return parameters.deformableTransform


def _check(settings: Mapping[str, Any]) -> None:
    """See that there are such settings, and that their values are allowed, before anything is changed."""
    unknown = sorted(set(settings) - set(SETTING_PARAMETERS))
    if unknown:
        raise InputError(f"There is no option '{unknown[0]}'. The options are {', '.join(SETTING_PARAMETERS)}.")
    for name, value in settings.items():
        raiseIfWrong(SETTING_PARAMETERS[name], value)


__all__ = ["DEMO", "FIND", "FIT", "REPORT", "Outcome", "Tell2RegLogic"]
