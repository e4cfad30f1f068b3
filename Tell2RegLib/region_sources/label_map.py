"""Reads regions from existing segmentations, drawn by a person or produced by another tool.

Supported are label maps in any image format, Slicer's .seg.nrrd with one or several layers (for overlapping segments),
and folders with one mask file per region. segmentation_file.py writes Slicer segmentations.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.region_sources.label_names import chosen_regions, names_in_nifti
from Tell2RegLib.region_sources.segmentation_file import PROMPT_TAG, SCORE_TAG, grid_difference_text, write_segmentation
from Tell2RegLib.space.grid import Grid, VoxelBox
from Tell2RegLib.space.image_files import read_image
from Tell2RegLib.space.region import Color, Region, bounding_box
from Tell2RegLib.space.region_resampling import resample_region
from Tell2RegLib.space.volume import array_of, grid_of

__all__ = ["MASK_ENDINGS", "MAX_LABELS", "read_regions", "write_segmentation"]

log = logging.getLogger(__name__)

MAX_LABELS = 1000
"""A file with more different values than this is considered an image, not a label map."""

MASK_ENDINGS = (".nii", ".nii.gz", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".gipl.gz", ".hdr")
"""Extensions of mask files in a folder; other files are ignored."""


# --- reading ---


def read_regions(
    path: str | Path,
    grid: Grid | None = None,
    *,
    names: Mapping[int, str] | None = None,
    only: Sequence[str] = (),
    resample: bool = False,
) -> tuple[Region, ...]:
    """Read the regions of a label map, a Slicer segmentation or a folder of masks, in the order of the file.

    Regions of a plain label map have the names of `names`, else those in a NIfTI header, else "label 3"; a mask in a
    folder is named after its file. Empty regions are omitted (logged). Of several regions with the same name, the
    second gets the suffix " 2", the third " 3".

    Args:
        path: an image file with integer values, a .seg.nrrd, or a folder of mask files.
        grid: the grid of the volume to which the regions belong; that of the file when None. The file may cover another
            extent of the same voxel lattice (Slicer crops segmentations) and store its axes in another order or
            direction; voxels outside the volume are cropped.
        names: names of the labels of a plain label map; labels without one are called "label 3".
        only: names of the regions to read, compared without case and separators; all when empty.
        resample: resample regions whose voxels do not coincide with those of `grid`, instead of refusing them.

    Raises:
        InputError: missing, not a label map, malformed, without any region, or without one of those in `only`.
        GeometryError: the voxels of the file do not coincide with those of `grid`.
    """
    path = Path(path)
    regions = _in_folder(path, grid, resample) if path.is_dir() else _in_file(path, grid, names or {}, resample)
    unique = _with_unique_names(regions)
    if not unique:
        raise InputError(f"'{path.name}' contains no region: no voxel inside the volume is labelled.")
    return chosen_regions(unique, only, path.name) if only else unique


@dataclass(frozen=True)
class _Segment:
    """The metadata of one region in a file."""

    name: str
    label: int
    layer: int = 0
    color: Color | None = None
    prompt: str = ""
    score: float | None = None


@dataclass(frozen=True, eq=False)
class _LabelMap:
    """The layers of a file, (K, J, I) each, non-negative integers, with their grid and the boxes of their labels."""

    layers: tuple[NDArray, ...]
    grid: Grid
    boxes: tuple[dict[int, VoxelBox], ...]
    segments: tuple[_Segment, ...]
    name: str


def _in_file(path: Path, grid: Grid | None, names: Mapping[int, str], resample: bool) -> Iterator[Region]:
    labels = _read_label_map(path)
    segments = labels.segments
    if not segments and len(labels.layers) > 1:
        raise InputError(
            f"'{labels.name}' has {len(labels.layers)} values per voxel but names no segments. Save it as a label map "
            "with one value per voxel, or as a Slicer segmentation (.seg.nrrd)."
        )
    if segments:
        _log_unnamed(labels)
    if not segments:
        names = names or names_in_nifti(path)
        segments = tuple(_Segment(names.get(label, f"label {label}"), label) for label in labels.boxes[0])
    yield from _placed(labels, segments, grid or labels.grid, resample)


def _log_unnamed(labels: _LabelMap) -> None:
    named = {(segment.layer, segment.label) for segment in labels.segments}
    unnamed = [label for n, boxes in enumerate(labels.boxes) for label in boxes if (n, label) not in named]
    if unnamed:
        log.warning("'%s': no segment has the label %s; ignored.", labels.name, _shortened(unnamed))


def _in_folder(folder: Path, grid: Grid | None, resample: bool) -> Iterator[Region]:
    files = sorted(path for path in folder.iterdir() if not path.is_dir() and _stem(path) is not None)
    if not files:
        raise InputError(
            f"The folder '{folder.name}' contains no mask files. It must contain one image per region (.nii.gz, .nrrd, "
            ".mha, ...), named after the region."
        )
    for path in files:
        labels = _read_label_map(path)
        mask_labels = [label for boxes in labels.boxes for label in boxes]
        if len(mask_labels) > 1 or len(labels.layers) > 1:
            raise InputError(
                f"'{path.name}' contains several regions (labels {_shortened(mask_labels)}), but a mask in a folder "
                "must "
                "contain one. Choose that file instead of its folder, or split it."
            )
        grid = grid or labels.grid
        segments = [_Segment(_stem(path) or path.name, mask_labels[0] if mask_labels else 1)]
        yield from _placed(labels, segments, grid, resample)


def is_mask_folder(path: Path) -> bool:
    """Whether a path is a folder with mask files, rather than a DICOM series."""
    return path.is_dir() and any(_stem(file) is not None for file in path.iterdir())


def _stem(path: Path) -> str | None:
    """The file's name without its extension; None when it is not a mask file."""
    if path.name.startswith("."):
        return None
    endings = [ending for ending in MASK_ENDINGS if path.name.lower().endswith(ending)]
    return path.name[: -max(map(len, endings))] if endings else None


def _placed(labels: _LabelMap, segments: Sequence[_Segment], grid: Grid, resample: bool) -> Iterator[Region]:
    """The regions on a grid, resampled if they must be and may be."""
    try:
        yield from _regions_of(labels, segments, grid)
        return
    except GeometryError:
        if not resample:
            raise
    for region in _regions_of(labels, segments, labels.grid):
        placed = resample_region(region, grid)
        if placed is None:
            log.warning("'%s': the region '%s' is outside the volume and was omitted.", labels.name, region.name)
        else:
            yield placed


def _regions_of(labels: _LabelMap, segments: Sequence[_Segment], grid: Grid) -> Iterator[Region]:
    labels = _reoriented(labels, grid)
    offset = _offset_kji(labels.grid, grid, labels.name)
    for segment in segments:
        if not 0 <= segment.layer < len(labels.layers):
            raise InputError(
                f"The segment '{segment.name}' of '{labels.name}' should be in layer {segment.layer}, but the file "
                f"has {len(labels.layers)}. Save the segmentation again."
            )
        box = labels.boxes[segment.layer].get(segment.label)
        if box is None:
            log.warning("'%s': the region '%s' is empty and was omitted.", labels.name, segment.name)
            continue
        mask = labels.layers[segment.layer][box] == segment.label
        region = _region_at(np.add([s.start for s in box], offset), mask, segment, grid)
        if region is None:
            log.warning("'%s': the region '%s' is outside the volume and was omitted.", labels.name, segment.name)
        else:
            yield region


def _region_at(start_kji: NDArray, mask_kji: NDArray, segment: _Segment, grid: Grid) -> Region | None:
    """The region whose mask starts at a voxel of the grid, cropped to the grid; None when it is outside."""
    low = np.maximum(start_kji, 0)
    high = np.minimum(start_kji + mask_kji.shape, grid.shape_kji)
    if np.any(high <= low):
        return None
    inside = mask_kji[tuple(slice(a, b) for a, b in zip(low - start_kji, high - start_kji, strict=True))]
    box = bounding_box(inside)
    if box is None:
        return None
    voxels_outside = int(mask_kji.sum() - inside.sum())
    if voxels_outside:
        log.warning(
            "%d voxels of the region '%s' are outside the volume and were cropped.", voxels_outside, segment.name
        )
    k, j, i = (int(a + s.start) for a, s in zip(low, box, strict=True))
    return Region(segment.name, inside[box].copy(), (k, j, i), grid, segment.prompt, segment.score, segment.color)


def _with_unique_names(regions: Iterator[Region]) -> tuple[Region, ...]:
    used_names: set[str] = set()
    unique = []
    for region in regions:
        name, number = region.name, 1
        while name in used_names:
            number += 1
            name = f"{region.name} {number}"
        used_names.add(name)
        unique.append(replace(region, name=name))
    return tuple(unique)


# --- lattices ---


def _reoriented(labels: _LabelMap, grid: Grid) -> _LabelMap:
    """The same voxels, stored in the axis order of the grid; unchanged where the axes are not parallel to the
    grid's."""
    file_grid = labels.grid
    index_to_index = grid.lps_to_index_matrix[:3, :3] @ file_grid.index_to_lps_matrix[:3, :3]
    signs = np.rint(index_to_index).astype(np.int64)
    if np.abs(index_to_index - signs).max() > 0.01 or not np.array_equal(np.abs(signs @ signs.T), np.eye(3)):
        return labels
    axes = np.abs(signs).argmax(axis=1)  # for i, j, k of the grid, which of the file's axes that is
    is_flipped = signs.sum(axis=1) < 0
    if axes.tolist() == [0, 1, 2] and not is_flipped.any():
        return labels
    steps = np.where(is_flipped, -1, 1)
    first_ijk = np.where(signs.sum(axis=0) < 0, np.asarray(file_grid.size_xyz) - 1, 0)
    reoriented_grid = Grid(
        tuple(file_grid.size_xyz[axis] for axis in axes),  # type: ignore[arg-type]
        tuple(file_grid.spacing_mm[axis] for axis in axes),  # type: ignore[arg-type]
        tuple(file_grid.index_to_lps(first_ijk)),
        tuple((np.reshape(file_grid.direction, (3, 3))[:, axes] * steps).ravel()),
    )
    order_kji, steps_kji = tuple(2 - axes[::-1]), tuple(slice(None, None, step) for step in steps[::-1])
    layers = tuple(np.ascontiguousarray(layer.transpose(order_kji)[steps_kji]) for layer in labels.layers)
    boxes = tuple(_boxes(layer, labels.name) for layer in layers)
    return replace(labels, layers=layers, grid=reoriented_grid, boxes=boxes)


def _offset_kji(file_grid: Grid, grid: Grid, name: str) -> NDArray:
    """Index (k, j, i) of the first voxel of a file's grid on another grid of the same lattice."""
    start_ijk = np.rint(grid.lps_to_index(file_grid.origin_lps_mm)).astype(np.int64)
    tolerance_mm = max(1e-3, 0.01 * min(grid.spacing_mm))
    if not grid.crop(start_ijk, file_grid.size_xyz).same_space(file_grid, tolerance_mm):
        raise GeometryError(
            f"'{name}' does not match the voxels of the volume: it has {grid_difference_text(file_grid, grid)}. "
            "Use --resample-regions, or in Slicer export the segmentation as a label map with the volume as reference."
        )
    return start_ijk[::-1]


# --- label values ---


def _read_label_map(path: Path) -> _LabelMap:
    name = path.name
    image = read_image(path)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise InputError(
            f"'{name}' is {image.GetDimension()}-D with size {image.GetSize()}; a 3-D label map is needed."
        )
    try:
        grid = grid_of(image)
    except GeometryError as error:
        raise GeometryError(f"'{name}' has an unusable geometry: {error}") from error
    array = _as_integers(array_of(image), name)
    layers = tuple(np.ascontiguousarray(array[..., n]) for n in range(array.shape[3])) if array.ndim == 4 else (array,)
    boxes = tuple(_boxes(layer, name) for layer in layers)
    return _LabelMap(layers, grid, boxes, tuple(_segments_of(image, name)), name)


def _as_integers(array: NDArray, name: str) -> NDArray:
    """The values as non-negative integers."""
    if array.dtype.kind not in "iuf":
        raise InputError(f"'{name}' contains complex numbers, so it is not a label map.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"'{name}' contains NaN or infinite values, so it is not a label map.")
        fractions = array[array != np.rint(array)]
        if fractions.size:
            raise InputError(
                f"'{name}' contains values that are not whole numbers (such as {fractions[0]:.4g}): it looks like an "
                "image or "
                "a map of probabilities, not a label map."
            )
    low, high = array.min(), array.max()
    if low < 0:
        raise InputError(f"'{name}' contains negative values (down to {low:.6g}), but the labels must be 0, 1, 2, 3...")
    if high >= 2**31:
        raise InputError(f"'{name}' contains values up to {high:.4g}: it looks like an image, not a label map.")
    return array.astype(np.int32) if array.dtype.kind == "f" or array.dtype.itemsize > 4 else array


def _boxes(layer_kji: NDArray, name: str) -> dict[int, VoxelBox]:
    """The box of every label except 0, in increasing order of the labels."""
    from scipy.ndimage import find_objects

    if int(layer_kji.max()) < 2**16:
        count = np.zeros(int(layer_kji.max()) + 1, dtype=np.int64)
        for plane in layer_kji:
            count += np.bincount(plane.ravel(), minlength=count.size)
        labels = np.flatnonzero(count)
    else:
        labels = np.unique(layer_kji)
    labels = labels[labels != 0]
    if labels.size > MAX_LABELS:
        raise InputError(f"'{name}' contains {labels.size} different values: it looks like an image, not a label map.")
    if labels.size and labels[-1] >= 2**16:
        boxes = find_objects(np.where(layer_kji == 0, 0, np.searchsorted(labels, layer_kji) + 1))
    else:
        boxes = [box for box in find_objects(layer_kji) if box is not None]
    return dict(zip(labels.tolist(), boxes, strict=True))


def _shortened(values: Sequence[object], limit: int = 8) -> str:
    listed = ", ".join(map(str, values[:limit]))
    return listed if len(values) <= limit else f"{listed} and {len(values) - limit} more"


# --- Slicer's header fields ---


def _segments_of(image: sitk.Image, name: str) -> Iterator[_Segment]:
    """The segments in the header of a Slicer segmentation, in its order; none for other files.

    Slicer before 4.11 wrote neither layers nor label values: segment n consists of the ones in layer n.
    """
    layers = image.GetNumberOfComponentsPerPixel()
    number = 0
    while fields := _fields_of(image, number):
        tags = dict(pair.split(":", 1) for pair in fields.get("Tags", "").split("|") if ":" in pair)
        yield _Segment(
            fields.get("Name") or fields.get("ID") or f"segment {number + 1}",
            _integer(fields.get("LabelValue", "1"), number, name),
            _integer(fields.get("Layer", str(number if layers > 1 else 0)), number, name),
            _color_in(fields.get("Color", "")),
            tags.get(PROMPT_TAG, ""),
            _score_in(tags.get(SCORE_TAG, "")),
        )
        number += 1


def _fields_of(image: sitk.Image, number: int) -> dict[str, str]:
    keys = {key: f"Segment{number}_{key}" for key in ("ID", "Name", "LabelValue", "Layer", "Color", "Tags")}
    raw = {
        key: image.GetMetaData(metadata_key) for key, metadata_key in keys.items() if image.HasMetaDataKey(metadata_key)
    }
    # Bytes that are not UTF-8 arrive as lone surrogates, which cannot be written to a file.
    return {
        key: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip() for key, value in raw.items()
    }


def _integer(text: str, number: int, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"Segment {number} of '{name}' has '{text}' where a whole number is needed.") from error


def _numbers_0_to_1(text: str) -> list[float] | None:
    try:
        numbers = [float(token) for token in text.split()]
    except ValueError:
        return None
    return numbers if all(math.isfinite(n) and 0 <= n <= 1 for n in numbers) else None


def _color_in(text: str) -> Color | None:
    numbers = _numbers_0_to_1(text)
    return (numbers[0], numbers[1], numbers[2]) if numbers is not None and len(numbers) == 3 else None


def _score_in(text: str) -> float | None:
    numbers = _numbers_0_to_1(text)
    return numbers[0] if numbers is not None and len(numbers) == 1 else None
