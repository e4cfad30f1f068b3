"""The table of the fit and the words above it tell of one and the same fit, and of what it cannot know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.fitting.recommendation import Recommendation
from Tell2RegLib.worker.requests import FitReply, FitRequest
from Testing.Python.slicer_module.simulated import find_reply, fitted

pytestmark = pytest.mark.mrml

DICE_AFTER = 4
"""Column of the overlap under the deformable transform."""


def with_dice(value: float):
    """A fit after which every pair overlaps so much."""

    def reply(request: FitRequest) -> FitReply:
        plain = fitted(request)
        return replace(plain, metrics=tuple(replace(item, dice_after=value) for item in plain.metrics))

    return reply


def shown(clinic, column: int) -> list[str]:
    """A column of the table of the fit."""
    table = clinic.ui.fitTable
    return [table.item(line, column).text() for line in range(table.rowCount)]


def is_grey(clinic, line: int) -> bool:
    from Tell2RegLib.slicer_module.panel import tables

    table = clinic.ui.fitTable
    colours = {table.item(line, column).foreground().color().getRgb()[:3] for column in range(table.columnCount)}
    return colours == {tables.GREY}


def test_a_pair_that_was_rejected_after_the_fit_was_used_by_it(clinic) -> None:
    clinic.find()
    clinic.fit(with_dice(0.96))
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    assert shown(clinic, 0) == [row.name for row in clinic.logic.rows]
    assert not any("not used" in name for name in shown(clinic, 0))


def test_rows_of_an_outdated_fit_are_grey_and_say_so(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert not is_grey(clinic, 0)
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    assert all(is_grey(clinic, line) for line in range(clinic.ui.fitTable.rowCount))
    assert "earlier fit" in clinic.ui.fitTable.item(0, 0).toolTip()
    clinic.fit()
    assert not is_grey(clinic, 0)
    assert shown(clinic, 0)[0] == f"{clinic.logic.rows[0].name} (not used)"


def test_undo_brings_no_numbers_of_an_earlier_fit_back(clinic) -> None:
    clinic.find()
    clinic.fit(with_dice(0.96))
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    clinic.fit(with_dice(0.90))
    clinic.press(clinic.ui.undoButton)
    assert shown(clinic, DICE_AFTER) == ["0.90"] * 4
    assert "→ 0.90" in clinic.ui.fitSummary.text
    assert shown(clinic, 0)[0] == f"{clinic.logic.rows[0].name} (not used)"
    table = clinic.parameters.pairsTable.GetTable()
    assert table.GetColumnByName("dice_after").GetValue(0) == pytest.approx(0.90)
    assert table.GetColumnByName("used_by_the_fit").GetValue(0) == "no"
    assert table.GetColumnByName("status").GetValue(0) == "accepted"


def test_the_rows_of_a_fit_are_saved_with_the_scene(clinic, tmp_path) -> None:
    import slicer

    clinic.find()
    clinic.fit(with_dice(0.96))
    before = clinic.logic.fitRows
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    clinic.standin.scene.Clear(0)
    assert clinic.logic.fitRows == ()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert clinic.logic.fitRows == before
    assert shown(clinic, DICE_AFTER) == ["0.96"] * 4


def test_a_renamed_pair_has_its_new_name_in_the_table_of_the_fit(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.logic.rename(0, "gland")
    assert shown(clinic, 0)[0] == "gland"
    assert not is_grey(clinic, 0)


def test_rigid_and_affine_have_their_columns(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert [shown(clinic, column)[0] for column in (1, 2, 3, DICE_AFTER)] == ["0.10", "0.70", "0.80", "0.90"]
    row = clinic.logic.fitRows[0]
    assert [shown(clinic, column)[0] for column in (5, 6, 7, 8)] == [f"{value:.1f}" for value in row.distance_mm]
    assert row.distance_mm[1] > row.distance_mm[2]
    heads = [clinic.ui.fitTable.horizontalHeaderItem(column).text() for column in range(9)]
    assert [head.split("\n")[-1] for head in heads[1:]] == ["before", "rigid", "affine", "deform."] * 2


def test_a_search_forgets_the_numbers_of_the_fit_before(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.find()
    assert clinic.logic.fitRows == ()
    assert clinic.ui.fitSummary.isHidden()


# --- what the numbers cannot show ---


def test_the_distance_of_what_was_fitted_is_not_called_accuracy(clinic) -> None:
    clinic.find()
    clinic.fit()
    assert "centre distance of the fitted regions" in clinic.ui.fitSummary.text
    assert "(not accuracy)" in clinic.ui.fitSummary.text


def test_a_fit_of_one_region_says_what_it_cannot_know(clinic) -> None:
    clinic.find(lambda request: replace(find_reply(request), pairs=find_reply(request).pairs[:1]))
    clinic.fit()
    name = clinic.logic.rows[0].name
    assert f"Only '{name}' was fitted" in clinic.ui.fitLimits.text
    assert "extrapolated" in clinic.ui.fitLimits.text
    assert "was fitted" in clinic.ui.logText.toPlainText()
    clinic.find()
    clinic.fit()
    assert clinic.ui.fitLimits.isHidden()


@pytest.mark.parametrize("number", [0, 3])
def test_only_a_round_region_is_said_not_to_determine_the_rotation(clinic, number: int) -> None:
    from Tell2RegLib.evaluation.target_trust import is_round

    clinic.find(lambda request: replace(find_reply(request), pairs=find_reply(request).pairs[number : number + 1]))
    clinic.fit()
    round_one = is_round(clinic.client.request.pairs[0].moving)
    assert ("does not determine the rotation" in clinic.ui.fitLimits.text) == round_one


def test_the_largest_displacement_is_put_against_the_volume_and_the_regions(clinic) -> None:
    def far(request: FitRequest) -> FitReply:
        return replace(fitted(request), quality=FieldQuality(0.0, 1.0, 0.0, 0.0, 35.5))

    clinic.find()
    clinic.fit(far)
    size = " x ".join(f"{side:.0f}" for side in clinic.logic.fitSummary["volume_mm"])
    inside = clinic.logic.fitSummary["max_displacement_inside_mm"]
    assert f"{inside:.1f} mm inside the regions, 35.5 mm in the whole volume ({size} mm)" in clinic.ui.fitSummary.text
    assert inside < 35.5


def test_a_deformation_that_adds_nothing_is_named(clinic) -> None:
    clinic.find()
    clinic.fit(lambda request: replace(fitted(request), recommendation=Recommendation("rigid", "")))
    assert "The rigid transform aligns the regions to within the noise of the voxels" in clinic.ui.fitLimits.text
