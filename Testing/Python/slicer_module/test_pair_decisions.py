"""Decisions over pairs: accepted, rejected, renamed, made by hand, taken back, kept as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.scene import pair_decisions
from Tell2RegLib.slicer_module.scene.pair_decisions import History, PairRow, Rows


def a_row(number: int, **more: object) -> PairRow:
    name = f"organ {number}"
    return PairRow(number, name, name, f"F{number}", f"M{number}", (0.1, 0.2, 0.3), **more)  # type: ignore[arg-type]


THREE: Rows = (a_row(0, similarity=0.9), a_row(1), a_row(4, accepted=False, reason="Too far away."))

some_rows = st.lists(
    st.builds(
        PairRow,
        number=st.integers(0, 300),
        name=st.text(min_size=1),
        prompt=st.text(),
        fixed=st.text(min_size=1),
        moving=st.text(min_size=1),
        color=st.tuples(*[st.floats(0, 1)] * 3),
        similarity=st.none() | st.floats(-1, 1),
        accepted=st.booleans(),
        reason=st.text(),
        distance_mm=st.none() | st.floats(0, 1e3),
        weight=st.floats(0.02, 1),
    ),
    max_size=5,
    unique_by=lambda row: row.number,
).map(tuple)

some_steps = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 5))), max_size=6)


@given(some_rows)
def test_rows_come_back_from_their_text(rows: Rows) -> None:
    assert pair_decisions.from_json(pair_decisions.to_json(rows)) == rows


@pytest.mark.parametrize("text", ["{", "[1]", '[{"number": 1}]', '[{"color": 3}]'])
def test_damaged_text_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="damaged; find the regions again"):
        pair_decisions.from_json(text)


def test_a_doubtful_pair_that_a_person_accepts_counts_in_full_and_needs_another_fit() -> None:
    doubtful: Rows = (a_row(0, weight=0.3, reason="doubtful"), a_row(1))
    accepted = pair_decisions.decided(doubtful, [0, 1], True)
    assert accepted == (a_row(0), a_row(1))
    assert not pair_decisions.same_for_the_fit(doubtful, accepted)
    assert pair_decisions.decided(pair_decisions.decided(doubtful, [0], False), [0], True) == accepted


def test_pairs_of_a_scene_saved_before_there_were_weights_count_in_full() -> None:
    text = pair_decisions.to_json((a_row(0),)).replace(', "weight": 1.0', "")
    assert "weight" not in text
    assert pair_decisions.from_json(text) == (a_row(0),)


def test_a_decision_of_a_person_replaces_the_reason_of_the_library() -> None:
    accepted = pair_decisions.row_of(pair_decisions.decided(THREE, [4], True), 4)
    assert accepted.accepted
    assert not accepted.reason
    assert pair_decisions.row_of(pair_decisions.decided(THREE, [0], False), 0).reason == pair_decisions.REJECTED_BY_HAND


def test_a_decision_that_was_made_already_changes_nothing() -> None:
    assert pair_decisions.decided(THREE, [4], False) == THREE


def test_a_pair_by_hand_takes_its_segments_out_of_other_pairs() -> None:
    rows = pair_decisions.paired_by_hand(THREE, "F0", "M1", "mass", measures={"dice": 0.5})
    assert [(row.fixed, row.moving) for row in rows] == [("F4", "M4"), ("F0", "M1")]
    assert rows[-1].reason == pair_decisions.BY_HAND
    assert rows[-1].dice == 0.5
    assert rows[-1].number == 5


def test_the_same_pair_by_hand_twice_is_refused() -> None:
    with pytest.raises(InputError, match="already paired"):
        pair_decisions.paired_by_hand(THREE, "F0", "M0", "again")


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(InputError, match="needs a name"):
        pair_decisions.renamed(THREE, 0, "  ")


def test_a_pair_that_is_gone_is_one_sentence() -> None:
    with pytest.raises(InputError, match="no pair number 9"):
        pair_decisions.row_of(THREE, 9)


def test_a_fit_is_old_once_other_pairs_are_accepted_but_not_after_a_new_name() -> None:
    assert pair_decisions.same_for_the_fit(THREE, pair_decisions.renamed(THREE, 0, "other"))
    assert pair_decisions.same_for_the_fit(THREE, tuple(replace(row, dice=0.9) for row in THREE))
    assert not pair_decisions.same_for_the_fit(THREE, pair_decisions.decided(THREE, [0], False))


@given(some_steps)
def test_undoing_every_step_gives_the_first_rows_and_redoing_the_last(steps: list[tuple[bool, set[int]]]) -> None:
    history, rows = History(), THREE
    for accepted, numbers in steps:
        rows = history.step(rows, lambda now, a=accepted, n=numbers: pair_decisions.decided(now, n, a))  # type: ignore[misc]
    last = rows
    while history.can_undo:
        rows = history.undo(rows)
    assert rows == THREE
    while history.can_redo:
        rows = history.redo(rows)
    assert rows == last


def test_a_new_step_forgets_what_could_be_done_again() -> None:
    history = History()
    rows = history.undo(history.step(THREE, lambda rows: pair_decisions.decided(rows, [0], False)))
    history.step(rows, lambda rows: pair_decisions.decided(rows, [1], False))
    assert not history.can_redo


def test_undo_without_a_step_changes_nothing() -> None:
    history = History()
    assert history.undo(THREE) is THREE
    assert history.redo(THREE) is THREE


def test_only_so_many_steps_are_kept() -> None:
    history, rows = History(max_entries=2), THREE
    for number in (0, 1, 4):
        rows = history.step(rows, lambda now, n=number: pair_decisions.decided(now, [n], n == 4))  # type: ignore[misc]
    history.undo(history.undo(rows))
    assert not history.can_undo


def test_the_same_text_is_parsed_once() -> None:
    text = pair_decisions.to_json(THREE)
    assert pair_decisions.from_json(text) is pair_decisions.from_json(text)
    assert pair_decisions.from_json(text) == THREE
