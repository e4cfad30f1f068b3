"""The fit: what it must recover, what it must never do, and what it says when it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from Tell2RegLib.errors import Cancelled, FitDiverged, GeometryError, InputError, NothingFound, ResourceError
from Tell2RegLib.evaluation.metrics import dice, field_quality, inverse_error_mm
from Tell2RegLib.fitting import FitSettings, deformable_terms, fit
from Tell2RegLib.fitting.lattice import Lattice, box_lattice, compression_loss, evaluate, exponential, refine
from Tell2RegLib.fitting.linear import linear_maps, moments_start
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.softmask import soft_mask
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import affine_transform, to_sitk_transform
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.device import choose_device
from Testing.Python.maps import strict_min_jacobian

TURN = Rotation.from_euler("xyz", [12, -8, 15], degrees=True).as_matrix()
FIXED_GRID = Grid((44, 40, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0))
HOSTILE = {
    "straight": Grid((44, 40, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0)),
    "oblique, anisotropic": Grid((50, 44, 22), (1.3, 1.6, 3.0), tuple(TURN @ [-33, -33, -32]), tuple(TURN.ravel())),
    "flipped, left-handed": Grid((44, 40, 30), (1.5, 1.5, 2.0), (33.0, -30.0, 29.0), (-1, 0, 0, 0, 1, 0, 0, 0, -1)),
    "left-handed, permuted": Grid((40, 44, 30), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0), (0, 1, 0, 1, 0, 0, 0, 0, 1)),
}
every_grid = pytest.mark.parametrize("grid", HOSTILE.values(), ids=HOSTILE.keys())


def bean(points: np.ndarray) -> np.ndarray:
    """An asymmetric blob, about 24 x 18 x 20 mm: no axis of it can be taken for another."""
    x, y, z = np.moveaxis(points - [2.0, -1.0, 0.5], -1, 0)
    y = y - 0.012 * x * x
    return (x / 12) ** 2 + (y / 9) ** 2 + (z / (10 + 0.2 * x)) ** 2 < 1


def a_ball(centre: tuple[float, float, float], radius: float):  # type: ignore[no-untyped-def]
    return lambda points: np.linalg.norm(points - np.array(centre), axis=-1) < radius


def drawn(shape, grid: Grid, name: str = "gland", to_shape=lambda points: points) -> Region:  # type: ignore[no-untyped-def]
    return Region.from_mask(name, shape(to_shape(grid.voxel_centres_lps_mm())), grid)


def a_pair(grid: Grid, moving_to_fixed=lambda points: points, shape=bean, name="gland") -> RegionPair:  # type: ignore[no-untyped-def]
    return RegionPair(drawn(shape, FIXED_GRID, name), drawn(shape, grid, name, moving_to_fixed))


def rigid_and_affine(pairs: list[RegionPair]) -> tuple[np.ndarray, np.ndarray]:
    maps = linear_maps(pairs, LinearPrior.from_settings(FitSettings()))
    return maps.rigid, maps.affine


def overlap(pair: RegionPair, transform) -> float:  # type: ignore[no-untyped-def]
    carried = warp_region(pair.moving, transform)
    return 0.0 if carried is None else dice(pair.fixed, carried)


KNOWN = np.eye(4)
KNOWN[:3, :3] = Rotation.from_euler("z", 9, degrees=True).as_matrix()
KNOWN[:3, 3] = [5.0, -4.0, 3.0]


@every_grid
def test_rigid_fit_recovers_a_known_motion_whatever_the_moving_grid(grid: Grid) -> None:
    back = np.linalg.inv(KNOWN)
    pair = a_pair(grid, lambda points: apply_affine(back, points))
    result = fit([pair], FitSettings(kind="rigid"))
    linear = result.transform.affine_lps[:3, :3]
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(linear) == pytest.approx(1)
    landmarks = np.array([[12.0, -1.0, 0.5], [-6.0, 5.0, 3.0], [2.0, -8.0, -7.0]])
    off = result.transform.apply_to_points(landmarks) - apply_affine(KNOWN, landmarks)
    assert np.linalg.norm(off, axis=1).max() < 1.5  # voxels are 1.5 x 1.5 x 2 mm and larger


@every_grid
@pytest.mark.parametrize("kind", ["svf", "ffd", "ddf"])
def test_deformable_fit_lays_one_region_onto_another_without_folding(kind: str, grid: Grid) -> None:
    def bent(points: np.ndarray) -> np.ndarray:
        moved = apply_affine(np.linalg.inv(KNOWN), points)
        return moved + np.stack([0 * moved[..., 0], 2.5 * np.sin(moved[..., 0] / 5), moved[..., 1] / 8], axis=-1)

    pair = a_pair(grid, bent)
    result = fit([pair], FitSettings(kind=kind, max_steps=40, tolerance=4e-2))
    affine = affine_transform("affine", result.affine_lps, pair.fixed.grid, pair.moving.grid)
    before, after = overlap(pair, affine), overlap(pair, result.transform)
    assert after > max(0.95, before)
    forward, backward = result.transform.fixed_to_moving, result.transform.moving_to_fixed
    assert strict_min_jacobian(forward.vectors_kji, forward.grid) > 0
    assert field_quality(forward).folding_percent == 0
    # At the inverse's own voxels it is exact; between them it is interpolated over voxels of up to 3 mm.
    assert inverse_error_mm(backward, forward)[1] < 0.01
    mean, largest = inverse_error_mm(forward, backward)
    assert mean < 0.05
    assert largest < 1.5


SHIFT = np.array([4.4, -2.3, 3.1])
"""No whole number of voxels along any axis."""


@pytest.mark.parametrize("grid", [HOSTILE["straight"], HOSTILE["oblique, anisotropic"]], ids=["equal", "other"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_pure_shift_of_drawings_is_not_bent(grid: Grid, count: int) -> None:
    """A deformation that removes the last mismatch of the voxels moves the inside by more than a millimetre."""
    shapes = [bean, a_ball((-20.0, 12.0, -8.0), 7.0)][:count]
    pairs = [a_pair(grid, lambda points: points - SHIFT, shape, str(number)) for number, shape in enumerate(shapes)]
    result = fit(pairs, FitSettings(kind="svf"))
    inside = np.concatenate([pair.fixed.points_lps_mm() for pair in pairs])
    error = np.linalg.norm(result.transform.apply_to_points(inside) - inside - SHIFT, axis=1)
    assert error.max() < 0.6
    assert result.rigid_is_enough
    assert result.transform.kind == "svf"
    assert inverse_error_mm(result.transform.fixed_to_moving, result.transform.moving_to_fixed)[1] < 1e-3


def bent(points: np.ndarray) -> np.ndarray:
    return points + np.stack([0 * points[..., 0], 1.5 * np.sin(points[..., 0] / 4), 0 * points[..., 0]], axis=-1)


def test_what_a_rigid_map_leaves_of_a_bent_region_is_no_noise() -> None:
    assert not fit([a_pair(FIXED_GRID, bent)], FitSettings(max_steps=2)).rigid_is_enough
    still = a_pair(FIXED_GRID, lambda points: points - SHIFT, a_ball((-20.0, 12.0, -8.0), 7.0), "still")
    assert not fit([still, a_pair(FIXED_GRID, bent)], FitSettings(max_steps=2)).rigid_is_enough


def test_regions_that_do_not_overlap_at_the_start_are_brought_together() -> None:
    far = a_pair(FIXED_GRID, lambda points: points - [14.0, 10.0, 0.0], a_ball((-12, -8, 0), 7), "left one")
    near = a_pair(FIXED_GRID, lambda points: points - [12.0, 10.0, 4.0], a_ball((8, 6, -6), 6), "right one")
    assert dice(far.fixed, far.moving) == dice(near.fixed, near.moving) == 0
    result = fit([far, near], FitSettings(max_steps=40, smoothness=0.5))
    assert min(overlap(far, result.transform), overlap(near, result.transform)) > 0.95


def test_twenty_regions_are_fitted_together() -> None:
    centres = [(x, y, z) for x in (-20, -10, 0, 10, 20) for y in (-12, 10) for z in (-14, 12)]
    pairs = [
        a_pair(FIXED_GRID, lambda points: points * 1.06 - [3.0, 1.0, -2.0], a_ball(centre, 4.5), f"region {number}")
        for number, centre in enumerate(centres)
    ]
    result = fit(pairs, FitSettings(max_steps=30))
    assert np.mean([overlap(pair, result.transform) for pair in pairs]) > 0.9


def around(centre: np.ndarray, side_mm: float, spacing: tuple[float, float, float], rotation: Rotation) -> Grid:
    size = tuple(int(side_mm / s) for s in spacing)
    matrix = rotation.as_matrix()
    origin = centre - matrix @ (np.array(spacing) * (np.array(size) - 1) / 2)
    return Grid(size, spacing, tuple(origin), tuple(matrix.ravel()))


UNTURNED, TURNED = Rotation.identity(), Rotation.from_euler("zyx", [0.1, -0.3, 0.2])
SHIFT = np.array([1.3, -0.6, 0.9])
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


def test_rejected_pairs_take_no_part() -> None:
    good = a_pair(FIXED_GRID)
    bad = a_pair(FIXED_GRID, lambda points: points - [15.0, 0, 0], a_ball((-10, 0, 0), 6), "wrong").rejected("moved")
    with_bad, without = fit([good, bad], FitSettings(kind="affine")), fit([good], FitSettings(kind="affine"))
    np.testing.assert_array_equal(with_bad.transform.affine_lps, without.transform.affine_lps)


def test_the_same_input_gives_the_same_bytes_twice() -> None:
    pair = a_pair(HOSTILE["oblique, anisotropic"], lambda points: points * 1.1 - [2.0, 1.0, 0.0])
    first, second = (fit([pair], FitSettings(max_steps=15)).transform for _ in range(2))
    assert first.fixed_to_moving.vectors_kji.tobytes() == second.fixed_to_moving.vectors_kji.tobytes()
    assert first.moving_to_fixed.vectors_kji.tobytes() == second.moving_to_fixed.vectors_kji.tobytes()


def test_the_order_of_pairs_does_not_matter() -> None:
    pairs = [
        a_pair(FIXED_GRID, lambda points: points * 1.05 - [2.0, -1.0, 1.0], a_ball(centre, 6), str(centre))
        for centre in ((-12.0, -6.0, 4.0), (10.0, 8.0, -6.0), (4.0, -10.0, 8.0))
    ]
    item = fit(pairs, FitSettings(max_steps=15)).transform.fixed_to_moving.vectors_kji
    reversed_order = fit(pairs[::-1], FitSettings(max_steps=15)).transform.fixed_to_moving.vectors_kji
    # Sums in another order differ in their last bits, which an optimiser carries on.
    assert np.abs(item - reversed_order).max() < 0.05


def test_far_from_the_regions_the_field_is_affine() -> None:
    grid = Grid((110, 90, 60), (1.5, 1.5, 2.0), (-33.0, -30.0, -29.0))
    pair = RegionPair(drawn(bean, grid), drawn(bean, grid, to_shape=lambda p: p * [1.2, 0.95, 1.1] - [1.0, 2.0, 0]))
    transform = fit([pair], FitSettings(max_steps=15)).transform
    corner = grid.index_to_lps([107, 87, 57])
    np.testing.assert_allclose(transform.apply_to_points(corner), apply_affine(transform.affine_lps, corner), atol=1e-3)


def test_written_transform_and_points_agree_with_simpleitk() -> None:
    pair = a_pair(HOSTILE["oblique, anisotropic"], lambda points: points * 1.1 - [2.0, 1.0, 0.0])
    transform = fit([pair], FitSettings(max_steps=10)).transform
    points = np.random.default_rng(3).uniform(-20, 20, (40, 3))
    itk: sitk.Transform = to_sitk_transform(transform)
    expected = [itk.TransformPoint(point.tolist()) for point in points]
    np.testing.assert_allclose(transform.apply_to_points(points), expected, atol=1e-3)


# --- progress, cancel, errors ---


def test_progress_runs_from_nothing_to_all() -> None:
    recorded: list[tuple[str, int, int]] = []
    fit([a_pair(FIXED_GRID)], FitSettings(max_steps=5), progress=lambda *message: recorded.append(message))
    done = [message[1] for message in recorded]
    assert {message[0] for message in recorded} == {"fit"}
    assert done == sorted(done)
    assert (done[0], done[-1], recorded[-1][2]) == (0, 100, 100)


@pytest.mark.parametrize("calls", [1, 4, 20])
def test_a_cancelled_fit_stops_at_the_next_look(calls: int) -> None:
    looked = 0

    def check() -> None:
        nonlocal looked
        looked += 1
        if looked == calls:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit([a_pair(FIXED_GRID)], FitSettings(max_steps=20), check=check)
    assert looked == calls


def test_torchs_own_setting_of_determinism_comes_back() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    fit([a_pair(FIXED_GRID)], FitSettings(max_steps=2))
    assert torch.are_deterministic_algorithms_enabled() == before


def test_no_accepted_pair_is_said_plainly() -> None:
    with pytest.raises(NothingFound, match="Accept at least one"):
        fit([a_pair(FIXED_GRID).rejected("no")])


def test_regions_on_different_grids_are_refused() -> None:
    item, on_another_grid = a_pair(FIXED_GRID), a_pair(HOSTILE["oblique, anisotropic"], name="other")
    with pytest.raises(GeometryError, match="other"):
        fit([item, on_another_grid])


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "spline"},
        {"smoothness": -1.0},
        {"smoothness": float("nan")},
        {"resolution_mm": 0.0},
        {"max_steps": 0},
        {"margin_mm": -2.0},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError):
        FitSettings(**wrong)


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="tpu"):
        choose_device("tpu")
    with pytest.raises(ResourceError, match="cuda:97"):
        choose_device("cuda:97")


def test_every_kind_of_transform_is_named_in_the_settings() -> None:
    assert tuple(KINDS) == ("rigid", "affine", "svf", "ffd", "ddf")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cpu_and_cuda_fit_the_same_and_cuda_repeats_itself() -> None:
    pair = a_pair(HOSTILE["oblique, anisotropic"], lambda points: points * 1.1 - [2.0, 1.0, 0.0])
    cpu = fit([pair], FitSettings(max_steps=15)).transform.fixed_to_moving.vectors_kji
    first, second = (
        fit([pair], FitSettings(max_steps=15, device="cuda")).transform.fixed_to_moving.vectors_kji for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(cpu - first).max() < 0.2


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


@pytest.mark.parametrize("pooling", [(1, 1, 1), (2, 3, 1), (4, 4, 2)])
def test_soft_masks_keep_volume_and_place(pooling: tuple[int, int, int]) -> None:
    region = drawn(bean, HOSTILE["oblique, anisotropic"])
    mask = soft_mask(region, pooling, 0.0)
    assert mask.image_kji.sum() * mask.grid.voxel_volume_mm3 == pytest.approx(1000 * region.volume_ml, rel=1e-5)
    weights = mask.image_kji.reshape(-1)
    centre = weights @ mask.grid.voxel_centres_lps_mm().reshape(-1, 3) / weights.sum()
    np.testing.assert_allclose(centre, region.centroid_lps_mm(), atol=0.1)


def test_ramps_fall_from_one_inside_to_zero_outside_in_millimetres() -> None:
    region = drawn(a_ball((0, 0, 0), 12), HOSTILE["oblique, anisotropic"])
    mask = soft_mask(region, (1, 1, 1), 6.0)
    radius = np.linalg.norm(mask.grid.voxel_centres_lps_mm(), axis=-1)
    expected = np.clip(0.5 - (radius - 12) / 12, 0, 1)
    assert np.abs(mask.image_kji - expected).max() < 0.25  # half a slice of 3 mm
    faces = [mask.image_kji[0], mask.image_kji[-1], mask.image_kji[:, 0], mask.image_kji[..., -1]]
    assert max(face.max() for face in faces) == 0


def test_a_region_thinner_than_the_lattice_keeps_a_ramp() -> None:
    mask = np.zeros(FIXED_GRID.shape_kji, bool)
    mask[12, 10:30, 20] = True
    assert soft_mask(Region.from_mask("needle", mask, FIXED_GRID), (4, 4, 4), 8.0).image_kji.max() > 0.4


def a_lattice() -> Lattice:
    return box_lattice(np.zeros(3), np.array([20.0, 24.0, 16.0]), 4.0, 1, 8.0)


def test_refined_splines_are_the_same_function() -> None:
    lattice = a_lattice()
    nodes = torch.zeros((3, *lattice.shape_kji))
    nodes[:, 2:-2, 2:-2, 2:-2] = torch.randn((3, *(n - 4 for n in lattice.shape_kji)), generator=torch.manual_seed(1))
    finer = lattice.finer()
    axes = [np.linspace(0, extent, 9) for extent in (20.0, 24.0, 16.0)]
    coarse = evaluate(nodes, tuple(lattice.basis(axes[a], a) for a in (2, 1, 0)))  # type: ignore[arg-type]
    fine = evaluate(refine(nodes), tuple(finer.basis(axes[a], a) for a in (2, 1, 0)))  # type: ignore[arg-type]
    torch.testing.assert_close(fine, coarse, atol=1e-5, rtol=0)


def test_spline_weights_add_up_to_one_inside() -> None:
    lattice = a_lattice()
    torch.testing.assert_close(lattice.basis(np.linspace(0, 20, 7), 0).sum(dim=1), torch.ones(7))


def smooth_velocity(lattice: Lattice, size_mm: float) -> torch.Tensor:
    noise = torch.randn((3, *lattice.shape_kji), generator=torch.manual_seed(2)) * lattice.free()
    for axis in (1, 2, 3):
        for _ in range(3):
            noise = (noise.roll(1, axis) + 2 * noise + noise.roll(-1, axis)) / 4
    return noise * (size_mm / noise.norm(dim=0).max())


@pytest.mark.parametrize("size_mm", [0.5, 4.0, 9.0])
def test_the_exponential_of_minus_v_undoes_that_of_v(size_mm: float) -> None:
    from Tell2RegLib.space.interpolation import sample

    lattice = a_lattice().finer()
    velocity = smooth_velocity(lattice, size_mm)
    forward, backward = (exponential(sign * velocity, lattice.spacing_mm) for sign in (1, -1))
    axes = [torch.linspace(-1, 1, n) for n in lattice.shape_kji]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    half = torch.tensor([(n - 1) * lattice.spacing_mm / 2 for n in lattice.size_xyz])
    mapped_points = torch.stack([x, y, z], dim=-1).reshape(-1, 3) + forward.reshape(3, -1).T / half
    returned = forward.reshape(3, -1) + sample(backward, mapped_points)
    assert returned.norm(dim=0).mean() < 0.05 * size_mm


def test_crushing_is_felt_only_where_cells_lose_their_volume() -> None:
    lattice = a_lattice()
    x = torch.linspace(0, 1, lattice.size_xyz[0]) * (lattice.size_xyz[0] - 1) * lattice.spacing_mm
    u = lattice.zeros()
    u[0] = -0.5 * x
    assert compression_loss(u, lattice.spacing_mm, 0.3) == 0
    u[0] = -0.9 * x
    assert compression_loss(u, lattice.spacing_mm, 0.3).item() == pytest.approx(2 * 0.2**2, rel=1e-3)


def test_comparing_every_point_as_on_a_gpu_changes_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, few = a_pair(HOSTILE["oblique, anisotropic"], lambda points: points * 1.1), FitSettings(max_steps=4)
    chosen, place = fit([pair], few).losses, deformable_terms._to_device
    monkeypatch.setattr(deformable_terms, "_to_device", lambda term, device: replace(place(term, device), active=None))
    np.testing.assert_allclose(fit([pair], few).losses, chosen, rtol=1e-4)


def test_a_field_that_would_fold_is_mended_and_checked() -> None:
    from Tell2RegLib.fitting.deformable import Deformation
    from Tell2RegLib.fitting.unfold import influenced_box, lps_displacements, remove_folding

    lattice = box_lattice(np.zeros(3), np.array([60.0, 50.0, 50.0]), 4.0, 1, 8.0)
    wild = smooth_velocity(lattice, 40.0)
    grid = replace(FIXED_GRID, origin_lps_mm=(0.0, 0.0, 0.0))
    whole = slice(0, grid.shape_kji[0]), slice(0, grid.shape_kji[1]), slice(0, grid.shape_kji[2])
    alone = lps_displacements(lattice, wild, grid, whole)
    assert strict_min_jacobian(alone, grid) < 0
    left_out = np.ones(grid.shape_kji, dtype=bool)
    left_out[influenced_box(lattice, grid)] = False
    assert not alone[left_out].any()
    mended, field = remove_folding(Deformation(lattice, wild, ()), np.eye(4), grid)
    assert strict_min_jacobian(field.vectors_kji, grid) > 0
    assert mended.forward.norm(dim=0).max() > 1.0


def test_a_fit_that_diverges_says_at_which_step_and_returns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.fitting import deformable

    real, calls = deformable._LevelProblem.loss, []

    def torn(self, nodes):  # type: ignore[no-untyped-def]
        calls.append(1)
        return real(self, nodes) * (float("nan") if len(calls) == 4 else 1.0)

    monkeypatch.setattr(deformable._LevelProblem, "loss", torn)
    with pytest.raises(FitDiverged, match="at step 4 its loss is nan") as caught:
        fit([a_pair(FIXED_GRID, bent)], FitSettings(max_steps=20))
    assert caught.value.step == 4
