"""The window stays with the person: what takes long is done elsewhere, what arrives is shown once, and can be read."""

from __future__ import annotations

import pytest

from Tell2RegLib.space.point_files import PointList
from Testing.Python import small
from Testing.Python.slicer_module.simulated import a_pair, find_reply, fitted

pytestmark = pytest.mark.mrml


# --- the demo pair ---


def the_demo(_request):
    from Tell2RegLib.worker.requests import DemoReply

    names, positions = tuple(small.PLAN), list(small.PLAN.values())
    plan, truth = (PointList(names, positions) for _side in range(2))
    return DemoReply(a_pair().fixed.volume, a_pair().moving.volume, plan, truth)


def test_the_demo_pair_is_made_by_the_worker_while_the_button_says_so(clinic) -> None:
    before = clinic.parameters.fixedVolume
    clinic.press(clinic.ui.demoButton)
    assert type(clinic.client.request).__name__ == "DemoRequest"
    assert clinic.ui.demoButton.text == "Cancel"
    assert not clinic.ui.demoProgress.isHidden()
    clinic.client.answer("on_progress", "demo", 0, 1, None)
    clinic.hear()
    assert clinic.ui.demoLabel.text == "Generating the demo pair"
    assert clinic.parameters.fixedVolume is before
    clinic.answer(the_demo)
    assert clinic.ui.demoButton.text == "Load demo pair"
    assert clinic.parameters.fixedVolume.GetName() == "Demo fixed"
    assert clinic.parameters.movingVolume.GetName() == "Demo moving"
    assert clinic.parameters.trueTargets.GetName() == "Demo plan, true places in fixed"
    assert clinic.ui.presetCombo.currentText == "Pelvis demo"
    assert ticked(clinic) == ["Demo plan"]


def ticked(clinic) -> list[str]:
    """The nodes whose boxes are checked in the list of the plan."""
    import qt

    items = [clinic.ui.planList.item(line) for line in range(clinic.ui.planList.count)]
    return [item.text() for item in items if item.checkState() == qt.Qt.Checked]


def test_a_demo_pair_that_is_cancelled_leaves_the_scene_as_it_was(clinic) -> None:
    count = clinic.standin.scene.GetNumberOfNodes()
    clinic.press(clinic.ui.demoButton)
    clinic.press(clinic.ui.demoButton)
    clinic.hear()
    assert clinic.client.cancelled == 1
    assert clinic.standin.scene.GetNumberOfNodes() == count
    assert clinic.ui.demoButton.enabled
    assert clinic.ui.demoButton.text == "Load demo pair"


def test_the_worker_makes_the_demo_pair_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.worker import requests, tasks
    from Tell2RegLib.workflows import demo

    plan = PointList(("a",), [[1.0, 2.0, 3.0]])
    pair = demo.DemoPair(a_pair().fixed.volume, a_pair().moving.volume, (), (), plan, plan)
    monkeypatch.setattr(demo, "make_demo_pair", lambda: pair)
    reports: list[tuple[str, int, int]] = []
    reply = tasks.TASKS["demo"](requests.DemoRequest(), tasks.Run(lambda *news: reports.append(news), lambda: False))
    assert (reply.fixed, reply.moving, reply.plan) == (pair.fixed, pair.moving, plan)


# --- results that arrive ---


@pytest.mark.parametrize("run", ["find", "fit"])
def test_an_arriving_result_brings_the_panel_up_to_date_a_few_times_only(
    clinic, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if run == "fit":
        clinic.find()
    clinic.press(clinic.ui.fitButton if run == "fit" else clinic.ui.findButton)
    times: list[int] = []
    update = clinic.panel.images.update
    monkeypatch.setattr(clinic.panel.images, "update", lambda: (times.append(1), update())[1])
    clinic.answer(fitted if run == "fit" else find_reply)
    assert len(times) <= 4
    assert clinic.ui.pairsTable.rowCount == 4
    assert (clinic.ui.fitTable.rowCount == 4) == (run == "fit")


def test_the_end_of_a_run_does_not_look_through_all_installed_packages(clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(clinic.panel.regions.models, "look", lambda: looked.append(1))
    clinic.find()
    clinic.fit()
    assert looked == []
    assert clinic.ui.installButton.toolTip != "A run is in progress"


# --- what can be read ---


def test_text_on_a_coloured_cell_can_be_read_in_every_theme(clinic) -> None:
    import qt

    from Tell2RegLib.slicer_module.panel import tables
    from Tell2RegLib.slicer_module.panel.plan_step import COLORS

    for colour in (*COLORS.values(), (0.1, 0.1, 0.2)):
        item = qt.QTableWidgetItem("good")
        tables.color(item, colour)
        ground, text = (brush.color().lightness() for brush in (item.background(), item.foreground()))
        assert abs(ground - text) > 120


def test_the_bars_of_the_plot_have_the_names_of_the_pairs_and_no_legend_covers_them(clinic) -> None:
    import vtk

    clinic.find()
    clinic.fit()
    clinic.press(clinic.ui.plotButton)
    widget = clinic.standin.app.layoutManager().plotWidget(0)
    axis = widget.plotView().chart().GetAxis(vtk.vtkAxis.BOTTOM)
    names = [row.name for row in clinic.logic.rows]
    assert [axis.GetTickLabels().GetValue(index) for index in range(4)] == names
    assert [axis.GetTickPositions().GetValue(index) for index in range(4)] == [0, 1, 2, 3]
    chart = widget.mrmlPlotViewNode().GetPlotChartNode()
    assert not chart.GetLegendVisibility()
    assert "grey before, green after" in chart.GetTitle()
    another = clinic.standin.scene.AddNewNodeByClass("vtkMRMLPlotChartNode", "of the person")
    widget.mrmlPlotViewNode().SetPlotChartNodeID(another.GetID())
    labels = [axis.GetTickLabels().GetValue(index) for index in range(axis.GetTickLabels().GetNumberOfValues())]
    assert not set(names) & set(labels)
