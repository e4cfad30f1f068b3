"""The inputs of a run, and a check at its end that they still exist."""

from __future__ import annotations

from typing import Any

import slicer

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.scene.volumes import grid_of_node


class RunInputs:
    """The two volumes of a run and their positions at its start."""

    def __init__(self, parameters: Any) -> None:
        self.fixed, self.moving = parameters.fixedVolume, parameters.movingVolume
        self._scene = slicer.mrmlScene
        self._grids = {"fixed": grid_of_node(self.fixed), "moving": grid_of_node(self.moving)}

    def raiseIfChanged(self, parameters: Any) -> None:
        """Raises InputError when one of them was removed or moved, or another was chosen since."""
        for side, node in (("fixed", self.fixed), ("moving", self.moving)):
            if node.GetScene() is None or self._scene.GetNodeByID(node.GetID()) is not node:
                raise InputError(f"The {side} volume was removed during the run: the result was discarded.")
            if getattr(parameters, f"{side}Volume") is not node:
                raise InputError(f"Another {side} volume was chosen during the run: the result was discarded.")
            if not grid_of_node(node).same_space(self._grids[side]):
                raise InputError(f"The {side} volume was moved during the run: the result was discarded. Start again.")
