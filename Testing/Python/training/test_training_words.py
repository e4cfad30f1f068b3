"""What the demo detector is asked while it is taught."""

from __future__ import annotations

import numpy as np

from Tell2RegLib.training.words import NEAR_SLICES, PROMPTS, draw_near_misses, draw_removed, near_misses


def two_scans() -> np.ndarray:
    """Shares of labels on 80 slices: a bladder on slices 30..39, a sliver of it on 40, both femoral heads on 60..69."""
    area = np.zeros((80, 11), dtype=np.float32)
    area[30:40, 3] = 0.05
    area[40, 3] = 0.0001
    area[60:70, [5, 6]] = 0.02
    return area


def test_a_near_miss_lacks_the_organ_altogether_but_is_near_it() -> None:
    detected = near_misses(two_scans(), "bladder")
    before, after = range(30 - NEAR_SLICES, 30), range(41, 40 + NEAR_SLICES)
    assert detected.tolist() == [*before, *after]
    assert near_misses(two_scans(), "prostate").size == 0


def test_words_for_two_sides_are_missed_where_both_are() -> None:
    assert set(near_misses(two_scans(), "femoral head")) == set(near_misses(two_scans(), "left femoral head"))


def test_drawn_near_misses_belong_to_their_names() -> None:
    area = two_scans()
    slices, names = draw_near_misses(np.random.default_rng(1), area, 20)
    assert len(slices) == len(names) == 20
    assert set(names) <= set(PROMPTS)
    assert all(number in near_misses(area, name) for number, name in zip(slices, names, strict=True))
    assert draw_near_misses(np.random.default_rng(1), area, 0)[0].size == 0


def test_organs_that_a_subject_lacks_are_asked_for_where_others_are() -> None:
    area = two_scans()
    lacks = np.repeat(area.max(axis=0, keepdims=True) == 0, len(area), axis=0)
    slices, names = draw_removed(np.random.default_rng(1), area, lacks, 40)
    assert set(slices) <= {*range(30, 40), *range(60, 70)}
    assert {"prostate", "rectum"} <= set(names)
    assert not {"bladder", "femoral head", "left femoral head"} & set(names)


def test_where_nothing_is_lacking_nothing_is_asked_for() -> None:
    area = np.full((4, 11), 0.05, dtype=np.float32)
    slices, names = draw_removed(np.random.default_rng(1), area, np.zeros((4, 11), dtype=bool), 3)
    assert (slices.size, names) == (0, [])
