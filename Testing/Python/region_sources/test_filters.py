"""Boxes and masks are dropped by their share of the slice, whatever its size and whatever their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import Box, Mask
from Tell2RegLib.region_sources.filters import box_outcome, box_outcomes, mask_outcomes
from Tell2RegLib.region_sources.settings import DetectionSettings

SETTINGS = DetectionSettings()


def a_box(*xyxy_px: float, score: float = 0.5) -> Box:
    return Box(0, "prostate", xyxy_px, score)  # type: ignore[arg-type]


def a_mask(rows: slice, columns: slice, score: float = 0.5, shape: tuple[int, int] = (100, 100)) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[rows, columns] = True
    return Mask(a_box(columns.start, rows.start, columns.stop, rows.stop, score=score), mask, 0.9)


@pytest.mark.parametrize("scale", [1, 10])
def test_the_research_codes_20_of_1000_pixels_hold_at_any_size(scale: int) -> None:
    high, wide = 60 * scale, 100 * scale
    assert box_outcome(a_box(0, 10, 0.979 * wide, 20), (high, wide), SETTINGS) == "kept"
    assert box_outcome(a_box(0, 10, 0.981 * wide, 20), (high, wide), SETTINGS) == "spans_slice"
    assert box_outcome(a_box(10, 0.005 * high, 20, 0.986 * high), (high, wide), SETTINGS) == "spans_slice"
    assert box_outcome(a_box(10, 0.01 * high, 20, 0.985 * high), (high, wide), SETTINGS) == "kept"


@pytest.mark.parametrize(
    "edges",
    [(5, 5, 5, 9), (9, 5, 5, 9), (-20, 5, -1, 9), (5, 70, 9, 90), (np.nan, 5, 9, 9), (5, 5, np.inf, 9)],
)
def test_a_box_without_an_area_on_the_slice_is_dropped(edges: tuple[float, ...]) -> None:
    assert box_outcome(a_box(*edges), (60, 100), SETTINGS) == "no_box"


def test_masks_are_kept_from_a_500th_to_a_half_of_the_slice() -> None:
    masks = [
        a_mask(slice(0, 50), slice(0, 100)),
        a_mask(slice(0, 51), slice(0, 100)),
        a_mask(slice(90, 95), slice(0, 4)),
        a_mask(slice(96, 97), slice(0, 19)),
        a_mask(slice(98, 98), slice(0, 0)),
    ]
    assert mask_outcomes(masks, SETTINGS) == ["kept", "mask_large", "kept", "mask_small", "no_mask"]


def test_the_smaller_of_two_masks_that_overlap_by_four_fifths_of_it_is_dropped() -> None:
    large = a_mask(slice(0, 40), slice(0, 40), score=0.2)
    inside = a_mask(slice(30, 50), slice(0, 10), score=0.9)  # 10 of 20 rows are in the large one
    mostly = a_mask(slice(24, 44), slice(0, 10), score=0.9)  # 16 of 20 rows
    assert mask_outcomes([inside, large], SETTINGS) == ["kept", "kept"]
    assert mask_outcomes([mostly, large], SETTINGS) == ["in_larger", "kept"]


def test_of_equal_masks_the_surer_one_stays() -> None:
    twins = [a_mask(slice(0, 20), slice(0, 20), score=score) for score in (0.3, 0.8)]
    assert mask_outcomes(twins, SETTINGS) == ["in_larger", "kept"]


def test_a_mask_that_is_dropped_drops_no_other() -> None:
    """The second lies in the first; the third lies in the second, but not enough in the first."""
    first = a_mask(slice(0, 40), slice(0, 40))
    second = a_mask(slice(5, 45), slice(0, 20))  # 35 of its 40 rows are in the first
    third = a_mask(slice(34, 44), slice(0, 10))  # 6 of its 10 rows are in the first, all in the second
    assert mask_outcomes([first, second, third], SETTINGS) == ["kept", "in_larger", "kept"]


@st.composite
def some_masks(draw: st.DrawFn) -> list[Mask]:
    edges = st.integers(0, 15)
    masks = []
    for score in range(draw(st.integers(0, 6))):
        (a, b), (c, d) = sorted(draw(st.tuples(edges, edges))), sorted(draw(st.tuples(edges, edges)))
        masks.append(a_mask(slice(a, b + 1), slice(c, d + 1), score / 10, (16, 16)))
    return masks


@given(some_masks(), st.randoms(use_true_random=False))
def test_the_order_of_the_masks_does_not_matter(masks: list[Mask], random) -> None:
    outcomes = mask_outcomes(masks, SETTINGS)
    order = list(range(len(masks)))
    random.shuffle(order)
    assert mask_outcomes([masks[n] for n in order], SETTINGS) == [outcomes[n] for n in order]


@given(some_masks())
def test_no_two_kept_masks_overlap_by_more_than_is_allowed(masks: list[Mask]) -> None:
    remaining = [
        mask.mask for mask, outcome in zip(masks, mask_outcomes(masks, SETTINGS), strict=True) if outcome == "kept"
    ]
    for n, a in enumerate(remaining):
        for b in remaining[:n]:
            assert np.sum(a & b) < 0.8 * min(a.sum(), b.sum())


def a_scored_box(xyxy: tuple[float, float, float, float], score: float) -> Box:
    return Box(0, "bladder", xyxy, score)


def test_of_two_boxes_at_one_place_the_surer_is_kept_even_when_it_is_smaller() -> None:
    small, large = a_scored_box((10, 10, 30, 30), 0.8), a_scored_box((9, 9, 31, 31), 0.4)
    elsewhere, spanning = a_scored_box((40, 10, 60, 30), 0.3), a_scored_box((0, 5, 100, 60), 0.9)
    outcomes = box_outcomes([large, small, elsewhere, spanning], (100, 100), SETTINGS)
    assert outcomes == ["twice", "kept", "kept", "spans_slice"]


def test_the_paper_segments_every_box() -> None:
    twins = [a_scored_box((10, 10, 30, 30), 0.8), a_scored_box((10, 10, 30, 30), 0.4)]
    assert box_outcomes(twins, (100, 100), DetectionSettings.paper()) == ["kept", "kept"]
    assert DetectionSettings.paper(spacing_mm=2.0).spacing_mm == 2.0


@given(st.permutations(range(5)))
def test_which_boxes_are_kept_does_not_depend_on_their_order(order: list[int]) -> None:
    boxes = [a_scored_box((10.0 + 2 * n, 10, 40.0 + 2 * n, 40), 0.5 + 0.05 * (n % 3)) for n in range(5)]
    outcomes = box_outcomes(boxes, (100, 100), SETTINGS)
    assert box_outcomes([boxes[n] for n in order], (100, 100), SETTINGS) == [outcomes[n] for n in order]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spacing_mm": 0.0}, "'spacing_mm' is 0, but must be a number above 0 mm"),
        ({"slice_spacing_mm": np.nan}, "'slice_spacing_mm' is nan"),
        ({"mask_overlap": 1.2}, "'mask_overlap' is 1.2, but must be a number of at least 0 and at most 1"),
        ({"mask_smallest": 0.6}, r"'mask_smallest' \(0.6\) is above mask_largest \(0.5\)"),
        ({"slice_step": 0}, "'slice_step' is 0, but must be a whole number of at least 1"),
        ({"min_slices": 1.5}, "'min_slices' is 1.5"),
        ({"most_regions": 0}, "'most_regions' is 0"),
        ({"min_volume_ml": -1.0}, "'min_volume_ml' is -1"),
    ],
)
def test_settings_that_make_no_sense_are_told(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DetectionSettings(**wrong)  # type: ignore[arg-type]
