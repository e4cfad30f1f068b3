"""A patient as a scan: the anatomy painted onto any grid, with partial volume, bias, blur and noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom.anatomy import LABELS, Subject, check_seed
from Tell2RegLib.phantom.layers import Band, Layer, layers_of
from Tell2RegLib.phantom.shapes import Array, bounds_of
from Tell2RegLib.phantom.tissue import Contrast, Texture, Tissue, add_noise, bias_field, draw_contrast, tissue_values
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume

Warp = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (N, 3) of the scan -> where in the patient they come from (N, 3), LPS mm."""

_BLOCK_KJI = (16, 24, 24)
_SHEATH_MM = 2.5
"""Nothing is painted farther than this outside a shape."""


@dataclass(frozen=True, eq=False)
class PhantomVolume:
    """A rendered scan and the truth about it.

    Args:
        volume: int16 signal.
        labels: uint8 on the same grid, values as in `LABELS`, 0 elsewhere.
    """

    volume: Volume
    labels: Volume

    def regions(self) -> tuple[Region, ...]:
        """The organs in view as regions: the prostate and both its zones, then the others in the order of `LABELS`."""
        values = self.labels.array_kji
        masks = {"prostate": (values == 1) | (values == 2)}
        masks.update({name: values == value for value, name in LABELS.items()})
        return tuple(
            Region.from_mask(name, mask, self.labels.grid, prompt=name, color=color_of(n))
            for n, (name, mask) in enumerate(masks.items())
            if mask.any()
        )

    def region(self, name: str) -> Region:
        """The region of this name.

        Raises:
            InputError: it is not in view.
        """
        for region in self.regions():
            if region.name == name:
                return region
        raise InputError(f"The phantom '{self.volume.name}' shows no '{name}'.")


def default_grid() -> Grid:
    """The phantom's usual field of view: 192 x 160 x 72 voxels of 1.5 x 1.5 x 2 mm, slices along z."""
    return centred_grid((192, 160, 72), (1.5, 1.5, 2.0))


def centred_grid(
    size_xyz: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    direction: NDArray | None = None,
    centre_lps_mm: tuple[float, float, float] = (0.0, 6.0, -6.0),
) -> Grid:
    """A grid whose middle lies at a point (the middle of the phantom's pelvis); its axes are `direction`'s columns."""
    axes = np.eye(3) if direction is None else np.asarray(direction, dtype=np.float64)
    half = axes @ ((np.asarray(size_xyz) - 1) / 2 * spacing_mm)
    return Grid(size_xyz, spacing_mm, tuple(np.asarray(centre_lps_mm) - half), tuple(axes.ravel()))


def render(
    subject: Subject,
    grid: Grid | None = None,
    *,
    seed: int | None = None,
    warp: Warp | None = None,
    name: str = "phantom",
) -> PhantomVolume:
    """A scan of a patient on a grid.

    Args:
        subject: the patient.
        grid: any geometry; `default_grid()` when None.
        seed: draws contrast, bias and noise; the subject's own seed when None.
        warp: where in the patient each scan point comes from, LPS mm; the anatomy is asked there, nothing is
            interpolated. The identity when None.
        name: what to call the volume.

    Raises:
        InputError: a bad seed, or a warp that does not return one finite point for each point.
    """
    grid = default_grid() if grid is None else grid
    check_seed(subject.seed if seed is None else seed)
    rng = np.random.default_rng([subject.seed if seed is None else int(seed), 3])
    contrast = draw_contrast(rng)
    signal, labels = _paint(subject, grid, contrast, warp)
    signal = _blur_through_plane(signal, grid, contrast.blur)
    noisy = add_noise(signal, contrast.noise, rng)
    array = np.clip(np.rint(noisy), 0, 32767).astype(np.int16)
    return PhantomVolume(Volume(array, grid, name), Volume(labels, grid, f"{name} labels"))


def _paint(subject: Subject, grid: Grid, contrast: Contrast, warp: Warp | None) -> tuple[Array, NDArray[np.uint8]]:
    painter = _Painter(layers_of(subject), contrast, Texture(subject.seed), _softness(grid))
    signal = np.empty(grid.shape_kji, dtype=np.float32)
    labels = np.empty(grid.shape_kji, dtype=np.uint8)
    offsets = _depth_samples(grid)
    for block in _blocks(grid):
        points = grid.index_to_lps(np.argwhere(np.ones(signal[block].shape, dtype=bool))[:, ::-1] + _start_ijk(block))
        value, label = painter.paint(subject.to_anatomy(_warped(points, warp)))
        for offset in offsets:
            value = value + painter.paint(subject.to_anatomy(_warped(points + offset, warp)))[0]
        value = value * bias_field(contrast, points) / np.float32(1 + len(offsets))
        signal[block] = value.reshape(signal[block].shape)
        labels[block] = label.reshape(signal[block].shape)
    return signal, labels


def _blocks(grid: Grid) -> Iterator[tuple[slice, slice, slice]]:
    """The volume in compact blocks, so that most layers can be passed over at once."""
    for k in range(0, grid.shape_kji[0], _BLOCK_KJI[0]):
        for j in range(0, grid.shape_kji[1], _BLOCK_KJI[1]):
            for i in range(0, grid.shape_kji[2], _BLOCK_KJI[2]):
                yield slice(k, k + _BLOCK_KJI[0]), slice(j, j + _BLOCK_KJI[1]), slice(i, i + _BLOCK_KJI[2])


def _start_ijk(block: tuple[slice, slice, slice]) -> list[int]:
    return [part.start for part in reversed(block)]


def _warped(points: NDArray[np.float64], warp: Warp | None) -> NDArray[np.float64]:
    if warp is None:
        return points
    moved = np.asarray(warp(points), dtype=np.float64)
    if moved.shape != points.shape or not np.isfinite(moved).all():
        raise InputError(f"A warp must return one finite point for each of the {points.shape[0]} points it is given.")
    return moved


def _softness(grid: Grid) -> float:
    """Over how many mm a surface fades, for voxels of this size."""
    spacing = np.sort(grid.spacing_mm)
    return float(max(0.6, np.sqrt(spacing[0] * spacing[1])))


def _depth_samples(grid: Grid) -> list[NDArray[np.float64]]:
    """Offsets (mm) of further samples inside a voxel that is much longer along one axis than along the others."""
    spacing = np.asarray(grid.spacing_mm)
    longest = int(spacing.argmax())
    count = int(np.clip(np.rint(spacing.max() / np.sort(spacing)[1]), 1, 4))
    if count < 2:
        return []
    steps = [(n + 0.5) / count - 0.5 for n in range(count)]
    axis = np.reshape(grid.direction, (3, 3))[:, longest] * spacing[longest]
    return [axis * step for step in steps if step != 0]


def _blur_through_plane(signal: Array, grid: Grid, sigma: float) -> Array:
    """Slices excite a little of their neighbours: blur along the axis of the largest spacing (the last, if equal)."""
    spacing = np.asarray(grid.spacing_mm)
    axis_ijk = 2 - int(np.argmax(spacing[::-1]))
    if grid.size_xyz[axis_ijk] < 3:
        return signal
    return ndimage.gaussian_filter1d(signal, sigma, axis=2 - axis_ijk, mode="nearest", truncate=3.0)


class _Painter:
    """Paints layers over one another at given points."""

    def __init__(self, layers: tuple[Layer, ...], contrast: Contrast, texture: Texture, softness: float) -> None:
        self._layers, self._contrast, self._texture = layers, contrast, texture
        self._softness = softness
        self._lows = np.array([layer.shape.low for layer in layers]) - softness - _SHEATH_MM
        self._highs = np.array([layer.shape.high for layer in layers]) + softness + _SHEATH_MM

    def paint(self, points: tuple[Array, Array, Array]) -> tuple[Array, NDArray[np.uint8]]:
        """Signal (float32) and label (uint8) at points x, y, z (N,)."""
        texture = self._texture.at(*points)
        signal = tissue_values(Tissue.PELVIC_FAT, self._contrast.brightness[Tissue.PELVIC_FAT], texture)
        label = np.zeros(points[0].shape, dtype=np.uint8)
        first, last = bounds_of(*points)
        for n in np.flatnonzero(np.all((self._lows < last) & (self._highs > first), axis=1)):
            layer = self._layers[n]
            distance = layer.shape.distance(*points)
            if layer.label is not None:
                label[distance < 0] = layer.label
            for band in layer.bands:
                self._paint_band(band, distance, texture, signal)
        return signal, label

    def _paint_band(self, band: Band, distance: Array, texture: tuple[Array, ...], signal: Array) -> None:
        """Cover `signal` with the band's tissue where the band is, in part where its surface runs through a voxel."""
        share = np.float32(0.5 - band.depth / self._softness) - distance * np.float32(1 / self._softness)
        painted = np.flatnonzero(share > 0)
        if painted.size == 0:
            return
        brightness = self._contrast.brightness[band.tissue] * band.gain
        fine_noise, medium, strands = (t[painted] for t in texture)
        value = tissue_values(band.tissue, brightness, (fine_noise, medium, strands))
        share = np.minimum(share[painted], 1)
        signal[painted] += share * (value - signal[painted])
