"""From regions to a result: every kind of transform, any geometry, progress, and stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, GeometryError, InputError
from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.results.record import record_of
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.space.grid import Floats, Grid, apply_affine
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.stages import REGION_STAGES
from Tell2RegLib.workflows.register import register
from Testing.Python.conftest import rotation
from Testing.Python.matching.pair_cases import GRID, two_scans
from Testing.Python.matching.pair_cases import ORGANS as ORGANS_AS_BLOCKS
from Testing.Python.small import AFFINE, ORGANS, PLAN, RIGID, Side, a_side, centred_grid

PLACES = np.array(list(PLAN.values()))
QUICK = {"resolution_mm": 8.0, "max_steps": 5}


def run(fixed: Side, moving: Side, **more: object) -> RegistrationResult:
    return register(
        fixed.volume,
        moving.volume,
        fixed_regions=fixed.regions,
        moving_regions=moving.regions,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def sides() -> tuple[Side, Side]:
    return a_side("fixed", centred_grid()), a_side("moving", centred_grid((36, 40, 26), (4.0, 3.5, 4.0)), AFFINE)


@pytest.fixture(scope="module")
def results(sides: tuple[Side, Side]) -> Callable[[str], RegistrationResult]:
    """A result of each kind, fitted once."""
    plan = PointList(tuple(PLAN), apply_affine(AFFINE, PLACES))
    remaining: dict[str, RegistrationResult] = {}

    def of(kind: str) -> RegistrationResult:
        if kind not in remaining:
            settings = FitSettings(kind=kind, **QUICK)  # type: ignore[arg-type]
            remaining[kind] = run(*sides, settings=settings, plan=plan, plan_truth=PointList(tuple(PLAN), PLACES))
        return remaining[kind]

    return of


# --- every kind ---


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_brings_the_regions_together(kind: str, results: Callable[[str], RegistrationResult]) -> None:
    result = results(kind)
    assert result.status == "ok"
    assert result.transform.kind == kind
    assert result.summary.mean_dice_before is not None
    assert result.summary.mean_dice_after is not None
    assert result.summary.mean_dice_before < 0.6
    assert result.summary.mean_dice_after > 0.8
    assert [metric.name for metric in result.metrics] == list(ORGANS)
    assert {"pair", "start", "fit", "measure", "total"} == set(result.timing_s)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ddf"])
def test_the_two_directions_undo_each_other(kind: str, results: Callable[[str], RegistrationResult]) -> None:
    transform = results(kind).transform
    there_and_back = transform.inverse.apply_to_points(transform.apply_to_points(PLACES))
    assert np.abs(there_and_back - PLACES).max() < 0.5


def test_rigid_is_rigid(results: Callable[[str], RegistrationResult]) -> None:
    transform = results("rigid").transform
    linear = transform.affine_lps[:3, :3]
    assert np.allclose(linear @ linear.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(linear) == pytest.approx(1)
    moved = transform.apply_to_points(PLACES)
    assert np.linalg.norm(moved[0] - moved[1]) == pytest.approx(np.linalg.norm(PLACES[0] - PLACES[1]), abs=1e-4)
    assert np.allclose(moved, apply_affine(transform.affine_lps, PLACES), atol=1e-4), "the field is the matrix"


def test_affine_is_affine(results: Callable[[str], RegistrationResult]) -> None:
    transform = results("affine").transform
    grid = transform.fixed_to_moving.grid
    moved = grid.voxel_centres_lps_mm() + transform.fixed_to_moving.vectors_kji
    assert np.allclose(moved, apply_affine(transform.affine_lps, grid.voxel_centres_lps_mm()), atol=1e-3)


def test_rigid_and_affine_stand_beside_the_deformable_result(results: Callable[[str], RegistrationResult]) -> None:
    fitted = results("svf").fitted
    assert fitted is not None
    assert np.allclose(fitted.rigid_lps, results("rigid").transform.affine_lps)
    assert np.allclose(fitted.affine_lps, results("affine").transform.affine_lps)


@pytest.mark.parametrize("kind", ["rigid", "svf"])
def test_targets_of_regions_that_nothing_was_learned_from_have_no_number_but_the_reason(
    results: Callable[[str], RegistrationResult], kind: str
) -> None:
    for target in results(kind).targets:
        trust = target.trust
        assert (trust.nearest_mm, trust.nearest_name, trust.radius_mm) == (0.0, "prostate", None)
        assert trust.verdict == "check"
        assert trust.reasons[0].startswith("No predicted error: ")


def test_errors_of_targets_are_distances_to_their_true_places(results: Callable[[str], RegistrationResult]) -> None:
    result = results("svf")
    assert [target.name for target in result.targets] == list(PLAN)
    for target, position in zip(result.targets, PLACES, strict=True):
        assert set(target.errors_mm) == {"before", "rigid", "affine", "deformable"}
        assert target.errors_mm["before"] == pytest.approx(np.linalg.norm(target.moving_lps_mm - position))
        assert target.errors_mm["deformable"] == pytest.approx(np.linalg.norm(target.fixed_lps_mm - position))
        assert target.errors_mm["affine"] < 1.0


# --- hostile geometry, end to end: a known map between two grids of any kind is found again ---

GEOMETRIES: dict[str, tuple[Grid, Grid]] = {
    "oblique and flipped": (
        centred_grid((34, 40, 28), (4.0, 3.5, 3.5), rotation((1, 2, 3), 25)),
        centred_grid((38, 36, 26), (3.5, 4.0, 4.0), np.diag([-1.0, -1.0, 1.0]), (13.0, -1.0, 6.0)),
    ),
    "left-handed and sagittal": (
        centred_grid((38, 40, 26), (3.5, 3.5, 4.0), np.diag([1.0, 1.0, -1.0])),
        centred_grid((40, 26, 36), (3.5, 4.0, 4.0), np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]), (13.0, -1.0, 6.0)),
    ),
    "thick slices and oblique left-handed": (
        centred_grid((56, 52, 14), (2.5, 2.5, 7.0)),
        centred_grid(
            (30, 44, 28), (5.0, 3.0, 4.0), rotation((3, -1, 2), 40) @ np.diag([1.0, -1.0, 1.0]), (13.0, -1.0, 6.0)
        ),
    ),
}


def error_mm(result: RegistrationResult, truth: Floats) -> float:
    """Mean error in the regions, fixed to moving."""
    inside = np.concatenate([region.grid.index_to_lps(_indices(region)) for region in _regions(result)])
    return float(np.linalg.norm(result.transform.apply_to_points(inside) - apply_affine(truth, inside), axis=1).mean())


def _regions(result: RegistrationResult):
    return [pair.fixed for pair in result.pairs]


def _indices(region) -> np.ndarray:
    return (np.argwhere(region.box_kji) + region.start_kji)[:, ::-1]


@pytest.mark.parametrize("kind", ["rigid", "affine"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_known_map_between_hostile_grids_is_found_again(name: str, kind: str) -> None:
    fixed_grid, moving_grid = GEOMETRIES[name]
    truth = RIGID if kind == "rigid" else AFFINE
    fixed, moving = a_side("fixed", fixed_grid), a_side("moving", moving_grid, truth)
    result = run(fixed, moving, settings=FitSettings(kind=kind))
    assert error_mm(result, truth) < 0.3 * max(moving_grid.spacing_mm)
    back = result.transform.inverse.apply_to_points(apply_affine(truth, PLACES))
    assert np.linalg.norm(back - PLACES, axis=1).max() < 0.4 * max(fixed_grid.spacing_mm)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(GEOMETRIES)[::2])
def test_a_deformable_fit_between_hostile_grids_keeps_what_is_affine(name: str) -> None:
    fixed_grid, moving_grid = GEOMETRIES[name]
    fixed, moving = a_side("fixed", fixed_grid), a_side("moving", moving_grid, AFFINE)
    result = run(fixed, moving, settings=FitSettings(resolution_mm=7.0, max_steps=15))
    assert error_mm(result, AFFINE) < max(moving_grid.spacing_mm)
    assert result.fitted is not None
    assert result.fitted.quality.folding_percent == 0
    after = result.fitted.moving_in_fixed
    assert after.grid.same_space(fixed.volume.grid)


# --- nothing to fit, and what cannot be used ---


def renamed(side: Side) -> Side:
    return replace(side, regions=tuple(replace(region, name=f"other {region.name}") for region in side.regions))


def test_no_common_name_is_a_result_with_a_reason(sides: tuple[Side, Side]) -> None:
    fixed, moving = sides
    result = run(fixed, renamed(moving))
    assert result.status == "no_pairs"
    assert "prostate" in result.reason
    assert result.fitted is None
    assert not result.metrics
    assert len(result.unpaired_fixed) == len(result.unpaired_moving) == len(ORGANS)
    assert record_of(result)["transform"] is None
    assert result.provenance["device"] == "none"
    with pytest.raises(InputError, match="no transform"):
        _ = result.transform


def test_regions_on_another_grid_are_refused(sides: tuple[Side, Side]) -> None:
    fixed, moving = sides
    with pytest.raises(GeometryError, match="moving region 'prostate'"):
        run(fixed, replace(moving, regions=fixed.regions))


def test_a_plan_must_fit_its_truth(sides: tuple[Side, Side]) -> None:
    points = PointList(tuple(PLAN), PLACES)
    with pytest.raises(InputError, match="no plan"):
        run(*sides, plan_truth=points)
    with pytest.raises(InputError, match="R apex"):
        run(*sides, plan=points, plan_truth=PointList(("L base",), PLACES[:1]))


# --- progress and stopping ---


def test_progress_tells_every_stage_up_to_its_total(sides: tuple[Side, Side]) -> None:
    message: dict[str, list[tuple[int, int]]] = {}
    settings = FitSettings(kind="svf", **QUICK)  # type: ignore[arg-type]
    run(
        *sides,
        settings=settings,
        progress=lambda stage, done, total: message.setdefault(stage, []).append((done, total)),
    )
    assert list(message) == list(REGION_STAGES)
    for stage, steps in message.items():
        shares = [done / total for done, total in steps]
        assert shares[0] == 0, stage
        assert steps[-1][0] == steps[-1][1], stage
        assert all(0 <= share <= 1 for share in shares), stage
    done = [done / total for done, total in message["fit"]]
    assert done == sorted(done), "the bar of the fit never runs backwards"
    assert len(done) > 10


@pytest.mark.parametrize("stage", REGION_STAGES)
def test_stopping_takes_effect_within_the_stage(stage: str, sides: tuple[Side, Side]) -> None:
    reports: list[str] = []

    def progress(name: str, done: int, total: int) -> None:
        reports.append(name)

    def cancelled() -> bool:
        return stage in reports

    with pytest.raises(Cancelled):
        run(*sides, settings=FitSettings(**QUICK), progress=progress, cancelled=cancelled)  # type: ignore[arg-type]
    assert reports[-1] == stage
    assert reports.count(stage) <= 2, "no step was done after the wish to stop"


def test_a_long_fit_asks_often_whether_to_stop(sides: tuple[Side, Side]) -> None:
    requested = [0]
    shares: list[float] = []

    def cancelled() -> bool:
        requested[0] += 1
        return bool(shares) and shares[-1] > 0.15

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "fit":
            shares.append(done / total)

    with pytest.raises(Cancelled):
        run(*sides, settings=FitSettings(kind="svf", resolution_mm=8.0), progress=progress, cancelled=cancelled)
    assert sum(share > 0.15 for share in shares) == 1, "it stopped where it stood"
    assert shares[-1] < 1
    assert requested[0] > len(shares)


# --- wrong pairs ---


def test_given_regions_are_checked_and_every_pair_is_used_on_request(sides: tuple[Side, Side]) -> None:
    """The moving region of one organ is put where another one lies."""
    fixed, moving = sides
    first, second, *others = moving.regions
    faulty = replace(moving, regions=(first, replace(others[-1], name=second.name), *others))
    settings = FitSettings(kind="rigid")
    result = run(fixed, faulty, settings=settings)
    (wrong,) = [pair for pair in result.pairs if pair.name == second.name]
    assert not wrong.accepted or wrong.weight < 0.3
    assert wrong.reason != "same name"
    record = record_of(result)
    assert {pair["name"]: pair["weight"] for pair in record["pairs"]} == {p.name: p.weight for p in result.pairs}
    unchecked = run(fixed, faulty, settings=settings, all_pairs=True)
    assert all(pair.accepted and pair.weight == 1 for pair in unchecked.pairs)
    assert unchecked.provenance["parameters"]["all_pairs"] is True


def test_remarks_about_the_volumes_are_part_of_the_record(sides: tuple[Side, Side]) -> None:
    """The rectum stands for the right femoral head, in the moving volume with the names exchanged."""

    def named(side: Side, names: dict[str, str]) -> Side:
        return replace(side, regions=tuple(replace(region, name=names[region.name]) for region in side.regions))

    names = {name: name for name in ORGANS} | {"rectum": "right femoral head"}
    exchanged = names | {"rectum": "left femoral head", "left femoral head": "right femoral head"}
    result = run(named(sides[0], names), named(sides[1], exchanged), settings=FitSettings(kind="rigid"))
    (remark,) = record_of(result)["pair_remarks"]
    assert remark.startswith("Wrong side in the moving volume: ")


# --- pairs against each other ---


def test_pairs_are_checked_in_the_orientation_that_an_initial_transform_gives() -> None:
    """A patient turned by 75 degrees: without the initial transform, the check holds the turn against the pairs."""
    fixed, moving = two_scans(tuple(ORGANS_AS_BLOCKS)[:6])
    initial = np.eye(4)
    initial[:3, :3] = rotation((0, 0, 1), 75)
    turned = replace(
        GRID,
        origin_lps_mm=tuple(initial[:3, :3] @ GRID.origin_lps_mm),
        direction=tuple((initial[:3, :3] @ np.reshape(GRID.direction, (3, 3))).ravel()),
    )
    given = {
        "fixed_regions": list(fixed.values()),
        "moving_regions": [replace(region, grid=turned) for region in moving.values()],
        "settings": FitSettings(kind="rigid"),
    }
    volumes = [Volume(np.zeros(grid.shape_kji, np.float32), grid) for grid in (GRID, turned)]
    prior = LinearPrior.from_settings(FitSettings(), initial)
    weights = {
        name: [pair.weight * pair.accepted for pair in register(*volumes, **given, **more).pairs]  # type: ignore[arg-type]
        for name, more in (("with", {"prior": prior}), ("without", {}))
    }
    assert weights["with"] == [1.0] * len(fixed)
    assert min(weights["without"]) < 1.0
