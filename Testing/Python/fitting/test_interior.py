"""The inside of a region moves as a model says; its outline stays, and nothing folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.fitting.interior import FEATURES, TERMS, Inside, InteriorModel, move_interiors, shape_features
from Tell2RegLib.space.displacement_field import DisplacementField, affine_displacements
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.jacobian import folded_voxels
from Tell2RegLib.space.region_warping import warp_region
from Testing.Python.fitting.drawn_pairs import FIXED_GRID, KNOWN, TURN, a_ball, a_pair, bean, drawn, every_grid

FORWARD_SHIFT = TERMS.index((1, (0, 0, 0)))
"""The middle moves along y."""


def a_model(shift: float = 0.25, name: str = "gland") -> InteriorModel:
    """The middle moves along y, by the same in every patient."""
    coefficients = np.zeros((len(FEATURES), len(TERMS)))
    coefficients[0, FORWARD_SHIFT] = shift
    return InteriorModel(name, coefficients)


@every_grid
def test_the_middle_moves_and_the_outline_stays_on_every_grid(grid: Grid) -> None:
    inside = Inside(drawn(bean, grid))
    coefficients = a_model().coefficients[0]
    middle = inside.centre_lps_mm[None]
    shift = (inside.moved(middle, coefficients) - middle)[0]
    assert shift == pytest.approx([0, 0.25 * inside.extent_mm[1], 0], abs=0.25)
    outline = np.array([[2.0, -1.0, 10.4], [13.9, 0.7, 0.5]])
    assert np.linalg.norm(inside.moved(outline, coefficients) - outline, axis=1).max() < 0.3
    outside = np.array([[20.0, 15.0, 15.0], [-25.0, 0.0, 0.0]])
    np.testing.assert_array_equal(inside.moved(outside, coefficients), outside)


def test_exchanged_sides_negate_every_difference() -> None:
    pair = a_pair(FIXED_GRID, lambda points: points / [1.2, 0.9, 1.1])
    forwards = shape_features(pair.fixed, pair.moving, np.eye(4))
    back = shape_features(pair.moving, pair.fixed, np.eye(4))
    assert forwards[0] == back[0] == 1
    np.testing.assert_allclose(forwards[1:], -back[1:], atol=1e-9)
    assert forwards[2] > 0.5 > -0.5 > forwards[3], "wider along x, narrower along y"


def test_differences_do_not_depend_on_how_the_moving_patient_lies() -> None:
    stretch = np.array([1.2, 0.9, 1.1])
    straight = a_pair(FIXED_GRID, lambda points: points / stretch)
    turned = a_pair(FIXED_GRID, lambda points: points @ TURN / stretch)
    lies = np.eye(4)
    lies[:3, :3] = TURN
    expected = shape_features(straight.fixed, straight.moving, np.eye(4))
    np.testing.assert_allclose(shape_features(turned.fixed, turned.moving, lies), expected, atol=0.12)


def identity_field(grid: Grid) -> DisplacementField:
    return DisplacementField(affine_displacements(np.eye(4), grid), grid)


def test_a_motion_that_folds_is_reduced() -> None:
    pair = a_pair(FIXED_GRID)
    field, (motion,) = move_interiors(identity_field(FIXED_GRID), [pair], [a_model(6.0)], np.eye(4), 0.02)
    assert 0 < motion.share < 1
    assert motion.largest_mm > 1
    assert not folded_voxels(field.vectors_kji, FIXED_GRID, 0.02).any()


def test_a_region_that_holds_another_accepted_one_is_left_to_it() -> None:
    gland = a_pair(FIXED_GRID)
    nodule = a_pair(FIXED_GRID, shape=a_ball((2.0, -1.0, 0.5), 5.0), name="nodule")
    field = identity_field(FIXED_GRID)
    unmoved, (motion,) = move_interiors(field, [gland, nodule], [a_model()], np.eye(4), 0.02)
    assert unmoved is field
    assert motion.share == 0
    assert "'nodule' lies in it" in motion.reason
    _, (alone,) = move_interiors(field, [gland], [a_model(name="Gland")], np.eye(4), 0.02)
    assert alone.share == 1
    assert alone.reason == ""


def test_a_fit_moves_the_inside_keeps_the_overlap_and_inverts_it() -> None:
    grid = Grid((50, 44, 22), (1.3, 1.6, 3.0), tuple(TURN @ [-33, -33, -32]), tuple(TURN.ravel()))
    bend = Rotation.from_euler("z", 9, degrees=True).as_matrix()
    pair = a_pair(grid, lambda points: (points - KNOWN[:3, 3]) @ bend / [1.15, 0.9, 1.0])
    settings = FitSettings(kind="svf")
    plain = fit([pair], settings).transform
    moved = fit([pair], settings, interiors=[a_model()])
    (motion,) = moved.interiors
    assert motion.share == 1
    inside = Inside(pair.fixed)
    middle = inside.centre_lps_mm[None]
    expected = inside.moved(middle, a_model().coefficients[0])
    arrived = middle + moved.transform.fixed_to_moving.at(middle)
    np.testing.assert_allclose(arrived, expected + plain.fixed_to_moving.at(expected), atol=0.3)
    back = arrived + moved.transform.moving_to_fixed.at(arrived)
    np.testing.assert_allclose(back, middle, atol=0.3)
    overlaps = [dice(pair.fixed, warp_region(pair.moving, t)) for t in (plain, moved.transform)]
    assert overlaps[1] == pytest.approx(overlaps[0], abs=0.01)


def test_the_coefficients_follow_size_and_shape() -> None:
    model = a_model(0.0)
    coefficients = model.coefficients.copy()
    coefficients[1, FORWARD_SHIFT] = 0.2
    larger = a_pair(FIXED_GRID, lambda points: points / 1.2)
    same = a_pair(FIXED_GRID)
    field = identity_field(FIXED_GRID)
    models = [replace(model, coefficients=coefficients)]
    _, (moved,) = move_interiors(field, [larger], models, np.eye(4), 0.02)
    _, (still,) = move_interiors(field, [same], models, np.eye(4), 0.02)
    assert moved.largest_mm > 0.5
    assert still.largest_mm < 1e-6
