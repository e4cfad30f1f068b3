"""Adds results to the scene as segments, transforms, maps and tables, in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from Tell2RegLib.evaluation.metrics import centroid_distance_mm, dice
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.slicer_module.scene.fit_summary import FitRow, rowsOfFit
from Tell2RegLib.slicer_module.scene.json_parameters import mappingOf
from Tell2RegLib.slicer_module.scene.pair_decisions import PairRow, Rows, statusOf
from Tell2RegLib.slicer_module.scene.result_volumes import remember, whyNotFor
from Tell2RegLib.slicer_module.scene.segmentations import describe_segment, segmentation_from_regions
from Tell2RegLib.slicer_module.scene.subject_hierarchy import put_into, results_folder, set_aside
from Tell2RegLib.slicer_module.scene.table_nodes import fill_table, text_node
from Tell2RegLib.slicer_module.scene.transforms import grid_node_from_field, linear_node_from_lps, set_references
from Tell2RegLib.slicer_module.scene.view_ids import setViewIDs
from Tell2RegLib.slicer_module.scene.volumes import volume_to_node
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Color, Region, RegionPair
from Tell2RegLib.space.region_resampling import resample_region
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume

FOLDER = "Tell2Reg"
TRANSFORMS = ("deformableTransform", "inverseTransform", "rigidTransform", "affineTransform")
RESULT_ROLES = (
    *("fixedRegions", "movingRegions", "movingShown"),
    *TRANSFORMS,
    *("jacobianMap", "checkerboard", "pairsTable", "targetsTable", "provenance"),
)
"""Attributes of the parameter node that hold nodes which Tell2Reg made."""
OF_THE_FIT = RESULT_ROLES[2:]
REUSED_BY_A_FIT = ("pairsTable", "targetsTable")
"""Filled again, not made again; the verdicts of an earlier fit stay until the plan is carried again, marked as such."""


@dataclass(frozen=True, eq=False)
class PairedRegions:
    """Pairs and unpaired regions, from prompts or from segmentations.

    Args:
        pairs: the moving regions on the grid of the moving volume as it lies.
        unpaired_fixed, unpaired_moving: the rest.
    """

    pairs: Sequence[RegionPair]
    unpaired_fixed: Sequence[Region] = ()
    unpaired_moving: Sequence[Region] = ()


def forget(parameters: Any, attributes: Sequence[str] = RESULT_ROLES) -> None:
    """Remove nodes that an earlier run made."""
    for name in attributes:
        node = getattr(parameters, name)
        setattr(parameters, name, None)
        if node is not None and node.GetScene() is not None:
            remove(node)


def setAside(parameters: Any, name: str) -> str:
    """Keep what an earlier registration made in a folder of its own; the folder's name, empty when there was nothing.

    The parameter node forgets the nodes.

    Args:
        name: of the folder.
    """
    forget(parameters, ("movingShown", "checkerboard"))
    results = [
        getattr(parameters, attribute) for attribute in RESULT_ROLES if getattr(parameters, attribute) is not None
    ]
    for attribute in ("fixedRegions", "movingRegions"):
        node = getattr(parameters, attribute)
        if node is not None:
            node.SetAndObserveTransformNodeID(None)
            if node.GetDisplayNode() is not None:
                setViewIDs(node.GetDisplayNode(), ())
    for attribute in RESULT_ROLES:
        setattr(parameters, attribute, None)
    folders = [set_aside(node, name) for node in results]
    return next(filter(None, folders), "")


def remove(node: Any) -> None:
    """Remove a node that Tell2Reg made, with its displays and what it is saved by: the scene would keep them."""
    scene, nodes = node.GetScene(), [node]
    for kind in ("Display", "Storage"):
        count = getattr(node, f"GetNumberOf{kind}Nodes", lambda: 0)()
        nodes += [getattr(node, f"GetNth{kind}Node")(index) for index in range(count)]
    for removed in nodes:
        if removed is not None and removed.GetScene() is scene:
            scene.RemoveNode(removed)


UNPAIRED = "unpaired"
"""Status of a region that is in no pair."""


def showRegions(parameters: Any, foundPairs: PairedRegions, unregisteredPairs: Sequence[RegionPair]) -> Rows:
    """Two segmentations with a segment per region, and the rows of the pairs.

    Args:
        parameters: the parameter node; results that it still holds are removed (`setAside` keeps them).
        foundPairs: what to show.
        unregisteredPairs: the same pairs with the moving regions where the fit starts, to measure them.
    """
    forget(parameters)
    fixedNode, movingNode = parameters.fixedVolume, parameters.movingVolume
    colors = _colorsOf(foundPairs.pairs)
    colored = [_colored(pair, color) for pair, color in zip(foundPairs.pairs, colors, strict=True)]
    sides = (
        ("fixedRegions", fixedNode, [fixed for fixed, _ in colored], foundPairs.unpaired_fixed),
        ("movingRegions", movingNode, [moving for _, moving in colored], foundPairs.unpaired_moving),
    )
    decisions: list[dict[str, Any]] = [
        {"status": statusOf(pair.accepted), "similarity": pair.similarity, "prompt": pair.prompt}
        for pair in foundPairs.pairs
    ]
    ids = {}
    for attribute, volumeNode, paired, unpaired in sides:
        more: list[dict[str, Any]] = [
            *decisions,
            *({"status": UNPAIRED, "prompt": region.prompt} for region in unpaired),
        ]
        segmentation, ids[attribute] = segmentation_from_regions(
            volumeNode.GetScene(), f"{volumeNode.GetName()} regions", [*paired, *unpaired], volumeNode, more
        )
        remember(segmentation, **{attribute.removesuffix("Regions"): volumeNode})
        setattr(parameters, attribute, segmentation)
        putIntoResults(parameters, segmentation)
    rows = tuple(
        _row(number, pair, lying, colors[number], ids["fixedRegions"][number], ids["movingRegions"][number])
        for number, (pair, lying) in enumerate(zip(foundPairs.pairs, unregisteredPairs, strict=True))
    )
    showDecisions(parameters, rows)
    return rows


def _colorsOf(pairs: Sequence[RegionPair]) -> list[Color]:
    """A colour for each pair; those of the fixed regions where these tell the pairs apart."""
    drawn = [pair.fixed.color for pair in pairs if pair.fixed.color is not None]
    if len(set(drawn)) == len(pairs):
        return drawn
    return [color_of(number) for number in range(len(pairs))]  # drawn all in grey, for example


def _colored(pair: RegionPair, color: Color) -> tuple[Region, Region]:
    return replace(pair.fixed, name=pair.name, color=color), replace(pair.moving, name=pair.name, color=color)


def _row(number: int, pair: RegionPair, lying: RegionPair, color: Color, fixed: str, moving: str) -> PairRow:
    return PairRow(
        number=number,
        name=pair.name,
        prompt=pair.prompt,
        fixed=fixed,
        moving=moving,
        color=color,
        similarity=pair.similarity,
        accepted=pair.accepted,
        reason=pair.reason,
        weight=pair.weight,
        **measuresOf(lying),
    )


def measuresOf(pair: RegionPair) -> dict[str, float]:
    """How two regions compare where they lie: the row's `distance_mm`, `size_ratio` and `dice`."""
    placed = resample_region(pair.moving, pair.fixed.grid)
    return {
        "distance_mm": centroid_distance_mm(pair.fixed, pair.moving),
        "size_ratio": pair.moving.volume_ml / pair.fixed.volume_ml,
        "dice": 0.0 if placed is None else dice(pair.fixed, placed),
    }


def showDecisions(parameters: Any, rows: Rows) -> None:
    """Names, colours, status and tags of the segments, and the table of pairs, as the rows say."""
    for attribute, key in (("fixedRegions", "fixed"), ("movingRegions", "moving")):
        node = getattr(parameters, attribute)
        if node is None:
            continue
        paired = {getattr(row, key): row for row in rows}
        segmentation = node.GetSegmentation()
        for index in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegmentID(index)
            row = paired.get(segment)
            if row is None:
                describe_segment(node, segment, status=UNPAIRED)
            else:
                describe_segment(
                    node,
                    segment,
                    name=row.name,
                    color=row.color,
                    status=row.status,
                    similarity=row.similarity,
                    prompt=row.prompt,
                )
    if parameters.fixedRegions is not None:
        _fillPairs(parameters, rows)


PAIR_COLUMNS = ("name", "prompt", "status", "weight", "reason", "similarity", "distance_mm", "size_ratio", "dice")


def _fillPairs(parameters: Any, rows: Rows) -> None:
    columns = {name: [getattr(row, name) for row in rows] for name in PAIR_COLUMNS}
    latest = {(row.number, row.fixed, row.moving): row for row in rowsOfFit(mappingOf(parameters.fitSummary))}
    ofTheFit = [_fitColumns(latest.get((row.number, row.fixed, row.moving))) for row in rows]
    columns |= {name: [values[name] for values in ofTheFit] for name in _fitColumns(None)}
    scene = parameters.fixedRegions.GetScene()
    parameters.pairsTable = fill_table(scene, "Tell2Reg pairs", columns, node=parameters.pairsTable)
    putIntoResults(parameters, parameters.pairsTable)


def _fitColumns(row: FitRow | None) -> dict[str, object]:
    """What the latest fit did to a pair, as columns; nothing where it did not know the pair."""
    if row is None:
        names = ("dice_rigid", "dice_affine", "distance_mm_rigid", "distance_mm_affine")
        after = ("hd95_mm", "distance_mm_after", "dice_after", "hd95_mm_after")
        return {"used_by_the_fit": "", **dict.fromkeys((*names, *after))}
    return {
        "used_by_the_fit": "yes" if row.accepted else "no",
        "dice_rigid": row.dice[1],
        "dice_affine": row.dice[2],
        "distance_mm_rigid": row.distance_mm[1],
        "distance_mm_affine": row.distance_mm[2],
        "hd95_mm": row.hd95_mm[0],
        "distance_mm_after": row.distance_mm[3],
        "dice_after": row.dice[3],
        "hd95_mm_after": row.hd95_mm[1],
    }


def showFit(
    parameters: Any,
    transform: Transform,
    linear: Mapping[str, Floats],
    jacobian: Volume,
    provenance: Mapping[str, object],
) -> None:
    """The transforms, both directions, the map of volume change and the record, as nodes.

    Args:
        transform: from the fixed to the moving volume as it lies.
        linear: 4 x 4 matrices, LPS, fixed to moving, by "rigid" and "affine".
        jacobian: det J on the fixed grid.
        provenance: what it takes to run it again.
    """
    fixed, moving = parameters.fixedVolume, parameters.movingVolume
    reuse = _sameVolumes(parameters)
    forget(parameters, [name for name in OF_THE_FIT if name not in (*REUSED_BY_A_FIT, *reuse)])
    scene, transformName = fixed.GetScene(), f"{moving.GetName()} to {fixed.GetName()}"
    back = f"{fixed.GetName()} to {moving.GetName()}"
    parameters.deformableTransform = grid_node_from_field(
        scene, transform.fixed_to_moving, transformName, parameters.deformableTransform
    )
    set_references(parameters.deformableTransform, fixed=fixed, moving=moving)
    remember(parameters.deformableTransform, fixed=fixed, moving=moving)
    parameters.inverseTransform = grid_node_from_field(
        scene, transform.moving_to_fixed, back, parameters.inverseTransform
    )
    set_references(parameters.inverseTransform, fixed=moving, moving=fixed)
    for kind, attribute in (("rigid", "rigidTransform"), ("affine", "affineTransform")):
        node = linear_node_from_lps(scene, linear[kind], f"{transformName} ({kind})", getattr(parameters, attribute))
        set_references(node, fixed=fixed, moving=moving)
        setattr(parameters, attribute, node)
    parameters.jacobianMap = volume_to_node(scene, jacobian, f"{transformName} (volume change)")
    record = {"notice": NOTICE, **dict(provenance)}
    parameters.provenance = text_node(scene, f"{transformName} (record)", json.dumps(record, indent=2, default=str))
    for name in OF_THE_FIT:
        node = getattr(parameters, name)
        if node is not None:
            putIntoResults(parameters, node)


def _sameVolumes(parameters: Any) -> tuple[str, ...]:
    """The transforms to be filled again, those of the same volumes: what a person put under them stays there."""
    node = parameters.deformableTransform
    volumes = {"fixed": parameters.fixedVolume, "moving": parameters.movingVolume}
    same = node is not None and not whyNotFor(node, "transform", "fit again", **volumes)
    return TRANSFORMS if same and all(getattr(parameters, name) is not None for name in TRANSFORMS) else ()


def putIntoResults(parameters: Any, node: Any) -> None:
    """Move nodes into the folder of results next to the fixed volume, if it exists."""
    fixed = parameters.fixedVolume
    if fixed is None:  # it was deleted since
        return
    put_into(results_folder(fixed.GetScene(), fixed, FOLDER), node)
