"""The demo: a pair that a user could have brought, and a run that leaves its inputs beside its result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom import make_pair
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.results.result_folder import DEMO_FILES, FILES
from Tell2RegLib.space.grid import apply_affine
from Tell2RegLib.space.point_files import PointList, read_points
from Tell2RegLib.space.volume import read_volume
from Tell2RegLib.workflows import demo
from Tell2RegLib.workflows.demo import ZONES, DemoPair, make_demo_pair, write_demo_pair
from Testing.Python.conftest import rotation
from Testing.Python.small import AFFINE, PLAN, a_side, centred_grid

COARSE = centred_grid((56, 46, 24), (4.0, 4.0, 5.0), rotation((1, 2, 3), 12), (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def a_small_pair() -> DemoPair:
    """As small as those of the other tests, so that it is fitted in a second."""
    fixed, moving = a_side("fixed", centred_grid()), a_side("moving", centred_grid(), AFFINE)
    positions = np.array(list(PLAN.values()))
    return DemoPair(
        fixed.volume,
        moving.volume,
        fixed.regions,
        moving.regions,
        PointList(tuple(PLAN), apply_affine(AFFINE, positions)),
        PointList(tuple(PLAN), positions),
    )


@pytest.fixture
def coarse_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "make_pair", lambda seed: make_pair(seed, COARSE, COARSE))


@pytest.mark.usefixtures("coarse_phantoms")
def test_both_sides_have_the_same_organs_without_the_zones_of_the_prostate() -> None:
    pair = make_demo_pair(3)
    names = [region.name for region in pair.fixed_regions]
    assert names == [region.name for region in pair.moving_regions]
    assert {"prostate", "bladder", "rectum"} <= set(names)
    assert not set(ZONES) & set(names)


@pytest.mark.usefixtures("coarse_phantoms")
def test_the_plan_lies_in_the_moving_prostate_and_its_truth_in_the_fixed_one() -> None:
    pair = make_demo_pair()
    assert pair.plan.names == pair.plan_truth.names
    sides = ((pair.plan, pair.moving_regions), (pair.plan_truth, pair.fixed_regions))
    for points, regions in sides:
        gland = next(region for region in regions if region.name == "prostate")
        i, j, k = np.rint(gland.grid.lps_to_index(points.points_lps_mm)).astype(int).T
        mask = np.zeros(gland.grid.shape_kji, bool)
        mask[gland.slices_kji] = gland.box_kji
        assert mask[k, j, i].all()
    assert np.linalg.norm(pair.plan.points_lps_mm - pair.plan_truth.points_lps_mm, axis=1).min() > 3


@pytest.mark.usefixtures("coarse_phantoms")
def test_a_seed_is_always_the_same_pair_and_a_negative_one_is_refused() -> None:
    first, again, another_seed = make_demo_pair(1), make_demo_pair(1), make_demo_pair(2)
    assert np.array_equal(first.fixed.array_kji, again.fixed.array_kji)
    assert np.array_equal(first.plan.points_lps_mm, again.plan.points_lps_mm)
    assert not np.array_equal(first.fixed.array_kji, another_seed.fixed.array_kji)
    with pytest.raises(InputError, match="-1"):
        make_demo_pair(-1)


def test_the_files_of_a_pair_are_the_pair(a_small_pair: DemoPair, tmp_path: Path) -> None:
    files = write_demo_pair(a_small_pair, tmp_path / "inputs")
    assert {role: path.name for role, path in files.items()} == DEMO_FILES
    assert {path.name for path in (tmp_path / "inputs").iterdir()} == set(DEMO_FILES.values())
    fixed = read_volume(files["fixed"])
    assert fixed.grid.same_space(a_small_pair.fixed.grid)
    assert np.array_equal(fixed.array_kji, a_small_pair.fixed.array_kji)
    back = read_regions(files["moving regions"], a_small_pair.moving.grid)
    assert [region.name for region in back] == [region.name for region in a_small_pair.moving_regions]
    assert np.allclose(read_points(files["fixed points"]).points_lps_mm, a_small_pair.plan_truth.points_lps_mm)


def test_the_command_leaves_inputs_that_register_reads_again(
    a_small_pair: DemoPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "make_demo_pair", lambda seed: a_small_pair)
    out = tmp_path / "demo"
    words = ["demo", "--true-regions", "--out", str(out), "--transform", "affine"]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.stderr
    assert NOTICE in run.stdout
    assert "L base" in run.stdout
    assert {path.name for path in out.iterdir()} == set(FILES)
    record = json.loads((out / "result.json").read_text())
    assert [target["error_mm"]["affine"] < 1 for target in record["targets"]] == [True, True]

    remaining = CliRunner().invoke(app, words)
    assert remaining.exit_code == 1
    assert "--overwrite" in remaining.stderr
    assert CliRunner().invoke(app, [*words, "--overwrite"]).exit_code == 0

    roles = {f"--{role.replace(' ', '-')}": str(out / "inputs" / name) for role, name in DEMO_FILES.items()}
    again = CliRunner().invoke(
        app,
        [
            "register",
            *(w for pair in roles.items() for w in pair),
            "--out",
            str(tmp_path / "again"),
            "--transform",
            "affine",
        ],
    )
    assert again.exit_code == 0, again.stderr
    for name in ("fixed_to_moving.nrrd", "moving_to_fixed.nrrd", "pairs.csv", "targets.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
