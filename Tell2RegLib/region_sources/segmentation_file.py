"""Writes regions as Slicer segmentations (.seg.nrrd).

The header is written here because SimpleITK marks the axis of layers as `vector`, that is directions in space. Slicer
reads that too, but writes `list`, which prevents other programs from taking layers for displacements. Equal regions
give equal bytes, and the header contains only the fields that Slicer writes.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region
from Tell2RegLib.support.complete_file import complete_file

PROMPT_TAG, SCORE_TAG = "Tell2Reg.Prompt", "Tell2Reg.Score"
"""Segment tags of a region's prompt and score."""

Tags = Mapping[str, str]


def write_segmentation(
    regions: Sequence[Region], path: str | Path, *, grid: Grid | None = None, tags: Tags | Sequence[Tags] = ()
) -> None:
    """Write regions as a Slicer segmentation, one segment per region, in their order.

    The file is 3-D without overlapping regions; otherwise it has as few layers as the order allows. Prompts and scores
    are stored as tags; a region without a colour gets that of its number.

    Args:
        regions: all on one grid; may be empty if `grid` is given.
        path: the file to write; must end in .seg.nrrd, by which Slicer recognises it.
        grid: the grid of the file; that of the regions when None.
        tags: additional tags for every segment, or one mapping per region.

    Raises:
        InputError: another extension, or neither regions nor grid.
        GeometryError: a region is on another grid.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if not path.name.lower().endswith(".seg.nrrd"):
        raise InputError(f"'{path.name}' cannot be written as a segmentation: its name must end in .seg.nrrd.")
    if grid is None:
        if not regions:
            raise InputError(f"'{path.name}' cannot be written: there are no regions and no grid.")
        grid = regions[0].grid
    layers, layer_of = _layers_for(regions, grid)
    tags_of_regions = [tags] * len(regions) if isinstance(tags, Mapping) else [*tags] or [{}] * len(regions)
    lines = _lattice_lines(layers, grid)
    for number, (region, region_tags) in enumerate(zip(regions, tags_of_regions, strict=True)):
        lines += _segment_lines(number, region, layer_of[number], grid, region_tags)
    lines += [
        "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
        "Segmentation_ConversionParameters:=",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset:=0 0 0",
    ]
    values = layers[0] if len(layers) == 1 else np.stack(layers, axis=-1)
    with complete_file(path) as new:
        new.write_bytes(("\n".join(lines) + "\n\n").encode("utf-8", "replace") + _gzip(values.tobytes()))


def _layers_for(regions: Sequence[Region], grid: Grid) -> tuple[list[NDArray], list[int]]:
    """Layers with region n as label n + 1, and the layer of each region: the first one in which it overlaps none."""
    dtype = np.dtype("u1") if len(regions) < 2**8 else np.dtype("<u2")
    layers = [np.zeros(grid.shape_kji, dtype)]
    layer_indices = []
    for number, region in enumerate(regions):
        if not region.grid.same_space(grid):
            raise GeometryError(
                f"The region '{region.name}' cannot be written: its grid has "
                f"{grid_difference_text(region.grid, grid, 'the file')}."
            )
        free_layers = (n for n, layer in enumerate(layers) if not layer[region.slices_kji][region.box_kji].any())
        layer_index = next(free_layers, len(layers))
        if layer_index == len(layers):
            layers.append(np.zeros(grid.shape_kji, dtype))
        layers[layer_index][region.slices_kji][region.box_kji] = number + 1
        layer_indices.append(layer_index)
    return layers, layer_indices


def _lattice_lines(layers: list[NDArray], grid: Grid) -> list[str]:
    listed = len(layers) > 1
    sizes = " ".join(map(str, [len(layers)] * listed + list(grid.size_xyz)))
    axes = " ".join(_vector(column) for column in grid.index_to_lps_matrix[:3, :3].T)
    return [
        "NRRD0004",
        f"type: {'unsigned char' if layers[0].dtype.itemsize == 1 else 'unsigned short'}",
        f"dimension: {3 + listed}",
        "space: left-posterior-superior",
        f"sizes: {sizes}",
        f"space directions: {'none ' * listed}{axes}",
        f"kinds: {'list ' * listed}domain domain domain",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.origin_lps_mm)}",
    ]


def _vector(values: Sequence[float] | NDArray) -> str:
    return f"({','.join(repr(float(v) + 0.0) for v in values)})"


def _segment_lines(number: int, region: Region, layer: int, grid: Grid, tags: Mapping[str, str]) -> list[str]:
    i, j, k = grid.size_xyz
    region_tags = {PROMPT_TAG: region.prompt} if region.prompt else {}
    if region.score is not None:
        region_tags[SCORE_TAG] = repr(float(region.score))
    pairs = "".join(f"{key}:{value}".replace("|", "/") + "|" for key, value in {**region_tags, **tags}.items())
    fields = {
        "Color": " ".join(f"{value:.6g}" for value in region.color or color_of(number)),
        "ColorAutoGenerated": "0",
        # Slicer crops every layer to the extent of its first segment, so all segments get the full extent.
        "Extent": f"0 {i - 1} 0 {j - 1} 0 {k - 1}",
        "ID": f"Segment_{number + 1}",
        "LabelValue": str(number + 1),
        "Layer": str(layer),
        "Name": _one_line(region.name) or f"Segment_{number + 1}",
        "NameAutoGenerated": "0",
        **({"Tags": _one_line(pairs)} if pairs else {}),
    }
    return [f"Segment{number}_{key}:={value}" for key, value in fields.items()]


def _one_line(text: str) -> str:
    """Text for a header field: without line breaks, backslashes doubled."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip().replace("\\", "\\\\")


def _gzip(data: bytes) -> bytes:
    """Compressed without date and file name, so that equal input gives equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def grid_difference_text(file_grid: Grid, grid: Grid, owner: str = "the volume") -> str:
    """The difference of two grids for display: "4 x 3 x 2 voxels of 1 x 2 x 3 mm, the volume has ..."."""
    file_text, grid_text = _grid_text(file_grid), _grid_text(grid)
    if file_text != grid_text:
        return f"{file_text}, {owner} has {grid_text}"
    is_rotated = not np.allclose(file_grid.direction, grid.direction, atol=1e-4)
    return (
        f"{file_text}, {owner} has the same, but {'with another orientation' if is_rotated else 'at another position'}"
    )


def _grid_text(grid: Grid) -> str:
    size, spacing = (" x ".join(f"{v:.5g}" for v in values) for values in (grid.size_xyz, grid.spacing_mm))
    return f"{size} voxels of {spacing} mm"
