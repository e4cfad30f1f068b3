"""Regions found by prompts are paired by prototype and position, independent of their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching import MatchSettings, match_regions, match_source_results, regions_without_partner
from Tell2RegLib.matching.assignment import cosine_similarity
from Tell2RegLib.matching.settings import GeometrySettings
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Testing.Python.conftest import rotation

GRID = Grid((120, 80, 60), (2.0, 2.0, 2.0), (-119.0, -79.0, -59.0))
"""Centres from -119 to 119 mm to the Left, -79 to 79 Posterior, -59 to 59 Superior."""


def a_block(name: str, centre: Sequence[float], look: Sequence[float], side_mm: float = 16, prompt: str = "") -> Region:
    """A cube around a point, LPS mm."""
    half = round(side_mm / 4)
    i, j, k = np.rint(GRID.lps_to_index(centre)).astype(int) - half
    return Region(
        name,
        np.ones((2 * half,) * 3, dtype=bool),
        (int(k), int(j), int(i)),
        GRID,
        prompt or name.rstrip(" 0123456789"),
        0.5,
        prototype=np.array(look, dtype=np.float32),
    )


LOOKS = dict(zip(("prostate", "bladder", "rectum", "symphysis", "head"), np.eye(5), strict=True))
PLACES = {"prostate": (0, 6, -10), "bladder": (2, -10, 24), "rectum": (4, 34, 0), "symphysis": (0, -36, -14)}


def a_pelvis(shift: Sequence[float] = (0, 0, 0), *, angle: float = 0.0) -> list[Region]:
    """Four organs, moved and turned about the axis of the body."""
    matrix = rotation((0, 0, 1), angle)
    return [a_block(name, matrix @ position + shift, LOOKS[name]) for name, position in PLACES.items()]


def the_heads(
    names: tuple[str, str], shift: Sequence[float] = (0, 0, 0), looks: tuple[float, float] = (0.0, 0.0)
) -> list[Region]:
    """Femoral heads, the left one first, that differ in their look by an angle only."""
    return [
        a_block(name, np.array([x, 2, 4]) + shift, np.cos(a) * LOOKS["head"] + np.sin(a) * LOOKS["rectum"], 36)
        for name, x, a in zip(names, (70, -70), looks, strict=True)
    ]


def names(pairs: Sequence[RegionPair], accepted: bool = True) -> list[tuple[str, str]]:
    return [(pair.fixed.name, pair.moving.name) for pair in pairs if pair.accepted == accepted]


# --- prototypes ---


def test_the_cosine_by_hand() -> None:
    similarity = cosine_similarity([[3.0, 4.0], [0.0, 0.0]], [[4.0, 3.0], [-3.0, -4.0], [0.0, 2.0]])
    np.testing.assert_allclose(similarity, [[24 / 25, -1.0, 0.8], [0.0, 0.0, 0.0]])


def test_algorithm_1_with_prototypes_by_hand() -> None:
    """Unit vectors at these angles; cosine of the difference:

        fixed  a 0, b 20, c 60        moving  p 5, q 24, r 100
             p      q      r
        a  .996   .914  -.174
        b  .966   .998   .174
        c  .574   .809   .766

    The largest is b-q, then a-p; c-r is what is left, below 0.8.
    """
    fixed, moving = (
        [Region(n, np.ones((1, 1, 1), bool), (0, 0, v), GRID, prototype=_at(d)) for v, (n, d) in enumerate(side)]
        for side in ([("a", 0), ("b", 20), ("c", 60)], [("p", 5), ("q", 24), ("r", 100)])
    )
    pairs = match_regions(fixed, moving, MatchSettings(geometry=None))
    assert names(pairs) == [("b", "q"), ("a", "p")]
    assert [pair.similarity for pair in pairs] == pytest.approx([np.cos(np.deg2rad(4)), np.cos(np.deg2rad(5))])
    lower = match_regions(fixed, moving, MatchSettings(geometry=None, threshold=0.76))
    assert names(lower) == [("b", "q"), ("a", "p"), ("c", "r")]


def _at(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])


def test_pairs_of_different_prompts_are_made_only_on_request() -> None:
    fixed = [a_block("prostate", (0, 0, 0), LOOKS["prostate"])]
    moving = [a_block("gland", (0, 0, 0), LOOKS["prostate"])]
    assert match_regions(fixed, moving) == ()
    assert names(match_regions(fixed, moving, MatchSettings(cross_prompts=True))) == [("prostate", "gland")]
    assert match_regions(fixed, []) == match_regions([], moving) == ()


def test_both_sides_get_one_colour_and_keep_their_prototypes() -> None:
    for pair in match_regions(a_pelvis(), a_pelvis((8, 0, 3))):
        assert pair.fixed.color == pair.moving.color is not None
        assert pair.fixed.prototype is not None


def test_regions_that_cannot_be_compared_are_told() -> None:
    recorded, unseen = a_pelvis(), [replace(region, prototype=None) for region in a_pelvis()]
    with pytest.raises(InputError, match="'bladder' has no prototype"):
        match_regions(recorded, unseen)
    short = [replace(region, prototype=np.ones(2)) for region in a_pelvis()]
    with pytest.raises(InputError, match="different lengths"):
        match_regions(recorded, short)

    def source_result_of(model: str) -> SourceResult:
        embeddings = Embeddings(np.ones((1, 1, 1, 1)), (1, 1), (1, 1), model)
        return SourceResult("x", ("prostate",), tuple(recorded), embeddings=embeddings)

    with pytest.raises(InputError, match="'SAM ViT-B', the moving ones from 'MedSAM'. Use one model"):
        match_source_results(source_result_of("SAM ViT-B"), source_result_of("MedSAM"))


# --- places ---


@pytest.mark.parametrize("angle", [-30.0, 0.0, 20.0])
def test_pairs_at_their_places_are_accepted(angle: float) -> None:
    """A patient who lies shifted and turned lies well: the pairs agree with one another."""
    pairs = match_regions(a_pelvis(), a_pelvis((15, -8, 9), angle=angle))
    assert len(pairs) == 4
    assert all(pair.accepted and "position consistent with the other pairs" in pair.reason for pair in pairs)


def test_a_pair_at_another_place_is_listed_last_and_off_and_not_deleted() -> None:
    fixed, moving = a_pelvis(), a_pelvis((5, 4, 3))
    moving[0] = a_block("prostate", (90, 6, -10), LOOKS["prostate"])
    pairs = match_regions(fixed, moving)
    assert len(pairs) == 4
    assert names(pairs, accepted=False) == [("prostate", "prostate")]
    assert not pairs[-1].accepted
    assert pairs[-1].reason == (
        "rejected: similar (1.00), but 84 mm from where the other pairs imply; possibly another structure"
    )


@pytest.mark.parametrize(
    ("x", "accepted", "message"),
    [
        (24, True, "position consistent"),
        (29, True, "position uncertain: 28 mm from where most"),
        (36, False, "rejected"),
    ],
)
def test_between_right_and_wrong_the_place_is_said_to_be_in_doubt(x: float, accepted: bool, message: str) -> None:
    moving = a_pelvis()
    moving[0] = a_block("prostate", (x, 6, -10), LOOKS["prostate"])
    pair = next(pair for pair in match_regions(a_pelvis(), moving) if pair.name == "prostate")
    assert pair.accepted == accepted
    assert message in pair.reason


def test_a_region_of_another_size_is_no_partner() -> None:
    fixed, moving = a_pelvis(), a_pelvis()
    moving[1] = a_block("bladder", PLACES["bladder"], LOOKS["bladder"], side_mm=36)
    off = match_regions(fixed, moving)[-1]
    assert (off.name, off.accepted) == ("bladder", False)
    assert "11 times as large in the moving volume as the other pairs imply" in off.reason


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_pairs_are_never_flagged_without_ground(count: int) -> None:
    fixed, moving = a_pelvis()[:count], a_pelvis()[:count]
    moving[0] = a_block("prostate", (90, 6, -10), LOOKS["prostate"])
    pairs = match_regions(fixed, moving)
    assert len(pairs) == count
    assert all(pair.accepted for pair in pairs)
    assert any("could not be checked" in pair.reason for pair in pairs)


@pytest.mark.parametrize("others", [0, 1, 2, 4])
def test_look_alikes_on_the_wrong_side_find_their_right_partners(others: int) -> None:
    """By their look the left one goes with the right one, and the other way round; only the place tells."""
    fixed = [*a_pelvis()[:others], *the_heads(("head", "head 2"), looks=(0.0, 0.2))]
    moving = [*a_pelvis((6, -4, 5))[:others], *the_heads(("head 2", "head"), (6, -4, 5), looks=(0.19, 0.01))]
    swapped = match_regions(fixed, moving, MatchSettings(geometry=None))
    assert ("head", "head") in names(swapped)
    pairs = match_regions(fixed, moving)
    assert len(pairs) == others + 2
    assert {("head", "head 2"), ("head 2", "head")} <= set(names(pairs))
    reason = next(pair.reason for pair in pairs if pair.fixed.name == "head")
    assert reason.startswith("similarity 0.98; paired by position: the most similar was 'head' (1.00), 1")


def test_a_head_that_is_alone_on_one_side_takes_the_one_of_its_side() -> None:
    fixed = [*a_pelvis(), the_heads(("head", ""))[0]]
    moving = [*a_pelvis(), *the_heads(("head 2", "head"), looks=(0.2, 0.0))]
    pairs = match_regions(fixed, moving)
    assert ("head", "head 2") in names(pairs)
    source_results = SourceResult("x", (), tuple(fixed)), SourceResult("x", (), tuple(moving))
    assert [region.name for region in regions_without_partner(pairs, *source_results)[1]] == ["head"]


def test_of_look_alikes_within_reach_the_nearer_wins_a_near_tie() -> None:
    """Two seminal vesicles 14 mm apart, each within the tolerance of the other's place."""
    fixed, moving = a_pelvis(), a_pelvis()
    for side, twist in ((fixed, 0.0), (moving, 0.1)):
        for name, x in (("vesicle", 7), ("vesicle 2", -7)):
            look = LOOKS["head"] + (0.1 if (name == "vesicle") == (twist == 0) else 0.0) * LOOKS["bladder"]
            side.append(a_block(name, (x, 20, 8), look, 8))
    wrong = match_regions(fixed, moving, MatchSettings(geometry=None))
    assert ("vesicle", "vesicle 2") in names(wrong)
    assert ("vesicle", "vesicle") in names(match_regions(fixed, moving))
    no_tie = MatchSettings(geometry=GeometrySettings(tie=0.0))
    assert ("vesicle", "vesicle 2") in names(match_regions(fixed, moving, no_tie))


def test_pairs_that_agree_on_nothing_are_left_as_they_are() -> None:
    """Four organs at four places with nothing in common: who would be right?"""
    positions = [(90, 50, -40), (-90, 40, 40), (80, -60, 40), (-80, -60, -40)]
    moving = [a_block(name, position, LOOKS[name]) for name, position in zip(PLACES, positions, strict=True)]
    pairs = match_regions(a_pelvis(), moving)
    assert len(pairs) == 4
    assert all(pair.accepted and "could not be checked" in pair.reason for pair in pairs)


@st.composite
def two_patients(draw: st.DrawFn) -> tuple[list[Region], list[Region]]:
    """Up to seven regions a side in three prompts, anywhere, with looks of few values: many ties."""
    position = st.tuples(st.integers(-40, 40), st.integers(-25, 25), st.integers(-15, 15))
    look = st.sampled_from([(1.0, 0.0), (0.9, 0.3), (0.8, 0.6), (0.0, 1.0)])
    sides = []
    for _ in range(2):
        drawn = draw(st.lists(st.tuples(position, look, st.sampled_from("abc"), st.sampled_from([12, 20])), max_size=7))
        sides.append(
            [
                a_block(f"{word} {n}", 2.0 * np.array(p), (*look, 0.1), side, prompt=word)
                for n, (p, look, word, side) in enumerate(drawn)
            ]
        )
    return sides[0], sides[1]


EVERY_KIND = st.builds(
    MatchSettings, method=st.sampled_from(["greedy", "optimal"]), cross_prompts=st.booleans(), threshold=st.just(0.8)
)


@given(two_patients(), EVERY_KIND, st.randoms(use_true_random=False))
def test_the_order_of_the_regions_does_not_matter(patients, settings: MatchSettings, random) -> None:
    fixed, moving = patients
    expected = [(pair.name, pair.reason) for pair in match_regions(fixed, moving, settings)]
    fixed, moving = list(fixed), list(moving)
    random.shuffle(fixed)
    random.shuffle(moving)
    assert [(pair.name, pair.reason) for pair in match_regions(fixed, moving, settings)] == expected


@given(two_patients(), EVERY_KIND)
def test_pairs_are_one_to_one_above_the_threshold_and_the_flagged_come_last(patients, settings: MatchSettings) -> None:
    pairs = match_regions(*patients, settings)
    for side in ("fixed", "moving"):
        used = [getattr(pair, side).name for pair in pairs]
        assert len(set(used)) == len(used)
    assert all(pair.similarity > 0.8 for pair in pairs)
    assert all(settings.cross_prompts or pair.fixed.prompt == pair.moving.prompt for pair in pairs)
    order = [(not pair.accepted, -pair.similarity) for pair in pairs]
    assert order == sorted(order)


@given(two_patients())
def test_the_paper_has_no_check_of_places(patients) -> None:
    assert all(pair.accepted for pair in match_regions(*patients, MatchSettings(geometry=None)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "volumes"}, "'mode' is 'volumes', but must be one of regions, slices"),
        ({"method": "best"}, "'method' is 'best', but must be one of greedy, optimal"),
        ({"threshold": 1.0}, "'threshold' is 1, but must be a number of at least -1 and below 1"),
    ],
)
def test_settings_that_make_no_sense_are_told(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MatchSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match="'most_turn_deg' is 90, but must be a number of at least 1 and below 90 degrees"
    ):
        GeometrySettings(most_turn_deg=90)
    with pytest.raises(InputError, match="'tolerance_mm' is 0"):
        GeometrySettings(tolerance_mm=0)
