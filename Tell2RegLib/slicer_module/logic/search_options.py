"""The options of a search as the library declares them, from the choices in the parameter node."""

from __future__ import annotations

from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.logic.parameters import Tell2RegParameterNode


def searchOptions(parameters: Tell2RegParameterNode) -> FindOptions:
    """The options that a person chose.

    Raises:
        InputError: a value out of its range.
    """
    return FindOptions(
        models=parameters.models,
        device=parameters.device,
        box_threshold=parameters.boxThreshold or None,
        spacing_mm=parameters.spacingMm,
        slice_step=parameters.sliceStep,
        paper_mode=parameters.paperMode,
        threshold=parameters.similarityThreshold,
        # the paper's mode has a choice of its own
        cross_prompts=None if parameters.paperMode else parameters.crossPrompts,
    )
