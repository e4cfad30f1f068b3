"""Segmentations between scene and library: segments as regions, regions as segments, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray

from Tell2RegLib.errors import InputError, NothingFound, Tell2RegError
from Tell2RegLib.region_sources.segmentation_file import PROMPT_TAG, SCORE_TAG
from Tell2RegLib.slicer_module.scene.coordinates import grid_from_matrix, parents_of
from Tell2RegLib.slicer_module.scene.labelmaps import empty_labelmap, shared_labelmaps
from Tell2RegLib.slicer_module.scene.terminology import terminology_entry
from Tell2RegLib.slicer_module.scene.volumes import voxels_of
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Color, Region, bounding_box
from Tell2RegLib.space.region_resampling import resample_region
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import Transform

SIMILARITY_TAG, STATUS_TAG = "Tell2Reg.Similarity", "Tell2Reg.Status"
LABELMAP = "Binary labelmap"
FILL = 0.25
"""Opacity of the areas in slice views."""
SAME_LATTICE_VOXELS = 1e-3
"""By how much voxel centres may differ when voxels are taken over as they are."""


# --- scene -> library ---


def regions_from_segmentation(
    node: Any, volume_grid: Grid, *, in_parent: bool = True
) -> tuple[dict[str, Region], tuple[str, ...]]:
    """Every segment of a segmentation node as a region on a volume's grid; the node is not changed.

    Voxels are taken over as they are where both lattices agree. Elsewhere occupancy is read between voxels and cut at
    one half (`occupancy`). Segments that have no binary labelmap, only a surface, are converted on a copy.

    Args:
        node: vtkMRMLSegmentationNode.
        volume_grid: where the regions are wanted.
        in_parent: count the (linear) transforms above the node; else take its own coordinates for the world.

    Returns:
        The regions by segment ID, in the order of the segmentation, and the names of segments that have no voxel
        inside the volume.

    Raises:
        InputError: a transform above the node that is not linear, or a segment that cannot be converted.
        GeometryError: a transform above it that shears.
    """
    regions, empty = {}, []
    for drawn in _segments_of(node, volume_grid, in_parent):
        region = drawn.region and _on_grid(drawn.region, volume_grid)
        if region is None:
            empty.append(drawn.name)
        else:
            regions[drawn.id] = region
    return regions, tuple(empty)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A segment: `region` is on the grid that it was drawn on, None when it has no voxel."""

    id: str
    name: str
    region: Region | None


def _segments_of(node: Any, reference: Grid, in_parent: bool) -> Iterator[_Drawn]:
    """The segments in world space; `reference` says how finely surfaces become voxels."""
    world = parents_of(node) if in_parent else np.eye(4)
    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and not segmentation.ContainsRepresentation(LABELMAP):
        segmentation = _with_labelmaps(segmentation, reference.moved_by(np.linalg.inv(world)), node.GetName())
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        region = _region_of(segment)
        if region is not None and in_parent:
            region = replace(region, grid=_moved(region.grid, world, node.GetName()))
        yield _Drawn(segmentation.GetNthSegmentID(number), segment.GetName(), region)


def _with_labelmaps(segmentation: Any, reference: Grid, name: str) -> Any:
    """A copy of a vtkSegmentation that has binary labelmaps."""
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    converter = slicer.vtkSegmentationConverter
    copy.SetConversionParameter(
        converter.GetReferenceImageGeometryParameterName(), converter.SerializeImageGeometry(empty_labelmap(reference))
    )
    if not copy.CreateRepresentation(LABELMAP):
        raise InputError(
            f"The segments of '{name}' cannot be converted to voxels. Create their binary labelmap in the "
            "Segmentations "
            "module first."
        )
    return copy


def _moved(grid: Grid, world: NDArray, name: str) -> Grid:
    try:
        return grid.moved_by(world)
    except Tell2RegError as error:
        raise type(error)(f"'{name}' cannot be used under its transform: {error}") from error


def _region_of(segment: Any) -> Region | None:
    """A segment as it was drawn, in its own coordinates."""
    image = segment.GetRepresentation(LABELMAP)
    if image is None or image.GetPointData().GetScalars() is None or image.GetNumberOfPoints() == 0:
        return None
    mask = voxels_of(image) == segment.GetLabelValue()
    box = bounding_box(mask)
    if box is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    score = tag_of(segment, SCORE_TAG)
    return Region(
        segment.GetName(),
        mask[box].copy(),
        tuple(side.start for side in box),  # type: ignore[arg-type]
        grid_from_matrix(matrix, image.GetExtent()),
        prompt=tag_of(segment, PROMPT_TAG),
        score=float(score) if score else None,
        color=segment.GetColor(),
    )


def _on_grid(region: Region, grid: Grid) -> Region | None:
    """The region on a volume's grid; None when nothing of it lies there."""
    to_index = grid.lps_to_index_matrix @ region.grid.index_to_lps_matrix
    shift = np.round(to_index[:3, 3]).astype(int)
    corners = region.box_grid.corners_lps_mm()
    off = grid.lps_to_index(corners) - region.grid.lps_to_index(corners) - shift
    if np.abs(off).max() > SAME_LATTICE_VOXELS:
        return resample_region(region, grid)
    start = np.add(region.start_kji, shift[::-1])
    low = np.maximum(start, 0)
    high = np.minimum(start + region.box_kji.shape, grid.shape_kji)
    if np.any(high <= low):
        return None
    cropped = region.box_kji[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    box = bounding_box(cropped)
    if box is None:
        return None
    k, j, i = (int(a + side.start) for a, side in zip(low, box, strict=True))
    return replace(region, box_kji=cropped[box].copy(), start_kji=(k, j, i), grid=grid)


# --- library -> scene ---


def segmentation_from_regions(
    scene: Any, name: str, regions: Sequence[Region], volume_node: Any, more: Sequence[Mapping[str, Any]] = ()
) -> tuple[Any, list[str]]:
    """Regions as a vtkMRMLSegmentationNode without parent transform, one segment each, and the segments' IDs.

    Name, colour, prompt, score and terminology come from the region; the reference geometry is that of the volume node
    where it lies in the world. Segments that do not overlap share a layer.

    Args:
        more: what else to say about each region, as for `describe_segment`. Said here it costs nothing; of a segment
            that is in a scene Slicer makes its lists and views anew after every change.
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetOpacity2DFill(FILL)  # outlines are what a person compares with the image below
    if volume_node is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    labelmaps, more = shared_labelmaps(regions), more or [{}] * len(regions)
    ids = [
        _add_segment(node, region, *labelmap, description)
        for region, labelmap, description in zip(regions, labelmaps, more, strict=True)
    ]
    return node, ids


def _add_segment(node: Any, region: Region, labelmap: Any, label: int, more: Mapping[str, Any]) -> str:
    segment = slicer.vtkSegment()
    segment.SetName(region.name)
    segment.AddRepresentation(LABELMAP, labelmap)
    segment.SetLabelValue(label)
    said = {"name": region.name, "color": region.color, "prompt": region.prompt or None, "score": region.score}
    _describe(segment, **{**said, **more})
    if not node.GetSegmentation().AddSegment(segment):
        raise InputError(f"'{region.name}' cannot be added to '{node.GetName()}': Slicer refused the segment.")
    _describe(segment, color=region.color)  # AddSegment takes medium grey for no colour at all, and chooses another one
    return node.GetSegmentation().GetSegmentIdBySegment(segment)


# --- what is said about a segment ---


def describe_segment(node: Any, segment_id: str, **said: Any) -> None:
    """Say something about a segment; what is None or not given stays as it is.

    Args:
        node: vtkMRMLSegmentationNode.
        segment_id: which segment.
        said: any of these.
            name, color: as shown. A known name or prompt also sets the terminology (`terminology`).
            status: "accepted" (shown as completed), "rejected" (flagged), "unpaired" or "waiting" (not started).
            similarity, prompt, score: kept as tags.

    Raises:
        InputError: there is no such segment.
    """
    _describe(segment_of(node, segment_id), **said)


def _describe(
    segment: Any,
    *,
    name: str | None = None,
    color: Color | None = None,
    status: str | None = None,
    similarity: float | None = None,
    prompt: str | None = None,
    score: float | None = None,
) -> None:
    if name is not None:
        _forget_terminology_of(segment, name)
        segment.SetName(name)
        segment.SetNameAutoGenerated(False)
    if color is not None:
        segment.SetColor(*color)
        segment.SetColorAutoGenerated(False)
    numbers = {SIMILARITY_TAG: similarity, SCORE_TAG: score}
    tags = {tag: repr(float(value)) for tag, value in numbers.items() if value is not None}
    tags |= {tag: text for tag, text in {PROMPT_TAG: prompt, STATUS_TAG: status}.items() if text is not None}
    entry = terminology_entry(name or "") or terminology_entry(prompt or "")
    if entry:
        tags[slicer.vtkSegment.GetTerminologyEntryTagName()] = entry
    for tag, text in tags.items():
        if tag_of(segment, tag) != text:
            segment.SetTag(tag, text)
    if status is not None:
        _set_status(segment, status)


def _forget_terminology_of(segment: Any, new_name: str) -> None:
    """A segment that is called otherwise now is no longer the anatomy that its old name meant."""
    tag = slicer.vtkSegment.GetTerminologyEntryTagName()
    old = terminology_entry(segment.GetName() or "")
    if old and segment.GetName() != new_name and tag_of(segment, tag) == old:
        segment.RemoveTag(tag)


def _set_status(segment: Any, status: str) -> None:
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    status_value = {"accepted": logic.Completed, "rejected": logic.Flagged}.get(status, logic.NotStarted)
    if logic.GetSegmentStatus(segment) != status_value:
        logic.SetSegmentStatus(segment, status_value)


def segment_of(node: Any, segment_id: str) -> Any:
    """The vtkSegment with an ID.

    Raises:
        InputError: there is none.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise InputError(f"'{node.GetName()}' no longer has the segment '{segment_id}'; find the regions again.")
    return segment


def tag_of(segment: Any, tag: str) -> str:
    """A segment's tag; "" when it has none of that name."""
    text = vtk.reference("")
    return str(text) if segment.GetTag(tag, text) else ""


# --- propagation ---


def propagate_segmentation(node: Any, transform: Transform, target_volume_node: Any, scene: Any, name: str) -> Any:
    """A copy of a segmentation, carried by a transform to the space of the target volume; the node is not changed.

    Args:
        node: vtkMRMLSegmentationNode in moving space, under linear transforms or none.
        transform: fixed to moving.
        target_volume_node: the volume in fixed space that the copy refers to.
        scene: where to add the copy.
        name: the copy's name.

    Raises:
        InputError, GeometryError: as `regions_from_segmentation`.
        NothingFound: no segment lands in the volume.
    """
    drawn = list(_segments_of(node, transform.moving_to_fixed.grid, in_parent=True))
    warped = [
        (drawn_segment.id, warp_region(drawn_segment.region, transform))
        for drawn_segment in drawn
        if drawn_segment.region is not None
    ]
    landed = [(source, region) for source, region in warped if region is not None]
    if not landed:
        raise NothingFound(f"No segment of '{node.GetName()}' is inside '{target_volume_node.GetName()}'.")
    copy, ids = segmentation_from_regions(scene, name, [region for _, region in landed], target_volume_node)
    for (source, _), target in zip(landed, ids, strict=True):
        _copy_description(node.GetSegmentation().GetSegment(source), copy.GetSegmentation().GetSegment(target))
    return copy


def _copy_description(source: Any, target: Any) -> None:
    """Name, colour and tags; the label value stays the target's own."""
    label = target.GetLabelValue()
    target.DeepCopyMetadata(source)
    target.SetLabelValue(label)
