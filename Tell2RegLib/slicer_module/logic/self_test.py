"""The test behind Reload and Test: the demo pair from prompts to the propagated plan, compared with the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from Tell2RegLib.slicer_module.install.environment import installed_versions
from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic
from Tell2RegLib.slicer_module.scene.markups import points_of
from Tell2RegLib.slicer_module.scene.sample_data import loadDemoPair
from Tell2RegLib.workflows.demo import PROMPTS

MAX_ERROR_MM = 5.0
"""Mean error of the demo's targets; 11 mm before, 3 mm expected."""


def registerDemoPair(test: Any) -> None:
    """Load, find, fit, propagate, compare.

    Args:
        test: a unittest.TestCase of Slicer.
    """
    if "torch" not in installed_versions():
        test.delayDisplay("Skipped: install the packages first (step 3, Models and packages).")
        return
    test.delayDisplay("Registering the demo pair with six prompts; this takes about a minute.")
    demo = loadDemoPair(slicer.mrmlScene)
    logic = Tell2RegLogic()
    try:
        logic.registerVolumes(demo.fixed, demo.moving, PROMPTS)
        copies, trusts = logic.propagate([demo.plan])
    finally:
        logic.close()
    propagated, truePositions = points_of(copies[0]).points_lps_mm, points_of(demo.truth).points_lps_mm
    error = float(np.linalg.norm(propagated - truePositions, axis=1).mean())
    if error > MAX_ERROR_MM or len(trusts) != len(truePositions):
        test.fail(f"The {len(trusts)} targets are {error:.1f} mm from their true positions on average.")
    test.delayDisplay(f"Test passed: the targets are {error:.1f} mm from their true positions on average.")
