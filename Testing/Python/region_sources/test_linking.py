"""Masks become chains: one per organ, whatever their order, across a missed slice and past a false mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.region_sources.linking import link
from Tell2RegLib.region_sources.settings import DetectionSettings

SIZE = 40
ALL = range(30)


def square(left: int, top: int, side: int, more: int = 0) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[top : top + side, left : left + side + more] = True
    return mask


def chains(masks: list[tuple[int, np.ndarray]], slice_indices=ALL, **more: object) -> list[tuple[int, ...]]:
    return link([mask for _, mask in masks], [k for k, _ in masks], slice_indices, DetectionSettings(**more))  # type: ignore[arg-type]


def test_masks_that_overlap_on_neighbouring_slices_are_one_chain() -> None:
    assert chains([(3, square(5, 5, 8)), (4, square(7, 5, 9)), (5, square(9, 6, 8))]) == [(0, 1, 2)]


def test_masks_side_by_side_are_chains_of_their_own() -> None:
    left, right = square(2, 10, 10), square(26, 10, 10)
    assert chains([(1, left), (1, right), (2, right), (2, left)]) in ([(0, 3), (1, 2)], [(1, 2), (0, 3)])


def test_one_missed_slice_is_bridged_and_two_are_not() -> None:
    same = square(5, 5, 8)
    assert chains([(3, same), (5, same)]) == [(0, 1)]
    assert chains([(3, same), (6, same)]) == [(0,), (1,)]
    assert chains([(3, same), (6, same)], link_gap=2) == [(0, 1)]
    assert chains([(3, same), (5, same)], link_gap=0) == [(0,), (1,)]


def test_neighbours_are_those_that_were_looked_at() -> None:
    same = square(5, 5, 8)
    assert chains([(0, same), (4, same), (12, same)], slice_indices=range(0, 30, 4)) == [(0, 1, 2)]
    assert chains([(0, same), (12, same)], slice_indices=range(0, 30, 4)) == [(0,), (1,)]


def test_half_of_the_smaller_mask_must_be_shared() -> None:
    small = square(10, 10, 10)
    assert chains([(0, small), (1, square(15, 10, 14))]) == [(0, 1)]
    assert len(chains([(0, small), (1, square(16, 10, 14))])) == 2
    assert len(chains([(0, small), (1, square(15, 10, 14))], link_overlap=0.6)) == 2


def test_a_mask_over_two_organs_does_not_melt_them_into_one() -> None:
    left, right, both = square(2, 10, 10), square(24, 10, 12), square(2, 10, 12, more=22)
    detected = chains([(0, left), (0, right), (1, both), (2, left), (2, right)])
    assert sorted(detected) == [(0, 3), (1, 2, 4)]


def test_a_branch_goes_on_with_the_mask_that_is_most_like_it() -> None:
    trunk, thick, thin = square(4, 10, 20), square(4, 10, 14), square(20, 10, 5)
    assert sorted(chains([(0, trunk), (1, thick), (1, thin)])) == [(0, 1), (2,)]


Rectangle = tuple[int, int, int, int]


@st.composite
def masks_on_slices(draw: st.DrawFn) -> list[tuple[int, np.ndarray]]:
    """Different masks, up to four on a slice."""
    positions = st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(0, 8), st.integers(2, 9))
    return [(k, square(left, top, side)) for k, left, top, side in draw(st.lists(positions, max_size=12, unique=True))]


@given(masks_on_slices(), st.randoms(use_true_random=False))
def test_the_order_of_the_masks_does_not_matter(masks: list[tuple[int, np.ndarray]], random) -> None:
    order = list(range(len(masks)))
    random.shuffle(order)
    shuffled = [tuple(order[n] for n in chain) for chain in chains([masks[n] for n in order])]
    assert shuffled == chains(masks)


@given(masks_on_slices(), st.sampled_from([0, 1, 2]), st.sampled_from([0.0, 0.5, 1.0]))
def test_every_mask_is_in_one_chain_that_rises_and_keeps_the_rules(
    masks: list[tuple[int, np.ndarray]], gap: int, overlap: float
) -> None:
    detected = chains(masks, link_gap=gap, link_overlap=overlap)
    assert sorted(n for chain in detected for n in chain) == list(range(len(masks)))
    for chain in detected:
        for a, b in zip(chain, chain[1:], strict=False):
            assert 1 <= masks[b][0] - masks[a][0] <= gap + 1
            shared = np.sum(masks[a][1] & masks[b][1])
            assert shared >= max(1, overlap * min(masks[a][1].sum(), masks[b][1].sum()))


@pytest.mark.parametrize("shift", [0, 3])
def test_a_stack_of_one_organ_is_one_chain_wherever_it_lies(shift: int) -> None:
    """An ellipsoid from tip to tip: its first and last masks are small."""
    j, i = np.mgrid[:SIZE, :SIZE]
    masks = []
    for k in range(20):
        radius = 15 * np.sqrt(max(0.0, 1 - ((k - 9.5) / 9.6) ** 2))
        masks.append((k, (j - 18) ** 2 + (i - 18 - shift) ** 2 <= max(radius, 1) ** 2))
    assert chains(masks) == [tuple(range(20))]
