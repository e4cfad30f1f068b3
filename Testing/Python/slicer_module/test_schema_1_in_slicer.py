"""A result folder of schema version 1 (results/test_schema_1.py) in Slicer and in the panel."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.results.result_folder import read_result_transform
from Tell2RegLib.space.volume import read_volume
from Testing.Python.results.test_schema_1 import RECORD, RESULT

pytestmark = pytest.mark.mrml


def test_its_segmentations_are_paired_in_the_panel_as_they_were_then(a_panel_with) -> None:
    from Testing.Python.slicer_module.simulated import SimulatedClient

    widget = a_panel_with(SimulatedClient())
    import slicer

    from Testing.Python.scene import a_volume_node

    chosen, fixed = widget.logic.parameters, read_volume(RESULT / "moving_in_fixed.nrrd")
    moving_grid = read_result_transform(RESULT).moving_to_fixed.grid
    for side, array, grid in (
        ("fixed", fixed.array_kji, fixed.grid),
        ("moving", np.indices(moving_grid.shape_kji).sum(axis=0), moving_grid),
    ):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{side} regions")
        storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(RESULT / f"{side}_regions.seg.nrrd"))
        assert storage.ReadData(node) == 1
        setattr(chosen, f"{side}Volume", a_volume_node(slicer.mrmlScene, array, grid, side))
        setattr(chosen, f"{side}Segmentation", node)
    chosen.source = "segmentations"
    widget.logic.findRegions()
    assert [row.name for row in widget.logic.rows] == [pair["name"] for pair in RECORD["pairs"]]
    for row, pair in zip(widget.logic.rows, RECORD["pairs"], strict=True):
        assert row.dice == pytest.approx(pair["dice_before"], abs=1e-6)
        assert row.distance_mm == pytest.approx(pair["centroid_mm_before"], abs=1e-3)


def test_slicer_shows_its_transform_as_it_was_fitted() -> None:
    slicer = pytest.importorskip("slicer", reason="Slicer's MRML library: pip install -e .[slicer-tests]")
    from Tell2RegLib.slicer_module.scene.transforms import field_from_grid_node

    scene = slicer.vtkMRMLScene()
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode")
    storage = scene.AddNewNodeByClass("vtkMRMLTransformStorageNode")
    storage.SetFileName(str(RESULT / "fixed_to_moving.nrrd"))
    assert storage.ReadData(node) == 1
    field = read_result_transform(RESULT).fixed_to_moving
    shown = field_from_grid_node(node)
    assert shown.grid.same_space(field.grid)
    np.testing.assert_allclose(shown.vectors_kji, field.vectors_kji, atol=1e-5)
