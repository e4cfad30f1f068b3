"""Creates Slicer's binary labelmaps from regions; regions that do not overlap share one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from Tell2RegLib.slicer_module.scene.coordinates import matrix_from_grid
from Tell2RegLib.slicer_module.scene.volumes import image_from_array
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region


def labelmap_of(region: Region) -> Any:
    """A region as a vtkOrientedImageData of its own box, 1 inside."""
    return _labelmap(region.box_kji, region.box_grid)


def empty_labelmap(grid: Grid) -> Any:
    """A vtkOrientedImageData that has a grid and no voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(grid.size_xyz)
    image.SetImageToWorldMatrix(matrix_from_grid(grid))
    return image


def shared_labelmaps(regions: Sequence[Region]) -> list[tuple[object, int]]:
    """For every region the vtkOrientedImageData that holds it and its label value there.

    Regions on one grid share an image with those before them that they do not overlap. (Slicer's own
    CollapseBinaryLabelmaps does the same to segments, but takes seconds where this takes milliseconds.)
    """
    layer_and_label: list[tuple[object, int]] = [(None, 0)] * len(regions)
    for layer in _layers(regions):
        image = _image_of([regions[number] for number in layer])
        for label, number in enumerate(layer, 1):
            layer_and_label[number] = (image, label)
    return layer_and_label


def _layers(regions: Sequence[Region]) -> list[list[int]]:
    layers: list[list[int]] = []
    for number, region in enumerate(regions):
        free = (layer for layer in layers if not any(_clash(region, regions[index]) for index in layer))
        chosen = next(free, None)
        if chosen is None:
            layers.append([number])
        else:
            chosen.append(number)
    return layers


def _clash(first: Region, second: Region) -> bool:
    """Whether two regions cannot be in one image: another grid, or a common voxel."""
    if first.grid != second.grid:
        return True
    low = np.maximum(first.start_kji, second.start_kji)
    high = np.minimum(np.add(first.start_kji, first.box_kji.shape), np.add(second.start_kji, second.box_kji.shape))
    if np.any(high <= low):
        return False
    return bool((_part(first, low, high) & _part(second, low, high)).any())


def _part(region: Region, low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    start = region.start_kji
    return region.box_kji[tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))]


def _image_of(regions: Sequence[Region]) -> Any:
    low = np.min([region.start_kji for region in regions], axis=0)
    high = np.max([np.add(region.start_kji, region.box_kji.shape) for region in regions], axis=0)
    labels = np.zeros(high - low, np.uint8 if len(regions) < 256 else np.uint16)
    for label, region in enumerate(regions, 1):
        slices = tuple(
            slice(a - b, a - b + n) for a, b, n in zip(region.start_kji, low, region.box_kji.shape, strict=True)
        )
        labels[slices][region.box_kji] = label
    return _labelmap(labels, regions[0].grid.crop(low[::-1], labels.shape[::-1]))


def _labelmap(values_kji: NDArray, grid: Grid) -> Any:
    image = slicer.vtkOrientedImageData()
    image.ShallowCopy(image_from_array(values_kji))
    image.SetImageToWorldMatrix(matrix_from_grid(grid))
    return image
