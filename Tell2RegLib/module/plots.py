"""A chart of the pairs: their overlap before and after the fit."""

from __future__ import annotations

import slicer

from Tell2RegLib.module.scene_results import putIntoResults

CHART = "Tell2Reg pairs, overlap"
SERIES = (("Dice as they lie", "dice", (0.6, 0.6, 0.6)), ("Dice after the fit", "dice_after", (0.0, 0.62, 0.45)))


def showPairs(parameters) -> None:
    """Show the chart of the pairs' table in a plot view."""
    slicer.modules.plots.logic().ShowChartInLayout(chartOf(parameters))


def chartOf(parameters):
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
    chart.SetTitle("Overlap of the pairs")
    chart.SetYAxisTitle("Dice")
    chart.SetXAxisTitle("Pair")
    putIntoResults(parameters, chart)
    return chart
