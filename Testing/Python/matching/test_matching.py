"""Pairs are one to one, by names that can only mean one thing or by Algorithm 1, whatever the order of the regions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import InputError, NothingFound
from Tell2RegLib.matching import pairs_by_name, pairs_by_similarity, unpaired
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region, RegionPair

GRID = Grid((10, 1, 1))


def a_region(name: str, voxel: int = 0, **more: object) -> Region:
    return Region(name, np.ones((1, 1, 1), dtype=bool), (0, 0, voxel), GRID, **more)  # type: ignore[arg-type]


def regions(*names: str) -> list[Region]:
    return [a_region(name) for name in names]


def names(pairs: tuple[RegionPair, ...]) -> list[tuple[str, str]]:
    return [(pair.fixed.name, pair.moving.name) for pair in pairs]


# --- names ---


def test_equal_names_are_paired_in_the_order_of_the_fixed_ones() -> None:
    pairs = pairs_by_name(regions("Prostate", "seminal-vesicles", "rectum"), regions("Seminal Vesicles ", "PROSTATE"))
    assert names(pairs) == [("Prostate", "PROSTATE"), ("seminal-vesicles", "Seminal Vesicles ")]
    assert all(pair.similarity is None and pair.accepted and pair.reason == "same name" for pair in pairs)


def test_both_sides_of_a_pair_get_one_colour() -> None:
    fixed = [a_region("a"), a_region("b", color=(0.1, 0.2, 0.3)), a_region("c")]
    moving = [a_region("c", color=(1.0, 1.0, 1.0)), a_region("b"), a_region("a")]
    pairs = pairs_by_name(fixed, moving)
    assert [pair.fixed.color for pair in pairs] == [color_of(0), (0.1, 0.2, 0.3), color_of(2)]
    assert all(pair.fixed.color == pair.moving.color for pair in pairs)


def test_of_several_regions_with_one_name_the_first_goes_with_the_first() -> None:
    fixed = [a_region("lesion", 1), a_region("lesion", 2), a_region("lesion", 3)]
    moving = [a_region("lesion", 5), a_region("lesion", 6)]
    pairs = pairs_by_name(fixed, moving)
    assert [(pair.fixed.start_kji[2], pair.moving.start_kji[2]) for pair in pairs] == [(1, 5), (2, 6)]


@pytest.mark.parametrize("order", [*itertools.permutations(["Bladder", "bladder", "BLADDER"])])
def test_of_names_that_differ_in_case_those_written_alike_go_together(order: tuple[str, ...]) -> None:
    assert names(pairs_by_name(regions(*order), regions("bladder"))) == [("bladder", "bladder")]
    assert names(pairs_by_name(regions("bladder"), regions(*order))) == [("bladder", "bladder")]
    assert sorted(names(pairs_by_name(regions(*order), regions("x", "BLADDER", "bladder"))))[0] == (
        "BLADDER",
        "BLADDER",
    )
    assert names(pairs_by_name(regions(*order), regions("blaDDer"))) == [(order[0], "blaDDer")]


@pytest.mark.parametrize(
    ("actual", "expected"),
    [("prostate_1", "prostate"), ("Segment_prostate", "prostate"), ("Prostate", "Segment_prostate_1"), ("L5_1", "l5")],
)
def test_slicers_additions_to_a_name_are_looked_through(actual: str, expected: str) -> None:
    assert names(pairs_by_name(regions(actual), regions(expected))) == [(actual, expected)]
    assert pairs_by_name(regions(actual), regions(expected))[0].reason.startswith("similar names")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (["rib 1"], ["rib 2"]),
        (["lesion 1", "lesion 2"], ["lesion"]),
        (["label 3"], ["label 5"]),
        (["label 3"], ["label"]),
        (["Segment_1"], ["Segment_2"]),
        (["Segment_1"], ["1"]),
        (["prostate"], ["prostate bed"]),
    ],
)
def test_names_that_could_mean_something_else_are_not_paired(actual: list[str], expected: list[str]) -> None:
    for fixed, moving in [(actual, expected), (expected, actual)]:
        with pytest.raises(NothingFound):
            pairs_by_name(regions(*fixed), regions(*moving))


def test_a_copy_is_not_paired_with_what_another_region_has_the_name_of() -> None:
    fixed, moving = regions("lesion", "lesion_2"), regions("lesion", "lesion_3")
    assert names(pairs_by_name(fixed, moving)) == [("lesion", "lesion")]


def test_no_common_name_is_told_with_both_lists() -> None:
    fixed, moving = regions("prostate"), regions(*(f"organ {chr(97 + n)}" for n in range(12)))
    with pytest.raises(
        NothingFound, match=r"fixed has 'prostate', moving has 'organ a'.* and 4 more.*same name in bot"
    ):
        pairs_by_name(fixed, moving)
    with pytest.raises(NothingFound, match="fixed has no regions"):
        pairs_by_name([], moving)


def test_what_found_no_partner_is_listed_in_order() -> None:
    fixed, moving = regions("a", "b", "c"), regions("d", "b")
    alone, moving_alone = unpaired(pairs_by_name(fixed, moving), fixed, moving)
    assert [region.name for region in alone] == ["a", "c"]
    assert [region.name for region in moving_alone] == ["d"]


def test_unpaired_tells_regions_with_one_name_apart() -> None:
    fixed = [a_region("lesion", 1), a_region("lesion", 2)]
    pairs = pairs_by_similarity(fixed, regions("x"), [[0.1], [0.9]])
    assert unpaired(pairs, fixed, regions("x")) == ((fixed[0],), ())


# --- similarity ---

FIXED, MOVING = regions("a", "b", "c"), regions("p", "q", "r")
BY_HAND = [
    [0.95, 0.90, 0.10],
    [0.94, 0.30, 0.20],
    [0.85, 0.81, 0.79],
]
"""Greedy: a-p (0.95) takes row a and column p; of b-q 0.30, b-r, c-q 0.81, c-r 0.79 only c-q is above 0.8.
Optimal: b-p (0.94) + a-q (0.90) = 1.84 beats a-p + c-q = 1.76; c-r (0.79) would add, but is below 0.8."""


def test_algorithm_1_by_hand() -> None:
    pairs = pairs_by_similarity(FIXED, MOVING, BY_HAND)
    assert names(pairs) == [("a", "p"), ("c", "q")]
    assert [pair.similarity for pair in pairs] == [0.95, 0.81]


def test_the_optimal_assignment_by_hand() -> None:
    assert names(pairs_by_similarity(FIXED, MOVING, BY_HAND, method="optimal")) == [("b", "p"), ("a", "q")]


def test_a_similarity_at_the_threshold_is_not_above_it() -> None:
    assert pairs_by_similarity(regions("a"), regions("b"), [[0.8]]) == ()
    assert pairs_by_similarity([], regions("b"), np.zeros((0, 1))) == ()


def test_equal_similarities_go_to_the_same_prompt_then_to_the_same_name() -> None:
    fixed = [a_region("x", prompt="bladder"), a_region("y", prompt="prostate")]
    moving = [a_region("x", prompt="prostate"), a_region("y", prompt="bladder")]
    assert names(pairs_by_similarity(fixed, moving, np.full((2, 2), 0.9))) == [("x", "y"), ("y", "x")]
    assert names(pairs_by_similarity(regions("x", "y"), regions("y", "x"), np.ones((2, 2)))) == [("x", "x"), ("y", "y")]


def test_pairs_of_different_prompts_can_be_switched_off() -> None:
    fixed, moving = (
        [a_region("x", prompt="prostate")],
        [a_region("x", prompt="gland"), a_region("y", prompt="Prostate")],
    )
    assert names(pairs_by_similarity(fixed, moving, [[0.9, 0.85]])) == [("x", "x")]
    for method in ("greedy", "optimal"):
        pairs = pairs_by_similarity(fixed, moving, [[0.9, 0.85]], method=method, cross_prompts=False)
        assert names(pairs) == [("x", "y")]


@pytest.mark.parametrize(
    ("similarity", "more", "message"),
    [
        ([[0.9, np.nan]], {}, "fixed region 0 and moving region 1 is nan"),
        ([[0.9], [0.9]], {}, r"shape \(1, 2\), not \(2, 1\)"),
        ([0.9, 0.9], {}, r"shape \(1, 2\)"),
        ([[0.9, 0.9]], {"method": "best"}, "not 'best'"),
        ([[0.9, 0.9]], {"threshold": np.nan}, "threshold"),
    ],
)
def test_unusable_arguments_are_told(similarity: list, more: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pairs_by_similarity(regions("a"), regions("b", "c"), similarity, **more)


@st.composite
def similarities(draw: st.DrawFn) -> np.ndarray:
    """No two values are equal."""
    n, m = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    values = st.lists(st.integers(-100, 100), min_size=n * m, max_size=n * m, unique=True)
    return np.reshape(draw(values), (n, m)) / 100


METHODS = st.sampled_from(["greedy", "optimal"])
THRESHOLDS = st.sampled_from([-0.5, 0.0, 0.3, 0.8])


def two_sides(similarity: np.ndarray) -> tuple[list[Region], list[Region]]:
    n, m = similarity.shape
    return [a_region(f"f{i}", i) for i in range(n)], [a_region(f"m{j}", j) for j in range(m)]


@given(similarities(), METHODS, THRESHOLDS)
def test_pairs_are_one_to_one_and_above_the_threshold(similarity: np.ndarray, method: str, threshold: float) -> None:
    pairs = pairs_by_similarity(*two_sides(similarity), similarity, method=method, threshold=threshold)
    for side in zip(*names(pairs), strict=True):
        assert len(set(side)) == len(side)
    assert all(pair.similarity > threshold for pair in pairs)
    assert [pair.similarity for pair in pairs] == sorted((pair.similarity for pair in pairs), reverse=True)
    for pair in pairs:
        assert similarity[pair.fixed.start_kji[2], pair.moving.start_kji[2]] == pair.similarity


@given(similarities(), METHODS, THRESHOLDS, st.randoms(use_true_random=False))
def test_the_order_of_the_regions_does_not_matter(
    similarity: np.ndarray, method: str, threshold: float, random
) -> None:
    fixed, moving = two_sides(similarity)
    rows, columns = list(range(len(fixed))), list(range(len(moving)))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = [fixed[i] for i in rows], [moving[j] for j in columns], similarity[np.ix_(rows, columns)]
    expected = names(pairs_by_similarity(fixed, moving, similarity, method=method, threshold=threshold))
    assert names(pairs_by_similarity(*shuffled, method=method, threshold=threshold)) == expected


@given(similarities(), st.sampled_from([0.0, 0.3]))
def test_greedy_starts_with_the_largest_and_optimal_has_the_largest_sum(
    similarity: np.ndarray, threshold: float
) -> None:
    fixed, moving = two_sides(similarity)
    greedy = pairs_by_similarity(fixed, moving, similarity, threshold=threshold)
    optimal = pairs_by_similarity(fixed, moving, similarity, threshold=threshold, method="optimal")
    if greedy:
        assert greedy[0].similarity == similarity.max()
    best = largest_sum(np.where(similarity > threshold, similarity, 0))
    assert sum(pair.similarity for pair in optimal) == pytest.approx(best)
    assert sum(pair.similarity for pair in greedy) <= best + 1e-9


def largest_sum(gain: np.ndarray) -> float:
    """By trying every assignment."""
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    rows = range(gain.shape[0])
    orders = itertools.permutations(range(gain.shape[1]), gain.shape[0])
    return max(sum(gain[i, j] for i, j in zip(rows, order, strict=True)) for order in orders)
