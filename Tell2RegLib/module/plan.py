"""A plan carried from one patient to the other: copies of nodes, and a word on how far each target can be trusted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from slicer import vtkMRMLMarkupsNode, vtkMRMLModelNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from Tell2RegLib.confidence import TargetTrust, judge_targets
from Tell2RegLib.errors import InputError, OutputError, Tell2RegError
from Tell2RegLib.grid import Floats
from Tell2RegLib.markups import PointList
from Tell2RegLib.module.mrml_carry import carry_model, carry_volume
from Tell2RegLib.module.mrml_markups import carry_markups, points_of
from Tell2RegLib.module.mrml_segmentations import carry_segmentation
from Tell2RegLib.module.mrml_space import SIGNS
from Tell2RegLib.module.mrml_tables import fill_table
from Tell2RegLib.module.mrml_transforms import field_from_grid_node
from Tell2RegLib.module.mrml_volumes import linear_lps_of
from Tell2RegLib.module.scene_results import OURS, putIntoResults, remove
from Tell2RegLib.region import RegionPair
from Tell2RegLib.transform import Transform

MOVING_TO_FIXED, FIXED_TO_MOVING = "movingToFixed", "fixedToMoving"
CARRIED = (vtkMRMLMarkupsNode, vtkMRMLSegmentationNode, vtkMRMLModelNode, vtkMRMLScalarVolumeNode)
"""What can be carried."""
MADE_FROM, CARRIED_TO = "Tell2Reg.MadeFrom", "Tell2Reg.CarriedTo"
"""Attributes of a carried copy: the IDs of the node it was made from and of the volume it was carried to."""
SLICE_MODELS = ("Red Volume Slice", "Green Volume Slice", "Yellow Volume Slice")


@dataclass(frozen=True, eq=False)
class Map:
    """The fitted transforms in the direction of a plan.

    Args:
        transform: from the space that the plan is carried to, back to where it was drawn.
        rigid_lps, affine_lps: the same way round.
        target: the volume node that the plan is carried to.
        swapped: whether that is the moving volume.
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    target: vtkMRMLScalarVolumeNode
    swapped: bool

    def points(self, points_lps_mm: Floats) -> Floats:
        """Where points of the plan are carried to."""
        return self.transform.inverse.apply_to_points(points_lps_mm)


def mapOf(parameters, direction: str = "") -> Map:
    """The transforms as the scene keeps them, in a direction; the chosen one when none is given."""
    rigid, affine = (
        np.linalg.inv(linear_lps_of(node)) for node in (parameters.rigidTransform, parameters.affineTransform)
    )
    there = field_from_grid_node(parameters.deformableTransform)
    transform = Transform("svf", there, field_from_grid_node(parameters.inverseTransform), affine)
    if (direction or parameters.direction) == FIXED_TO_MOVING:
        back = (np.linalg.inv(rigid), np.linalg.inv(affine))
        return Map(transform.inverse, *back, parameters.movingVolume, swapped=True)
    return Map(transform, rigid, affine, parameters.fixedVolume, swapped=False)


def candidates(parameters) -> list:
    """The nodes that can be carried: a person's own, neither what Tell2Reg made nor the two volumes."""
    scene = parameters.parameterNode.GetScene()
    own = {getattr(parameters, name).GetID() for name in OURS if getattr(parameters, name) is not None}
    own |= {node.GetID() for node in (parameters.fixedVolume, parameters.movingVolume) if node is not None}
    found = []
    for node in _nodesOf(scene):
        ours = node.GetID() in own or node.GetAttribute(MADE_FROM) or node.GetName() in SLICE_MODELS
        if isinstance(node, CARRIED) and not node.GetHideFromEditors() and not ours:
            found.append(node)
    return found


def _nodesOf(scene) -> list:
    return [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]


def carry(node, way: Map, name: str):
    """A copy of a node, carried over; the node itself stays as it is.

    Raises:
        InputError: a node of another kind, or nothing of it lands in the volume.
    """
    scene = node.GetScene()
    if isinstance(node, vtkMRMLMarkupsNode):
        copy = carry_markups(node, way.points, scene, name)
    elif isinstance(node, vtkMRMLModelNode):
        copy = carry_model(node, way.points, scene, name)
    elif isinstance(node, vtkMRMLSegmentationNode):
        copy = carry_segmentation(node, way.transform, way.target, scene, name)
    elif isinstance(node, vtkMRMLScalarVolumeNode):
        copy = carry_volume(node, way.transform, scene, name)
    else:
        raise InputError(f"'{node.GetName()}' cannot be carried: choose markups, segmentations, models or volumes.")
    copy.SetAttribute(MADE_FROM, node.GetID())
    return copy


def carryAll(parameters, nodes: Sequence) -> list:
    """Copies of all these nodes in the space of the other volume, in the folder of results.

    Earlier copies of the same nodes are replaced; when one node cannot be carried, they stay, and nothing is added.
    """
    way = mapOf(parameters)
    earlier = [old for node in nodes for old in _copiesOf(node, way)]
    copies: list = []
    try:
        for node in nodes:
            copies.append(carry(node, way, f"{node.GetName()} in {way.target.GetName()}"))
    except Tell2RegError:
        for copy in copies:
            remove(copy)
        raise
    for old in earlier:
        remove(old)
    for copy in copies:
        copy.SetAttribute(CARRIED_TO, way.target.GetID())
        putIntoResults(parameters, copy)
    return copies


def _copiesOf(node, way: Map) -> list:
    wanted = (node.GetID(), way.target.GetID())
    return [
        old
        for old in _nodesOf(node.GetScene())
        if (old.GetAttribute(MADE_FROM), old.GetAttribute(CARRIED_TO)) == wanted
    ]


def trustOf(parameters, nodes: Sequence, pairs: Sequence[RegionPair]) -> tuple[TargetTrust, ...]:
    """A word on every control point of the markups among these nodes."""
    way = mapOf(parameters)
    lists = [points_of(node) for node in nodes if isinstance(node, vtkMRMLMarkupsNode)]
    names = [name for points in lists for name in points.names]
    if not names:
        return ()
    places = np.concatenate([points.points_lps_mm for points in lists])
    if way.swapped:
        pairs = [RegionPair(pair.moving, pair.fixed, pair.similarity, pair.accepted, pair.reason) for pair in pairs]
    return judge_targets(names, places, way.transform, way.rigid_lps, way.affine_lps, pairs)


def errorsOf(parameters, trusts: Sequence[TargetTrust]) -> tuple[tuple[float, float] | None, ...]:
    """The error of every target, mm: as the volumes lie, and where it was carried; None where its place is unknown.

    True places are the points of `parameters.trueTargets` with the targets' names.
    """
    node = parameters.trueTargets
    known = points_of(node) if node is not None and node.GetNumberOfControlPoints() else PointList((), np.empty((0, 3)))
    truth = dict(zip(known.names, known.points_lps_mm, strict=True))
    return tuple(
        None
        if trust.name not in truth
        else (
            float(np.linalg.norm(trust.moving_lps_mm - truth[trust.name])),
            float(np.linalg.norm(trust.fixed_lps_mm - truth[trust.name])),
        )
        for trust in trusts
    )


def fillTargets(parameters, trusts: Sequence[TargetTrust]) -> None:
    """The table node of the targets, coordinates in RAS as Slicer shows them."""
    columns: dict[str, list] = {"name": [trust.name for trust in trusts]}
    for axis, letter in enumerate("ras"):
        columns[letter] = [float((trust.fixed_lps_mm * SIGNS)[axis]) for trust in trusts]
    for name in ("moved_mm", "nearest_mm", "nearest_name", "det_j", "spread_mm", "verdict"):
        columns[name] = [getattr(trust, name) for trust in trusts]
    errors = errorsOf(parameters, trusts)
    if any(errors):
        for number, name in enumerate(("error_mm_before", "error_mm")):
            columns[name] = [None if error is None else error[number] for error in errors]
    columns["reasons"] = [" ".join(trust.reasons) for trust in trusts]
    scene = parameters.fixedVolume.GetScene()
    parameters.targetsTable = fill_table(scene, "Tell2Reg targets", columns, node=parameters.targetsTable)
    putIntoResults(parameters, parameters.targetsTable)


def newFolder(parent: str | Path, name: str) -> Path:
    """A folder of that name, without what no system allows in one, that is not there yet; numbered when it is.

    Raises:
        OutputError: nobody may look into the parent.
    """
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "-", name).strip(" .") or "Tell2Reg"
    base = Path(parent) / name
    tries = (base if number == 1 else base.with_name(f"{name} {number}") for number in itertools.count(1))
    try:
        return next(folder for folder in tries if not folder.exists())
    except OSError as error:
        raise OutputError(f"'{parent}' cannot be read: {error.strerror or error}. Choose another folder.") from error
