"""The slice views while every button for them is pressed: two volumes 300 mm apart, nothing found yet.

Slice, zoom, pan and orientation must stay, no view may be black, and either view must follow the other.
"""

from __future__ import annotations

import itertools

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from Tell2RegLib.slicer_module.scene.volumes import volume_to_node
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume

AWAY_MM = 300.0
WAYS = ("side", "fade", "checkerboard", "flicker")
PROCESSED = 40
"""Turns of the event loop after a click: views of another layout get their sizes a moment later."""


def run() -> None:
    """All of it."""
    slicer.util.selectModule("Tell2Reg")
    widget = slicer.modules.tell2reg.widgetRepresentation().self()
    parameters = widget.logic.parameters
    parameters.fixedVolume, parameters.movingVolume = (
        a_ball("near", 0.0, (1.0, 1.0, 3.0)),
        a_ball("far", AWAY_MM, (1.5, 1.2, 2.0)),
    )
    process()
    showsBoth()
    everyWayKeepsWhereTheViewLooks(widget)
    eitherViewFollowsTheOther()
    comesAndGoes()


def a_ball(name: str, away_mm: float, spacing_mm: tuple[float, float, float]):
    """A volume with a ball in it, `away_mm` along every axis."""
    size = tuple(int(90 / step) for step in spacing_mm)
    axes = (np.arange(count) * step - 45 for count, step in zip(size[::-1], spacing_mm[::-1], strict=True))
    k, j, i = np.meshgrid(*axes, indexing="ij")
    values = 100.0 + i + 400.0 * (i**2 + j**2 + k**2 < 30**2)
    grid = Grid(size, spacing_mm, (away_mm - 45, away_mm - 45, away_mm - 45), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return volume_to_node(slicer.mrmlScene, Volume(values.astype(np.float32), grid, name), name)


# --- steps ---


def showsBoth() -> None:
    """Before anything is found."""
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    for name in ("Red", "Yellow"):
        assert not black(name), f"The view {name} is black."


def everyWayKeepsWhereTheViewLooks(widget) -> None:
    """Every two ways of showing after each other, in another plane, slice and zoom."""
    controller("Red").setSliceOrientation("Coronal")
    wheel("Red", 7.0)
    zoomAndPan("Red")
    process()
    before = position("Red")
    for pair in itertools.permutations(WAYS, 2):
        for way in pair:
            getattr(widget.ui, f"{way}Button").click()
            process()
            assert np.allclose(position("Red"), before, atol=1e-3), (pair, way, position("Red"), before)
            assert not black("Red"), way
    widget.ui.sideButton.click()
    process()
    corresponds()


def eitherViewFollowsTheOther() -> None:
    """By wheel, zoom, pan, and the menu of orientations."""
    for name in ("Red", "Yellow"):
        for orientation in ("Sagittal", "Axial"):
            controller(name).setSliceOrientation(orientation)
            corresponds()
            wheel(name, -4.0)
            corresponds()
        zoomAndPan(name)
        corresponds()


def comesAndGoes() -> None:
    """To another module and back."""
    before = position("Red")
    for module in ("Data", "Tell2Reg"):
        slicer.util.selectModule(module)
        process()
        assert np.allclose(position("Red"), before, atol=1e-3), module
        for name in ("Red", "Yellow"):
            assert not black(name), (module, name)


# --- views ---


def node(name: str):
    """The slice node of a view."""
    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def controller(name: str):
    """The bar above a view."""
    return slicer.app.layoutManager().sliceWidget(name).sliceController()


def position(name: str) -> np.ndarray:
    """Axes, middle and height of a view."""
    slice_node = node(name)
    columns, rows, _ = slice_node.GetDimensions()
    middle = slice_node.GetXYToRAS().MultiplyPoint((columns / 2, rows / 2, 0, 1))[:3]
    axes = [slice_node.GetSliceToRAS().GetElement(row, column) for row in range(3) for column in range(3)]
    return np.array([*axes, *middle, slice_node.GetFieldOfView()[1]])


def corresponds() -> None:
    """Both views show the same place of their balls, alike."""
    red, yellow = position("Red"), position("Yellow")
    moved = np.zeros(13)
    moved[9:12] = middleOf("Yellow") - middleOf("Red")
    assert np.linalg.norm(moved) > AWAY_MM
    assert np.allclose(yellow - red, moved, atol=1e-2), (red, yellow, moved)
    assert not black("Red")
    assert not black("Yellow")


def middleOf(name: str) -> np.ndarray:
    """Of the volume in a view, RAS mm."""
    bounds = [0.0] * 6
    logic = slicer.app.layoutManager().sliceWidget(name).sliceLogic()
    logic.GetBackgroundLayer().GetVolumeNode().GetRASBounds(bounds)
    return np.reshape(bounds, (3, 2)).mean(axis=1)


def black(name: str) -> bool:
    """Whether nothing is to be seen in a view."""
    connection = slicer.app.layoutManager().sliceWidget(name).sliceLogic().GetImageDataConnection()
    if connection is None:
        return True
    connection.GetProducer().Update()
    scalars = connection.GetProducer().GetOutputDataObject(0).GetPointData().GetScalars()
    return scalars is None or not vtk_to_numpy(scalars)[:, :3].any()


def wheel(name: str, by_mm: float) -> None:
    """As the wheel does it."""
    logic = slicer.app.layoutManager().sliceWidget(name).sliceLogic()
    logic.StartSliceNodeInteraction(node(name).SliceToRASFlag)
    logic.SetSliceOffset(logic.GetSliceOffset() + by_mm)
    logic.EndSliceNodeInteraction()


def zoomAndPan(name: str) -> None:
    """As drags do it."""
    logic, slice_node = slicer.app.layoutManager().sliceWidget(name).sliceLogic(), node(name)
    logic.StartSliceNodeInteraction(slice_node.FieldOfViewFlag)
    width, height, depth = slice_node.GetFieldOfView()
    slice_node.SetFieldOfView(width * 0.7, height * 0.7, depth)
    logic.EndSliceNodeInteraction()
    logic.StartSliceNodeInteraction(slice_node.XYZOriginFlag)
    slice_node.SetSliceOrigin(4.0, -3.0, 0.0)
    logic.EndSliceNodeInteraction()


def process() -> None:
    """Let the application do what is due."""
    for _ in range(PROCESSED):
        slicer.app.processEvents()
