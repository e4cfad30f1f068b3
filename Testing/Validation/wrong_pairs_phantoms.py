"""Phantom pairs of several kinds as pairs of true regions, and what makes some of these pairs wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from Tell2RegLib.phantom import KnownWarp, PhantomPair, Subject, centred_grid, make_plan, make_subject, render
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.phantom.shapes import rotation
from Tell2RegLib.phantom.warp import affine_about
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import Region, RegionPair

KINDS = ("plain", "oblique", "anisotropic", "rough", "cropped", "strong", "missing")
"""Kinds of phantom pairs: see `phantom_pair`."""
FAULTS = ("half", "double", "shifted", "swapped", "mirrored", "mixed")
"""What can be wrong with a pair: half or double width, moved by 20 to 60 mm, two partners exchanged, reflected in the
middle of the moving volume, and any of these but the exchange."""
SIZE_MM, CENTRE = np.array([288.0, 240.0, 144.0]), np.array([0.0, 6.0, -6.0])


@dataclass(frozen=True, eq=False)
class Case:
    """A phantom pair: its true regions in both volumes, in pairs, and the phantoms themselves."""

    phantom: PhantomPair
    pairs: tuple[RegionPair, ...]


def phantom_pair(seed: int, kind: str) -> Case:
    """A phantom pair of a kind.

    Args:
        seed: of the patient, the warp and all that the kind draws.
        kind: "plain": 4 mm voxels; "oblique": both grids turned by up to 14 degrees about every axis; "anisotropic":
            slices of 7 and 8 mm in different directions; "rough": surfaces with 2 mm noise, end slices lost; "cropped":
            both volumes cut, so that regions are cut or lost; "strong": turned by up to 14 degrees about every axis,
            scaled by up to 7 %, tens of mm apart; "missing": without three of the organs.
    """
    rng = np.random.default_rng([seed, 77])
    subject = make_subject(seed)
    warp = draw_warp(subject, np.random.default_rng([seed, 4]))
    fixed_grid, moving_grid = _grid((4, 4, 4)), _grid((4, 4, 4))
    if kind == "oblique":
        fixed_grid = _grid((3.5, 3.5, 5), direction=rotation(*rng.uniform(-14, 14, 3)))
        moving_grid = _grid((4, 4, 4), direction=rotation(*rng.uniform(-14, 14, 3)))
    elif kind == "anisotropic":
        fixed_grid, moving_grid = _grid((2.5, 2.5, 8)), _grid((3, 7, 3))
    elif kind == "cropped":
        fixed_grid, moving_grid = _cropped_grid(rng), _cropped_grid(rng)
    elif kind == "strong":
        warp, moving_grid = _strong_warp(subject, warp, rng), _grid((4, 4, 4), SIZE_MM + 116)
    fixed = render(subject, fixed_grid, seed=2 * seed + 1, warp=warp, name="fixed")
    moving = render(subject, moving_grid, seed=2 * seed, name="moving")
    regions = [{region.name: replace(region, prompt="") for region in scan.regions()} for scan in (fixed, moving)]
    names = [name for name in regions[0] if name in regions[1]]
    if kind == "missing":
        names = sorted(rng.permutation(names)[3:].tolist())
    pairs = tuple(RegionPair(regions[0][name], regions[1][name]) for name in names)
    if kind == "rough":
        pairs = tuple(RegionPair(_rough(pair.fixed, rng), _rough(pair.moving, rng)) for pair in pairs)
    return Case(PhantomPair(subject, warp, fixed, moving, make_plan(subject, warp)), pairs)


def _grid(spacing_mm: Sequence[float], size_mm: Floats = SIZE_MM, direction: Floats | None = None) -> Grid:
    size = tuple(int(round(length / spacing)) for length, spacing in zip(size_mm, spacing_mm, strict=True))
    return centred_grid(size, tuple(map(float, spacing_mm)), direction)  # type: ignore[arg-type]


def _cropped_grid(rng: np.random.Generator) -> Grid:
    size = rng.uniform((120, 120, 70), (260, 200, 120)) / 4
    centre = CENTRE + rng.normal(size=3) * 8
    return centred_grid(tuple(int(round(n)) for n in size), (4.0, 4.0, 4.0), None, tuple(centre))  # type: ignore[arg-type]


def _strong_warp(subject: Subject, warp: KnownWarp, rng: np.random.Generator) -> KnownWarp:
    gland = subject.from_anatomy([subject.prostate.centre])[0]
    linear = rotation(*rng.uniform(-14, 14, 3)) @ np.diag(rng.uniform(0.93, 1.07, 3))
    return KnownWarp(warp.pushes, affine_about(gland, linear, rng.normal(size=3) * 25))


def _rough(region: Region, rng: np.random.Generator) -> Region:
    """A region with an uneven surface, on average up to 1 mm off, often without its first or last slice."""
    spacing = region.grid.spacing_mm[::-1]
    mask = np.pad(region.mask_kji(), 3)
    noise = ndimage.gaussian_filter(rng.normal(size=mask.shape), [5 / side for side in spacing])
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    depth = inside - ndimage.distance_transform_edt(~mask, sampling=spacing)
    rough = (depth + 2 * noise / noise.std() + rng.normal() > 0)[3:-3, 3:-3, 3:-3]
    slices = np.flatnonzero(rough.any(axis=(1, 2)))
    if len(slices) > 4 and rng.random() < 0.4:
        rough[slices[int(rng.integers(2)) - 1]] = False
    return Region.from_mask(region.name, rough, region.grid) if rough.sum() > 5 else region


# --- wrong pairs ---


def with_faults(
    pairs: Sequence[RegionPair], fault: str, count: int, rng: np.random.Generator
) -> tuple[tuple[RegionPair, ...], frozenset[int]]:
    """The pairs with about `count` of them wrong, and the numbers of those."""
    changed, wrong = list(pairs), set()
    order = rng.permutation(len(pairs)).tolist()
    if fault == "swapped":
        chosen = order[: max(2, count // 2 * 2)]
        for a, b in zip(chosen[::2], chosen[1::2], strict=True):
            changed[a] = RegionPair(pairs[a].fixed, replace(pairs[b].moving, name=pairs[a].moving.name))
            changed[b] = RegionPair(pairs[b].fixed, replace(pairs[a].moving, name=pairs[b].moving.name))
        return tuple(changed), frozenset(chosen)
    for n in order:
        if len(wrong) == count:
            break
        kind = (
            str(rng.choice([name for name in FAULTS if name not in ("swapped", "mixed")]))
            if fault == "mixed"
            else fault
        )
        moving = _FAULTY[kind](pairs[n].moving, rng)
        if moving is not None:
            changed[n] = RegionPair(pairs[n].fixed, moving)
            wrong.add(n)
    return tuple(changed), frozenset(wrong)


def mirrored_volume(pairs: Sequence[RegionPair], axis_xyz: int = 0) -> tuple[RegionPair, ...]:
    """The pairs with the moving volume's voxels reversed along the grid axis nearest to a patient axis, as by a wrong
    header."""
    mirrored = []
    for pair in pairs:
        direction = np.abs(np.reshape(pair.moving.grid.direction, (3, 3)))
        axis = 2 - int(direction[axis_xyz].argmax())
        mask = np.flip(pair.moving.mask_kji(), axis=axis)
        mirrored.append(replace(pair, moving=Region.from_mask(pair.moving.name, mask, pair.moving.grid)))
    return tuple(mirrored)


def swapped_sides(pairs: Sequence[RegionPair]) -> tuple[RegionPair, ...]:
    """The pairs with the names left and right exchanged in the moving volume, paired by name again."""
    opposite = {"left": "right", "right": "left"}
    by_name = {pair.moving.name: pair.moving for pair in pairs}
    swapped = []
    for pair in pairs:
        side, _, base = pair.fixed.name.partition(" ")
        partner = by_name.get(f"{opposite[side]} {base}") if side in opposite else pair.moving
        if partner is not None:
            swapped.append(replace(pair, moving=replace(partner, name=pair.fixed.name)))
    return tuple(swapped)


def _moved(region: Region, matrix: Floats, centre: Floats, shift: Floats | float) -> Region | None:
    """A region under x -> centre + matrix (x - centre) + shift; None when hardly any of it remains in the volume."""
    grid = region.grid
    points = (grid.voxel_centres_lps_mm().reshape(-1, 3) - shift - centre) @ np.linalg.inv(matrix).T + centre
    index = grid.lps_to_index(points)[:, ::-1].T
    values = ndimage.map_coordinates(region.mask_kji().astype(np.float32), index, order=1, mode="constant")
    mask = values.reshape(grid.shape_kji) >= 0.5
    expected = abs(np.linalg.det(matrix)) * region.box_kji.sum()
    return Region.from_mask(region.name, mask, grid) if mask.sum() > max(0.3 * expected, 1) else None


def _shifted(region: Region, rng: np.random.Generator) -> Region | None:
    for _ in range(30):
        shift = rng.normal(size=3)
        shift *= rng.uniform(20, 60) / np.linalg.norm(shift)
        moved = _moved(region, np.eye(3), region.centroid_lps_mm(), shift)
        if moved is not None and moved.box_kji.sum() > 0.9 * region.box_kji.sum():
            return moved
    return None


def _mirrored(region: Region, rng: np.random.Generator) -> Region | None:
    middle = region.grid.corners_lps_mm().mean(axis=0)
    return _moved(region, np.diag([-1.0, 1.0, 1.0]), middle, 0.0)


_FAULTY: dict[str, Callable[[Region, np.random.Generator], Region | None]] = {
    "half": lambda region, rng: _moved(region, 0.5 * np.eye(3), region.centroid_lps_mm(), 0.0),
    "double": lambda region, rng: _moved(region, 2.0 * np.eye(3), region.centroid_lps_mm(), 0.0),
    "shifted": _shifted,
    "mirrored": _mirrored,
}
