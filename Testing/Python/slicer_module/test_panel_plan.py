"""Step 5 of the panel, with a simulated worker: a plan is propagated, a report is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import OutputError
from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small
from Testing.Python.slicer_module.plan_nodes import (
    PLACES,
    a_dose,
    a_plan,
    a_surface,
    an_outline,
    centre,
    centre_in_fixed,
    copies,
)
from Testing.Python.slicer_module.simulated import a_pair

pytestmark = pytest.mark.mrml


MADE = {"markups": a_plan, "segmentation": an_outline, "model": a_surface, "volume": a_dose}


@pytest.mark.parametrize("kind", MADE)
def test_a_plan_of_any_kind_is_carried_and_a_second_time_replaces_the_copy(clinic, kind: str) -> None:
    node = MADE[kind](clinic)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([node])
    scene = clinic.standin.scene
    clinic.press(clinic.ui.propagateButton)
    name, after = f"{node.GetName()} carried to MR (deformable)", scene.GetNumberOfNodes()
    assert scene.GetNodesByName(name).GetNumberOfItems() == 1, clinic.said
    assert clinic.said.startswith("Copies made: 1")
    clinic.press(clinic.ui.propagateButton)
    assert scene.GetNodesByName(name).GetNumberOfItems() == 1
    assert scene.GetNumberOfNodes() == after
    copy = scene.GetFirstNodeByName(name)
    assert np.linalg.norm(centre(copy) - centre_in_fixed(kind)) < 4.0


def test_a_plan_in_the_fixed_volume_is_carried_to_the_moving_one(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points, points_of
    from Tell2RegLib.space.point_files import PointList

    plan = fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), PLACES), "drawn in MR")
    clinic.find()
    clinic.fit()
    clinic.parameters.direction = "fixedToMoving"
    clinic.panel.plan.check([plan])
    clinic.press(clinic.ui.propagateButton)
    copy = clinic.standin.scene.GetFirstNodeByName("drawn in MR carried to US (deformable)")
    assert np.abs(points_of(copy).points_lps_mm - apply_affine(small.AFFINE, PLACES)).max() < 2.0
    assert clinic.ui.targetsTable.rowCount == 2
    clinic.ui.targetsTable.selectRow(1)


def test_a_plan_deleted_after_it_was_checked_is_no_error(clinic) -> None:
    plan, outline = a_plan(clinic), an_outline(clinic)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan, outline])
    clinic.standin.scene.RemoveNode(plan)
    clinic.press(clinic.ui.propagateButton)
    assert clinic.said.startswith("Copies made: 1")
    clinic.standin.scene.RemoveNode(outline)
    clinic.standin.process_events()
    assert clinic.ui.propagateButton.toolTip == "Choose at least one node to propagate."


def test_a_plan_that_cannot_be_carried_leaves_the_earlier_copies(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    plan = a_plan(clinic)
    far = replace(a_pair().moving.volume.grid, origin_lps_mm=(900.0, 900.0, 900.0))
    region = replace(a_pair().moving.regions[0], grid=far)
    away, _ = segmentation_from_regions(clinic.standin.scene, "away", [region], None)
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan])
    clinic.press(clinic.ui.propagateButton)
    earlier = clinic.standin.scene.GetFirstNodeByName("plan carried to MR (deformable)").GetID()
    clinic.panel.plan.check([plan, away])
    clinic.press(clinic.ui.propagateButton)
    assert clinic.said == "No segment of 'away' is inside 'MR'."
    assert [node.GetID() for node in copies(clinic)] == [earlier]


def test_what_was_checked_is_forgotten_with_its_scene(clinic) -> None:
    clinic.panel.plan.check([a_plan(clinic)])
    clinic.standin.scene.Clear(0)
    clinic.load()
    a_plan(clinic)
    clinic.standin.process_events()
    import qt

    assert clinic.ui.planList.count == 1
    assert clinic.ui.planList.item(0).checkState() == qt.Qt.Unchecked


# --- report ---


def test_a_report_goes_to_a_new_folder(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.worker.requests import ReportReply

    clinic.find()
    clinic.fit()
    (tmp_path / "US to MR").mkdir()
    clinic.standin.answers.expect(str(tmp_path))
    clinic.press(clinic.ui.reportButton)
    folder = clinic.client.request.folder
    assert folder == tmp_path / "US to MR 2"
    clinic.answer(lambda request: ReportReply(folder, folder / "report.html"))
    assert str(folder / "report.html") in clinic.said


def test_a_report_gets_the_true_places_of_all_its_targets_or_none(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    plan, scene = a_plan(clinic), clinic.standin.scene
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([plan])
    clinic.parameters.trueTargets = fiducials_from_points(scene, PointList(tuple(small.PLAN), PLACES), "truth")
    clinic.logic.saveReport(tmp_path / "all", [plan])
    assert np.allclose(clinic.client.request.plan_truth.points_lps_mm, PLACES)
    clinic.client.answer("on_cancelled")
    clinic.hear()
    clinic.parameters.trueTargets = fiducials_from_points(scene, PointList(("other",), PLACES[:1]), "other truth")
    clinic.logic.saveReport(tmp_path / "none", [plan])
    assert clinic.client.request.plan_truth is None


@pytest.mark.slow
def test_a_report_that_cannot_be_written_is_said(clinic, tmp_path: Path) -> None:
    from Tell2RegLib.fitting.settings import FitSettings
    from Tell2RegLib.worker import tasks

    (tmp_path / "a file").write_text("no folder")
    clinic.find()
    clinic.fit()
    clinic.standin.answers.expect(str(tmp_path / "a file"))
    clinic.press(clinic.ui.reportButton)
    request = clinic.client.request
    with pytest.raises(OutputError) as error:
        tasks.report(
            replace(request, fit=replace(request.fit, settings=FitSettings(kind="rigid"))),
            tasks.Run(lambda *_: None, lambda: False),
        )
    clinic.client.answer("on_error", "OutputError", str(error.value), "")
    clinic.hear()
    assert clinic.said == str(error.value)
    assert clinic.idle


def test_a_folder_dialog_that_is_cancelled_starts_nothing(clinic) -> None:
    clinic.find()
    clinic.fit()
    before = len(clinic.client.requests)
    clinic.standin.answers.expect("")
    clinic.press(clinic.ui.reportButton)
    assert len(clinic.client.requests) == before
