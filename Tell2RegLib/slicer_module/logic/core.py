"""The base of the logic classes: parameter node, worker runs, signals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer.util
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from Tell2RegLib.slicer_module.logic.fitted_regions import FittedRegions
from Tell2RegLib.slicer_module.logic.parameters import SOURCE_OF_EARLIER_NAME, Tell2RegParameterNode
from Tell2RegLib.slicer_module.run.runs import Runs
from Tell2RegLib.slicer_module.run.signal import Signal
from Tell2RegLib.slicer_module.scene.pair_decisions import History
from Tell2RegLib.slicer_module.scene.transforms import interpolate_linearly

FIND, FIT, REPORT, DEMO = "find", "fit", "report", "demo"
"""Names of the worker runs that the user starts."""


class CoreLogic(ScriptedLoadableModuleLogic):
    """The parameter node, the runs and the signals; see `Tell2RegLogic`."""

    def __init__(self, runs: Runs | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._runs = runs
        self._history = History()
        self.pairsChanged, self.fitChanged, self.regionsFound = Signal(), Signal(), Signal()
        self._regions = FittedRegions()
        self.demoLoaded = Signal()
        self.isChanging = False
        """Whether a result is just being put into the scene: half of it is there."""
        self.parameters = Tell2RegParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    def getParameterNode(self) -> Tell2RegParameterNode:
        """The parameter node of the current scene."""
        self.parameters = Tell2RegParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))
        if self.parameters.source in SOURCE_OF_EARLIER_NAME:
            self.parameters.source = SOURCE_OF_EARLIER_NAME[self.parameters.source]
        for node in (self.parameters.deformableTransform, self.parameters.inverseTransform):
            if node is not None:  # fields that Slicer has read from a scene are splines to it until told otherwise
                interpolate_linearly(node)
        return self.parameters

    @property
    def runs(self) -> Runs:
        """The worker runs, created on first use."""
        if self._runs is None:
            from Tell2RegLib.slicer_module.run.application import makeRuns

            self._runs = makeRuns()
        return self._runs

    def close(self) -> None:
        """End the worker and its run; the logic can still be used."""
        runs, self._runs = self._runs, None
        if runs is not None:
            runs.close()

    @contextmanager
    def _inOneGo(self) -> Iterator[None]:
        """Context that adds a result to the scene as one modification of the parameter node, reported once at the
        end."""
        self.isChanging = True
        try:
            with slicer.util.NodeModify(self.parameters.parameterNode):
                yield
        finally:
            self.isChanging = False
