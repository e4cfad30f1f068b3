"""Rigid and affine maps: what they recover, and what a round region does not say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from Tell2RegLib.fitting.linear import moments_start
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.fitting.drawn_pairs import FIXED_GRID, SHIFT, a_ball, a_pair, drawn, rigid_and_affine


def around(centre: np.ndarray, side_mm: float, spacing: tuple[float, float, float], rotation: Rotation) -> Grid:
    size = tuple(int(side_mm / s) for s in spacing)
    matrix = rotation.as_matrix()
    origin = centre - matrix @ (np.array(spacing) * (np.array(size) - 1) / 2)
    return Grid(size, spacing, tuple(origin), tuple(matrix.ravel()))


UNTURNED, TURNED = Rotation.identity(), Rotation.from_euler("zyx", [0.1, -0.3, 0.2])
LATTICES = {
    "the same, parts of a voxel away": (((1.0, 1.0, 1.0), UNTURNED), ((1.0, 1.0, 1.0), UNTURNED)),
    "turned": (((1.0, 1.0, 1.0), UNTURNED), ((1.0, 1.0, 1.0), TURNED)),
    "thick slices": (((0.6, 0.6, 3.0), UNTURNED), ((1.0, 1.0, 1.0), UNTURNED)),
}


@pytest.mark.parametrize("lattices", LATTICES.values(), ids=LATTICES)
@pytest.mark.parametrize("radii_mm", [(22, 18, 20), (12, 12, 12)])
def test_how_one_nearly_round_region_is_turned_is_not_read_off_its_voxels(
    lattices: tuple, radii_mm: tuple[float, float, float]
) -> None:
    """The same shape in both volumes, moved and not turned: what the lattices are must hardly show."""

    def shape(lattice: tuple, centre: np.ndarray) -> Region:
        grid = around(np.zeros(3), 60.0, *lattice)
        away = (grid.voxel_centres_lps_mm() - centre) / np.array(radii_mm)
        return Region.from_mask("gland", (away**2).sum(axis=-1) <= 1, grid)

    pair = RegionPair(shape(lattices[0], np.zeros(3)), shape(lattices[1], SHIFT))
    targets = 10 * np.eye(3)
    for linear in rigid_and_affine([pair]):
        off = np.linalg.norm(apply_affine(linear, targets) - targets - SHIFT, axis=1)
        assert off.max() < 1.0  # a voxel


def test_no_region_is_overlooked_because_its_rows_keep_time_with_the_sampling() -> None:
    """20,000 points for twenty regions of 20,000 soft voxels each, in rows of twenty: every twentieth is a border."""
    grid = Grid((60, 130, 110), (1.0, 1.0, 1.0))
    pairs = []
    for number in range(20):
        fixed, moving = np.zeros((2, *grid.shape_kji), dtype=bool)
        column, row = divmod(number, 5)
        i, j, k = 8 + 26 * (column % 2), 4 + 25 * row, 8 + 50 * (column // 2)
        fixed[k : k + 26, j : j + 22, i : i + 12] = True
        moving[k + 1 : k + 27, j + 2 : j + 24, i + 3 : i + 15] = True
        name = f"slab {number}"
        pairs.append(RegionPair(Region.from_mask(name, fixed, grid), Region.from_mask(name, moving, grid)))
    rigid, affine = rigid_and_affine(pairs)
    shift = np.array([[1.0, 0, 0, 3], [0, 1, 0, 2], [0, 0, 1, 1], [0, 0, 0, 1]])
    corners = grid.corners_lps_mm()
    for matrix in (rigid, affine):
        np.testing.assert_allclose(apply_affine(matrix, corners), apply_affine(shift, corners), atol=0.2)


# --- parts ---


def test_moments_start_needs_no_rotation_when_there_is_none() -> None:
    pair = a_pair(FIXED_GRID, lambda points: points - [6.0, 3.0, -5.0])
    start = moments_start([pair])
    np.testing.assert_allclose(start[:3, :3], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(start[:3, 3], [6.0, 3.0, -5.0], atol=0.2)


def test_moments_start_turns_half_round_when_the_patient_does() -> None:
    half = Rotation.from_euler("z", 180, degrees=True).as_matrix()
    centres = [(-15.0, -8.0, 4.0), (12.0, 10.0, -6.0), (4.0, -12.0, 8.0), (-5.0, 12.0, -9.0)]
    pairs = [
        RegionPair(drawn(a_ball(c, 4), FIXED_GRID, str(c)), drawn(a_ball(tuple(half @ c), 4), FIXED_GRID, str(c)))
        for c in centres
    ]
    rigid, _ = rigid_and_affine(pairs)
    np.testing.assert_allclose(rigid[:3, :3], half, atol=0.05)


@given(shift=st.tuples(*[st.floats(-8, 8)] * 3), scale=st.floats(0.8, 1.25))
@settings(max_examples=8, deadline=None)
def test_affine_recovers_shift_and_scale(shift: tuple[float, float, float], scale: float) -> None:
    pair = a_pair(FIXED_GRID, lambda points: (points - shift) / scale)
    _, affine = rigid_and_affine([pair])
    centre = np.array([2.0, -1.0, 0.5])
    np.testing.assert_allclose(apply_affine(affine, centre), centre * scale + shift, atol=0.6)
    assert np.linalg.det(affine[:3, :3]) == pytest.approx(scale**3, rel=0.08)
