"""Regions from segmentations that exist already: drawn by a person, or made by another tool.

Read are label maps of any image format, Slicer's .seg.nrrd with one layer or several (where segments overlap), and
folders with one mask file per region. Slicer segmentations are written by segmentation_file.py.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.region_sources.segmentation_file import PROMPT_TAG, SCORE_TAG, difference_in_words, write_segmentation
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.image_files import read_image
from Tell2RegLib.space.region import Color, Region, bounding_box
from Tell2RegLib.space.volume import array_of, grid_of

__all__ = ["MASK_ENDINGS", "MOST_LABELS", "read_regions", "write_segmentation"]

log = logging.getLogger(__name__)

MOST_LABELS = 1000
"""A label map with more labels than this is taken for an image."""

MASK_ENDINGS = (".nii", ".nii.gz", ".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".gipl", ".gipl.gz", ".hdr")
"""Files that count as masks in a folder; all others are passed over."""

Slices = tuple[slice, slice, slice]


# --- reading ---


def read_regions(path: str | Path, grid: Grid | None = None) -> tuple[Region, ...]:
    """The regions of a label map, a Slicer segmentation or a folder of masks, in the order of the file.

    Regions of a plain label map are called "label 3"; a mask in a folder is called like its file. Empty ones are left
    out (logged). Of several regions with one name the second gets " 2", the third " 3".

    Args:
        path: an image file of whole numbers, a .seg.nrrd, or a folder of mask files.
        grid: the grid of the volume that the regions belong to; the file's own when None. The file may cover another
            extent of the same lattice (Slicer saves segmentations cropped), and store its axes in another order or
            direction; what lies outside the volume is cut off.

    Raises:
        InputError: missing, not a label map, malformed, or without any region.
        GeometryError: on another lattice than `grid`.
    """
    path = Path(path)
    regions = _in_folder(path, grid) if path.is_dir() else _in_file(path, grid)
    unique = _with_unique_names(regions)
    if not unique:
        raise InputError(f"'{path.name}' holds no region: nothing in it is labelled inside the volume.")
    return unique


@dataclass(frozen=True)
class _Segment:
    """What a file says about one region."""

    name: str
    label: int
    layer: int = 0
    color: Color | None = None
    prompt: str = ""
    score: float | None = None


@dataclass(frozen=True, eq=False)
class _LabelMap:
    """The layers of a file, whole numbers from 0, (K, J, I) each, and where they lie."""

    layers: tuple[NDArray, ...]
    grid: Grid
    boxes: tuple[dict[int, Slices], ...]
    segments: tuple[_Segment, ...]
    name: str


def _in_file(path: Path, grid: Grid | None) -> Iterator[Region]:
    labels = _read_label_map(path)
    segments = labels.segments
    if not segments and len(labels.layers) > 1:
        raise InputError(
            f"'{labels.name}' has {len(labels.layers)} values per voxel but names no segments. Save it as a label map "
            "with one value per voxel, or as a Slicer segmentation (.seg.nrrd)."
        )
    if segments:
        _log_unnamed(labels)
    segments = segments or tuple(_Segment(f"label {label}", label) for label in labels.boxes[0])
    yield from _regions_of(labels, segments, grid or labels.grid)


def _log_unnamed(labels: _LabelMap) -> None:
    named = {(segment.layer, segment.label) for segment in labels.segments}
    unnamed = [label for n, boxes in enumerate(labels.boxes) for label in boxes if (n, label) not in named]
    if unnamed:
        log.warning("'%s': no segment has the label %s; left out.", labels.name, _shortened(unnamed))


def _in_folder(folder: Path, grid: Grid | None) -> Iterator[Region]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and _stem(path) is not None)
    if not files:
        raise InputError(
            f"The folder '{folder.name}' holds no mask files. It should hold one image per region (.nii.gz, .nrrd, "
            ".mha, ...), named after the region."
        )
    for path in files:
        labels = _read_label_map(path)
        held = [label for boxes in labels.boxes for label in boxes]
        if len(held) > 1 or len(labels.layers) > 1:
            raise InputError(
                f"'{path.name}' holds several regions (labels {_shortened(held)}), but a mask in a folder holds one. "
                "Give that file itself instead of its folder, or split it."
            )
        grid = grid or labels.grid
        yield from _regions_of(labels, [_Segment(_stem(path) or path.name, held[0] if held else 1)], grid)


def _stem(path: Path) -> str | None:
    """The file's name without its ending; None when it is no mask file."""
    if path.name.startswith("."):
        return None
    endings = [ending for ending in MASK_ENDINGS if path.name.lower().endswith(ending)]
    return path.name[: -max(map(len, endings))] if endings else None


def _regions_of(labels: _LabelMap, segments: Sequence[_Segment], grid: Grid) -> Iterator[Region]:
    labels = _along_axes_of(labels, grid)
    offset = _offset_kji(labels.grid, grid, labels.name)
    for segment in segments:
        if not 0 <= segment.layer < len(labels.layers):
            raise InputError(
                f"The segment '{segment.name}' of '{labels.name}' should be in layer {segment.layer}, but the file "
                f"has {len(labels.layers)}. Save the segmentation again."
            )
        box = labels.boxes[segment.layer].get(segment.label)
        if box is None:
            log.warning("'%s': the region '%s' is empty and left out.", labels.name, segment.name)
            continue
        mask = labels.layers[segment.layer][box] == segment.label
        region = _region_at(np.add([s.start for s in box], offset), mask, segment, grid)
        if region is None:
            log.warning("'%s': the region '%s' lies outside the volume and is left out.", labels.name, segment.name)
        else:
            yield region


def _region_at(start_kji: NDArray, mask_kji: NDArray, segment: _Segment, grid: Grid) -> Region | None:
    """The region whose mask starts at a voxel of the grid, cut to the grid; None when nothing is left."""
    low = np.maximum(start_kji, 0)
    high = np.minimum(start_kji + mask_kji.shape, grid.shape_kji)
    if np.any(high <= low):
        return None
    inside = mask_kji[tuple(slice(a, b) for a, b in zip(low - start_kji, high - start_kji, strict=True))]
    box = bounding_box(inside)
    if box is None:
        return None
    lost = int(mask_kji.sum() - inside.sum())
    if lost:
        log.warning("%d voxels of the region '%s' lie outside the volume and are cut off.", lost, segment.name)
    k, j, i = (int(a + s.start) for a, s in zip(low, box, strict=True))
    return Region(segment.name, inside[box].copy(), (k, j, i), grid, segment.prompt, segment.score, segment.color)


def _with_unique_names(regions: Iterator[Region]) -> tuple[Region, ...]:
    taken: set[str] = set()
    unique = []
    for region in regions:
        name, number = region.name, 1
        while name in taken:
            number += 1
            name = f"{region.name} {number}"
        taken.add(name)
        unique.append(replace(region, name=name))
    return tuple(unique)


# --- lattices ---


def _along_axes_of(labels: _LabelMap, grid: Grid) -> _LabelMap:
    """The same voxels stored in the order of the grid's axes; unchanged where the axes run otherwise."""
    own = labels.grid
    turn = grid.lps_to_index_matrix[:3, :3] @ own.index_to_lps_matrix[:3, :3]
    signs = np.rint(turn).astype(np.int64)
    if np.abs(turn - signs).max() > 0.01 or not np.array_equal(np.abs(signs @ signs.T), np.eye(3)):
        return labels
    axes = np.abs(signs).argmax(axis=1)  # for i, j, k of the grid, which of the file's axes that is
    flipped = signs.sum(axis=1) < 0
    if axes.tolist() == [0, 1, 2] and not flipped.any():
        return labels
    steps = np.where(flipped, -1, 1)
    first_ijk = np.where(signs.sum(axis=0) < 0, np.asarray(own.size_xyz) - 1, 0)
    turned = Grid(
        tuple(own.size_xyz[axis] for axis in axes),  # type: ignore[arg-type]
        tuple(own.spacing_mm[axis] for axis in axes),  # type: ignore[arg-type]
        tuple(own.index_to_lps(first_ijk)),
        tuple((np.reshape(own.direction, (3, 3))[:, axes] * steps).ravel()),
    )
    order_kji, steps_kji = tuple(2 - axes[::-1]), tuple(slice(None, None, step) for step in steps[::-1])
    layers = tuple(np.ascontiguousarray(layer.transpose(order_kji)[steps_kji]) for layer in labels.layers)
    boxes = tuple(_boxes(layer, labels.name) for layer in layers)
    return replace(labels, layers=layers, grid=turned, boxes=boxes)


def _offset_kji(own: Grid, grid: Grid, name: str) -> NDArray:
    """Where the first voxel of a grid lies on another grid of the same lattice."""
    start_ijk = np.rint(grid.lps_to_index(own.origin_lps_mm)).astype(np.int64)
    tolerance_mm = max(1e-3, 0.01 * min(grid.spacing_mm))
    if not grid.crop(start_ijk, own.size_xyz).same_space(own, tolerance_mm):
        raise GeometryError(
            f"'{name}' does not lie on the voxels of the volume: it has {difference_in_words(own, grid)}. Resample it "
            "to the volume's grid without interpolating labels; in Slicer, export the segmentation as a label map with "
            "the volume as reference."
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
        raise GeometryError(f"'{name}' cannot be placed in space: {error}") from error
    array = _whole_numbers(array_of(image), name)
    layers = tuple(np.ascontiguousarray(array[..., n]) for n in range(array.shape[3])) if array.ndim == 4 else (array,)
    boxes = tuple(_boxes(layer, name) for layer in layers)
    return _LabelMap(layers, grid, boxes, tuple(_segments_of(image, name)), name)


def _whole_numbers(array: NDArray, name: str) -> NDArray:
    """The values as integers from 0."""
    if array.dtype.kind not in "iuf":
        raise InputError(f"'{name}' holds complex numbers, so it is not a label map.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"'{name}' holds NaN or infinite values, so it is not a label map.")
        odd = array[array != np.rint(array)]
        if odd.size:
            raise InputError(
                f"'{name}' holds values that are not whole numbers (such as {odd[0]:.4g}): it looks like an image or "
                "a map of probabilities, not a label map."
            )
    low, high = array.min(), array.max()
    if low < 0:
        raise InputError(f"'{name}' holds negative values (down to {low:.6g}), but a label map has 0, 1, 2, 3... only.")
    if high >= 2**31:
        raise InputError(f"'{name}' holds values up to {high:.4g}: it looks like an image, not a label map.")
    return array.astype(np.int32) if array.dtype.kind == "f" or array.dtype.itemsize > 4 else array


def _boxes(layer_kji: NDArray, name: str) -> dict[int, Slices]:
    """The box of every label but 0, by label, in rising order."""
    from scipy.ndimage import find_objects

    if int(layer_kji.max()) < 2**16:
        count = np.zeros(int(layer_kji.max()) + 1, dtype=np.int64)
        for plane in layer_kji:
            count += np.bincount(plane.ravel(), minlength=count.size)
        labels = np.flatnonzero(count)
    else:
        labels = np.unique(layer_kji)
    labels = labels[labels != 0]
    if labels.size > MOST_LABELS:
        raise InputError(f"'{name}' holds {labels.size} different values: it looks like an image, not a label map.")
    if labels.size and labels[-1] >= 2**16:
        found = find_objects(np.where(layer_kji == 0, 0, np.searchsorted(labels, layer_kji) + 1))
    else:
        found = [box for box in find_objects(layer_kji) if box is not None]
    return dict(zip(labels.tolist(), found, strict=True))


def _shortened(values: Sequence[object], most: int = 8) -> str:
    words = ", ".join(map(str, values[:most]))
    return words if len(values) <= most else f"{words} and {len(values) - most} more"


# --- Slicer's header fields ---


def _segments_of(image: sitk.Image, name: str) -> Iterator[_Segment]:
    """The segments that a Slicer segmentation names, in its order; none for other files.

    Slicer before 4.11 wrote no layers and no label values: segment n is the ones of layer n.
    """
    layers = image.GetNumberOfComponentsPerPixel()
    number = 0
    while fields := _fields_of(image, number):
        tags = dict(pair.split(":", 1) for pair in fields.get("Tags", "").split("|") if ":" in pair)
        yield _Segment(
            fields.get("Name") or fields.get("ID") or f"segment {number + 1}",
            _whole(fields.get("LabelValue", "1"), number, name),
            _whole(fields.get("Layer", str(number if layers > 1 else 0)), number, name),
            _color_in(fields.get("Color", "")),
            tags.get(PROMPT_TAG, ""),
            _score_in(tags.get(SCORE_TAG, "")),
        )
        number += 1


def _fields_of(image: sitk.Image, number: int) -> dict[str, str]:
    keys = {key: f"Segment{number}_{key}" for key in ("ID", "Name", "LabelValue", "Layer", "Color", "Tags")}
    raw = {key: image.GetMetaData(full) for key, full in keys.items() if image.HasMetaDataKey(full)}
    # Bytes that are not UTF-8 come as lone surrogates, which no file could be written with.
    return {key: v.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip() for key, v in raw.items()}


def _whole(text: str, number: int, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"Segment {number} of '{name}' has '{text}' where a whole number is needed.") from error


def _numbers_0_to_1(text: str) -> list[float] | None:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return None
    return numbers if all(math.isfinite(n) and 0 <= n <= 1 for n in numbers) else None


def _color_in(text: str) -> Color | None:
    numbers = _numbers_0_to_1(text)
    return (numbers[0], numbers[1], numbers[2]) if numbers is not None and len(numbers) == 3 else None


def _score_in(text: str) -> float | None:
    numbers = _numbers_0_to_1(text)
    return numbers[0] if numbers is not None and len(numbers) == 1 else None
