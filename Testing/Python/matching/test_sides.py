"""Left and right: what a name says, and where the region lies. LPS: the patient's left is +x."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Tell2RegLib.matching.sides import on_the_wrong_side, sided_name
from Tell2RegLib.space.grid import Grid
from Testing.Python.matching.pair_cases import block

SMALL = (24, 24, 24)


@pytest.mark.parametrize(
    ("text", "side", "base"),
    [
        ("left kidney", "left", "kidney"),
        ("Kidney_R", "right", "kidney"),
        ("lung_upper_lobe_left", "left", "lung upper lobe"),
        ("ctx-lh-insula", "left", "ctx insula"),
        ("FemoralHeadRight", "right", "femoral head"),
        ("Ren sinister", "left", "ren"),
        ("RIGHT FEMORAL HEAD 2", "right", "femoral head"),
    ],
)
def test_a_side_is_read_from_words_letters_latin_and_camel_case(text: str, side: str, base: str) -> None:
    name = sided_name(text)
    assert name is not None
    assert (name.side, name.base) == (side, base)


@pytest.mark.parametrize(
    "text", ["prostate", "liver", "leftover", "vertebra L 3", "L4", "left and right lung", "", "42"]
)
def test_other_names_have_no_side(text: str) -> None:
    assert sided_name(text) is None


def test_partners_on_their_sides_are_left_alone() -> None:
    assert on_the_wrong_side([block("left kidney", (60, 0, 0), SMALL), block("right kidney", (-60, 0, 0), SMALL)]) == {}


def test_exchanged_partners_are_both_named_wherever_they_lie_in_the_volume() -> None:
    regions = [
        block("kidney_L", (40, 0, 0), SMALL),
        block("liver", (0, 0, 0), SMALL),
        block("kidney_R", (120, 0, 0), SMALL),
    ]
    assert on_the_wrong_side(regions) == {
        0: "lies to the right of 'kidney_R'",
        2: "lies to the left of 'kidney_L'",
    }


def test_the_prompt_counts_where_the_name_has_no_side() -> None:
    regions = [
        replace(block("region", (-60, 0, 0), SMALL), prompt="left kidney"),
        block("right kidney", (60, 0, 0), SMALL),
    ]
    assert set(on_the_wrong_side(regions)) == {0, 1}


def test_partners_in_front_of_each_other_do_not_tell() -> None:
    """By hand: 8 mm to the wrong side, 60 mm apart: the patient may lie on one side."""
    assert (
        on_the_wrong_side([block("left kidney", (-4, -30, 0), SMALL), block("right kidney", (4, 30, 0), SMALL)]) == {}
    )


def test_different_structures_are_not_compared() -> None:
    regions = [block("left atrium", (0, 40, 0), SMALL), block("right ventricle", (24, -20, 0), SMALL)]
    assert on_the_wrong_side(regions) == {}


def test_a_lone_region_is_compared_with_the_middle_of_a_wide_volume() -> None:
    assert on_the_wrong_side([block("left kidney", (-60, 0, 0), SMALL)]) == {0: "lies on the right side of the volume"}
    assert on_the_wrong_side([block("right kidney", (-60, 0, 0), SMALL)]) == {}


@pytest.mark.parametrize(
    ("name", "centre"),
    [("left kidney", (-20, 0, 0)), ("right ventricle", (40, 0, 0)), ("left lobe of the liver", (-40, 0, 0))],
    ids=["near the middle", "of the heart", "a lobe"],
)
def test_a_lone_region_is_not_judged_near_the_middle_nor_where_the_name_says_nothing(name: str, centre: tuple) -> None:
    assert on_the_wrong_side([block(name, centre, SMALL)]) == {}


def test_a_lone_region_is_not_judged_in_a_narrow_volume() -> None:
    """A scan of one hip has the left hip anywhere."""
    narrow = Grid((45, 40, 30), (4.0, 4.0, 4.0), (-88.0, -78.0, -58.0))
    assert on_the_wrong_side([block("left kidney", (-60, 0, 0), SMALL, narrow)]) == {}


def test_sides_are_the_patients_whatever_the_axes_of_the_grid() -> None:
    """The first axis of this grid points to the patient's right, its third to the front."""
    reversed_grid = Grid(
        (80, 50, 70), (4.0, 4.0, 4.0), (158.0, 138.0, -98.0), (-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)
    )
    regions = [
        block("left kidney", (60, 0, 0), SMALL, reversed_grid),
        block("right kidney", (-60, 0, 0), SMALL, reversed_grid),
    ]
    assert on_the_wrong_side(regions) == {}
    assert set(
        on_the_wrong_side([replace(regions[0], name="right kidney"), replace(regions[1], name="left kidney")])
    ) == {0, 1}
