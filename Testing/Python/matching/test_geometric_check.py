"""The check of places: a transform that outliers cannot bend, and no false alarm in real anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.matching import match_regions, match_source_results
from Tell2RegLib.matching.geometric_check import REGULARISATION_MM, RegionPositions, align, fit_similarity
from Tell2RegLib.matching.settings import GeometrySettings
from Tell2RegLib.phantom import centred_grid, make_pair
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.conftest import rotation
from Testing.Python.simulated_networks import Blur, simulated_pelvis

SETTINGS = GeometrySettings()

# --- the transform ---


def test_a_single_pair_gives_a_shift_and_two_leave_the_turn_about_their_axis_alone() -> None:
    scale, turned, shift = fit_similarity(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[4.0, 2.0, 3.0]]]))
    np.testing.assert_allclose(scale, 1)
    np.testing.assert_allclose(turned[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(shift[0], [3, 0, 0], atol=1e-12)
    along_x = np.array([[[-50.0, 0, 0], [50.0, 0, 0]]])
    _, turned, _ = fit_similarity(along_x, along_x @ rotation((0, 0, 1), 20).T)
    np.testing.assert_allclose(turned[0] @ [0, 0, 1], [0, 0, 1], atol=1e-9)


@given(
    st.integers(3, 8),
    st.floats(-40, 40),
    st.floats(0.7, 1.4),
    st.integers(0, 1000),
)
def test_points_far_apart_give_their_transform_back(count: int, degrees: float, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(1, count, 3)) * 5000
    matrix = rotation(tuple(rng.normal(size=3)), degrees)
    scale, turned, shift = fit_similarity(points, size * points @ matrix.T + [7, -3, 11])
    # The pull is that of three points REGULARISATION_MM away: nothing beside 5 m.
    np.testing.assert_allclose(size * points @ matrix.T + [7, -3, 11], scale * points @ turned[0].T + shift, atol=2)
    assert np.linalg.det(turned[0]) == pytest.approx(1)
    assert REGULARISATION_MM < 50


def test_a_mirror_image_is_never_the_answer() -> None:
    points = np.random.default_rng(2).normal(size=(1, 6, 3)) * 60
    _, turned, _ = fit_similarity(points, points * [-1, 1, 1])
    assert np.linalg.det(turned[0]) == pytest.approx(1)


def some_places(centres: np.ndarray) -> RegionPositions:
    return RegionPositions(centres, np.full(len(centres), 10.0), np.full(len(centres), 13.0))


def test_two_of_seven_pairs_cannot_bend_the_transform() -> None:
    """By hand: the tolerance is 15 + 13 / 2 mm; two pairs lie 80 and 60 mm off, the others exactly right."""
    rng = np.random.default_rng(5)
    fixed = rng.uniform(-80, 80, (7, 3))
    moving = fixed @ rotation((1, 2, 3), 12).T * 1.05 + [20, -10, 5]
    moving[2] += [80, 0, 0]
    moving[5] += [0, -60, 0]
    pairs = [(n, n) for n in range(7)]
    alignment = align(some_places(fixed), some_places(moving), pairs, pairs, SETTINGS)
    assert alignment.support == 5
    assert [n for n in range(7) if not alignment.agrees[n, n]] == [2, 5]
    assert np.all(alignment.tolerance_mm == 21.5)
    good = [0, 1, 3, 4, 6]
    assert alignment.distance_mm[good, good].max() < 2
    assert alignment.distance_mm[2, 2] == pytest.approx(80, abs=3)


def test_a_half_turn_is_no_explanation() -> None:
    """Everything swapped left for right and front for back: only a half turn explains it, and bodies do not lie so."""
    fixed = np.array([[60.0, 40, 0], [-60, 40, 8], [55, -40, -5], [-50, -45, 10]])
    pairs = [(n, n) for n in range(4)]
    alignment = align(some_places(fixed), some_places(fixed * [-1, -1, 1]), pairs, pairs, SETTINGS)
    assert alignment.support <= 1


def test_one_pair_cannot_be_checked() -> None:
    positions = some_places(np.zeros((1, 3)))
    assert align(positions, positions, [(0, 0)], [(0, 0)], SETTINGS) is None


# --- anatomy ---

SEEDS = (0, 3, 7)
LONE = ("prostate", "bladder", "rectum", "pubic symphysis", "seminal vesicles")


@cache
def a_pair(seed: int) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """The organs of two scans, moved on their own, and their true looks without left and right."""
    grid = centred_grid((72, 60, 36), (4.0, 4.0, 4.0))
    pair = make_pair(seed, grid, grid)
    return _looks(pair.fixed.regions(), seed), _looks(pair.moving.regions(), seed + 100)


def _looks(regions: Sequence[Region], seed: int) -> tuple[Region, ...]:
    rng, looks = np.random.default_rng(seed), {}
    shared = np.random.default_rng(0)
    recorded = []
    for region in regions:
        word = region.name.removeprefix("left ").removeprefix("right ")
        looks.setdefault(word, shared.normal(size=32))
        if "zone" not in word:
            recorded.append(replace(region, prompt=word, prototype=looks[word] + 0.05 * rng.normal(size=32)))
    return tuple(recorded)


def wrong_or_off(pairs: Sequence[RegionPair]) -> list[str]:
    return [pair.name + pair.reason for pair in pairs if not pair.accepted or pair.fixed.name != pair.moving.name]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_false_alarm_and_no_side_swapped_in_moving_anatomy(seed: int) -> None:
    """All organs, and every few of them: bladders fill, rectums move, and left looks like right."""
    fixed, moving = a_pair(seed)
    rng = np.random.default_rng(seed)
    names = sorted({region.name for region in fixed} & {region.name for region in moving})
    assert len(names) >= 7
    for size in (2, 3, 4, 5, 6, len(names)):
        for _ in range(4):
            some = set(rng.choice(names, size, replace=False))
            pairs = match_regions([r for r in fixed if r.name in some], [r for r in moving if r.name in some])
            assert len(pairs) == size
            assert not wrong_or_off(pairs)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_organ_that_is_something_else_is_noticed(seed: int) -> None:
    """One moving organ after the other is put 60 mm to the side."""
    fixed, moving = a_pair(seed)
    for n, region in enumerate(moving):
        if region.name not in LONE:
            continue
        k, j, i = region.start_kji
        away = replace(region, start_kji=(k, j, i - 15 if i >= 15 else i + 15))
        pairs = match_regions(fixed, [*moving[:n], away, *moving[n + 1 :]])
        assert [pair.name for pair in pairs if not pair.accepted] == [region.name]


def test_from_words_to_pairs_with_networks_that_err() -> None:
    """Boxes that jitter, miss and see things; heads that look alike: every accepted pair is the same organ."""
    pair = make_pair(5, *(centred_grid((96, 80, 48), (3.0, 3.0, 3.0)),) * 2)
    networks = simulated_pelvis(
        pair.fixed, pair.moving, spacing_mm=3.0, blur=Blur(jitter_px=1.5, missed=0.1, false=0.1)
    )
    source = GroundedSam(networks, networks, DetectionSettings(spacing_mm=3.0))
    words = ["prostate", "bladder", "rectum", "femoral head", "obturator internus"]
    pairs = match_source_results(*(source.find(scan.volume, words) for scan in (pair.fixed, pair.moving)))
    same = []
    for made in pairs:
        if made.accepted:
            positions = [
                _organ_at(scan.labels, made_side)
                for scan, made_side in ((pair.fixed, made.fixed), (pair.moving, made.moving))
            ]
            assert positions[0] == positions[1]
            same.append(positions[0])
    assert len(same) == len(set(same)) == 7


def _organ_at(labels, region: Region) -> int:
    """The label that most of a region lies in; both zones of the prostate are one."""
    values = labels.array_kji[region.slices_kji][region.box_kji]
    return int(np.bincount(np.where(values == 2, 1, values)).argmax())
