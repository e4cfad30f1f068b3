"""Propagates a plan from one volume to the other: copies of nodes, and a trust verdict for every target."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from slicer import vtkMRMLMarkupsNode, vtkMRMLModelNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from Tell2RegLib.errors import InputError, OutputError, Tell2RegError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import ErrorEstimate, TargetTrust, judge_targets
from Tell2RegLib.slicer_module.logic.parameters import CARRY_BY, Tell2RegParameterNode
from Tell2RegLib.slicer_module.scene.coordinates import to_scene
from Tell2RegLib.slicer_module.scene.markups import points_of, propagate_markups
from Tell2RegLib.slicer_module.scene.nodes_of_class import nodesOfClass
from Tell2RegLib.slicer_module.scene.plan_colors import recolor
from Tell2RegLib.slicer_module.scene.propagated_models import propagate_model, propagate_volume
from Tell2RegLib.slicer_module.scene.result_nodes import RESULT_ROLES, putIntoResults, remove
from Tell2RegLib.slicer_module.scene.segmentations import propagate_segmentation
from Tell2RegLib.slicer_module.scene.subject_hierarchy import SET_ASIDE
from Tell2RegLib.slicer_module.scene.table_nodes import fill_table
from Tell2RegLib.slicer_module.scene.transforms import field_from_grid_node
from Tell2RegLib.slicer_module.scene.volumes import linear_lps_of
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.trust.cues import Registered
from Tell2RegLib.trust.domain import CaseFacts
from Tell2RegLib.trust.error_model import ErrorModel, ErrorPredictor
from Tell2RegLib.trust.model_file import predictor_of

MOVING_TO_FIXED, FIXED_TO_MOVING = "movingToFixed", "fixedToMoving"
PROPAGATED_CLASSES = (vtkMRMLMarkupsNode, vtkMRMLSegmentationNode, vtkMRMLModelNode, vtkMRMLScalarVolumeNode)
"""Classes of nodes that can be propagated."""
MADE_FROM, CARRIED_TO = "Tell2Reg.MadeFrom", "Tell2Reg.CarriedTo"
"""Node references of a propagated copy: the original node, the target volume."""
CARRIED_BY = "Tell2Reg.CarriedBy"
"""Attribute of a propagated copy: one of CARRY_BY."""
PLAN_NODES = "Tell2Reg.PlanNodes"
"""Node references of the parameter node: the nodes chosen for propagation."""
POSITION_HEADERS = ("R, mm", "A, mm", "S, mm")
"""Headers of coordinates in tables of the scene and the panel, as Slicer shows them; see `shownPosition`."""
SLICE_MODELS = ("Red Volume Slice", "Green Volume Slice", "Yellow Volume Slice")


@dataclass(frozen=True, eq=False)
class Map:
    """The fitted transforms in the direction of a plan.

    Args:
        transform: the one that carries the plan: from the space it is carried to, back to where it was drawn.
        rigid_lps, affine_lps, deformable: all results of the fit, the same way round.
        target: the volume node that the plan is carried to.
        swapped: whether that is the moving volume.
        carriedBy: which of CARRY_BY `transform` is.
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    deformable: Transform
    target: vtkMRMLScalarVolumeNode
    swapped: bool
    carriedBy: str

    def points(self, points_lps_mm: Floats) -> Floats:
        """Map points of the plan."""
        return self.transform.inverse.apply_to_points(points_lps_mm)


def mapOf(parameters: Tell2RegParameterNode, direction: str = "", by: str = "deformable") -> Map:
    """The transforms stored in the scene.

    Args:
        parameters: the parameter node.
        direction: of the plan; the chosen one when empty.
        by: the transform that carries it, one of CARRY_BY.
    """
    rigid: Floats = np.linalg.inv(linear_lps_of(parameters.rigidTransform)).astype(float)
    affine: Floats = np.linalg.inv(linear_lps_of(parameters.affineTransform)).astype(float)
    forward, backward = (
        field_from_grid_node(node) for node in (parameters.deformableTransform, parameters.inverseTransform)
    )
    deformable = Transform("svf", forward, backward, affine)
    target, swapped = parameters.fixedVolume, (direction or parameters.direction) == FIXED_TO_MOVING
    if swapped:
        deformable, rigid = deformable.inverse, np.linalg.inv(rigid).astype(float)
        affine, target = deformable.affine_lps, parameters.movingVolume
    linear = {"rigid": rigid, "affine": affine}
    grids = (deformable.fixed_to_moving.grid, deformable.moving_to_fixed.grid)
    transform = affine_transform(by, linear[by], *grids) if by in linear else deformable
    return Map(transform, rigid, affine, deformable, target, swapped, by)


def chosenKindOf(parameters: Tell2RegParameterNode) -> str:
    """The kind of transform chosen for propagation; "deformable" if the stored choice is invalid."""
    return parameters.carryBy if parameters.carryBy in CARRY_BY else "deformable"


# --- what to carry ---


def candidates(parameters: Tell2RegParameterNode) -> list:
    """The nodes that can be propagated: the user's nodes except the two volumes, none made by Tell2Reg."""
    scene = parameters.parameterNode.GetScene()
    results = {getattr(parameters, name).GetID() for name in RESULT_ROLES if getattr(parameters, name) is not None}
    results |= {node.GetID() for node in (parameters.fixedVolume, parameters.movingVolume) if node is not None}
    nodes = []
    for node in nodesOfClass(scene, "vtkMRMLDisplayableNode"):
        made = node.GetID() in results or isCopy(node) or node.GetName() in SLICE_MODELS
        made = made or node.GetAttribute(SET_ASIDE)
        if isinstance(node, PROPAGATED_CLASSES) and not node.GetHideFromEditors() and not made:
            nodes.append(node)
    return nodes


def chosenNodes(parameters: Tell2RegParameterNode) -> list:
    """The candidates chosen for propagation, in the order of the scene."""
    references, count = parameters.parameterNode, parameters.parameterNode.GetNumberOfNodeReferences(PLAN_NODES)
    chosen = {references.GetNthNodeReferenceID(PLAN_NODES, index) for index in range(count)}
    return [node for node in candidates(parameters) if node.GetID() in chosen]


def chooseNodes(parameters: Tell2RegParameterNode, nodes: Sequence) -> None:
    """Choose exactly these nodes for propagation; the choice is stored in the scene."""
    references = parameters.parameterNode
    if [node.GetID() for node in chosenNodes(parameters)] == [node.GetID() for node in nodes]:
        return
    was = references.StartModify()
    references.RemoveNodeReferenceIDs(PLAN_NODES)
    for node in nodes:
        references.AddNodeReferenceID(PLAN_NODES, node.GetID())
    references.EndModify(was)


# --- copies ---


def isCopy(node: Any) -> bool:
    """Whether a node is a propagated copy."""
    return bool(node.GetAttribute(CARRIED_BY))


def copiesIn(scene: Any) -> list:
    """The propagated copies in a scene, without those of earlier results."""
    return [
        node
        for node in nodesOfClass(scene, "vtkMRMLDisplayableNode")
        if isCopy(node) and not node.GetAttribute(SET_ASIDE)
    ]


def propagateNode(node: Any, planMap: Map, name: str) -> Any:
    """Propagate a copy of a node; the node itself is not changed.

    Raises:
        InputError: a node of another kind, or nothing of it lands in the volume.
    """
    scene = node.GetScene()
    if isinstance(node, vtkMRMLMarkupsNode):
        copy = propagate_markups(node, planMap.points, scene, name)
    elif isinstance(node, vtkMRMLModelNode):
        copy = propagate_model(node, planMap.points, scene, name)
    elif isinstance(node, vtkMRMLSegmentationNode):
        copy = propagate_segmentation(node, planMap.transform, planMap.target, scene, name)
    elif isinstance(node, vtkMRMLScalarVolumeNode):
        copy = propagate_volume(node, planMap.transform, scene, name)
    else:
        raise InputError(f"'{node.GetName()}' cannot be propagated: choose markups, segmentations, models or volumes.")
    copy.SetNodeReferenceID(MADE_FROM, node.GetID())
    copy.SetAttribute(CARRIED_BY, planMap.carriedBy)
    return copy


def propagateAll(parameters: Tell2RegParameterNode, nodes: Sequence, planMap: Map) -> list:
    """Propagate copies of nodes to the space of the other volume, into the folder of results.

    Earlier copies of the same nodes are replaced; when one node cannot be carried, they stay, and nothing is added.
    """
    earlier = [copy for node in nodes for copy in _copiesOf(node, planMap)]
    copies: list = []
    try:
        for node in nodes:
            copies.append(
                propagateNode(
                    node, planMap, f"{node.GetName()} carried to {planMap.target.GetName()} ({planMap.carriedBy})"
                )
            )
    except Tell2RegError:
        for copy in copies:
            remove(copy)
        raise
    for copy in earlier:
        remove(copy)
    for copy in copies:
        copy.SetNodeReferenceID(CARRIED_TO, planMap.target.GetID())
        recolor(copy)
        putIntoResults(parameters, copy)
    return copies


def _copiesOf(node: Any, planMap: Map) -> list:
    references = (node.GetID(), planMap.target.GetID())
    return [
        copy
        for copy in copiesIn(node.GetScene())
        if (copy.GetNodeReferenceID(MADE_FROM), copy.GetNodeReferenceID(CARRIED_TO)) == references
    ]


# --- verdicts ---


def trustOf(
    nodes: Sequence,
    pairs: Sequence[RegionPair],
    planMap: Map,
    settings: TrustSettings,
    volumes: tuple[Volume, Volume],
    learned: ErrorModel | None = None,
) -> tuple[TargetTrust, ...]:
    """A trust verdict for every control point of the markups among these nodes.

    Args:
        nodes: of any class.
        pairs: those of the fit.
        planMap: the fitted transforms in the direction of the plan.
        settings: tolerance and bounds.
        volumes: fixed and moving.
        learned: the calibration's model of errors; the one that ships when None.
    """
    lists = [points_of(node) for node in nodes if isinstance(node, vtkMRMLMarkupsNode)]
    names = [name for points in lists for name in points.names]
    if not names:
        return ()
    positions = np.concatenate([points.points_lps_mm for points in lists])
    estimates = _estimates(positions, pairs, planMap, predictor_of(CaseFacts.of(*volumes, pairs), learned))
    if planMap.swapped:
        pairs = [
            RegionPair(pair.moving, pair.fixed, pair.similarity, pair.accepted, pair.reason, pair.weight)
            for pair in pairs
        ]
    linear = (planMap.rigid_lps, planMap.affine_lps)
    return judge_targets(names, positions, planMap.transform, *linear, pairs, settings, planMap.deformable, estimates)


def _estimates(
    positions: Floats, pairs: Sequence[RegionPair], planMap: Map, predictor: ErrorPredictor
) -> tuple[ErrorEstimate, ...]:
    """The predicted errors, always from moving to fixed: a plan drawn on the fixed volume is taken where it leads."""
    transform, linear = planMap.transform, (planMap.rigid_lps, planMap.affine_lps)
    if planMap.swapped:
        transform, positions = transform.inverse, planMap.points(positions)
        linear = (np.linalg.inv(linear[0]).astype(float), np.linalg.inv(linear[1]).astype(float))
    return predictor.estimates(Registered(transform, *linear, pairs), positions)


def errorsOf(
    parameters: Tell2RegParameterNode, trusts: Sequence[TargetTrust]
) -> tuple[tuple[float, float] | None, ...]:
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


def truthFor(parameters: Tell2RegParameterNode, names: Sequence[str]) -> PointList | None:
    """The true positions of targets by name in the fixed volume; None unless known for all of them."""
    if parameters.trueTargets is None or parameters.direction != MOVING_TO_FIXED:
        return None
    known = points_of(parameters.trueTargets)
    return known if set(names) <= set(known.names) else None


def shownPosition(trust: TargetTrust) -> Floats:
    """Where a target was propagated to, (3,) mm, as Slicer shows it: see POSITION_HEADERS."""
    return to_scene(trust.fixed_lps_mm)


def fillTargets(parameters: Tell2RegParameterNode, trusts: Sequence[TargetTrust]) -> None:
    """The table node of the targets, coordinates as Slicer shows them."""
    columns: dict[str, list] = {"name": [trust.name for trust in trusts]}
    for axis, header in enumerate(POSITION_HEADERS):
        columns[header] = [float(shownPosition(trust)[axis]) for trust in trusts]
    columns["carried_by"] = [chosenKindOf(parameters)] * len(trusts)
    for name in (
        "predicted_mm",
        "radius_mm",
        "moved_mm",
        "nearest_mm",
        "nearest_name",
        "det_j",
        "spread_mm",
        "verdict",
    ):
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
