"""The paper's way, worked by hand: slice k against slice k, joined to 3-D pairs of only the matched slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching import MatchSettings, match_source_results, regions_without_partner
from Tell2RegLib.models.protocol import Box, Mask
from Tell2RegLib.region_sources.assembly import region_from_masks
from Tell2RegLib.region_sources.source_result import Detection, SourceResult
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.volume import Volume

GRID = Grid((20, 16, 5), (1.0, 1.0, 2.0), (5.0, -7.0, 9.0))
PAPER = MatchSettings.paper()

Piece = tuple[int, int, tuple[int, int], float]
"""Slice, region, columns, angle of the look in degrees."""


def a_found(prompts: tuple[str, ...], pieces: list[Piece]) -> SourceResult:
    """One region a prompt, of masks of ten rows; what a mask looks like is an angle in a plane."""
    detections = []
    for k, region, (low, high), degrees in pieces:
        mask = np.zeros(GRID.shape_kji[1:], dtype=bool)
        mask[3:13, low:high] = True
        box = Box(k, prompts[region], (low, 3, high, 13), 0.5)
        look = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        detections.append(Detection(box, "kept", Mask(box, mask, 1.0), look, region))
    regions = []
    for number, prompt in enumerate(prompts):
        masks = {f.box.slice_index: f.mask.mask for f in detections if f.region == number}
        regions.append(region_from_masks(prompt, masks, GRID, GRID, prompt=prompt, prototype=np.ones(2)))
    slices = Volume(np.zeros(GRID.shape_kji, dtype=np.uint8), GRID)
    return SourceResult("by hand", prompts, tuple(regions), slices, tuple(range(5)), tuple(detections))


def slices_of(pair: RegionPair) -> tuple[list[int], list[int]]:
    actual, expected = (np.flatnonzero(side.mask_kji().any(axis=(1, 2))).tolist() for side in (pair.fixed, pair.moving))
    return actual, expected


def test_one_region_by_hand() -> None:
    """Slices 0 to 3 of the fixed region and 1 to 4 of the moving one; slice 2 does not look alike.

        slice   fixed  moving   cosine   areas
        1         0      10     0.985    40 + 60
        2         0      60     0.5      -           not above 0.8
        3         0      30     0.866    80 + 120

    One pair of slices 1 and 3: (100 * 0.985 + 200 * 0.866) / 300 = 0.906.
    """
    fixed = a_found(("prostate",), [(0, 0, (0, 4), 0), (1, 0, (0, 4), 0), (2, 0, (0, 6), 0), (3, 0, (0, 8), 0)])
    moving = a_found(("prostate",), [(1, 0, (2, 8), 10), (2, 0, (2, 8), 60), (3, 0, (2, 14), 30), (4, 0, (2, 8), 0)])
    (pair,) = match_source_results(fixed, moving, PAPER)
    assert slices_of(pair) == ([1, 3], [1, 3])
    expected = (100 * np.cos(np.deg2rad(10)) + 200 * np.cos(np.deg2rad(30))) / 300
    assert pair.similarity == pytest.approx(expected)
    assert (pair.name, pair.accepted) == ("prostate", True)
    assert [side.box_kji.sum() for side in (pair.fixed, pair.moving)] == [40 + 80, 60 + 120]
    assert regions_without_partner([pair], fixed, moving) == ((), ())


def test_algorithm_1_runs_on_every_slice_and_a_region_may_be_cut_in_parts() -> None:
    """Two prompts; on slice 1 the gland looks like the other side's cyst, on slices 0 and 2 like its gland."""
    fixed = a_found(("gland", "cyst"), [(0, 0, (0, 5), 0), (1, 0, (0, 5), 0), (2, 0, (0, 5), 0), (1, 1, (10, 16), 40)])
    moving = a_found(("gland", "cyst"), [(0, 0, (1, 6), 5), (1, 0, (1, 6), 50), (2, 0, (1, 6), 5), (1, 1, (11, 15), 2)])
    pairs = match_source_results(fixed, moving, PAPER)
    assert [(pair.fixed.name, pair.moving.name) for pair in pairs] == [
        ("gland (part 2)", "cyst"),
        ("gland", "gland"),
        ("cyst", "gland (part 2)"),
    ]
    assert [slices_of(pair) for pair in pairs] == [([1], [1]), ([0, 2], [0, 2]), ([1], [1])]
    assert pairs[2].similarity == pytest.approx(np.cos(np.deg2rad(10)))
    assert regions_without_partner(pairs, fixed, moving) == ((), ())


def test_pairs_of_one_prompt_only_on_request() -> None:
    fixed = a_found(("gland", "cyst"), [(0, 0, (0, 5), 0), (0, 1, (10, 16), 40)])
    moving = a_found(("gland", "cyst"), [(0, 0, (1, 6), 50), (0, 1, (11, 15), 2)])
    assert len(match_source_results(fixed, moving, PAPER)) == 2
    assert match_source_results(fixed, moving, replace(PAPER, cross_prompts=False)) == ()
    assert [r.name for r in regions_without_partner((), fixed, moving)[0]] == ["gland", "cyst"]


def test_slices_that_only_one_volume_has_give_nothing() -> None:
    fixed = a_found(("gland",), [(0, 0, (0, 5), 0)])
    assert match_source_results(fixed, a_found(("gland",), [(3, 0, (0, 5), 0)]), PAPER) == ()


def test_slices_that_were_skipped_between_two_that_match_are_filled_in() -> None:
    """Every second slice was looked at; on slice 2 nothing looks alike, so nothing is filled on its sides."""
    every_second = [(0, 0, (0, 6), 0), (2, 0, (0, 6), 0), (4, 0, (0, 6), 0)]
    fixed = replace(a_found(("gland",), every_second), slice_indices=(0, 2, 4))
    (pair,) = match_source_results(fixed, fixed, PAPER)
    assert slices_of(pair) == ([0, 1, 2, 3, 4],) * 2
    other_prompt_masks = replace(
        a_found(("gland",), [(0, 0, (0, 6), 0), (2, 0, (0, 6), 90), (4, 0, (0, 6), 0)]), slice_indices=(0, 2, 4)
    )
    (pair,) = match_source_results(fixed, other_prompt_masks, PAPER)
    assert slices_of(pair) == ([0, 4],) * 2


def test_volumes_of_which_no_slice_was_looked_at_in_both_are_told() -> None:
    fixed = replace(a_found(("gland",), [(0, 0, (0, 5), 0), (2, 0, (0, 5), 0)]), slice_indices=(0, 2, 4))
    moving = replace(a_found(("gland",), [(1, 0, (0, 5), 0), (3, 0, (0, 5), 0)]), slice_indices=(1, 3))
    with pytest.raises(InputError, match="No slice was processed in both volumes"):
        match_source_results(fixed, moving, PAPER)


def test_masks_that_are_part_of_no_region_are_left_out() -> None:
    detected = a_found(("gland",), [(0, 0, (0, 5), 0), (1, 0, (0, 5), 0)])
    speck = replace(detected.detections[1], outcome="speck", region=None)
    (pair,) = match_source_results(replace(detected, detections=(detected.detections[0], speck)), detected, PAPER)
    assert slices_of(pair) == ([0], [0])


def test_the_check_of_places_can_be_added() -> None:
    """Four organs agree, the fifth lies 30 mm away in the moving volume, on the same slices."""
    grid_places = [(0, 4), (5, 8), (9, 12), (13, 16), (17, 20)]
    prompts = ("a", "b", "c", "d", "e")
    fixed = a_found(prompts, [(k, n, position, 30.0 * n) for n, position in enumerate(grid_places) for k in (0, 1)])
    far = Grid((60, 16, 5), GRID.spacing_mm, GRID.origin_lps_mm)
    moving = fixed
    wider = []
    for detection in moving.detections:
        mask = np.zeros(far.shape_kji[1:], dtype=bool)
        shift = 40 if detection.box.prompt == "a" else 0
        mask[:, shift : shift + 20] = detection.mask.mask
        wider.append(replace(detection, mask=replace(detection.mask, mask=mask)))
    regions = [
        region_from_masks(
            region.name,
            {f.box.slice_index: f.mask.mask for f in wider if f.region == n},
            far,
            far,
            prompt=region.prompt,
            prototype=region.prototype,
        )
        for n, region in enumerate(moving.regions)
    ]
    slices = Volume(np.zeros(far.shape_kji, dtype=np.uint8), far)
    moving = replace(moving, detections=tuple(wider), regions=tuple(regions), slices=slices)
    pairs = match_source_results(fixed, moving, MatchSettings(mode="slices"))
    assert [pair.name for pair in pairs if not pair.accepted] == ["a"]
    assert all(pair.accepted for pair in match_source_results(fixed, moving, PAPER))


def test_a_source_without_slices_is_told() -> None:
    detected = a_found(("gland",), [(0, 0, (0, 5), 0)])
    with pytest.raises(InputError, match="'by hand' does not work on slices"):
        match_source_results(replace(detected, slices=None), detected, PAPER)
