"""Regions as they should not be: wrong, exchanged, scaled, missing, rough, noisy, truncated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_resampling import sample_region

Regions = tuple[Region, ...]
Sides = tuple[Regions, Regions]
"""The regions of the fixed and of the moving volume."""
Spoiling = Callable[[Sides, np.random.Generator], Sides]

GLAND = "prostate"
SCALE = 1.35
ROUGHNESS_MM, ROUGHNESS_WIDTH_MM = 1.5, 3.0
"""Standard deviation by which an outline is displaced, and the width of its waves."""
TRUNCATED_SHARE = 0.3
FLIPPED_SHARE, FLIPPED_DEPTH_VOXELS = 0.05, 3
ISLANDS, ISLAND_RADIUS_MM, ISLAND_DISTANCE_MM = 3, 4.0, 25.0


# --- which regions ---


def sound(sides: Sides, _: np.random.Generator) -> Sides:
    """Nothing is spoilt."""
    return sides


def gland_only(sides: Sides, _: np.random.Generator) -> Sides:
    """The prostate alone."""
    return _both(sides, lambda region: region.name == GLAND)


def gland_and_one(sides: Sides, rng: np.random.Generator) -> Sides:
    """The prostate and one other organ."""
    partner = rng.choice(_others(sides))
    return _both(sides, lambda region: region.name in (GLAND, partner))


def missing(sides: Sides, rng: np.random.Generator) -> Sides:
    """Three organs are missing in the fixed volume, three others in the moving one."""
    names = rng.permutation(_others(sides)).tolist()
    fixed, moving = sides
    return (
        tuple(region for region in fixed if region.name not in names[:3]),
        tuple(region for region in moving if region.name not in names[3:6]),
    )


# --- wrong pairs ---


def wrong_pair(sides: Sides, rng: np.random.Generator) -> Sides:
    """The moving region of one organ is another organ."""
    first, second = rng.permutation(_others(sides))[:2]
    return sides[0], tuple(
        replace(_named(sides[1], second), name=first) if region.name == first else region for region in sides[1]
    )


def exchanged_pairs(sides: Sides, rng: np.random.Generator) -> Sides:
    """Two moving regions have each other's names."""
    first, second = rng.permutation(_others(sides))[:2]
    names = {first: second, second: first}
    return sides[0], tuple(replace(region, name=names.get(region.name, region.name)) for region in sides[1])


def scaled(sides: Sides, rng: np.random.Generator) -> Sides:
    """One moving region is larger or smaller by a third."""
    name, factor = rng.choice(_others(sides)), rng.choice([SCALE, 1 / SCALE])
    return sides[0], tuple(_scaled(region, factor) if region.name == name else region for region in sides[1])


def _scaled(region: Region, factor: float) -> Region:
    centre = region.centroid_lps_mm()
    points = region.grid.voxel_centres_lps_mm()
    vectors = ((centre - points) * (1 - 1 / factor)).astype(np.float32)
    scaled_points = centre + factor * (region.points_lps_mm() - centre)
    return sample_region(region, region.grid, scaled_points, vectors) or region


# --- bad outlines ---


def rough(sides: Sides, rng: np.random.Generator) -> Sides:
    """Every outline, on both sides, is displaced by smooth noise."""
    return _each(sides, lambda region: _rough(region, rng))


def _rough(region: Region, rng: np.random.Generator) -> NDArray[np.bool_]:
    mask, spacing = region.mask_kji(), _spacing_kji(region)
    box = _box_around(region, 3 * ROUGHNESS_MM)
    inside = mask[box]
    distance = ndimage.distance_transform_edt(inside, spacing) - ndimage.distance_transform_edt(~inside, spacing)
    noise = ndimage.gaussian_filter(rng.normal(size=inside.shape), ROUGHNESS_WIDTH_MM / spacing)
    mask[box] = distance + ROUGHNESS_MM * noise / noise.std() > 0
    return mask


def noisy(sides: Sides, rng: np.random.Generator) -> Sides:
    """Voxels near every outline are flipped, and islands lie beside every region."""
    return _each(sides, lambda region: _noisy(region, rng))


def _noisy(region: Region, rng: np.random.Generator) -> NDArray[np.bool_]:
    mask = region.mask_kji()
    near = ndimage.binary_dilation(mask, iterations=FLIPPED_DEPTH_VOXELS)
    near &= ~ndimage.binary_erosion(mask, iterations=FLIPPED_DEPTH_VOXELS)
    mask = mask ^ (near & (rng.random(mask.shape) < FLIPPED_SHARE))
    outline = region.points_lps_mm()
    for _ in range(ISLANDS):
        direction = rng.normal(size=3)
        centre = rng.choice(outline) + direction / np.linalg.norm(direction) * rng.uniform(5.0, ISLAND_DISTANCE_MM)
        _add_ball(mask, region.grid, centre)
    return mask


def _add_ball(mask: NDArray[np.bool_], grid: Grid, centre_lps_mm: Floats) -> None:
    """Add an island to a mask; the part of it that is in the volume."""
    reach = np.ceil(ISLAND_RADIUS_MM / np.asarray(grid.spacing_mm))
    middle = np.rint(grid.lps_to_index(centre_lps_mm))
    low = np.clip(middle - reach, 0, np.asarray(grid.size_xyz)).astype(int)
    high = np.clip(middle + reach + 1, 0, np.asarray(grid.size_xyz)).astype(int)
    if (high > low).all():
        box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
        points = grid.crop(low, high - low).voxel_centres_lps_mm()
        mask[box] |= np.linalg.norm(points - centre_lps_mm, axis=-1) < ISLAND_RADIUS_MM


def truncated(sides: Sides, rng: np.random.Generator) -> Sides:
    """On one side, the prostate and two other regions lack the slices at one end."""
    names = [GLAND, *rng.permutation(_others(sides))[:2]]
    side = int(rng.integers(2))
    cut = tuple(_truncated(region, rng) if region.name in names else region for region in sides[side])
    return (cut, sides[1]) if side == 0 else (sides[0], cut)


def _truncated(region: Region, rng: np.random.Generator) -> Region:
    count = max(1, round(TRUNCATED_SHARE * region.box_kji.shape[0]))
    mask = region.mask_kji()
    first = region.start_kji[0]
    end = slice(first, first + count) if rng.random() < 0.5 else slice(first + region.box_kji.shape[0] - count, None)
    mask[end] = False
    return _with_mask(region, mask)


# --- shared ---


def _others(sides: Sides) -> list[str]:
    """Names of the regions in both volumes, without the prostate."""
    moving = {region.name for region in sides[1]}
    return [region.name for region in sides[0] if region.name in moving and region.name != GLAND]


def _named(regions: Sequence[Region], name: str) -> Region:
    return next(region for region in regions if region.name == name)


def _both(sides: Sides, chosen: Callable[[Region], bool]) -> Sides:
    fixed, moving = (tuple(region for region in side if chosen(region)) for side in sides)
    return fixed, moving


def _each(sides: Sides, spoilt: Callable[[Region], NDArray[np.bool_]]) -> Sides:
    fixed, moving = (tuple(_with_mask(region, spoilt(region)) for region in side) for side in sides)
    return fixed, moving


def _with_mask(region: Region, mask: NDArray[np.bool_]) -> Region:
    """The region with another mask; unchanged where that is empty."""
    if not mask.any():
        return region
    fresh = Region.from_mask(region.name, mask, region.grid)
    return replace(region, box_kji=fresh.box_kji, start_kji=fresh.start_kji)


def _spacing_kji(region: Region) -> Floats:
    return np.asarray(region.grid.spacing_mm)[::-1]


def _box_around(region: Region, margin_mm: float) -> tuple[slice, slice, slice]:
    margin = np.ceil(margin_mm / _spacing_kji(region)).astype(int)
    low = np.maximum(np.array(region.start_kji) - margin, 0)
    high = np.minimum(np.add(region.start_kji, region.box_kji.shape) + margin, region.grid.shape_kji)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return i, j, k
