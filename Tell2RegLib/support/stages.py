"""The stages of every run, once: what terminal, worker and panel call them, and how long they take compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Args:
        name: in progress events, timing and the cache.
        label: for a person, while it runs.
        share: how long it takes compared with the others, roughly: for the time left of a whole run.
    """

    name: str
    label: str
    share: float = 2.0


STAGES: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("demo", "Generating the demo pair", 4),
        Stage("read", "Reading"),
        Stage("models", "Loading the networks", 4),
        Stage("prepare", "Resampling slices"),
        Stage("detect", "Detecting prompts", 25),
        Stage("embed", "Encoding slices", 10),
        Stage("segment", "Segmenting detections", 6),
        Stage("find", "Finding regions", 40),
        Stage("pair", "Pairing regions"),
        Stage("start", "Loading PyTorch"),
        Stage("fit", "Fitting the transform", 12),
        Stage("measure", "Measuring"),
        Stage("validate", "Registering the cases", 100),
        Stage("calibrate", "Learning from the cases", 40),
        Stage("calibrate interiors", "Learning from the insides of regions", 60),
        Stage("write", "Writing the result and its report"),
        Stage("check", "Importing packages"),
        Stage("download", "Downloading"),
        Stage("verify", "Verifying"),
        Stage("copy", "Copying"),
        Stage("wait", "Waiting for another process"),
    )
}
"""By name. A plug-in may name stages of its own; they are shown as they are."""

FINDING_STAGES = ("prepare", "detect", "embed", "segment")
"""From words to regions, over all volumes, with the built-in source."""
REGION_STAGES = ("pair", "start", "fit", "measure")
"""Of a run with given regions."""
WORD_STAGES = ("models", *FINDING_STAGES, *REGION_STAGES)
"""Of a run with words."""


def stage_label(name: str) -> str:
    """What a person reads while a stage runs; words after the name stay as they are.

    >>> stage_label("fit"), stage_label("download sam-vit-b"), stage_label("spots")
    ('Fitting the transform', 'Downloading sam-vit-b', 'spots')
    """
    stage, *detail = name.split(" ", 1)
    return " ".join([STAGES[stage].label if stage in STAGES else stage, *detail])


def stage_share(name: str) -> float:
    """How long a stage takes compared with the others."""
    return STAGES[name].share if name in STAGES else Stage(name, name).share
