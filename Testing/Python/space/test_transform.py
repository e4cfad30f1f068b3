"""Both directions of a map, on points and on volumes, and that the two agree, whatever the grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.errors import GeometryError
from Tell2RegLib.space import transform as transform_module
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.transform import Transform, affine_transform, to_sitk_transform, transform_before_move
from Tell2RegLib.space.transform_files import write_transform
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS, rotation
from Testing.Python.maps import (
    AFFINE,
    EVERY_PAIR,
    LANDMARKS,
    SIX_PAIRS,
    a_wavy_transform,
    an_affine_transform,
    blob,
    centre_of_mass,
    fixed_grid,
    identity_field,
    moving_grid,
    wave,
)

BOTH_KINDS = {"wavy": a_wavy_transform, "affine": an_affine_transform}
EVERY_COMBINATION = [("wavy", *pair) for pair in EVERY_PAIR] + [("affine", *pair) for pair in SIX_PAIRS]


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_pair_of_grids(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture(params=BOTH_KINDS.values(), ids=BOTH_KINDS.keys())
def a_transform(request: pytest.FixtureRequest, a_pair_of_grids: tuple[str, str]) -> Transform:
    return request.param(*a_pair_of_grids)


def points_in(grid: Grid, beyond_voxels: float = 0.0, number: int = 100) -> np.ndarray:
    last = np.asarray(grid.size_xyz) - 1
    return grid.index_to_lps(np.random.default_rng(7).uniform(-beyond_voxels, last + beyond_voxels, (number, 3)))


# --- points ---


def test_points_go_where_the_map_was_made_to_take_them(a_pair_of_grids: tuple[str, str]) -> None:
    """Against the formula that the field was sampled from: between voxels only the curvature is lost."""
    moved = a_wavy_transform(*a_pair_of_grids).apply_to_points(LANDMARKS)
    np.testing.assert_allclose(moved, apply_affine(AFFINE, LANDMARKS) + wave(LANDMARKS), atol=0.03)


def test_points_inside_go_where_simpleitk_takes_them(a_transform: Transform) -> None:
    points = points_in(a_transform.fixed_to_moving.grid)
    itk = to_sitk_transform(a_transform)
    expected = np.array([itk.TransformPoint(point) for point in points.tolist()])
    np.testing.assert_allclose(a_transform.apply_to_points(points), expected, atol=1e-4)


def test_points_beyond_go_with_the_affine_part_and_what_the_border_moves_besides(a_transform: Transform) -> None:
    grid = a_transform.fixed_to_moving.grid
    points = points_in(grid, beyond_voxels=20)
    index = grid.lps_to_index(points)
    assert not grid.contains_index(index).all()
    itk = to_sitk_transform(a_transform)
    nearest = grid.index_to_lps(np.clip(index, 0, np.asarray(grid.size_xyz) - 1))
    at_border = np.array([itk.TransformPoint(point) for point in nearest.tolist()])
    expected = at_border + (points - nearest) @ AFFINE[:3, :3].T
    np.testing.assert_allclose(a_transform.apply_to_points(points), expected, atol=1e-4)


def test_far_beyond_simpleitk_knows_the_affine_part_and_nothing_is_lost_but_the_border(a_transform: Transform) -> None:
    far = points_in(a_transform.fixed_to_moving.grid) + 500.0
    itk = to_sitk_transform(a_transform)
    expected = np.array([itk.TransformPoint(point) for point in far.tolist()])
    np.testing.assert_allclose(expected, apply_affine(AFFINE, far), atol=1e-4)
    largest = 0.0 if a_transform.kind == "affine" else 3.0
    assert np.linalg.norm(a_transform.apply_to_points(far) - expected, axis=-1).max() <= largest + 1e-4


def test_points_go_there_and_come_back(a_transform: Transform) -> None:
    mapped = a_transform.apply_to_points(LANDMARKS)
    np.testing.assert_allclose(a_transform.inverse.apply_to_points(mapped), LANDMARKS, atol=0.03)
    assert np.linalg.norm(mapped - LANDMARKS, axis=-1).min() > 5


def test_the_inverse_of_the_inverse_is_the_map_itself(a_transform: Transform) -> None:
    again = a_transform.inverse.inverse
    assert again.fixed_to_moving is a_transform.fixed_to_moving
    assert again.moving_to_fixed is a_transform.moving_to_fixed
    assert again.kind == a_transform.kind
    np.testing.assert_allclose(again.affine_lps, a_transform.affine_lps, atol=1e-12)


def test_one_point_and_many_have_the_shape_they_came_in(a_transform: Transform) -> None:
    assert a_transform.apply_to_points(LANDMARKS[0]).shape == (3,)
    assert a_transform.apply_to_points(LANDMARKS.reshape(2, 2, 3)).shape == (2, 2, 3)
    assert a_transform.apply_to_points(np.empty((0, 3))).shape == (0, 3)
    np.testing.assert_allclose(a_transform.apply_to_points(LANDMARKS)[2], a_transform.apply_to_points(LANDMARKS[2]))


@settings(max_examples=40)
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    degrees=st.floats(-180, 180),
    shift=st.tuples(*[st.floats(-100, 100)] * 3),
    pair=st.sampled_from(SIX_PAIRS),
)
def test_every_rigid_map_takes_points_as_its_matrix_does(
    axis: tuple, degrees: float, shift: tuple, pair: tuple[str, str]
) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(axis, degrees), shift
    transform = affine_transform("rigid", matrix, HOSTILE_GRIDS[pair[0]], HOSTILE_GRIDS[pair[1]])
    points = points_in(HOSTILE_GRIDS[pair[0]], beyond_voxels=5, number=20)
    moved = transform.apply_to_points(points)
    np.testing.assert_allclose(moved, apply_affine(matrix, points), atol=1e-4)
    np.testing.assert_allclose(transform.inverse.apply_to_points(moved), points, atol=1e-4)


# --- points and volumes agree ---


@pytest.mark.parametrize(("kind", "fixed", "moving"), EVERY_COMBINATION)
def test_what_is_bright_on_the_moving_volume_lands_where_its_points_go(kind: str, fixed: str, moving: str) -> None:
    """Plan on the moving volume: the resampled picture and the points through `inverse` show the same place."""
    transform = BOTH_KINDS[kind](fixed, moving)
    on_moving = apply_affine(AFFINE, LANDMARKS) + (wave(LANDMARKS) if kind == "wavy" else 0)
    for point, landed in zip(on_moving, transform.inverse.apply_to_points(on_moving), strict=True):
        picture = transform.resample(Volume(blob(moving_grid(moving), point), moving_grid(moving)))
        assert picture.grid == fixed_grid(fixed)
        np.testing.assert_allclose(centre_of_mass(picture.array_kji, picture.grid), landed, atol=0.3)


@pytest.mark.parametrize(("kind", "fixed", "moving"), EVERY_COMBINATION)
def test_what_is_bright_on_the_fixed_volume_lands_where_its_points_go(kind: str, fixed: str, moving: str) -> None:
    transform = BOTH_KINDS[kind](fixed, moving)
    for point, landed in zip(LANDMARKS, transform.apply_to_points(LANDMARKS), strict=True):
        picture = transform.inverse.resample(Volume(blob(fixed_grid(fixed), point), fixed_grid(fixed)))
        assert picture.grid == moving_grid(moving)
        np.testing.assert_allclose(centre_of_mass(picture.array_kji, picture.grid), landed, atol=0.3)


def test_beyond_the_fixed_grid_points_and_volumes_still_agree() -> None:
    """A picture wanted on a larger grid than the field's: the border's own movement is not forgotten."""
    transform = a_wavy_transform("oblique", "flipped")
    last = np.asarray(transform.fixed_to_moving.grid.size_xyz) - 1
    position = transform.fixed_to_moving.grid.index_to_lps(last + [8, -5, 6])
    mapped = transform.apply_to_points(position)
    assert np.linalg.norm(mapped - apply_affine(AFFINE, position)) > 0.8
    source = Grid((24, 24, 24), (1.2, 1.2, 1.2), tuple(mapped - 13.8))
    target = Grid((24, 24, 24), (1.2, 1.2, 1.2), tuple(position - 13.8))
    picture = transform.resample(Volume(blob(source, mapped), source), grid=target)
    np.testing.assert_allclose(centre_of_mass(picture.array_kji, target), position, atol=0.1)


def test_a_finer_grid_inside_shows_the_same_place() -> None:
    transform = a_wavy_transform("sagittal", "left-handed")
    mapped = transform.apply_to_points(LANDMARKS[0])
    fine = Grid((30, 30, 30), (0.8, 0.8, 0.8), tuple(LANDMARKS[0] - 11.6))
    source = moving_grid("left-handed")
    picture = transform.resample(Volume(blob(source, mapped), source), grid=fine)
    np.testing.assert_allclose(centre_of_mass(picture.array_kji, fine), LANDMARKS[0], atol=0.2)


# --- volumes ---


def a_label_map(grid: Grid, dtype: str) -> Volume:
    """Three big blocks of far apart values, of which no mixture is a value again."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    labels = np.select([i < grid.size_xyz[0] // 2, j < grid.size_xyz[1] // 2], [3, 7], 100)
    labels[k > grid.size_xyz[2] * 0.8] = 0
    return Volume(labels.astype(dtype), grid, "labels")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64", "float32"])
def test_labels_keep_their_type_and_no_new_value_appears(a_transform: Transform, dtype: str) -> None:
    moved = a_transform.resample(a_label_map(a_transform.moving_to_fixed.grid, dtype), nearest=True)
    assert moved.array_kji.dtype == np.dtype(dtype)
    assert moved.name == "labels"
    assert set(np.unique(moved.array_kji)) == {0, 3, 7, 100}


def test_every_label_is_that_of_the_nearest_voxel_where_its_centre_goes(a_transform: Transform) -> None:
    labels = a_label_map(a_transform.moving_to_fixed.grid, "uint8")
    moved = a_transform.resample(labels, nearest=True)
    centres = moved.grid.voxel_centres_lps_mm()
    index = labels.grid.lps_to_index(a_transform.apply_to_points(centres))
    near = np.round(index).astype(int)
    clear = (np.abs(index - near) < 0.49).all(axis=-1)
    inside = ((near >= 0) & (near < labels.grid.size_xyz)).all(axis=-1)
    i, j, k = np.moveaxis(near[clear & inside], -1, 0)
    np.testing.assert_array_equal(moved.array_kji[clear & inside], labels.array_kji[k, j, i])
    assert not moved.array_kji[clear & ~inside].any()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_whole_numbers_are_rounded_and_not_cut(a_transform: Transform, dtype: str) -> None:
    grid = a_transform.moving_to_fixed.grid
    values = np.random.default_rng(5).integers(10, 250, grid.shape_kji)
    whole = a_transform.resample(Volume(values.astype(dtype), grid)).array_kji
    exact = a_transform.resample(Volume(values.astype(np.float64), grid)).array_kji
    assert whole.dtype == np.dtype(dtype)
    assert np.abs(whole - exact).max() <= 0.5 + 1e-3


def test_beyond_the_moving_volume_a_picture_has_its_smallest_value() -> None:
    grid = moving_grid("oblique")
    volume = Volume(np.full(grid.shape_kji, -1000, np.int16), grid)
    brighter = volume.with_array(np.where(np.arange(grid.size_xyz[0]) > 3, 50, volume.array_kji).astype(np.int16))
    far = affine_transform("rigid", np.eye(4), Grid((4, 3, 2), (1, 2, 3), (9000, 0, 0)), grid)
    assert set(np.unique(far.resample(brighter).array_kji)) == {-1000}
    assert far.resample(brighter).array_kji.dtype == np.int16


def test_simpleitk_makes_the_same_picture_with_the_written_field(a_transform: Transform, tmp_path) -> None:
    """What anyone gets who takes our file and SimpleITK, and nothing else of ours."""
    moving = a_transform.moving_to_fixed.grid
    values = np.random.default_rng(2).normal(100, 30, moving.shape_kji).astype(np.float32)
    actual = a_transform.resample(Volume(values, moving))
    write_transform(a_transform, tmp_path / "t.nrrd")
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(moving.spacing_mm)
    image.SetOrigin(moving.origin_lps_mm)
    image.SetDirection(moving.direction)
    field = sitk.ReadImage(str(tmp_path / "t.nrrd"), sitk.sitkVectorFloat64)
    reference = sitk.Image(field)
    expected = sitk.Resample(
        image, reference, sitk.DisplacementFieldTransform(field), sitk.sitkLinear, float(values.min())
    )
    difference = np.abs(sitk.GetArrayFromImage(expected) - actual.array_kji)
    # On the border of the moving volume the last digit decides whether a voxel is inside.
    assert (difference > 0.02).mean() < 2e-3


@pytest.mark.parametrize("grid", [None, "finer"])
@pytest.mark.parametrize("nearest", [False, True])
def test_slab_by_slab_the_picture_is_the_same(
    a_transform: Transform, nearest: bool, grid: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixed, moving = a_transform.fixed_to_moving.grid, a_transform.moving_to_fixed.grid
    values = np.random.default_rng(5).integers(0, 900, moving.shape_kji).astype(np.int16)
    volume = Volume(values, moving)
    other = fixed.crop((0.25, 0.5, 0.75), np.subtract(fixed.size_xyz, 1)) if grid else None
    whole = a_transform.resample(volume, nearest=nearest, grid=other)
    monkeypatch.setattr(transform_module, "VOXELS_AT_ONCE", 3 * fixed.size_xyz[0] * fixed.size_xyz[1])
    slabs = a_transform.resample(volume, nearest=nearest, grid=other)
    assert slabs.array_kji.dtype == whole.array_kji.dtype
    is_same = slabs.array_kji == whole.array_kji
    assert is_same.mean() > 0.999  # ties are rounded one way or the other
    assert nearest or np.abs(slabs.array_kji.astype(int) - whole.array_kji)[~is_same].max(initial=0) <= 1


def test_resampling_with_the_identity_changes_nothing(a_hostile_grid: Grid, values_of) -> None:
    transform = affine_transform("rigid", np.eye(4), a_hostile_grid, HOSTILE_GRIDS["oblique"])
    volume = Volume(values_of(a_hostile_grid, np.int16), a_hostile_grid)
    np.testing.assert_array_equal(transform.resample(volume, nearest=True).array_kji, volume.array_kji)


# --- a moving volume that was moved before the fit ---


@settings(max_examples=40)
@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1),
    degrees=st.floats(-180, 180),
    shift=st.tuples(*[st.floats(-200, 200)] * 3),
    scales=st.tuples(*[st.sampled_from([-1.0, 1.0, 1.25])] * 3),
    pair=st.sampled_from(SIX_PAIRS),
    name=st.sampled_from(sorted(BOTH_KINDS)),
)
def test_the_map_to_the_unmoved_volume_is_the_fit_and_then_the_way_back(
    axis: tuple, degrees: float, shift: tuple, scales: tuple, pair: tuple[str, str], name: str
) -> None:
    """Both directions against the composition of points, inside and beyond the grids."""
    fitted = BOTH_KINDS[name](*pair)
    moved_grid = fitted.moving_to_fixed.grid
    axes = np.reshape(moved_grid.direction, (3, 3))
    back = np.eye(4)
    back[:3, :3], back[:3, 3] = rotation(axis, degrees) @ axes @ np.diag(scales) @ axes.T, shift
    moved_by = np.linalg.inv(back)
    own_grid = moved_grid.moved_by(back)
    transform = transform_before_move(fitted, moved_by, own_grid)
    points = np.concatenate([points_in(fitted.fixed_to_moving.grid, beyond_voxels=4), LANDMARKS])
    mapped = transform.apply_to_points(points)
    np.testing.assert_allclose(mapped, apply_affine(back, fitted.apply_to_points(points)), atol=1e-3)
    on_moving = points_in(own_grid, beyond_voxels=4)
    expected = fitted.inverse.apply_to_points(apply_affine(moved_by, on_moving))
    np.testing.assert_allclose(transform.inverse.apply_to_points(on_moving), expected, atol=1e-3)
    np.testing.assert_allclose(
        transform.inverse.apply_to_points(transform.apply_to_points(LANDMARKS)), LANDMARKS, atol=0.03
    )
    assert transform.moving_to_fixed.grid == own_grid


def test_a_rigid_fit_stays_rigid_only_if_the_volume_was_moved_rigidly() -> None:
    grid = moving_grid("axis-aligned")
    fitted = affine_transform("rigid", np.eye(4), fixed_grid("oblique"), grid)
    turned, stretched = np.eye(4), np.diag([1.1, 1.0, 1.0, 1.0])
    turned[:3, :3] = rotation((0, 1, 2), 30)
    assert transform_before_move(fitted, turned).kind == "rigid"
    assert transform_before_move(fitted, stretched).kind == "affine"


def test_the_grid_of_another_volume_is_no_moving_grid() -> None:
    fitted = an_affine_transform("oblique", "flipped")
    with pytest.raises(GeometryError, match="not the moving volume's grid"):
        transform_before_move(fitted, np.eye(4), fixed_grid("oblique"))


# --- bad input ---


@pytest.mark.parametrize("points", [[1.0, np.nan, 2.0], [[np.inf, 0, 0]], [[1.0, 2.0]], 5.0, [[1, 2, 3, 4]], []])
def test_points_that_are_not_three_finite_numbers_are_refused(points: object) -> None:
    transform = an_affine_transform("oblique", "flipped")
    with pytest.raises(GeometryError, match="Points must be finite and of shape"):
        transform.apply_to_points(points)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((4, 4)), np.diag([1, 1, 0, 1]), np.eye(3), np.full((4, 4), np.nan), np.diag([1, np.inf, 1, 1])],
    ids=["zero", "flat", "3 x 3", "NaN", "infinite"],
)
def test_an_affine_part_that_cannot_be_inverted_is_refused(matrix: np.ndarray) -> None:
    field = identity_field(HOSTILE_GRIDS["oblique"])
    with pytest.raises(GeometryError, match="invertible 4 x 4"):
        Transform("affine", field, field, matrix)


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.diag([1, 1, 0, 1]), np.eye(3), np.full((4, 4), np.nan)])
def test_a_singular_matrix_makes_no_affine_transform(matrix: np.ndarray) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    with pytest.raises(GeometryError, match="invertible 4 x 4"):
        affine_transform("affine", matrix, grid, grid)


def test_the_affine_part_cannot_be_changed_and_the_callers_matrix_can() -> None:
    matrix, field = np.eye(4), identity_field(HOSTILE_GRIDS["oblique"])
    transform = Transform("affine", field, field, matrix)
    matrix[0, 3] = 5
    assert transform.affine_lps[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        transform.affine_lps[0, 3] = 5


def test_a_field_of_nothing_but_a_shift_shifts_everything() -> None:
    """The sign, by one number: +5 along x is 5 mm to the patient's left."""
    grid = HOSTILE_GRIDS["left-handed"]
    vectors = np.zeros((*grid.shape_kji, 3), np.float32)
    vectors[..., 0] = 5
    forward = DisplacementField(vectors, grid)
    transform = Transform("ddf", forward, replace(forward, vectors_kji=-vectors), np.eye(4))
    assert transform.apply_to_points(grid.index_to_lps([1, 1, 0])).tolist() == [16, 22, -30]
