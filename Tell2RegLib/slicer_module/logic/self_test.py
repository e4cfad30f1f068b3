"""What Reload and Test runs: the demo pair from words to the carried plan, judged by its known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from Tell2RegLib.slicer_module.install.environment import installed_versions
from Tell2RegLib.slicer_module.logic.module_logic import Tell2RegLogic
from Tell2RegLib.slicer_module.scene.markups import points_of
from Tell2RegLib.slicer_module.scene.sample_data import loadDemoPair
from Tell2RegLib.workflows.demo import PROMPTS

MOST_ERROR_MM = 5.0
"""Mean error of the demo's targets; 11 mm before, 3 mm expected."""


def registerDemoPair(test: Any) -> None:
    """Load, find, fit, carry, compare.

    Args:
        test: a unittest.TestCase of Slicer.
    """
    if "torch" not in installed_versions():
        test.delayDisplay("Skipped: install the packages first (step 3, Models and packages).")
        return
    test.delayDisplay("Registering the demo pair by six words; this takes a minute.")
    demo = loadDemoPair(slicer.mrmlScene)
    logic = Tell2RegLogic()
    try:
        logic.registerVolumes(demo.fixed, demo.moving, PROMPTS)
        copies, trusts = logic.propagate([demo.plan])
    finally:
        logic.close()
    carried, truth = points_of(copies[0]).points_lps_mm, points_of(demo.truth).points_lps_mm
    error = float(np.linalg.norm(carried - truth, axis=1).mean())
    if error > MOST_ERROR_MM or len(trusts) != len(truth):
        test.fail(f"The {len(trusts)} targets are {error:.1f} mm from their true places on average.")
    test.delayDisplay(f"Test passed: the targets are {error:.1f} mm from their true places on average.")
