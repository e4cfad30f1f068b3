"""The fit: what it must recover, what it must never do, and what it says when it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from Tell2RegLib.errors import Cancelled, FitDiverged, GeometryError, InputError, NothingFound, ResourceError
from Tell2RegLib.evaluation.metrics import dice, field_quality, inverse_error_mm
from Tell2RegLib.fitting import FitSettings, deformable_terms, fit
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import affine_transform, to_sitk_transform
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.support.device import choose_device
from Testing.Python.fitting.drawn_pairs import (
    FIXED_GRID,
    HOSTILE,
    KNOWN,
    SHIFT,
    a_ball,
    a_pair,
    bean,
    bent,
    drawn,
    every_grid,
    overlap,
)
from Testing.Python.maps import strict_min_jacobian


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


def test_comparing_every_point_as_on_a_gpu_changes_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, few = a_pair(HOSTILE["oblique, anisotropic"], lambda points: points * 1.1), FitSettings(max_steps=4)
    chosen, place = fit([pair], few).losses, deformable_terms._to_device
    monkeypatch.setattr(deformable_terms, "_to_device", lambda term, device: replace(place(term, device), active=None))
    np.testing.assert_allclose(fit([pair], few).losses, chosen, rtol=1e-4)


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
