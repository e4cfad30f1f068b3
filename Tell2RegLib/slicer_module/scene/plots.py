"""A chart of the pairs: their overlap before and after the fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import slicer
import vtk

from Tell2RegLib.slicer_module.scene.result_nodes import putIntoResults

CHART = "Tell2Reg pairs, overlap"
SERIES = (("Dice before the fit", "dice", (0.6, 0.6, 0.6)), ("Dice after the fit", "dice_after", (0.0, 0.62, 0.45)))
TITLE = "Overlap of the pairs: grey before, green after the fit"
"""Says what the colours mean: a legend would lie over the bars."""
TITLE_POINTS, LABEL_POINTS = 14, 12


def showPairs(parameters: Any) -> None:
    """Show the chart of the pairs' table in a plot view, with the names of the pairs below the bars."""
    chart = chartOf(parameters)
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    manager = slicer.app.layoutManager()
    if manager is not None and manager.plotViewCount:
        table = parameters.pairsTable.GetTable()
        names = [table.GetValueByName(row, "name").ToString() for row in range(table.GetNumberOfRows())]
        for index in range(manager.plotViewCount):
            _BarNames(manager.plotWidget(index), chart, names)


def chartOf(parameters: Any) -> Any:
    """The chart of the pairs' table, made once per scene and filled again."""
    table = parameters.pairsTable
    scene = table.GetScene()
    chart = scene.GetFirstNode(CHART, "vtkMRMLPlotChartNode") or scene.AddNewNodeByClass("vtkMRMLPlotChartNode", CHART)
    chart.RemoveAllPlotSeriesNodeIDs()
    for name, column, color in SERIES:
        series = scene.GetFirstNode(name, "vtkMRMLPlotSeriesNode") or scene.AddNewNodeByClass(
            "vtkMRMLPlotSeriesNode", name
        )
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeBar)
        series.SetLabelColumnName("name")
        series.SetXColumnName("")
        series.SetYColumnName(column)
        series.SetColor(*color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        putIntoResults(parameters, series)
    chart.SetTitle(TITLE)
    chart.SetTitleFontSize(TITLE_POINTS)
    chart.SetLegendVisibility(False)
    chart.SetAxisLabelFontSize(LABEL_POINTS)
    chart.SetYAxisTitle("Dice")
    chart.SetXAxisTitle("")
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0.0, 1.0)
    putIntoResults(parameters, chart)
    return chart


_NAMED: list[_BarNames] = []
"""Those that observe a view. Without this reference Python would collect them, while the view still calls them."""


class _BarNames:
    """Names instead of numbers on the axis of a plot view, which Slicer's chart nodes cannot ask for.

    They are taken off again when the view shows another chart.

    Args:
        widget: qMRMLPlotWidget.
        chart: vtkMRMLPlotChartNode.
        names: one per bar.
    """

    def __init__(self, widget: Any, chart: Any, names: Sequence[str]) -> None:
        self._node, self._chartId = widget.mrmlPlotViewNode(), chart.GetID()
        self._axis = widget.plotView().chart().GetAxis(vtk.vtkAxis.BOTTOM)
        if self._node is None or self._node.GetPlotChartNodeID() != self._chartId:
            return
        positions, labels = vtk.vtkDoubleArray(), vtk.vtkStringArray()
        for position, name in enumerate(names):
            positions.InsertNextValue(position)
            labels.InsertNextValue(name)
        self._axis.SetCustomTickPositions(positions, labels)
        self._tag = self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._changed)
        _NAMED.append(self)

    def _changed(self, _caller: Any, _event: Any) -> None:
        if self._node.GetPlotChartNodeID() != self._chartId:
            self._node.RemoveObserver(self._tag)
            _NAMED.remove(self)
            self._axis.SetCustomTickPositions(None, None)
