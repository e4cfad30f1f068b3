"""The cases of `make validation`: what is spoilt in each, and that their truth is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.phantom import make_subject
from Tell2RegLib.phantom.pair import draw_warp
from Tell2RegLib.space.region import Region
from Tell2RegLib.validation.scores import TRANSFORMS, Score
from Tell2RegLib.validation.summary import summarise
from Testing.Bench.table import rewrite
from Testing.Python.small import ROOT, a_side, centred_grid
from Testing.Python.validation.cases import a_scored_case
from Testing.Validation import spoiling
from Testing.Validation.phantoms import KINDS, ZONES, make_case, usual_grids
from Testing.Validation.run import Task, main
from Testing.Validation.tables import organs_text, phantoms_text

NAMES = ("prostate", "bladder", "rectum", "left femoral head")


@pytest.fixture(scope="module")
def sides() -> spoiling.Sides:
    grid = centred_grid((60, 54, 40), (2.5, 2.5, 2.5))
    return a_side("fixed", grid).regions, a_side("moving", grid).regions


def a_rng() -> np.random.Generator:
    return np.random.default_rng(4)


def names_of(regions: tuple[Region, ...]) -> list[str]:
    return [region.name for region in regions]


def changed(before: tuple[Region, ...], after: tuple[Region, ...]) -> list[str]:
    """Names of the regions with other voxels."""
    return [a.name for a, b in zip(before, after, strict=True) if dice(a, b) < 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_spoils_regions_in_the_same_way_on_every_run(kind: str, sides: spoiling.Sides) -> None:
    first, second = (KINDS[kind].spoil(sides, a_rng()) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert names_of(a) == names_of(b)
        assert not changed(a, b)
        assert "prostate" in names_of(a)


def test_gland_only_and_two_regions_leave_just_these(sides: spoiling.Sides) -> None:
    assert [names_of(side) for side in spoiling.gland_only(sides, a_rng())] == [["prostate"]] * 2
    fixed, moving = spoiling.gland_and_one(sides, a_rng())
    assert names_of(fixed) == names_of(moving)
    assert len(fixed) == 2


def test_other_organs_are_missing_in_either_volume(sides: spoiling.Sides) -> None:
    assert names_of(spoiling.missing(sides, a_rng())[0]) == ["prostate"]
    assert names_of(spoiling.missing(sides, a_rng())[1]) == list(NAMES)


def test_a_wrong_pair_has_the_voxels_of_another_organ(sides: spoiling.Sides) -> None:
    fixed, moving = spoiling.wrong_pair(sides, a_rng())
    assert not changed(sides[0], fixed)
    assert names_of(moving) == list(NAMES)
    (wrong,) = changed(sides[1], moving)
    copy = next(region for region in moving if region.name == wrong)
    assert [region.name for region in sides[1] if dice(region, copy) == 1] != [wrong]
    assert sum(dice(region, copy) == 1 for region in sides[1]) == 1


def test_swapped_pairs_have_each_others_names(sides: spoiling.Sides) -> None:
    moving = spoiling.exchanged_pairs(sides, a_rng())[1]
    swapped = [(a.name, b.name) for a, b in zip(sides[1], moving, strict=True) if a.name != b.name]
    assert len(swapped) == 2
    assert swapped[0] == swapped[1][::-1]
    assert "prostate" not in swapped[0]


def test_a_scaled_region_keeps_its_centre(sides: spoiling.Sides) -> None:
    moving = spoiling.scaled(sides, a_rng())[1]
    (name,) = changed(sides[1], moving)
    before, after = (next(r for r in side if r.name == name) for side in (sides[1], moving))
    ratio = (after.volume_ml / before.volume_ml) ** (1 / 3)
    assert max(ratio, 1 / ratio) == pytest.approx(spoiling.SCALE, rel=0.05)
    assert after.centroid_lps_mm() == pytest.approx(before.centroid_lps_mm(), abs=0.5)


def test_rough_and_noisy_outlines_stay_near_the_true_ones(sides: spoiling.Sides) -> None:
    for spoil in (spoiling.rough, spoiling.noisy):
        for before, after in zip(sides, spoil(sides, a_rng()), strict=True):
            assert changed(before, after) == list(NAMES)
            assert min(dice(a, b) for a, b in zip(before, after, strict=True)) > 0.75


def test_truncated_masks_lack_slices_at_an_end_in_one_volume(sides: spoiling.Sides) -> None:
    after = spoiling.truncated(sides, a_rng())
    counts = [len(changed(a, b)) for a, b in zip(sides, after, strict=True)]
    assert sorted(counts) == [0, 3]
    side = counts.index(3)
    for a, b in zip(sides[side], after[side], strict=True):
        if a.name in changed(sides[side], after[side]):
            assert b.box_kji.shape[0] == pytest.approx(0.7 * a.box_kji.shape[0], abs=1)
            assert b.box_kji.sum() == (a.mask_kji() & b.mask_kji()).sum()


def test_the_truth_of_a_case_is_that_of_its_phantom() -> None:
    """On the kind with the smallest volumes: targets correspond by the warp, and zones are no regions of the fit."""
    case = make_case(70_007, "cropped view")
    warp = draw_warp(make_subject(70_007), np.random.default_rng([70_007, 4]))
    landmarks = case.truth.landmarks
    assert len(landmarks.names) == 7
    assert warp(landmarks.fixed_lps_mm) == pytest.approx(landmarks.moving_lps_mm, abs=1e-4)
    assert [pair.name for pair in case.truth.regions] == list(ZONES)
    assert not set(ZONES) & set(names_of(case.fixed_regions))
    assert {"prostate"} < set(names_of(case.fixed_regions)) & set(names_of(case.moving_regions))
    assert case.fixed.grid.size_xyz == (55, 50, 38)


def test_every_kind_has_grids_that_hold_the_pelvis() -> None:
    for kind, description in KINDS.items():
        if kind != "cropped view":
            for grid, usual in zip(description.grids(1, a_rng()), usual_grids(1, a_rng()), strict=True):
                extent, least = (np.multiply(g.size_xyz, g.spacing_mm) for g in (grid, usual))
                assert (extent > 0.95 * least).all(), kind


def test_tables_show_kinds_in_their_order_and_organs_with_medians() -> None:
    cases = [a_scored_case(kind, (kind,), kind=kind) for kind in ("gland only", "all regions")]
    text = phantoms_text(summarise(cases), cases, "Measured today.")
    assert text.index("| Landmark error | all regions |") < text.index("| Landmark error | gland only |")
    left_out = [
        replace(
            a_scored_case(f"{n} bladder", (f"phantom {n}",), organ="bladder"),
            landmarks=(),
            regions=("bladder",),
            scores={transform: Score(dice=(0.5,), centroid_mm=(float(mm),)) for transform in TRANSFORMS},
        )
        for n, mm in enumerate((2, 3, 10))
    ]
    assert "| bladder | 3 |" + " 3.0 |" * len(TRANSFORMS) in organs_text(left_out, "Measured today.")


def test_the_document_has_a_place_for_every_part(tmp_path) -> None:
    document = tmp_path / "validation.md"
    document.write_text((ROOT / "docs" / "validation.md").read_text(encoding="utf-8"), encoding="utf-8")
    rewrite(document, {"kinds": "K", "phantoms": "P", "organs": "O"}, "validation")
    assert "<!-- validation:phantoms:begin -->\nP\n<!--" in document.read_text(encoding="utf-8")


def test_without_cases_nothing_is_run(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "0", "--out", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out").exists()
    assert Task(7, "oblique").name == "7 oblique"
