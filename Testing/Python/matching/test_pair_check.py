"""The check of pairs: wrong ones are noticed and weighed down, right ones are kept, mirrored volumes are stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.matching.pair_check import LEAST_WEIGHT, check_pairs, pair_weights, remarks_about
from Tell2RegLib.matching.pair_model import judge_pairs
from Tell2RegLib.matching.region_geometry import RegionGeometry
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.conftest import rotation
from Testing.Python.matching.pair_cases import GRID, ORGANS, block, pairs_of, renamed, two_scans

NAMES = tuple(ORGANS)


def checked(fixed: dict[str, Region], moving: dict[str, Region]) -> dict[str, RegionPair]:
    return {pair.fixed.name: pair for pair in check_pairs(pairs_of(fixed, moving)).pairs}


# --- right pairs ---


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_right_pairs_keep_their_weight_and_reason_whatever_their_number(count: int) -> None:
    fixed, moving = two_scans(NAMES[:count])
    pairs = [replace(pair, reason="same name") for pair in pairs_of(fixed, moving)]
    check = check_pairs(pairs)
    assert [(pair.accepted, pair.weight, pair.reason) for pair in check.pairs] == [(True, 1.0, "same name")] * count
    assert check.remarks == ()


def test_a_bladder_that_fills_is_kept() -> None:
    """By hand: 72 x 60 x 56 mm grows to 88 x 76 x 64 mm, 1.8 times the volume, and its centre rises by 6 mm."""
    fixed, moving = two_scans()
    moving["bladder"] = block("bladder", (20, -28, 60), (88, 76, 64))
    assert checked(fixed, moving)["bladder"].weight == 1.0


def test_a_region_that_the_volume_cuts_may_be_smaller_but_not_larger() -> None:
    """The border of the fixed volume halves the left head, so the moving one may be larger, but not smaller."""
    names = ("prostate", "rectum", "bladder")
    fixed = {name: block(name, np.add(ORGANS[name][0], (72, 0, 0)), ORGANS[name][1]) for name in names}
    fixed["left head"] = block("left head", (160, 0, 12), (48, 48, 48))
    moving = {name: block(name, *ORGANS[name]) for name in (*names, "left head")}
    assert fixed["left head"].volume_ml < 0.6 * moving["left head"].volume_ml
    assert checked(fixed, moving)["left head"].weight == 1.0
    moving["left head"] = block("left head", (88, 0, 12), (18, 18, 18))
    assert checked(fixed, moving)["left head"].weight < 0.5


# --- wrong pairs ---


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("name", ["prostate", "rectum", "left head"])
def test_a_region_of_twice_or_half_the_width_counts_little_but_is_not_rejected(name: str, factor: float) -> None:
    fixed, moving = two_scans()
    centre = moving[name].centroid_lps_mm()
    moving[name] = block(name, centre, factor * np.asarray(ORGANS[name][1]))
    pairs = checked(fixed, moving)
    wrong = pairs.pop(name)
    assert wrong.accepted
    assert wrong.weight < 0.3
    larger = "moving" if factor > 1 else "fixed"
    assert f"times as large in the {larger} volume as the other pairs imply" in wrong.reason
    assert all(pair.weight == 1 for pair in pairs.values())


def test_a_region_far_from_where_the_others_put_it_is_rejected_with_the_distance() -> None:
    fixed, moving = two_scans()
    moving["prostate"] = block("prostate", moving["prostate"].centroid_lps_mm() + (0, 0, -60), ORGANS["prostate"][1])
    pairs = checked(fixed, moving)
    wrong = pairs.pop("prostate")
    assert not wrong.accepted
    assert wrong.reason.startswith("rejected: 6") or wrong.reason.startswith("rejected: 5")
    assert "mm from where the other pairs imply" in wrong.reason
    assert all(pair.accepted and pair.weight == 1 for pair in pairs.values())


def test_two_exchanged_partners_are_both_rejected_and_listed_last() -> None:
    fixed, moving = two_scans()
    moving["bladder"], moving["rectum"] = renamed(moving["rectum"], "bladder"), renamed(moving["bladder"], "rectum")
    check = check_pairs(pairs_of(fixed, moving))
    assert [pair.fixed.name for pair in check.pairs if not pair.accepted] == ["bladder", "rectum"]
    assert [pair.accepted for pair in check.pairs] == [True] * 6 + [False] * 2


def test_a_third_of_the_pairs_wrong_in_three_ways_does_not_cost_a_right_one() -> None:
    fixed, moving = two_scans()
    moving["prostate"] = block("prostate", moving["prostate"].centroid_lps_mm() + (36, 0, 0), ORGANS["prostate"][1])
    moving["left head"] = renamed(moving["right head"], "left head")
    moving["rectum"] = block("rectum", moving["rectum"].centroid_lps_mm(), (72, 72, 176))
    weights = {name: pair.weight if pair.accepted else 0.0 for name, pair in checked(fixed, moving).items()}
    right = [weights.pop(name) for name in NAMES if name not in ("prostate", "left head", "rectum")]
    assert right == [1.0] * 5
    assert max(weights.values()) < 0.3


def test_two_pairs_that_contradict_each_other_are_both_kept_and_say_so() -> None:
    fixed, moving = two_scans(("prostate", "bladder"))
    moving["bladder"] = block("bladder", (-80, 60, 50), ORGANS["bladder"][1])
    pairs = checked(fixed, moving)
    assert all(pair.accepted and pair.weight == 1 for pair in pairs.values())
    reason = "contradicts the other pairs, and too few agree to tell which is wrong"
    assert {pair.reason for pair in pairs.values()} == {reason}


def test_a_lone_pair_of_very_different_sizes_is_used_in_full_and_says_so() -> None:
    """By hand: three times the width is 27 times the volume."""
    check = check_pairs([RegionPair(block("node", (0, 0, 0), (24, 24, 24)), block("node", (0, 0, 0), (72, 72, 72)))])
    assert check.pairs[0].weight == 1
    assert check.pairs[0].reason.startswith("unusual, check it: 2")
    assert check.pairs[0].reason.endswith(" times as large in the moving volume")


def test_a_pair_rejected_before_takes_no_part_and_stays_as_it_is() -> None:
    pairs = list(pairs_of(*two_scans()))
    pairs[0] = pairs[0].rejected("by hand")
    check = check_pairs(pairs)
    assert check.pairs[-1] is pairs[0]
    assert check_pairs(pairs[:1]).pairs == (pairs[0],)
    assert check_pairs([]).pairs == ()


def test_weights_follow_the_probabilities_and_the_largest_is_one() -> None:
    np.testing.assert_allclose(pair_weights(np.array([0.9, 0.8, 0.4, 1e-9])), [1, 1, 0.125, LEAST_WEIGHT])
    np.testing.assert_allclose(pair_weights(np.array([0.4, 0.2])), [1, 0.125])


# --- laws ---


def geometries(seed: int, count: int) -> tuple[RegionGeometry, RegionGeometry]:
    """Places and sizes of `count` pairs, a third of them wrong, drawn from a seed."""
    rng = np.random.default_rng(seed)
    axes = rng.uniform(8, 30, (count, 3))
    centres = rng.uniform(-90, 90, (count, 3))
    moving = centres + rng.normal(size=(count, 3)) * 4 + (20, -5, 9)
    moving[: count // 3] += rng.normal(size=(count // 3, 3)) * 40

    def of(places: np.ndarray, widths: np.ndarray) -> RegionGeometry:
        spread = np.stack([np.diag(width**2 / 5) for width in widths])
        return RegionGeometry(
            places, 4 / 3 * np.pi * widths.prod(axis=1) / 1000, spread, np.full(count, 2.0), np.zeros(count)
        )

    return of(centres, axes), of(moving, axes * rng.uniform(0.9, 1.1, (count, 3)))


def reordered(geometry: RegionGeometry, order: np.ndarray) -> RegionGeometry:
    return RegionGeometry(
        geometry.centres[order],
        geometry.volumes_ml[order],
        geometry.covariances[order],
        geometry.voxels_mm[order],
        geometry.cut[order],
    )


def carried(geometry: RegionGeometry, matrix: np.ndarray, shift: np.ndarray) -> RegionGeometry:
    return replace(
        geometry, centres=geometry.centres @ matrix.T + shift, covariances=matrix @ geometry.covariances @ matrix.T
    )


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_what_is_said_of_a_pair_does_not_depend_on_the_order_of_the_pairs(seed: int, count: int) -> None:
    fixed, moving = geometries(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    np.testing.assert_allclose(
        judge_pairs(reordered(fixed, order), reordered(moving, order)).right,
        judge_pairs(fixed, moving).right[order],
        atol=2e-3,
    )


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9))
def test_a_common_motion_of_both_volumes_and_a_shift_of_one_change_nothing(seed: int, count: int) -> None:
    fixed, moving = geometries(seed, count)
    rng = np.random.default_rng(seed)
    matrix = rotation(tuple(rng.normal(size=3)), rng.uniform(-180, 180))
    shifts = rng.normal(size=(2, 3)) * 200
    both = judge_pairs(carried(fixed, matrix, shifts[0]), carried(moving, matrix, shifts[1]))
    np.testing.assert_allclose(both.right, judge_pairs(fixed, moving).right, atol=2e-3)


def test_a_known_turn_of_the_patient_is_not_held_against_the_pairs() -> None:
    fixed, moving = geometries(3, 4)
    turn = rotation((0, 0, 1), 75)
    turned = carried(fixed, turn.T, np.zeros(3))
    expected = judge_pairs(fixed, moving)
    np.testing.assert_allclose(judge_pairs(turned, moving, turn).right, expected.right, atol=2e-3)
    assert judge_pairs(turned, moving).evidence < expected.evidence - 5


# --- mirrored volumes ---


def flipped(region: Region, axis_kji: int) -> Region:
    return Region.from_mask(region.name, np.flip(region.mask_kji(), axis=axis_kji), GRID)


@pytest.mark.parametrize(("axis_kji", "words"), [(2, "left and right"), (1, "front and back"), (0, "top and bottom")])
def test_a_mirrored_volume_is_stated_with_what_is_exchanged(axis_kji: int, words: str) -> None:
    fixed, moving = two_scans()
    remarks = check_pairs(pairs_of(fixed, {name: flipped(region, axis_kji) for name, region in moving.items()})).remarks
    assert f"looks mirrored against the other: with {words} exchanged, 8 of 8 pairs fit" in remarks[0]


def test_few_regions_and_regions_in_the_middle_cannot_show_a_mirrored_volume() -> None:
    fixed, moving = two_scans()
    mirrored = {name: flipped(region, 2) for name, region in moving.items()}
    for names in (NAMES[:4], ("left head", "right head"), ("left head",)):
        check = check_pairs(pairs_of({n: fixed[n] for n in names}, {n: mirrored[n] for n in names}))
        assert not any("mirrored" in remark for remark in check.remarks)


def test_pairs_that_were_rejected_still_tell_about_the_volumes() -> None:
    fixed, moving = two_scans()
    mirrored = {name: flipped(region, 2) for name, region in moving.items()}
    first = check_pairs(pairs_of(fixed, mirrored))
    assert not all(pair.accepted for pair in first.pairs)
    assert set(remarks_about(first.pairs)) >= {remark for remark in first.remarks if "mirrored" in remark}
    assert remarks_about(()) == ()


def test_exchanged_names_of_left_and_right_are_stated_for_that_volume_and_pair() -> None:
    fixed, moving = two_scans()
    moving["left head"], moving["right head"] = (
        renamed(moving["right head"], "left head"),
        renamed(moving["left head"], "right head"),
    )
    check = check_pairs(pairs_of(fixed, moving))
    sides = [remark for remark in check.remarks if remark.startswith("Wrong side")]
    assert sides == [
        "Wrong side in the moving volume: 'left head' lies to the right of 'right head'; 'right head' lies to the left "
        "of 'left head'. Check the names, and the orientation of the volume."
    ]
    reasons = {pair.fixed.name: pair.reason for pair in check.pairs}
    assert reasons["left head"].endswith("lies to the right of 'right head' in the moving volume")
    assert "lies" not in reasons["left muscle"]
