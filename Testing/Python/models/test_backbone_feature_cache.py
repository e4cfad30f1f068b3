"""Features of slices: kept while memory is plentiful, the same as new ones, never in the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from Tell2RegLib.errors import Cancelled  # noqa: E402
from Tell2RegLib.models.grounding_dino.backbone_feature_cache import SHARE, UNKNOWN_FREE, BackboneFeatureCache  # noqa: E402
from Testing.Python.small_networks import some_slices  # noqa: E402

CPU = torch.device("cpu")
SLICES = some_slices(6, (5, 7))
EACH = 4 * 5 * 7
"""Bytes of the features below."""


def features_of(slices: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(slices.astype(np.float32)) * 2


def ask(features: BackboneFeatureCache, numbers: list[int], about: object = None) -> list[int]:
    """Ask for some of the slices and check what comes; the numbers of those that had to be computed."""
    requested = SLICES[numbers]
    computed: list[int] = []

    def compute(some: list[int]) -> torch.Tensor:
        computed.extend(numbers[n] for n in some)
        return features_of(requested[some])

    assert torch.equal(features.of(requested, about, compute), features_of(requested))
    return computed


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(0, 6))
def test_what_comes_is_right_in_any_order_and_whatever_is_kept(calls: list[list[int]], room: int) -> None:
    features = BackboneFeatureCache(CPU, free=lambda _: int(room * EACH / SHARE))
    for numbers in calls:
        features.new_call()
        ask(features, numbers)
    assert features.computed + features.reused == sum(map(len, calls))


def test_only_new_slices_are_computed() -> None:
    features = BackboneFeatureCache(CPU)
    assert ask(features, [0, 1]) == [0, 1]
    assert ask(features, [2, 1, 3]) == [2, 3]
    assert ask(features, [3, 0]) == []
    assert (features.computed, features.reused) == (4, 3)


def test_a_look_that_was_stopped_leaves_nothing() -> None:
    def stopped(_: list[int]) -> torch.Tensor:
        raise Cancelled

    features = BackboneFeatureCache(CPU)
    with pytest.raises(Cancelled):
        features.of(SLICES[:2], None, stopped)
    assert (len(features), features.computed, features.reused) == (0, 0, 0)
    assert ask(features, [0, 1]) == [0, 1]


def test_slices_seen_in_another_way_are_others() -> None:
    features = BackboneFeatureCache(CPU)
    ask(features, [0], about=(800, 800))
    assert ask(features, [0], about=(600, 600)) == [0]


def free_for(count: int, features: list[BackboneFeatureCache]):
    """A device on which so many features would take the share, whatever of it they take already."""
    return lambda _: int(count * EACH / SHARE) - len(features[0]) * EACH


def with_room_for(count: int) -> BackboneFeatureCache:
    made: list[BackboneFeatureCache] = []
    made.append(BackboneFeatureCache(CPU, free=free_for(count, made)))
    return made[0]


def test_more_than_a_share_of_the_memory_is_not_kept_and_the_first_stay() -> None:
    features = with_room_for(2)
    for _ in range(3):
        features.new_call()
        ask(features, [0, 1, 2, 3])
    assert len(features) == 2
    assert ask(features, [0, 1, 2, 3]) == [2, 3]


def test_a_volume_that_is_looked_at_no_more_makes_room() -> None:
    features = with_room_for(2)
    for numbers in ([0, 1], [2, 3], [2, 3], [2, 3]):
        features.new_call()
        ask(features, numbers)
    assert ask(features, [2, 3]) == []
    assert ask(features, [0]) == [0]


def test_where_the_system_does_not_tell_some_is_kept() -> None:
    assert UNKNOWN_FREE > 1 << 30
    features = BackboneFeatureCache(CPU, free=lambda _: None)
    ask(features, [0])
    assert ask(features, [0]) == []


def test_all_can_be_let_go() -> None:
    features = BackboneFeatureCache(CPU)
    ask(features, [0])
    features.clear()
    assert len(features) == 0
    assert ask(features, [0]) == [0]
