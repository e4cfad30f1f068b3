"""Records the volumes of a result and their positions; the result is valid only for those."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.slicer_module.scene.volumes import grid_of_node
from Tell2RegLib.space.grid import Floats

SAME_PLACE_MM = 1e-3


def remember(node: Any, **volumes: Any) -> None:
    """Say in a node which volume nodes it was made for.

    Args:
        volumes: volume nodes by "fixed" and "moving".
    """
    for side, volume in volumes.items():
        node.SetNodeReferenceID(_reference(side), volume.GetID())
        node.SetAttribute(_reference(side), json.dumps(_corners(volume)))


def belongsToOthers(node: Any, **volumes: Any) -> bool:
    """Whether a result was made for other volumes than these, by "fixed" and "moving"."""
    return any(
        node.GetNodeReferenceID(_reference(side)) not in (None, volume.GetID()) for side, volume in volumes.items()
    )


def nameOfVolume(node: Any, side: str) -> str:
    """The name of the "fixed" or "moving" volume that a result was made for; empty when it is not in the scene."""
    volume = node.GetNodeReference(_reference(side))
    return "" if volume is None else volume.GetName()


def whyNotFor(node: Any, subject: str, remedy: str, **volumes: Any) -> str:
    """Why a result cannot be used with these volumes, one sentence; empty if it can.

    Args:
        subject: how to call the result, "regions" for example.
        remedy: how to get another, "find regions (step 3)" for example.
        volumes: the volume nodes of now, by "fixed" and "moving".
    """
    for side, volume in volumes.items():
        if belongsToOthers(node, **{side: volume}):
            return f"The {subject} belong to other volumes: choose those again (step 1), or {remedy}."
        if _moved(node, side, volume):
            return f"The {side} volume was moved afterwards: move it back, or {remedy}."
    return ""


def _reference(side: str) -> str:
    return f"Tell2Reg.MadeFor.{side}"


def _corners(volume: Any) -> list[list[float]]:
    return grid_of_node(volume).corners_lps_mm().tolist()


def _moved(node: Any, side: str, volume: Any) -> bool:
    try:
        earlierCorners, currentCorners = (
            np.array(json.loads(node.GetAttribute(_reference(side)) or "[]"), float),
            _corners(volume),
        )
    except (ValueError, TypeError, Tell2RegError):  # nobody knows any more
        return False
    if earlierCorners.shape != np.shape(currentCorners):
        return False
    return not any(
        np.allclose(earlierCorners, corners, rtol=0, atol=SAME_PLACE_MM)
        for corners in _readings(np.array(currentCorners))
    )


def _readings(corners: Floats) -> list[Floats]:
    """The corners, and with one axis counted from its other end: so Slicer saves left-handed volumes."""
    cube = corners.reshape(2, 2, 2, 3)
    return [corners, *(np.flip(cube, axis).reshape(-1, 3) for axis in range(3))]
