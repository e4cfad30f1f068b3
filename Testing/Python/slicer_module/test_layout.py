"""The panel as it is laid out at the widths that people give it: nothing covered, no row out of sight, no name cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from Testing.Python import small
from Testing.Python.slicer_module.layout import problems
from Testing.Python.slicer_module.simulated import find_reply

pytestmark = pytest.mark.mrml

LONG = ("left obturator internus muscle", "bladder", "prostate, transition zone", "head of the left femur")


def long_names(request):
    """What is found, under names of several words; one region has no partner."""
    reply = find_reply(request)
    pairs = [
        replace(pair, fixed=replace(pair.fixed, name=name), moving=replace(pair.moving, name=name))
        for pair, name in zip(reply.pairs, LONG, strict=True)
    ]
    return replace(reply, pairs=tuple(pairs[:3]), unpaired_fixed=(pairs[3].fixed,))


def long_words(request):
    """What is found by one long word."""
    reply, word = find_reply(request), "sternocleidomastoideus"
    sides = [(replace(pair.fixed, prompt=word), replace(pair.moving, prompt=word)) for pair in reply.pairs]
    pairs = zip(reply.pairs, sides, strict=True)
    return replace(reply, pairs=tuple(replace(pair, fixed=fixed, moving=moving) for pair, (fixed, moving) in pairs))


def a_plan_of(clinic, count: int):
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    position = list(small.PLAN.values())[0]
    names = tuple(f"left mid peripheral zone {number}" for number in range(1, count + 1))
    return fiducials_from_points(clinic.standin.scene, PointList(names, [position] * count), "plan")


def unfolded(clinic) -> None:
    for box in (clinic.ui.promptsAdvanced, clinic.ui.modelsBox, clinic.ui.logBox, clinic.ui.byHandBox):
        box.collapsed = False


@pytest.mark.parametrize("width", [400, 500, 700])
def test_nothing_lies_over_anything_and_every_row_and_name_is_seen(clinic, docked, width: int) -> None:
    import slicer

    docked(clinic.widget, width=width)
    root = clinic.widget.parent

    def wrong(step: str) -> list[str]:
        clinic.standin.process_events()
        return [f"{step}: {problem}" for problem in problems(root)]

    recorded = wrong("at the start")
    unfolded(clinic)
    recorded += wrong("unfolded")
    clinic.find(long_names)
    recorded += wrong("after Find")
    clinic.fit()
    recorded += wrong("after Fit")
    clinic.panel.plan.check([a_plan_of(clinic, 3)])
    clinic.press(clinic.ui.propagateButton)
    recorded += wrong("after Propagate")
    slicer.util.selectModule("Volumes")
    slicer.util.selectModule("Tell2Reg")
    recorded += wrong("entered again")
    assert recorded == []
    assert clinic.ui.pairsTable.rowCount == 3
    assert clinic.ui.targetsTable.rowCount == 3


def test_a_long_table_scrolls_and_covers_nothing(clinic, docked) -> None:
    docked(clinic.widget, width=500)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([a_plan_of(clinic, 20)])
    clinic.press(clinic.ui.propagateButton)
    clinic.standin.process_events()
    table = clinic.ui.targetsTable
    assert table.rowCount == 20
    assert problems(clinic.widget.parent) == []
    assert table.verticalScrollBar().maximum > 0


def test_a_panel_that_becomes_narrower_or_wider_is_laid_out_anew(clinic, docked) -> None:
    import slicer

    docked(clinic.widget, width=700)
    clinic.find(long_names)
    clinic.fit()
    for width in (500, 900):
        slicer.util.mainWindow().resize(width, 700)
        clinic.standin.process_events()
        assert problems(clinic.widget.parent) == []


def test_the_words_of_the_pairs_give_way_in_a_narrow_panel_and_come_back_in_a_wide_one(clinic, docked) -> None:
    import slicer

    docked(clinic.widget, width=800)
    clinic.find(long_words)
    table, words = clinic.ui.pairsTable, 2
    assert not table.isColumnHidden(words)
    slicer.util.mainWindow().resize(400, 700)
    clinic.standin.process_events()
    assert table.isColumnHidden(words)
    assert table.item(0, 1).toolTip().endswith("prompt: sternocleidomastoideus")
    assert sum(table.columnWidth(column) for column in range(table.columnCount)) <= table.viewport().width
    slicer.util.mainWindow().resize(800, 700)
    clinic.standin.process_events()
    assert not table.isColumnHidden(words)


def test_no_result_widens_the_panel(clinic, docked) -> None:
    docked(clinic.widget, width=400)
    unfolded(clinic)
    clinic.find(long_names)
    clinic.fit()
    clinic.panel.plan.check([a_plan_of(clinic, 3)])
    clinic.press(clinic.ui.propagateButton)
    clinic.standin.process_events()
    assert clinic.standin.app._window._modules.minimumSizeHint().width() <= 500


def test_a_message_is_scrolled_into_view(clinic, docked) -> None:
    docked(clinic.widget, width=500, height=500)
    clinic.find()
    clinic.standin.process_events()
    area = clinic.standin.app._window._modules._area
    area.verticalScrollBar().value = 0
    clinic.panel.plan.check([a_plan_of(clinic, 2)])
    clinic.fit()
    clinic.press(clinic.ui.propagateButton)
    clinic.standin.process_events()
    label = clinic.ui.planMessage
    assert label.text.startswith("Copies made: 1")
    assert label.visibleRegion().boundingRect().height() == label.height
